"""Records of __consumer_offsets, byte for byte Kafka's: group metadata and committed offsets.

A key starts with an int16 that names the record type: 0 and 1 are OffsetCommitKey, 2 is
GroupMetadataKey; 3 and above belong to the newer group types (KIP-848, KIP-932) and are left alone.
A value starts with an int16 schema version. Written are GroupMetadataValue 3 and OffsetCommitValue
3, or OffsetCommitValue 1 when the commit carries its own retention, as Kafka's coordinator does;
read is every version of both, 0 to 4, so that a copied __consumer_offsets can be taken over.

Source: group-coordinator schemas OffsetCommitKey/Value, GroupMetadataKey/Value; KIP-211, KIP-345,
KIP-915 (version 4 is flexible).
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from sprawl.core.groups.model import CommittedOffset

_INT16 = Struct(">h")
_INT32 = Struct(">i")
_OFFSET_KEY_TYPES = (0, 1)
_GROUP_KEY_TYPE = 2
_FIRST_FLEXIBLE_VERSION = 4
_NEWEST_VERSION = 4


class MalformedGroupRecord(ValueError):
    """A key or value of __consumer_offsets that is not what its version says."""


class OffsetKey(NamedTuple):
    group_id: str
    topic: str
    partition: int


class GroupKey(NamedTuple):
    group_id: str


class UnknownKey(NamedTuple):
    """A record of a type this coordinator does not own."""

    record_type: int


class PersistedMember(NamedTuple):
    """One member of a completed generation; `rebalance_timeout_ms` is -1 in version 0."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


class PersistedGroup(NamedTuple):
    """A group as of one completed rebalance.

    Args:
        state_timestamp_ms: wall time of the last state change, -1 when the version has none.
    """

    protocol_type: str
    generation_id: int
    protocol_name: str | None
    leader_id: str | None
    state_timestamp_ms: int
    members: tuple[PersistedMember, ...]


def encode_offset_key(group_id: str, topic: str, partition: int) -> bytes:
    group, name = group_id.encode(), topic.encode()
    return b"\x00\x01%b%b%b%b%b" % (
        _INT16.pack(len(group)),
        group,
        _INT16.pack(len(name)),
        name,
        _INT32.pack(partition),
    )


_OFFSET_VALUE_V3_HEAD = Struct(">hqih")
_OFFSET_VALUE_V1_HEAD = Struct(">hqh")
_INT64 = Struct(">q")


def encode_offset_value(committed: CommittedOffset) -> bytes:
    """OffsetCommitValue 3, or 1 when the commit has its own expiry (which drops the epoch)."""
    metadata = committed.metadata.encode()
    stamp = _INT64.pack(committed.commit_timestamp_ms)
    if committed.expire_timestamp_ms is None:
        head = _OFFSET_VALUE_V3_HEAD.pack(
            3, committed.offset, committed.leader_epoch, len(metadata)
        )
        return head + metadata + stamp
    head = _OFFSET_VALUE_V1_HEAD.pack(1, committed.offset, len(metadata))
    return head + metadata + stamp + _INT64.pack(committed.expire_timestamp_ms)


def encode_group_key(group_id: str) -> bytes:
    return _INT16.pack(_GROUP_KEY_TYPE) + _string(group_id)


def encode_group_value(group: PersistedGroup) -> bytes:
    """GroupMetadataValue 3."""
    out = bytearray(_INT16.pack(3))
    out += _string(group.protocol_type)
    out += _INT32.pack(group.generation_id)
    out += _nullable_string(group.protocol_name)
    out += _nullable_string(group.leader_id)
    out += _INT64.pack(group.state_timestamp_ms)
    out += _INT32.pack(len(group.members))
    for member in group.members:
        out += _string(member.member_id)
        out += _nullable_string(member.group_instance_id)
        out += _string(member.client_id)
        out += _string(member.client_host)
        out += _INT32.pack(member.rebalance_timeout_ms)
        out += _INT32.pack(member.session_timeout_ms)
        out += _INT32.pack(len(member.subscription))
        out += member.subscription
        out += _INT32.pack(len(member.assignment))
        out += member.assignment
    return bytes(out)


def parse_key(key: bytes) -> OffsetKey | GroupKey | UnknownKey:
    """Raises: MalformedGroupRecord when the key ends before its fields do."""
    reader = _Reader(key)
    record_type = reader.int16()
    if record_type in _OFFSET_KEY_TYPES:
        return OffsetKey(reader.string(), reader.string(), reader.int32())
    if record_type == _GROUP_KEY_TYPE:
        return GroupKey(reader.string())
    return UnknownKey(record_type)


