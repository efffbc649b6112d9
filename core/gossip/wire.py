"""Packets and states as bytes. Every decoder is total: bad bytes raise `PacketFault`, nothing else.

    packet   u8 version, u32 cluster tag, then messages one after the other
    message  u8 kind, then (member: i32 node id, 16 bytes directory id; tag: 8 bytes, `member_tag`;
             address: u8 length, IP address in ASCII, u16 port)
       PING       u32 sequence, tag of the target, tag of the source
       PING_REQ   u32 sequence, target, address of the target
       ACK        u32 sequence, tag of the member that answers
       NACK       u32 sequence
       ALIVE      member, u64 epoch, u32 incarnation, address
       SUSPECT    member, u64 epoch, u32 incarnation, member that says so
       DEAD       the same
       LEFT       member, u64 epoch
       LOAD       member, u64 epoch, u32 sequence, u8 length, digest
    state    u8 version, u32 cluster tag, u8 1 for a request or 2 for an answer, sender,
             u32 number, then each: u8 state, ALIVE's fields, u32 sequence and u8 length of the
             digest (0 for none), digest
    probe    u8 version, u32 cluster tag, u8 3 for a request or 4 for an answer, u32 sequence, tag
             of the member that is asked; over the reliable channel, like a state

All numbers are big-endian. A sealed packet (keyring.py) has only the messages inside: its key is
the cluster's.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import ipaddress
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.gossip.model import MemberId, MemberState, PacketFault
from sprawl.core.ids import BrokerId
from sprawl.core.limits import (
    GOSSIP_DIGEST_BYTES_MAX,
    GOSSIP_HOST_BYTES_MAX,
    GOSSIP_MEMBERS_MAX,
    GOSSIP_PACKET_BYTES_MAX,
    GOSSIP_STATE_BYTES_MAX,
)

VERSION: Final = 1
EPOCH_MAX: Final = 2**63 - 1
INCARNATION_MAX: Final = 2**32 - 1
_REQUEST: Final = 1
_ANSWER: Final = 2
_PROBE: Final = 3
_PROBED: Final = 4
_PACKET: Final = struct.Struct(">BI")
_MEMBER: Final = struct.Struct(">i16s")
_LIFE: Final = struct.Struct(">QI")
_STATE: Final = struct.Struct(">BIB20sI")
_EXCHANGE: Final = struct.Struct(">BIB")
_PORT: Final = struct.Struct(">H")
TAG_BYTES: Final = 8
_PING: Final = struct.Struct(f">I{TAG_BYTES}s{TAG_BYTES}s")
_ACK: Final = struct.Struct(f">I{TAG_BYTES}s")
_U32: Final = struct.Struct(">I")
_LOAD_TAIL: Final = struct.Struct(">IB")
_EPOCH: Final = struct.Struct(">Q")
_MEMBER_BYTES: Final = _MEMBER.size
HEAD_BYTES: Final = _PACKET.size


class Kind(enum.IntEnum):
    """Kinds of messages."""

    PING = 1
    PING_REQ = 2
    ACK = 3
    NACK = 4
    ALIVE = 5
    SUSPECT = 6
    DEAD = 7
    LEFT = 8
    LOAD = 9


class Ping(NamedTuple):
    """Is `target` there? Another member at its address does not answer. Both are tags."""

    sequence: int
    target: bytes
    source: bytes


class PingReq(NamedTuple):
    """Please probe `target` for me."""

    sequence: int
    target: MemberId
    address: PeerAddress


class Ack(NamedTuple):
    """The member with this tag is there."""

    sequence: int
    member: bytes


class Nack(NamedTuple):
    """I am here, but got no answer from the member you asked about."""

    sequence: int


class Alive(NamedTuple):
    """A member lives, by its own word."""

    id: MemberId
    epoch: int
    incarnation: int
    address: PeerAddress


class Suspect(NamedTuple):
    """A member does not answer, says `source`."""

    id: MemberId
    epoch: int
    incarnation: int
    source: MemberId


class Dead(NamedTuple):
    """A member did not refute in time, says `source`."""

    id: MemberId
    epoch: int
    incarnation: int
    source: MemberId


class Left(NamedTuple):
    """A member left, by its own word."""

    id: MemberId
    epoch: int


class Load(NamedTuple):
    """A member's load digest; its bytes are judged by who wants them."""

    id: MemberId
    epoch: int
    sequence: int
    digest: bytes


