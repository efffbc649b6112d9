"""Committed offsets of one coordinator: what is stored, what is in flight, what expires.

Rules:
 1. An offset is visible once its record is committed, never before; records of one
    __consumer_offsets partition are applied in log order.
 2. While a commit of a partition is in flight, a reader that asks for stable offsets is told
    UNSTABLE_OFFSET_COMMIT and tries again (KIP-447).
 3. Expiry (KIP-211): the offsets of a group with members stay while it is subscribed to the topic;
    an Empty group's age counts from the moment it became Empty; offsets of a group that never had
    members age from their own commit. A commit that carried its own retention keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.classic import ClassicGroup, GroupState
from sprawl.core.groups.model import CommittedOffset, FetchedOffset

TopicOffsets = dict[int, CommittedOffset]


class GroupOffsets:
    """The offsets of one group, by topic and partition."""

    __slots__ = ("by_topic", "in_flight")

    def __init__(self) -> None:
        self.by_topic: dict[str, TopicOffsets] = {}
        self.in_flight: dict[tuple[str, int], int] = {}

    def is_idle(self) -> bool:
        return not self.by_topic and not self.in_flight

    def get(self, topic: str, partition: int) -> CommittedOffset | None:
        partitions = self.by_topic.get(topic)
        return None if partitions is None else partitions.get(partition)

    def put(self, topic: str, partition: int, committed: CommittedOffset) -> None:
        self.by_topic.setdefault(topic, {})[partition] = committed

    def remove(self, topic: str, partition: int) -> None:
        partitions = self.by_topic.get(topic)
        if partitions is not None:
            partitions.pop(partition, None)
            if not partitions:
                del self.by_topic[topic]

    def begin(self, topic: str, partition: int) -> None:
        """A record for this partition has been sent to the log."""
        key = (topic, partition)
        self.in_flight[key] = self.in_flight.get(key, 0) + 1

    def end(self, topic: str, partition: int) -> None:
        """The record of the matching `begin` is committed or has failed."""
        key = (topic, partition)
        left = self.in_flight[key] - 1
        if left:
            self.in_flight[key] = left
        else:
            del self.in_flight[key]

    def partitions(self) -> Iterator[tuple[str, int]]:
        """Every partition that has an offset or will have one once its record is committed."""
        for topic, partitions in self.by_topic.items():
            for partition in partitions:
                yield topic, partition
        for topic, partition in self.in_flight:
            if self.get(topic, partition) is None:
                yield topic, partition

    def fetch(
        self, topic: str, partitions: Iterable[int], *, require_stable: bool
    ) -> list[FetchedOffset]:
        return [self._fetch_one(topic, partition, require_stable) for partition in partitions]

    def _fetch_one(self, topic: str, partition: int, require_stable: bool) -> FetchedOffset:
        if require_stable and (topic, partition) in self.in_flight:
            return FetchedOffset(partition, error=ErrorCode.UNSTABLE_OFFSET_COMMIT)
        committed = self.get(topic, partition)
        if committed is None:
            return FetchedOffset(partition)
        return FetchedOffset(
            partition, committed.offset, committed.leader_epoch, committed.metadata
        )


def expired_offsets(
    group: ClassicGroup, offsets: GroupOffsets, *, wall_ms: int, retention_ms: int
) -> list[tuple[str, int]]:
    """The partitions whose offsets the group may forget now (rule 3)."""
    empty_since_ms: int | None = None
    if group.protocol_type is not None:
        if group.state is GroupState.EMPTY:
            empty_since_ms = group.state_since_ms
        elif group.state is not GroupState.STABLE or group.subscribed_topics is None:
            return []
    expired = []
    for topic, partitions in offsets.by_topic.items():
        if group.is_subscribed_to(topic):
            continue
        for partition, committed in partitions.items():
            if (topic, partition) in offsets.in_flight:
                continue
            expires_ms = committed.expire_timestamp_ms
            if expires_ms is None:
                base_ms = empty_since_ms
                if base_ms is None:
                    base_ms = committed.commit_timestamp_ms
                expires_ms = base_ms + retention_ms
            if wall_ms >= expires_ms:
                expired.append((topic, partition))
    return expired
