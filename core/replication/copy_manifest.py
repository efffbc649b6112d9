"""What leader and follower say to each other about a copy, as bytes. Pure.

    ask        topic id (16), then i32 partition, i64 leader, i64 follower, i32 term
    manifest   u32 size, JSON of that size, the producer table
    read       u64 session, u32 segment, u64 position, u32 size
    done       i64 index

The JSON has the fields of `Manifest` and of its plan; segments and epochs as lists of numbers. In
reads the attachment counts as the segment after the last.
"""

from __future__ import annotations

import json
import struct
from typing import Final, NamedTuple
from uuid import UUID

from sprawl.core.ids import LogIndex, LogKey, Offset, ReplicaId, Term, TopicId
from sprawl.core.log.copies import CopiedSegment, CopyPlan
from sprawl.core.log.epochs import EpochStart
from sprawl.core.raft.configuration import Configuration

_ASK: Final = struct.Struct(">16siqqi")
_READ: Final = struct.Struct(">QIQI")
_SIZE: Final = struct.Struct(">I")
_DONE: Final = struct.Struct(">q")
_NUMBER_MAX: Final = 2**63 - 1


class Ask(NamedTuple):
    """Who copies which log from whom, in which term of its group."""

    key: LogKey
    leader: ReplicaId
    follower: ReplicaId
    term: Term

    def encode(self) -> bytes:
        topic_id, partition = self.key
        return _ASK.pack(topic_id.bytes, partition, self.leader, self.follower, self.term)

    @classmethod
    def parse(cls, data: memoryview) -> Ask:
        """Raises: ValueError."""
        try:
            topic_id, partition, leader, follower, term = _ASK.unpack(data)
        except struct.error as fault:
            raise ValueError(f"not an offer of a copy: {fault}") from None
        key = LogKey(TopicId(UUID(bytes=topic_id)), partition)
        return cls(key, ReplicaId(leader), ReplicaId(follower), Term(term))


class Piece(NamedTuple):
    """A part of a segment, by its number in the manifest of a session."""

    session: int
    segment: int
    position: int
    size_bytes: int

    def encode(self) -> bytes:
        return _READ.pack(*self)

    @classmethod
    def parse(cls, data: memoryview) -> Piece:
        """Raises: ValueError."""
        try:
            return cls(*_READ.unpack(data))
        except struct.error as fault:
            raise ValueError(f"not a read of a copy: {fault}") from None


class Attachment(NamedTuple):
    """A file without which the copy of a log is of no use (copy_ports.Attached)."""

    name: str
    size_bytes: int


class Manifest(NamedTuple):
    """What there is to copy.

    Args:
        session: names the files at the leader.
        configuration: in force at the plan's last entry.
    """

    session: int
    configuration: Configuration
    plan: CopyPlan
    attachment: Attachment | None = None

    def encode(self) -> bytes:
        plan = self.plan
        head = json.dumps(
            {
                "session": self.session,
                "configuration": self.configuration.encode().hex(),
                "index": plan.index,
                "term": plan.term,
                "end_offset": plan.end_offset,
                "log_start_offset": plan.log_start_offset,
                "cleaned_to_offset": plan.cleaned_to_offset,
                "epochs": plan.epochs,
                "segments": plan.segments,
                "producers_offset": plan.producers_offset,
                "attachment": self.attachment,
            }
        ).encode()
        return _SIZE.pack(len(head)) + head + plan.producers

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read `encode`'s bytes, and check them.

        Raises:
            ValueError: they are not that, or contradict themselves.
        """
        try:
            (size,) = _SIZE.unpack_from(data)
            end = _SIZE.size + size
            if end > len(data):
                raise ValueError("cut off")
            found = json.loads(data[_SIZE.size : end])
            plan = CopyPlan(
                index=LogIndex(_number(found["index"])),
                term=Term(_number(found["term"])),
                end_offset=Offset(_number(found["end_offset"])),
                log_start_offset=Offset(_number(found["log_start_offset"])),
                cleaned_to_offset=Offset(_number(found["cleaned_to_offset"])),
                epochs=tuple(_epoch(*each) for each in found["epochs"]),
                segments=tuple(_segment(*each) for each in found["segments"]),
                producers_offset=_number(found["producers_offset"]),
                producers=data[end:],
            )
            plan.check()
            configuration = Configuration.parse(bytes.fromhex(found["configuration"]))
            attachment = _attachment(found.get("attachment"))
            return cls(_number(found["session"]), configuration, plan, attachment)
        except (ValueError, KeyError, TypeError, struct.error) as fault:
            raise ValueError(f"not the manifest of a copy: {fault}") from None


def _number(value: object) -> int:
    if type(value) is not int or not -1 <= value <= _NUMBER_MAX:
        raise ValueError(f"{value!r} is no number of a log")
    return value


def _epoch(term: object, index: object, offset: object) -> EpochStart:
    return EpochStart(Term(_number(term)), LogIndex(_number(index)), Offset(_number(offset)))


def _attachment(found: object) -> Attachment | None:
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
        raise ValueError(f"{found!r} is no attachment")
    return Attachment(found[0], _number(found[1]))


def _segment(*fields: object) -> CopiedSegment:
    *numbers, is_compacted = fields
    if type(is_compacted) is not bool:
        raise ValueError(f"{is_compacted!r} is no flag")
    base_offset, first_index, end_offset, end_index, size_bytes = map(_number, numbers)
    return CopiedSegment(base_offset, first_index, end_offset, end_index, size_bytes, is_compacted)


def encode_done(index: LogIndex) -> bytes:
    """The follower has everything up to `index`."""
    return _DONE.pack(index)


def parse_done(data: bytes) -> LogIndex:
    """Raises: ValueError."""
    try:
        return LogIndex(_DONE.unpack(data)[0])
    except struct.error as fault:
        raise ValueError(f"not the end of a copy: {fault}") from None
