"""The story of one topic name: what fits into one order, and what does not."""

from __future__ import annotations

import pytest

from tests.sim.checkers.linearizable import Operation, Verdict, check_linearizable
from tests.sim.checkers.models import TopicLife, TopicState

Step = tuple[str, object, object]
UNKNOWN = object()


def verdict(*steps: Step) -> Verdict:
    """Of operations one after the other; one of unknown outcome may take effect later."""
    operations = [
        Operation(
            name=name,
            argument=argument,
            result=None if result is UNKNOWN else result,
            called=2 * at,
            returned=None if result is UNKNOWN else 2 * at + 1,
        )
        for at, (name, argument, result) in enumerate(steps)
    ]
    return check_linearizable(TopicLife(), operations).verdict


@pytest.mark.parametrize(
    "steps",
    [
        [
            ("create", 2, True),
            ("set", ("a", "1"), True),
            ("grow", 3, True),
            ("grow", 3, False),
            ("describe", None, TopicState(3, (("a", "1"),))),
            ("create", 1, False),
            ("delete", None, True),
            ("describe", None, None),
            ("grow", 4, None),
            ("create", 1, True),
            ("describe", None, TopicState(1)),
        ],
        [("create", 2, UNKNOWN), ("delete", None, False), ("delete", None, True)],
        [("create", 2, UNKNOWN), ("describe", None, None)],
    ],
    ids=["a whole life", "it came late", "it never came"],
)
def test_what_one_controller_could_have_answered(steps: list[Step]) -> None:
    assert verdict(*steps) is Verdict.LINEARIZABLE


@pytest.mark.parametrize(
    "steps",
    [
        [("create", 2, True), ("delete", None, False)],
        [("create", 2, True), ("create", 2, True)],
        [("create", 2, True), ("set", ("a", "1"), True), ("describe", None, TopicState(2))],
        [("create", 2, True), ("grow", 3, True), ("describe", None, TopicState(2))],
        [("set", ("a", "1"), UNKNOWN), ("describe", None, TopicState(1))],
    ],
    ids=["not found", "made twice", "a config was lost", "partitions were lost", "from nowhere"],
)
def test_what_no_controller_could_have_answered(steps: list[Step]) -> None:
    assert verdict(*steps) is Verdict.IMPOSSIBLE
