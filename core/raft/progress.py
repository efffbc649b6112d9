"""What a leader knows of one follower, and how much it may send to it.

             accepted answer                        rejected, or unreachable
    PROBE ──────────────────> REPLICATE ──────────────────────────────────────> PROBE
      │ ^                         │
      │ └── snapshot is over ──┐  │ the next entry is not in the log any more
      └─────────────────────> SNAPSHOT <──────────────────────────────────────┘

PROBE sends one Append with at most one entry, and the next one after an answer or a heartbeat's.
REPLICATE sends ahead of the answers, as far as the window allows. SNAPSHOT sends nothing.
"""

from __future__ import annotations

import enum

from sprawl.core.ids import LogIndex
from sprawl.core.raft.log_port import NO_INDEX
from sprawl.core.raft.settings import RaftSettings


class ProgressState(enum.Enum):
    """How a leader sends to a follower."""

    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    """One follower.

    Attributes:
        match: entries up to here are the leader's and durable there.
        next: the entry to send next.
        received: entries up to here are the leader's, durable or not.
        sent_commit: the commit index it was told last, as far as that may have arrived.
        wants_commits: it said that clients read from it: it is told of commits at once.
        heard_tick: the leader's tick in which it was heard last.
        read_round: the last read round it has answered.
        is_paused: PROBE: an answer is awaited.
        may_ask: a regular heartbeat was sent since it was last asked what it has: its answer is a
            reason to ask again, should Appends have got lost.
    """

    __slots__ = (
        "_inflight",
        "_inflight_bytes",
        "heard_tick",
        "is_paused",
        "match",
        "may_ask",
        "next",
        "read_round",
        "received",
        "sent_commit",
        "state",
        "wants_commits",
    )

    def __init__(self, next_index: LogIndex, heard_tick: int) -> None:
        self.state = ProgressState.PROBE
        self.match = NO_INDEX
        self.next = next_index
        self.received = NO_INDEX
        self.heard_tick = heard_tick
        self.read_round = 0
        self.is_paused = False
        self.may_ask = False
        self.sent_commit = NO_INDEX
        self.wants_commits = False
        self._inflight: list[tuple[LogIndex, int]] | None = None
        self._inflight_bytes = 0

    @property
    def inflight_count(self) -> int:
        """Appends that were sent and not acknowledged."""
        return len(self._inflight) if self._inflight else 0

    def become_probe(self, next_index: int) -> None:
        """Ask where the logs match, from `next_index` down."""
        self.state = ProgressState.PROBE
        self.next = LogIndex(max(next_index, self.match + 1))
        self.is_paused = False
        self.sent_commit = NO_INDEX
        self._inflight = None
        self._inflight_bytes = 0

    def become_replicate(self) -> None:
        """Send ahead from the entry after the last one that matches."""
        self.state = ProgressState.REPLICATE
        self.next = LogIndex(max(self.match, self.received) + 1)
        self.is_paused = False

    def become_snapshot(self) -> None:
        """Wait until the shell has copied what the log cannot give."""
        self.become_probe(self.next)
        self.state = ProgressState.SNAPSHOT

    def is_full(self, settings: RaftSettings) -> bool:
        """Whether nothing may be sent at the moment."""
        if self.state is not ProgressState.REPLICATE:
            return self.is_paused or self.state is ProgressState.SNAPSHOT
        inflight = self._inflight
        return inflight is not None and (
            len(inflight) >= settings.inflight_appends_max
            or self._inflight_bytes >= settings.inflight_bytes_max
        )

    def sent(self, last_index: LogIndex, size_bytes: int) -> None:
        """Entries up to `last_index` were sent."""
        if self.state is ProgressState.PROBE:
            self.is_paused = True
            return
        self.next = LogIndex(last_index + 1)
        if self._inflight is None:
            self._inflight = []
        self._inflight.append((last_index, size_bytes))
        self._inflight_bytes += size_bytes

    def acknowledge(self, match: LogIndex, received: LogIndex) -> bool:
        """Take in an accepted answer; True when something new is durable there."""
        if received > self.received:
            self.received = received
            self._free_to(received)
        is_new = match > self.match
        if is_new:
            self.match = match
        if self.state is ProgressState.REPLICATE:
            self.next = LogIndex(max(self.next, self.match + 1, self.received + 1))
        return is_new

    def _free_to(self, index: LogIndex) -> None:
        inflight = self._inflight
        if inflight is None:
            return
        count = 0
        for last_index, size_bytes in inflight:
            if last_index > index:
                break
            self._inflight_bytes -= size_bytes
            count += 1
        if count == len(inflight):
            self._inflight = None
        elif count:
            del inflight[:count]
