"""The whole play for the slow run, and by themselves the judges it has of its own."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import pytest

from tests.harness.islander import led_by
from tests.harness.routes import Route, differences, named
from tests.harness.silence import Silence, longest_silence
from tests.harness.twenty import Cast, play
from tests.sim.history import Event

A, B = ("t", 0), ("t", 1)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # clients that were thrown away under faults
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_twenty_nodes_lose_nothing_and_find_each_other_again(tmp_path: Path) -> None:
    for name in ("kafka", "aiokafka", "harness"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    outcome = play(Cast(seed=20), tmp_path)
    gc.collect()  # what the clients left open is complained of here, where it is known
    assert outcome.is_good, outcome.text()
    assert [act.name for act in outcome.acts] == ["join", "leave", "crash", "cut"]
    assert outcome.report.figures["acknowledged"] > 5_000
    assert outcome.island is not None
    assert outcome.island["not_held"] > 0
    assert outcome.island["not_held_but_acknowledged"] == 0


def test_routes_are_right_when_all_name_the_same_living_leaders() -> None:
    view = {A: Route(1, 5), B: Route(2, 6)}
    assert differences({1: view, 2: view}, {1, 2}, {A, B}) == {}


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (
            {1: {A: Route(1, 5)}, 2: {A: Route(2, 6)}},
            "the leader of t-0 is 1 by [1]; 2 by [2]",
        ),
        ({1: {A: Route(1, 5)}, 2: {}}, "the leader of t-0 is -1 by [2]; 1 by [1]"),
        ({1: {A: Route(3, 5)}, 2: {A: Route(3, 5)}}, "the leader of t-0 is 3, say all"),
        ({1: {A: Route(-1, 5)}, 2: {A: Route(-1, 5)}}, "the leader of t-0 is -1, say all"),
    ],
)
def test_what_is_wrong_with_routes_is_said(
    views: dict[int, dict[tuple[str, int], Route]], said: str
) -> None:
    assert differences(
        {node: {B: Route(1, 5), **view} for node, view in views.items()}, {1, 2}, {A, B}
    ) == {A: said}


def test_a_leader_is_asked_with_the_latest_epoch_that_anybody_names() -> None:
    views = {1: {A: Route(1, 5), B: Route(2, 6)}, 2: {A: Route(1, 7), B: Route(2, 6)}}
    assert named(views, {A, B}) == {1: {A: 7}, 2: {B: 6}}
    assert named(views, {A}) == {1: {A: 7}}


def test_nodes_lead_without_the_others_what_they_hold_most_replicas_of() -> None:
    view = {
        A: Route(1, 1, (1, 2, 3)),
        B: Route(1, 1, (2, 3, 4)),
        ("t", 2): Route(1, 1, (1, 4, 5)),
        ("t", 3): Route(1, 1, (1, 2, 3, 4)),
    }
    assert led_by({1, 2}, view) == {A}


def sent(index: int, at_s: float, process: int, kind: str = "ok") -> Event:
    return Event(index, int(at_s * 1e6), process, kind, "send", ("t", 0, index, str(index)))  # type: ignore[arg-type]


def polled(index: int, at_s: float, process: int, count: int) -> Event:
    value = tuple(("t", 0, place, str(place)) for place in range(count))
    return Event(index, int(at_s * 1e6), process, "ok", "poll", value)


def test_the_longest_silence_is_the_longest_time_without_an_answer() -> None:
    history = [
        sent(0, 0.0, 1),
        sent(1, 2.0, 1, "info"),
        sent(2, 5.0, 1),
        sent(3, 6.0, 2),
        sent(4, 9.0, 1),
    ]
    assert longest_silence(history, {1}, 0, 9_000_000) == Silence(process=1, seconds=5.0)
    assert longest_silence(history, {1}, 5_500_000, 8_000_000) == Silence(process=1, seconds=2.5)


def test_a_poll_without_records_is_no_answer() -> None:
    history = [polled(0, 0.0, 1, 2), polled(1, 3.0, 1, 0), polled(2, 7.0, 1, 1)]
    assert longest_silence(history, {1}, 0, 7_000_000) == Silence(process=1, seconds=7.0)


def test_a_client_is_not_silent_before_it_begins_nor_after_its_end() -> None:
    history = [sent(0, 10.0, 1), sent(1, 11.0, 1)]
    assert longest_silence(history, {1}, 0, 60_000_000) == Silence(process=1, seconds=1.0)
    assert longest_silence(history, {1}, 20_000_000, 60_000_000) is None
