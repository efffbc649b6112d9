"""Lifeguard's two numbers: how healthy we are ourselves, and how long a suspect has. Pure.

Source: Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for More Accurate Failure
Detection" (2018), section IV; the counting of missed nacks is memberlist's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sprawl.core.gossip.model import MemberId
    from sprawl.core.gossip.settings import GossipSettings


class Awareness:
    """The local health multiplier: 0 is well; a member that misses answers, or has to refute, waits
    longer before it blames others.

    Args:
        settings: `awareness_max` values from 0; always 0 without `has_local_health`.
    """

    __slots__ = ("_most", "score")

    def __init__(self, settings: GossipSettings) -> None:
        self._most = settings.awareness_max - 1 if settings.has_local_health else 0
        self.score = 0

    def add(self, delta: int) -> None:
        """A probe was answered (-1), was not, or had fewer nacks than helpers, or somebody
        suspects us (+1 each)."""
        self.score = min(max(self.score + delta, 0), self._most)

    def scale(self, time_ms: int) -> int:
        """A probe's interval or timeout as it applies now."""
        return time_ms * (self.score + 1)


class Suspicion:
    """The time a suspect has to refute: long at first, shorter with each other member that
    suspects it too.

        timeout = max - (max - min) * log(c + 1) / log(k + 1)

    Args:
        source: who suspects; does not count as a confirmation.
        confirmations: k; with 0 the shortest time applies at once.
        shortest_ms, longest_ms: min and max.
        now_ms: when the suspicion began.
    """

    __slots__ = ("_begun_ms", "_confirmations", "_longest_ms", "_shortest_ms", "_sources")

    def __init__(
        self,
        *,
        source: MemberId,
        confirmations: int,
        shortest_ms: int,
        longest_ms: int,
        now_ms: int,
    ) -> None:
        self._sources = {source}
        self._confirmations = confirmations
        self._shortest_ms = shortest_ms
        self._longest_ms = longest_ms
        self._begun_ms = now_ms

    def confirm(self, source: MemberId) -> bool:
        """Another member suspects it: is that new, and one of the k that count?"""
        if source in self._sources or len(self._sources) > self._confirmations:
            return False
        self._sources.add(source)
        return True

    def postpone(self, by_ms: int) -> None:
        """We stood still for so long and could not have heard a refutation."""
        self._begun_ms += by_ms

    @property
    def deadline_ms(self) -> int:
        if self._confirmations < 1:
            return self._begun_ms + self._shortest_ms
        share = math.log(len(self._sources)) / math.log(self._confirmations + 1)
        spread = self._longest_ms - self._shortest_ms
        return self._begun_ms + max(self._shortest_ms, int(self._longest_ms - share * spread))
