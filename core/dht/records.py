"""What a leader says about its partition, and how two such words become one. Pure.

A record is a hint: it says where to ask first, never who leads. Records of one partition are
totally ordered by (term, config index, sequence) and, between equals, by their bytes; to merge is
to take the greater. So merging is commutative, associative and idempotent, no clock takes part, and
all nodes that saw the same records, in whatever order and how often, hold the same one.

Election safety (Raft, section 5.2) makes the leader a function of (group, term). Two records that
disagree on it are an alarm: a bug, or a node that lies in its own name.

    body       u8  version
               16 bytes topic id, i32 partition, i32 term, i64 config index, i64 sequence
               i64 leader's replica, i32 leader's node, i64 expires_ms
               u8  count, i64 each: the replicas; u64, bit i of it: the i-th one is in sync
               u16 length, the credential of the leader's node
    signature  u16 length, over "sprawl dht record" | cluster id | body
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from sprawl.core.dht.ids import NodeId, node_id_of
from sprawl.core.errors import PeerFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId
from sprawl.core.limits import (
    DHT_CREDENTIAL_BYTES_MAX,
    DHT_RECORD_REPLICAS_MAX,
    DHT_SIGNATURE_BYTES_MAX,
)

_VERSION: Final = 1
_FIXED: Final = struct.Struct(">B16siiqqqiqB")
_LENGTH: Final = struct.Struct(">H")
_IN_SYNC: Final = struct.Struct(">Q")
_CONTEXT: Final = b"sprawl dht record\0"


class Claim(NamedTuple):
    """What the leader of a partition wants others to know.

    Args:
        log_key: the partition, which is also its Raft group: the id of a topic is never reused.
        term: in which it leads.
        config_index: of the configuration in force.
        leader: its replica.
        replicas: all of the configuration, so that one of them can be asked when the leader moved.
        in_sync: those of them that follow closely, the leader among them: Kafka's ISR.
    """

    log_key: LogKey
    term: Term
    config_index: LogIndex
    leader: ReplicaId
    replicas: tuple[ReplicaId, ...]
    in_sync: tuple[ReplicaId, ...] = ()


class Record(NamedTuple):
    """A claim as it travels.

    Args:
        claim: what it says.
        sequence: grows with each publication of the same node.
        node: the leader's, as the transport names it.
        expires_ms: wall time after which nobody keeps it. No part of the order.
        credential: of the node that signed; its hash is the id of that node.
        signature: over all of the above and the cluster id.
        encoded: the bytes of all of it.
    """

    claim: Claim
    sequence: int
    node: BrokerId
    expires_ms: int
    credential: bytes
    signature: bytes
    encoded: bytes

    @property
    def publisher(self) -> NodeId:
        """The node that signed it."""
        return node_id_of(self.credential)

    @property
    def rank(self) -> tuple[int, int, int]:
        """What records of one partition are ordered by."""
        return (self.claim.term, self.claim.config_index, self.sequence)

    def is_after(self, other: Record) -> bool:
        """Does it win over another one of the same partition?"""
        return (self.rank, self.encoded) > (other.rank, other.encoded)

    def contradicts(self, other: Record) -> bool:
        """Do they name different leaders for the same term?"""
        mine, theirs = self.claim, other.claim
        return (
            mine.log_key == theirs.log_key
            and mine.term == theirs.term
            and (mine.leader, self.node) != (theirs.leader, other.node)
        )


def merge(one: Record, other: Record) -> Record:
    """The join of two records of the same partition: the later one."""
    return one if one.is_after(other) else other


class Signer(Protocol):
    """Signs what this node publishes. See signatures.py for one with a real key."""

    def sign(self, data: bytes) -> bytes:
        """A signature of the data with the key that belongs to the node's credential."""
        ...


class Trust(Protocol):
    """Judges what others signed."""

    def verifies(self, credential: bytes, data: bytes, signature: bytes) -> bool:
        """Was the data signed with the key of this credential? Never raises."""
        ...

    def is_member(self, node: NodeId) -> bool:
        """Is this a node of the cluster, as far as known here? A node that does not follow the
        registry says yes to all: then the certificates' authority is the only gate."""
        ...

    def is_at(self, node: NodeId, broker: BrokerId) -> bool:
        """Is the node of this id the one that the transport names so? Otherwise a member could
        speak in another one's name."""
        ...