Rumour: TypeAlias = Alive | Suspect | Dead | Left
Message: TypeAlias = Ping | PingReq | Ack | Nack | Rumour | Load


class StateEntry(NamedTuple):
    """A member in an exchange of everything."""

    state: MemberState
    alive: Alive
    load_sequence: int
    load: bytes
    """Empty for none."""


class State(NamedTuple):
    """Everything that `sender` knows."""

    is_request: bool
    sender: MemberId
    entries: list[StateEntry]


class StreamProbe(NamedTuple):
    """A ping, or its answer, over the reliable channel."""

    is_request: bool
    sequence: int
    member: bytes


def cluster_tag(cluster_id: str) -> int:
    """Tells packets of clusters apart that meet by mistake."""
    return int.from_bytes(hashlib.sha256(cluster_id.encode()).digest()[:4], "big")


def encode_head(tag: int) -> bytes:
    """What a packet begins with."""
    return _PACKET.pack(VERSION, tag)


def encode(message: Message) -> bytes:
    """One message."""
    match message:
        case Ping(sequence, target, source):
            return b"\1" + _U32.pack(sequence) + target + source
        case PingReq(sequence, target, address):
            return b"\2" + _U32.pack(sequence) + encode_member(target) + _encode_address(address)
        case Ack(sequence, member):
            return b"\3" + _U32.pack(sequence) + member
        case Nack(sequence):
            return b"\4" + _U32.pack(sequence)
        case Alive():
            return b"\5" + _encode_alive(message)
        case Suspect(member, epoch, incarnation, source):
            life = _LIFE.pack(epoch, incarnation)
            return b"\6" + encode_member(member) + life + encode_member(source)
        case Dead(member, epoch, incarnation, source):
            life = _LIFE.pack(epoch, incarnation)
            return b"\7" + encode_member(member) + life + encode_member(source)
        case Left(member, epoch):
            return b"\x08" + encode_member(member) + _EPOCH.pack(epoch)
        case Load(member, epoch, sequence, digest):
            tail = _LOAD_TAIL.pack(sequence, len(digest)) + digest
            return b"\x09" + encode_member(member) + _EPOCH.pack(epoch) + tail


def encode_state(state: State, tag: int) -> bytes:
    """Everything, for the reliable channel."""
    kind = _REQUEST if state.is_request else _ANSWER
    sender = encode_member(state.sender)
    parts = [_STATE.pack(VERSION, tag, kind, sender, len(state.entries))]
    for entry in state.entries:
        parts += (
            bytes((entry.state,)),
            _encode_alive(entry.alive),
            _LOAD_TAIL.pack(entry.load_sequence, len(entry.load)),
            entry.load,
        )
    return b"".join(parts)


def encode_stream_probe(probe: StreamProbe, tag: int) -> bytes:
    """A ping or its answer, for the reliable channel."""
    kind = _PROBE if probe.is_request else _PROBED
    return _EXCHANGE.pack(VERSION, tag, kind) + _ACK.pack(probe.sequence, probe.member)


def parse_packet(data: bytes, tag: int) -> list[Message]:
    """The messages of a packet.

    Raises:
        PacketFault: it is malformed, of another version or of another cluster.
    """
    if not HEAD_BYTES <= len(data) <= GOSSIP_PACKET_BYTES_MAX:
        raise PacketFault("malformed", f"a packet of {len(data)} bytes")
    version, its_tag = _PACKET.unpack_from(data)
    _judge_head(version, its_tag, tag)
    return parse_messages(data, HEAD_BYTES)


def parse_messages(data: bytes, at: int = 0) -> list[Message]:
    """The messages that begin at `at`, up to the end.

    Raises:
        PacketFault: they are malformed.
    """
    messages: list[Message] = []
    try:
        while at < len(data):
            parse = _PARSERS.get(data[at])
            if parse is None:
                raise PacketFault("malformed", f"message kind {data[at]}")
            message, at = parse(data, at + 1)
            messages.append(message)
    except (struct.error, IndexError, ValueError) as fault:
        raise PacketFault("malformed", f"message {len(messages)}: {fault}") from None
    return messages