def parse_offset_value(value: bytes) -> CommittedOffset:
    """Raises: MalformedGroupRecord, also for a version newer than 4."""
    reader = _Reader(value)
    version = reader.version()
    offset = reader.int64()
    leader_epoch = reader.int32() if version >= 3 else -1
    metadata = reader.string()
    commit_timestamp_ms = reader.int64()
    expire_timestamp_ms = reader.int64() if version == 1 else -1
    return CommittedOffset(
        offset,
        leader_epoch,
        metadata,
        commit_timestamp_ms,
        None if expire_timestamp_ms == -1 else expire_timestamp_ms,
    )


def parse_group_value(value: bytes) -> PersistedGroup:
    """Raises: MalformedGroupRecord, also for a version newer than 4."""
    reader = _Reader(value)
    version = reader.version()
    protocol_type = reader.string()
    generation_id = reader.int32()
    protocol_name = reader.nullable_string()
    leader_id = reader.nullable_string()
    state_timestamp_ms = reader.int64() if version >= 2 else -1
    members = tuple(_parse_member(reader, version) for _ in range(reader.array_length()))
    return PersistedGroup(
        protocol_type, generation_id, protocol_name, leader_id, state_timestamp_ms, members
    )


def _parse_member(reader: _Reader, version: int) -> PersistedMember:
    member = PersistedMember(
        member_id=reader.string(),
        group_instance_id=reader.nullable_string() if version >= 3 else None,
        client_id=reader.string(),
        client_host=reader.string(),
        rebalance_timeout_ms=reader.int32() if version >= 1 else -1,
        session_timeout_ms=reader.int32(),
        subscription=reader.blob(),
        assignment=reader.blob(),
    )
    reader.skip_tagged_fields()
    return member


def _string(text: str) -> bytes:
    raw = text.encode()
    return _INT16.pack(len(raw)) + raw


def _nullable_string(text: str | None) -> bytes:
    return b"\xff\xff" if text is None else _string(text)


class _Reader:
    """Reads one key or value; turns every way of ending early into MalformedGroupRecord."""

    __slots__ = ("_buffer", "_flexible", "_position")

    def __init__(self, buffer: bytes) -> None:
        self._buffer = buffer
        self._position = 0
        self._flexible = False

    def version(self) -> int:
        version = self.int16()
        if not 0 <= version <= _NEWEST_VERSION:
            raise MalformedGroupRecord(f"value version {version} is outside 0..{_NEWEST_VERSION}")
        self._flexible = version >= _FIRST_FLEXIBLE_VERSION
        return version

    def int16(self) -> int:
        return self._unpack(_INT16)

    def int32(self) -> int:
        return self._unpack(_INT32)

    def int64(self) -> int:
        return self._unpack(_INT64)

    def string(self) -> str:
        text = self.nullable_string()
        if text is None:
            raise MalformedGroupRecord("a required string is null")
        return text

    def nullable_string(self) -> str | None:
        length = self._uvarint() - 1 if self._flexible else self.int16()
        if length == -1:
            return None
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise MalformedGroupRecord("a string is not UTF-8") from error

    def blob(self) -> bytes:
        length = self._uvarint() - 1 if self._flexible else self.int32()
        return self._take(length)

    def array_length(self) -> int:
        length = self._uvarint() - 1 if self._flexible else self.int32()
        if not 0 <= length <= len(self._buffer) - self._position:
            raise MalformedGroupRecord(f"array of {length} elements does not fit the record")
        return length

    def skip_tagged_fields(self) -> None:
        if self._flexible:
            for _ in range(self._uvarint()):
                self._uvarint()
                self._take(self._uvarint())

    def _uvarint(self) -> int:
        value = shift = 0
        while shift < 35:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise MalformedGroupRecord("a varint is longer than five bytes")

    def _unpack(self, layout: Struct) -> int:
        try:
            value: int = layout.unpack_from(self._buffer, self._position)[0]
        except StructError as error:
            raise MalformedGroupRecord("the record ends inside a number") from error
        self._position += layout.size
        return value

    def _take(self, length: int) -> bytes:
        end = self._position + length
        if length < 0 or end > len(self._buffer):
            raise MalformedGroupRecord(f"{length} bytes do not fit the record")
        taken = self._buffer[self._position : end]
        self._position = end
        return taken
