"""The story of one topic name: what fits into one order, and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.checkers.linearizable import FOREVER, Operation, Verdict, check_linearizable
from tests.sim.checkers.models import Absent, TopicLife, TopicState

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


def look(name: str, result: object, *, answered: int, follows: int | None = None) -> Operation:
    """A read of a copy."""
    return Operation(name=name, result=result, called=-1, returned=answered, follows=follows)


def do(name: str, argument: object, *, at: int, result: object = True) -> Operation:
    return Operation(name=name, argument=argument, result=result, called=at, returned=at + 1)


CHANGES = [do("create", 1, at=0), do("set", ("a", "1"), at=10), do("grow", 2, at=20)]


def judge(*looks: Operation) -> Verdict:
    return check_linearizable(TopicLife(), [*CHANGES, *looks]).verdict


def test_a_copy_may_be_behind() -> None:
    assert judge(look("partitions", None, answered=99)) is Verdict.LINEARIZABLE
    assert judge(look("partitions", 1, answered=99)) is Verdict.LINEARIZABLE
    assert judge(look("configs", (), answered=99)) is Verdict.LINEARIZABLE
    assert judge(look("partitions", 2, answered=98), look("partitions", 1, answered=99)) is (
        Verdict.LINEARIZABLE
    )


def test_a_copy_is_not_ahead_and_has_nothing_that_never_was() -> None:
    assert judge(look("partitions", 2, answered=15)) is Verdict.IMPOSSIBLE
    assert judge(look("configs", (("a", "2"),), answered=99)) is Verdict.IMPOSSIBLE
    assert judge(look("partitions", 3, answered=99)) is Verdict.IMPOSSIBLE


def test_a_copy_does_not_go_back() -> None:
    new = look("partitions", 2, answered=98)
    assert judge(new, look("partitions", 1, answered=99, follows=98)) is Verdict.IMPOSSIBLE
    assert judge(new, look("configs", (), answered=99, follows=98)) is Verdict.IMPOSSIBLE
    assert judge(new, look("configs", (("a", "1"),), answered=99, follows=98)) is (
        Verdict.LINEARIZABLE
    )


def test_a_copy_has_what_its_node_said_was_done() -> None:
    told = CHANGES[1].returned
    assert judge(look("configs", (), answered=99, follows=told)) is Verdict.IMPOSSIBLE
    assert judge(look("partitions", 1, answered=99, follows=told)) is Verdict.LINEARIZABLE


def has_an_order(operations: Sequence[Operation]) -> bool:
    """By trying all of them; those of unknown outcome may be left out from any place on."""
    return any(
        is_in_time(order) and is_accepted(order)
        for count in range(len(operations) + 1)
        for order in permutations(operations, count)
        if all(o in order for o in operations if o.returned is not None)
    )


def is_in_time(order: Sequence[Operation]) -> bool:
    returns = [FOREVER if o.returned is None else o.returned for o in order]
    places = {o.returned: place for place, o in enumerate(order)}
    return all(
        all(o.called < later for later in returns[place + 1 :])
        and (o.follows is None or places[o.follows] < place)
        for place, o in enumerate(order)
    )


def is_accepted(order: Sequence[Operation]) -> bool:
    model = TopicLife()
    state: TopicState | Absent | None = model.initial
    for operation in order:
        assert state is not None
        state = model.step(state, operation)
        if state is None:
            return False
    return True


def by_chance(rng: Random) -> list[Operation]:
    """A few operations of three clients, with answers that may be lies."""
    answers = (
        ("create", 1, (True, False)),
        ("delete", None, (True, False)),
        ("set", ("a", "1"), (True, False)),
        ("set", ("a", "2"), (True, False)),
        ("partitions", None, (None, 1)),
        ("configs", None, (None, (), (("a", "1"),), (("a", "2"),))),
    )
    places = rng.sample(range(12), 12)
    found: list[Operation] = []
    for _ in range(rng.randint(1, 5)):
        called, returned = sorted((places.pop(), places.pop()))
        name, argument, possible = rng.choice(answers)
        is_read = name in ("partitions", "configs")
        is_known = is_read or rng.random() < 0.8
        before = [o for o in found if o.returned is not None and o.returned < called]
        follows = rng.choice(before).returned if is_read and before else None
        found.append(
            Operation(
                name=name,
                argument=argument,
                result=rng.choice(possible) if is_known else None,
                called=-1 if is_read else called,
                returned=returned if is_known else None,
                follows=follows,
            )
        )
    return found


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_search_finds_an_order_where_there_is_one(seed: int) -> None:
    operations = by_chance(Random(seed))
    found = check_linearizable(TopicLife(), operations).verdict is Verdict.LINEARIZABLE
    assert found == has_an_order(operations), operations
