"""What is not right all the time, beside the faults that begin and end: the seed chooses.

Networks lose, double and reorder from the first connection until everything is healed. Clocks that
run fast or slow and pages that are not in the cache are no faults: they stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Self

from sim.world import World

CLOCK_DRIFT_MAX = 0.03
"""Far more than a quartz has, so that a few seconds show what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """See the module.

    Args:
        loss, duplication, reordering, late_s, segment_loss: as in network.LinkQuality.
        clock_rates: local seconds for each second of the world, by node.
        cold_odds: how often a read finds its bytes outside the page cache.
        splits: the nodes are split in two now and then.
    """

    loss: float
    duplication: float
    reordering: float
    late_s: float
    segment_loss: float
    clock_rates: dict[int, float]
    cold_odds: float
    splits: bool

    @classmethod
    def choose(cls, chance: Random, numbers: Iterable[int]) -> Self:
        """By chance, most of them right.

        Args:
            numbers: the nodes.
        """
        drift = chance.choice((0.0, CLOCK_DRIFT_MAX))
        return cls(
            loss=chance.choice((0.0, 0.0, 0.02, 0.3)),
            duplication=chance.choice((0.0, 0.0, 0.1)),
            reordering=chance.choice((0.0, 0.0, 0.1)),
            late_s=chance.choice((0.0, 0.5, 3.0)),
            segment_loss=chance.choice((0.0, 0.0, 0.005, 0.03)),
            clock_rates={each: round(1 + chance.uniform(-drift, drift), 4) for each in numbers},
            cold_odds=chance.choice((0.0, 0.0, 0.3)),
            splits=chance.choice((False, True)),
        )

    def begin(self, world: World) -> None:
        """Before the first node starts. The network is right again when it is healed."""
        quality = world.network.quality
        quality.loss = self.loss
        quality.duplication = self.duplication
        quality.reordering = self.reordering
        quality.late_s = self.late_s
        quality.segment_loss = self.segment_loss
        for number, rate in self.clock_rates.items():
            node = world.node(number)
            node.clock.set_rate(rate)
            node.disk.cold_odds = self.cold_odds

    def count(self, world: World) -> None:
        """What the network did to them, as rare states."""
        mishaps = world.network.mishaps
        world.sometimes("a datagram was lost", when=mishaps.datagrams_lost > 0)
        world.sometimes("a datagram was doubled", when=mishaps.datagrams_doubled > 0)
        world.sometimes("a datagram came late", when=mishaps.datagrams_late > 0)
        world.sometimes("a segment was lost", when=mishaps.segments_lost > 0)
        drifted = any(rate != 1.0 for rate in self.clock_rates.values())
        world.sometimes("clocks drifted apart", when=drifted)