def parse_exchange(data: bytes, tag: int) -> State | StreamProbe:
    """Read what came over the reliable channel.

    Raises:
        PacketFault: it is malformed, of another version or of another cluster.
    """
    if len(data) != _EXCHANGE.size + _ACK.size:
        return parse_state(data, tag)
    version, its_tag, kind = _EXCHANGE.unpack_from(data)
    _judge_head(version, its_tag, tag)
    if kind not in (_PROBE, _PROBED):
        raise PacketFault("malformed", f"a probe of kind {kind}")
    return StreamProbe(kind == _PROBE, *_ACK.unpack_from(data, _EXCHANGE.size))


def parse_state(data: bytes, tag: int) -> State:
    """Read `encode_state`'s bytes.

    Raises:
        PacketFault: they are malformed, of another version or of another cluster.
    """
    if not _STATE.size <= len(data) <= GOSSIP_STATE_BYTES_MAX:
        raise PacketFault("malformed", f"a state of {len(data)} bytes")
    version, its_tag, kind, sender, count = _STATE.unpack_from(data)
    _judge_head(version, its_tag, tag)
    if kind not in (_REQUEST, _ANSWER) or count > GOSSIP_MEMBERS_MAX:
        raise PacketFault("malformed", f"a state of kind {kind} with {count} members")
    entries: list[StateEntry] = []
    at = _STATE.size
    try:
        for _ in range(count):
            state = MemberState(data[at])
            alive, at = _parse_alive(data, at + 1)
            sequence, size = _LOAD_TAIL.unpack_from(data, at)
            load, at = _slice(data, at + _LOAD_TAIL.size, size)
            entries.append(StateEntry(state, alive, sequence, load))
    except (struct.error, IndexError, ValueError) as fault:
        raise PacketFault("malformed", f"member {len(entries)} of {count}: {fault}") from None
    if at != len(data):
        raise PacketFault("malformed", f"{len(data) - at} bytes after the last member")
    return State(kind == _REQUEST, _member_of(sender), entries)


def _judge_head(version: int, its_tag: int, tag: int) -> None:
    if version != VERSION:
        raise PacketFault("malformed", f"version {version}")
    if its_tag != tag:
        raise PacketFault("other_cluster", f"cluster tag {its_tag:08x}")


def _judge_epoch(epoch: int) -> None:
    if epoch > EPOCH_MAX:  # so that a larger one can always be taken
        raise ValueError(f"epoch {epoch}")


@functools.lru_cache(maxsize=GOSSIP_MEMBERS_MAX)
def encode_member(member: MemberId) -> bytes:
    """A member's 20 bytes."""
    return _MEMBER.pack(member.node_id, member.directory_id.bytes)


@functools.lru_cache(maxsize=GOSSIP_MEMBERS_MAX)
def member_tag(member: MemberId) -> bytes:
    """Names a member where it only has to be recognised: eight bytes, so that no two of a cluster
    are alike."""
    return hashlib.sha256(encode_member(member)).digest()[:TAG_BYTES]


@functools.lru_cache(maxsize=GOSSIP_MEMBERS_MAX)
def _member_of(data: bytes) -> MemberId:
    node_id, directory = _MEMBER.unpack(data)
    return MemberId(BrokerId(node_id), UUID(bytes=directory))


def parse_member(data: bytes, at: int) -> MemberId:
    """The member whose bytes begin at `at`.

    Raises:
        struct.error: there are too few of them.
    """
    return _member_of(data[at : at + _MEMBER_BYTES])


@functools.lru_cache(maxsize=GOSSIP_MEMBERS_MAX)
def _encode_address(address: PeerAddress) -> bytes:
    host = address.host.encode("ascii")
    if len(host) > GOSSIP_HOST_BYTES_MAX:
        raise ValueError(f"the host of {address} is no IP address")
    return bytes((len(host),)) + host + _PORT.pack(address.port)


@functools.lru_cache(maxsize=GOSSIP_MEMBERS_MAX)
def _address_of(host: bytes, port: int) -> PeerAddress:
    text = host.decode("ascii")
    ipaddress.ip_address(text)  # raises a ValueError
    if port == 0:
        raise ValueError("port 0")
    return PeerAddress(text, port)