def make_record(
    claim: Claim,
    *,
    sequence: int,
    node: BrokerId,
    expires_ms: int,
    cluster_id: str,
    credential: bytes,
    signer: Signer,
) -> Record:
    """A signed record.

    Raises:
        ValueError: more replicas, or a longer credential or signature, than a record may have; or
            one in sync that is not among the replicas.
    """
    if len(claim.replicas) > DHT_RECORD_REPLICAS_MAX:
        raise ValueError(f"a record of {len(claim.replicas)} replicas")
    if len(credential) > DHT_CREDENTIAL_BYTES_MAX:
        raise ValueError(f"a credential of {len(credential)} bytes")
    body = _FIXED.pack(
        _VERSION,
        claim.log_key.topic_id.bytes,
        claim.log_key.partition,
        claim.term,
        claim.config_index,
        sequence,
        claim.leader,
        node,
        expires_ms,
        len(claim.replicas),
    )
    body += struct.pack(f">{len(claim.replicas)}q", *claim.replicas)
    body += _IN_SYNC.pack(sum(1 << claim.replicas.index(each) for each in set(claim.in_sync)))
    body += _LENGTH.pack(len(credential)) + credential
    signature = signer.sign(_signed(cluster_id, body))
    if len(signature) > DHT_SIGNATURE_BYTES_MAX:
        raise ValueError(f"a signature of {len(signature)} bytes")
    encoded = body + _LENGTH.pack(len(signature)) + signature
    return Record(claim, sequence, node, expires_ms, credential, signature, encoded)


def parse_record(data: bytes) -> Record:
    """Read a record. Whether it is signed by whom it says: `is_genuine`.

    Raises:
        PeerFault: the bytes are no record.
    """
    try:
        version, topic, partition, term, config_index, sequence, leader, node, expires_ms, count = (
            _FIXED.unpack_from(data)
        )
        if version != _VERSION:
            raise PeerFault(f"DHT record of version {version}")
        if min(partition, term, config_index, sequence) < 0:
            raise PeerFault("DHT record with a number below 0")
        if count > DHT_RECORD_REPLICAS_MAX:
            raise PeerFault(f"DHT record of {count} replicas")
        at = _FIXED.size
        replicas = struct.unpack_from(f">{count}q", data, at)
        (in_sync,) = _IN_SYNC.unpack_from(data, at + 8 * count)
        at += 8 * count + _IN_SYNC.size
        credential, at = _take(data, at, DHT_CREDENTIAL_BYTES_MAX)
        signature, at = _take(data, at, DHT_SIGNATURE_BYTES_MAX)
    except struct.error as fault:
        raise PeerFault(f"malformed DHT record: {fault}") from None
    if at != len(data):
        raise PeerFault(f"{len(data) - at} bytes after a DHT record")
    if in_sync >> count:
        raise PeerFault("DHT record of more replicas in sync than there are")
    claim = Claim(
        LogKey(TopicId(UUID(bytes=topic)), partition),
        Term(term),
        LogIndex(config_index),
        ReplicaId(leader),
        tuple(map(ReplicaId, replicas)),
        tuple([ReplicaId(each) for bit, each in enumerate(replicas) if in_sync >> bit & 1]),
    )
    return Record(claim, sequence, BrokerId(node), expires_ms, credential, signature, data)


def is_genuine(record: Record, cluster_id: str, trust: Trust) -> bool:
    """Is it signed by a member of this cluster, as it says?"""
    publisher = record.publisher
    if not (trust.is_member(publisher) and trust.is_at(publisher, record.node)):
        return False
    body = record.encoded[: len(record.encoded) - _LENGTH.size - len(record.signature)]
    return trust.verifies(record.credential, _signed(cluster_id, body), record.signature)


def _signed(cluster_id: str, body: bytes) -> bytes:
    name = cluster_id.encode()
    return _CONTEXT + _LENGTH.pack(len(name)) + name + body


def _take(data: bytes, at: int, bytes_max: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(data, at)
    start = at + _LENGTH.size
    if length > bytes_max or start + length > len(data):
        raise PeerFault(f"a field of {length} bytes in a DHT record")
    return data[start : start + length], start + length
