"""Checks that guard data. Unlike `assert`, nothing strips them.

A broken invariant means that going on could lose or fork a log. The group's owner stops the group,
keeps its files and says so; other groups go on.
"""

from __future__ import annotations

from typing import NoReturn


class InvariantBroken(Exception):
    """This replica, or one that it talks to, is in a state that Raft rules out.

    Args:
        invariant: its number in README.md.
    """

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


def broken(invariant: str, text: str) -> NoReturn:
    """Stop here: for callers that test the condition themselves, so that no text is made in vain.

    Raises:
        InvariantBroken: always.
    """
    raise InvariantBroken(invariant, text)


def check(condition: bool, invariant: str, text: str) -> None:
    """Go on only if the invariant holds.

    Raises:
        InvariantBroken: it does not.
    """
    if not condition:
        raise InvariantBroken(invariant, text)