def _parse_address(data: bytes, at: int) -> tuple[PeerAddress, int]:
    size = data[at]
    if size > GOSSIP_HOST_BYTES_MAX:
        raise ValueError(f"a host of {size} bytes")
    host, at = _slice(data, at + 1, size)
    (port,) = _PORT.unpack_from(data, at)
    return _address_of(host, port), at + _PORT.size


def _slice(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise ValueError(f"{size} bytes are announced, {len(data) - at} are there")
    return data[at : at + size], at + size


def _encode_alive(alive: Alive) -> bytes:
    life = _LIFE.pack(alive.epoch, alive.incarnation)
    return encode_member(alive.id) + life + _encode_address(alive.address)


def _parse_alive(data: bytes, at: int) -> tuple[Alive, int]:
    member = parse_member(data, at)
    epoch, incarnation = _LIFE.unpack_from(data, at + _MEMBER_BYTES)
    _judge_epoch(epoch)
    address, at = _parse_address(data, at + _MEMBER_BYTES + _LIFE.size)
    return Alive(member, epoch, incarnation, address), at


def _parse_ping(data: bytes, at: int) -> tuple[Ping, int]:
    return Ping(*_PING.unpack_from(data, at)), at + _PING.size


def _parse_ping_req(data: bytes, at: int) -> tuple[PingReq, int]:
    (sequence,) = _U32.unpack_from(data, at)
    at += _U32.size
    target = parse_member(data, at)
    address, at = _parse_address(data, at + _MEMBER_BYTES)
    return PingReq(sequence, target, address), at


def _parse_ack(data: bytes, at: int) -> tuple[Ack, int]:
    return Ack(*_ACK.unpack_from(data, at)), at + _ACK.size


def _parse_nack(data: bytes, at: int) -> tuple[Nack, int]:
    return Nack(*_U32.unpack_from(data, at)), at + _U32.size


def _parse_suspect(data: bytes, at: int) -> tuple[Suspect, int]:
    member, epoch, incarnation, source, at = _parse_charge(data, at)
    return Suspect(member, epoch, incarnation, source), at


def _parse_dead(data: bytes, at: int) -> tuple[Dead, int]:
    member, epoch, incarnation, source, at = _parse_charge(data, at)
    return Dead(member, epoch, incarnation, source), at


def _parse_charge(data: bytes, at: int) -> tuple[MemberId, int, int, MemberId, int]:
    member = parse_member(data, at)
    epoch, incarnation = _LIFE.unpack_from(data, at + _MEMBER_BYTES)
    _judge_epoch(epoch)
    at += _MEMBER_BYTES + _LIFE.size
    return member, epoch, incarnation, parse_member(data, at), at + _MEMBER_BYTES


def _parse_left(data: bytes, at: int) -> tuple[Left, int]:
    member = parse_member(data, at)
    (epoch,) = _EPOCH.unpack_from(data, at + _MEMBER_BYTES)
    _judge_epoch(epoch)
    return Left(member, epoch), at + _MEMBER_BYTES + _EPOCH.size


def _parse_load(data: bytes, at: int) -> tuple[Load, int]:
    member = parse_member(data, at)
    (epoch,) = _EPOCH.unpack_from(data, at + _MEMBER_BYTES)
    _judge_epoch(epoch)
    at += _MEMBER_BYTES + _EPOCH.size
    sequence, size = _LOAD_TAIL.unpack_from(data, at)
    if size > GOSSIP_DIGEST_BYTES_MAX:
        raise ValueError(f"a digest of {size} bytes")
    digest, at = _slice(data, at + _LOAD_TAIL.size, size)
    return Load(member, epoch, sequence, digest), at


_PARSERS: Final[dict[int, Callable[[bytes, int], tuple[Message, int]]]] = {
    Kind.PING: _parse_ping,
    Kind.PING_REQ: _parse_ping_req,
    Kind.ACK: _parse_ack,
    Kind.NACK: _parse_nack,
    Kind.ALIVE: _parse_alive,
    Kind.SUSPECT: _parse_suspect,
    Kind.DEAD: _parse_dead,
    Kind.LEFT: _parse_left,
    Kind.LOAD: _parse_load,
}
