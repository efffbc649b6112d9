"""The numbers that shape a group's behaviour: one object shared by all groups of a node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftSettings:
    """Times count in ticks, so that the core needs no clock.

    Args:
        tick_ms: length of a tick for the owner that makes them. 100: fine enough for elections in
            seconds, coarse enough for thousands of awake groups.
        election_ticks: a follower that heard nothing for so long, up to twice as long, campaigns;
            a leader that lost its quorum for so long steps down. 10: a pause of the interpreter
            of half a second is no reason for an election.
        heartbeat_ticks: between two heartbeats of an awake leader. 2: four may get lost.
        hibernate_after_ticks: a group without work for so long hibernates; 0 for never. 50: what
            is written to every few seconds stays awake.
        append_bytes_max: entries of one Append; one larger entry goes alone. 1 MiB, what producers
            send at most by default.
        inflight_appends_max: Appends on the way to one follower. 32: a round trip of 30 ms is
            filled at 1,000 Appends a second.
        inflight_bytes_max: their bytes. 8 MiB for each follower of a busy group.
        uncommitted_bytes_max: what a leader takes in before some of it is committed. 32 MiB: two
            seconds of a fast disk; after that producers had better wait.
        catch_up_entries_max: how many entries a learner may lack to be made a voter. 2,048: they
            fit in two Appends, so that the commit index does not wait for it.
        campaign_first: the first voter of a group that never had a leader campaigns at its first
            tick, so that a new partition can be written to at once.
    """

    tick_ms: int = 100
    election_ticks: int = 10
    heartbeat_ticks: int = 2
    hibernate_after_ticks: int = 50
    append_bytes_max: int = 1_048_576
    inflight_appends_max: int = 32
    inflight_bytes_max: int = 8_388_608
    uncommitted_bytes_max: int = 33_554_432
    catch_up_entries_max: int = 2_048
    campaign_first: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat_ticks < self.election_ticks:
            raise ValueError("heartbeat_ticks has to be below election_ticks, both above 0")
        smallest = min(
            self.tick_ms,
            self.append_bytes_max,
            self.inflight_appends_max,
            self.inflight_bytes_max,
            self.uncommitted_bytes_max,
        )
        if smallest < 1 or self.hibernate_after_ticks < 0 or self.catch_up_entries_max < 0:
            raise ValueError(f"a bound is too small: {self}")

    @property
    def contact_ticks(self) -> int:
        """A peer that was silent for so long counts as out of contact for new appends: at least
        two heartbeats, half an election timeout when that is longer."""
        return max(2 * self.heartbeat_ticks + 1, self.election_ticks // 2)
