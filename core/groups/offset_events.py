"""Events that change committed offsets: commit, deletion, topic removal, expiry.

Each turns into records that are appended first and applied when they are committed (rules in
core/groups/offsets.py). All records of one event go into one append, so they commit together.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.classic import ClassicGroup
from sprawl.core.groups.model import (
    CommitRequest,
    CommitResult,
    CommittedOffset,
    FetchedOffset,
    LogRecord,
    Token,
)
from sprawl.core.groups.offsets import GroupOffsets, expired_offsets
from sprawl.core.groups.records import encode_offset_key, encode_offset_value
from sprawl.core.groups.turn import Done, Turn

logger = logging.getLogger(__name__)


class OffsetEvents:
    """Works on the coordinator's offsets by group id, which it shares."""

    __slots__ = ("_offsets",)

    def __init__(self, offsets: dict[str, GroupOffsets]) -> None:
        self._offsets = offsets

    def refuse(self, turn: Turn, token: Token, error: ErrorCode) -> None:
        turn.reply(token, CommitResult(error=error))

    def commit(
        self,
        turn: Turn,
        group: ClassicGroup,
        request: CommitRequest,
        token: Token,
        *,
        metadata_max: int,
    ) -> None:
        """Append the offsets; the answer follows once they are committed."""
        group_id = group.group_id
        wall_ms = turn.now.wall_ms
        expire_ms = None
        if request.retention_time_ms >= 0:
            expire_ms = wall_ms + request.retention_time_ms
        errors: list[ErrorCode] = []
        accepted: list[tuple[str, int, CommittedOffset]] = []
        records: list[LogRecord] = []
        for topic, partition, offset, leader_epoch, metadata in request.offsets:
            if len(metadata) > metadata_max:
                errors.append(ErrorCode.OFFSET_METADATA_TOO_LARGE)
                continue
            errors.append(ErrorCode.NONE)
            committed = CommittedOffset(offset, leader_epoch, metadata, wall_ms, expire_ms)
            accepted.append((topic, partition, committed))
            records.append(
                (encode_offset_key(group_id, topic, partition), encode_offset_value(committed))
            )
        if not accepted:
            turn.reply(token, CommitResult(errors=errors))
            return
        offsets = self._offsets.setdefault(group_id, GroupOffsets())
        for topic, partition, _ in accepted:
            offsets.begin(topic, partition)

        def stored(later: Turn, error: ErrorCode) -> None:
            for topic, partition, committed in accepted:
                offsets.end(topic, partition)
                if not error:
                    offsets.put(topic, partition, committed)
            self._drop_if_idle(group_id, offsets)
            later.reply(token, CommitResult(errors=_merge(errors, error)))

        turn.append(records, stored)

    def delete(
        self, turn: Turn, group: ClassicGroup, partitions: Sequence[tuple[str, int]], token: Token
    ) -> None:
        """OffsetDelete. A subscribed topic is refused; an offset that is not there is no error."""
        errors = [
            ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if group.is_subscribed_to(topic) else ErrorCode.NONE
            for topic, _ in partitions
        ]
        offsets = self._offsets.get(group.group_id)
        present = set() if offsets is None else set(offsets.partitions())
        allowed = (key for key, error in zip(partitions, errors, strict=True) if not error)
        keys = [key for key in dict.fromkeys(allowed) if key in present]

        def stored(later: Turn, error: ErrorCode) -> None:
            later.reply(token, CommitResult(errors=_merge(errors, error)))

        if keys:
            self.append_tombstones(turn, group, keys, done=stored)
        else:
            turn.reply(token, CommitResult(errors=errors))

    def expired(
        self, group: ClassicGroup, *, wall_ms: int, retention_ms: int
    ) -> tuple[list[tuple[str, int]], bool]:
        """Which offsets are past their retention, and whether the group has no others."""
        offsets = self._offsets.get(group.group_id)
        if offsets is None:
            return [], True
        keys = expired_offsets(group, offsets, wall_ms=wall_ms, retention_ms=retention_ms)
        return keys, len(keys) == sum(1 for _ in offsets.partitions())

    def append_tombstones(
        self,
        turn: Turn,
        group: ClassicGroup,
        keys: Sequence[tuple[str, int]],
        *,
        extra: Sequence[LogRecord] = (),
        done: Done | None = None,
    ) -> None:
        """Delete offsets by tombstones, with `extra` records after them in the same append."""
        group_id = group.group_id
        records: list[LogRecord] = [
            (encode_offset_key(group_id, topic, partition), None) for topic, partition in keys
        ]
        records.extend(extra)
        if not records:
            return
        offsets = self._offsets.get(group_id)
        for topic, partition in keys:
            assert offsets is not None
            offsets.begin(topic, partition)

        def stored(later: Turn, error: ErrorCode) -> None:
            if offsets is not None:
                for topic, partition in keys:
                    offsets.end(topic, partition)
                    if not error:
                        offsets.remove(topic, partition)
                self._drop_if_idle(group_id, offsets)
            if done is not None:
                done(later, error)

        turn.append(records, stored)

    def fetch(
        self, group_id: str, topic: str, partitions: Iterable[int], *, require_stable: bool
    ) -> list[FetchedOffset]:
        """The committed offsets of some partitions; -1 where there is none."""
        offsets = self._offsets.get(group_id)
        if offsets is None:
            return [FetchedOffset(partition) for partition in partitions]
        return offsets.fetch(topic, partitions, require_stable=require_stable)

    def fetch_all(
        self, group_id: str, *, require_stable: bool
    ) -> list[tuple[str, list[FetchedOffset]]]:
        """Every committed offset of the group, by topic."""
        offsets = self._offsets.get(group_id)
        if offsets is None:
            return []
        return [
            (topic, offsets.fetch(topic, partitions, require_stable=require_stable))
            for topic, partitions in offsets.by_topic.items()
        ]

    def _drop_if_idle(self, group_id: str, offsets: GroupOffsets) -> None:
        """Forget what holds nothing, unless newer offsets have taken its place: an append that ends
        late must not take along what was committed after it."""
        if offsets.is_idle() and self._offsets.get(group_id) is offsets:
            del self._offsets[group_id]


def _merge(errors: list[ErrorCode], error: ErrorCode) -> list[ErrorCode]:
    """A failed append fails every partition that had been accepted."""
    return [code or error for code in errors] if error else errors
