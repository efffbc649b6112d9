"""Feature levels: what a cluster's nodes may use, because every one of them knows it. Pure.

One feature, `sprawl.version`, stands for everything that programs of different versions must agree
on. Each program knows a range of its levels; the cluster is at one level, which is finalized by a
record of the metadata log and only ever raised when every registered node knows the new one:

    1   what nodes did before there were levels
    2   CHECKPOINTS: checkpoints of the metadata log may be written in place of its oldest records

A new record, or a new thing that nodes do, gets a level of its own, and is used from there on:
`if state.level >= CHECKPOINTS`.

Source: KIP-584 (feature versioning), KIP-778 (downgrades in KRaft).
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault

FEATURE: Final = "sprawl.version"
FIRST: Final = 1
CHECKPOINTS: Final = 2
"""Checkpoints of the metadata log may be written: a program that does not know them could not
follow the log any more."""
LOSSY: Final = frozenset({CHECKPOINTS})
"""Levels that leave behind what a program below them cannot read: no safe downgrade undoes them."""


class Levels(NamedTuple):
    """The levels that a program knows, both included."""

    min: int
    max: int

    def __str__(self) -> str:
        return f"{self.min}-{self.max}"

    def has(self, level: int) -> bool:
        return self.min <= level <= self.max


SUPPORTED: Final = Levels(FIRST, CHECKPOINTS)
"""What this program knows."""
UNTOLD: Final = Levels(FIRST, FIRST)
"""What a node knows that registered without a word on it: its program is from before levels."""


class UpgradeType(enum.IntEnum):
    """What a change of a level may be (int8 of UpdateFeatures)."""

    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


class FeatureUpdate(NamedTuple):
    """One wanted change.

    Args:
        kind: an UpgradeType, or what a client sent in place of one.
    """

    feature: str
    level: int
    kind: int


def check_known(node: int, known: Levels, level: int) -> None:
    """Whether a node can take part at the cluster's level.

    Raises:
        KafkaFault: UNSUPPORTED_VERSION.
    """
    if known.has(level):
        return
    raise KafkaFault(
        ErrorCode.UNSUPPORTED_VERSION,
        f"The cluster is at {FEATURE} {level}, but the program of node {node} knows {known} only.",
    )
