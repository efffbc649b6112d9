"""What a scenario knows about its clients and topics, so that checkers judge by the right rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ALWAYS_ALLOWED = frozenset({"int_send_skip"})
"""Others may write between two records of one transaction: Kafka never promised otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """How a history is to be judged. The defaults are the strictest rules.

    Args:
        sparse_topics: topics in which offsets without a record are normal: those with
            transactions, whose markers take offsets.
        deleting_topics: topics from which records may vanish, by compaction or retention; they
            are sparse too.
        lossy_topics: topics whose newest records a loss of power may take, acknowledged or not, so
            that their offsets and texts come again. What is read of them was sent there, and comes
            in order, all the same.
        at_least_once: processes whose sends may be stored more than once (no idempotence).
        ordered: processes with several sends under way that are stored in the order they were
            sent (idempotent producers).
        final: processes that read everything from the start once the faults are over; each is to
            find all that was known before it began. Only with them can a record be called unseen
            or vanished.
        judge_subscribers: an `assign` event stands wherever a group gave its member other
            partitions, so steps between two polls are judged under subscribe too.
        groups: the consumer group of a process; others are in the group "".
        commits_follow_reads: members commit only what they have read, so that every record up to
            a committed offset was read by some member.
        allowed: names of anomalies that are no errors.
        search_steps: steps of one linearizability search before it gives up.
    """

    sparse_topics: frozenset[str] = frozenset()
    deleting_topics: frozenset[str] = frozenset()
    lossy_topics: frozenset[str] = frozenset()
    at_least_once: frozenset[int] = frozenset()
    ordered: frozenset[int] = frozenset()
    final: frozenset[int] = frozenset()
    judge_subscribers: bool = False
    groups: Mapping[int, str] = field(default_factory=dict)
    commits_follow_reads: bool = False
    allowed: frozenset[str] = ALWAYS_ALLOWED
    search_steps: int = 500_000

    def is_dense(self, topic: str) -> bool:
        """Every offset holds a record."""
        return topic not in self.sparse_topics and topic not in self.deleting_topics

    def keeps(self, topic: str) -> bool:
        """What was acknowledged in it or read from it stays."""
        return topic not in self.deleting_topics and topic not in self.lossy_topics
