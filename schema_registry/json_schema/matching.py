"""A largest pairing between two sets, where only some pairs go together. Pure.

Source: H. W. Kuhn, "The Hungarian method for the assignment problem" (1955), augmenting paths.
"""

from __future__ import annotations

from collections.abc import Sequence


def largest_pairing(partners: Sequence[Sequence[int]]) -> list[int | None]:
    """Pair each left element with at most one right element, as many as can be.

    Args:
        partners: for each left element the right ones that it may be paired with.

    Returns:
        For each left element its partner; None: it has none.
    """
    left_of: dict[int, int] = {}
    for left in range(len(partners)):
        _augment(left, partners, left_of)
    result: list[int | None] = [None] * len(partners)
    for right, left in left_of.items():
        result[left] = right
    return result


def _augment(start: int, partners: Sequence[Sequence[int]], left_of: dict[int, int]) -> None:
    """Find one free right element along pairs that can be swapped, breadth first."""
    came_from: dict[int, int] = {}
    waiting = [start]
    for left in waiting:
        for right in partners[left]:
            if right in came_from:
                continue
            came_from[right] = left
            if right not in left_of:
                _swap(right, start, came_from, left_of)
                return
            waiting.append(left_of[right])


def _swap(
    right: int,
    start: int,
    came_from: dict[int, int],
    left_of: dict[int, int],
) -> None:
    right_of = {left: paired for paired, left in left_of.items()}
    while True:
        left = came_from[right]
        freed = right_of.get(left)
        left_of[right] = left
        if left == start or freed is None:
            return
        right = freed
