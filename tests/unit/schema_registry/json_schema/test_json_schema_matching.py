"""The pairing of alternatives is a largest one."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sprawl.schema_registry.json_schema.matching import largest_pairing

GRAPHS = st.lists(st.lists(st.integers(0, 4), max_size=5, unique=True), max_size=5)


@given(GRAPHS)
def test_a_pairing_is_allowed_and_no_other_is_larger(partners: list[list[int]]) -> None:
    pairing = largest_pairing(partners)
    paired = [right for right in pairing if right is not None]
    assert len(set(paired)) == len(paired)
    assert all(right is None or right in partners[left] for left, right in enumerate(pairing))
    largest = max(
        sum(right in partners[left] for left, right in enumerate(order))
        for order in itertools.permutations(range(5), len(partners))
    )
    assert len(paired) == largest


def test_a_long_chain_of_swaps() -> None:
    # Each takes the partner of the one before it, until the last free one is reached.
    partners = [[number, number + 1] for number in range(2_000)] + [[0]]
    assert None not in largest_pairing(partners)
