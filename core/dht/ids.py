"""Names in the 256-bit space: nodes and keys, and how far apart they are. Pure.

An id is an int in [0, 2^256). The distance of two ids is their XOR, read as a number: it is
symmetric, and for a given id and distance there is exactly one other id (Kademlia, section 2.1).

A node cannot choose where it stands: its id is the SHA-256 of its credential, which is its public
key under TLS. That is what S/Kademlia (section 4.1) asks of ids, with the cluster's authority in
the place of a puzzle.
"""

from __future__ import annotations

import hashlib
from typing import Final, NewType
from uuid import UUID

from sprawl.core.ids import LogKey

NodeId = NewType("NodeId", int)
Key = NewType("Key", int)

ID_BITS: Final = 256
ID_BYTES: Final = ID_BITS // 8


def node_id_of(credential: bytes) -> NodeId:
    """The id that belongs to a credential: see `public_key_credential`, `directory_credential`."""
    return NodeId(int.from_bytes(hashlib.sha256(credential).digest()))


def public_key_credential(subject_public_key_info: bytes) -> bytes:
    """What a node with a certificate shows: the DER SubjectPublicKeyInfo in it (RFC 5280, section
    4.1.2.7). A renewed certificate for the same key leaves the node where it is.

    Raises:
        ValueError: the bytes are no DER sequence.
    """
    if len(subject_public_key_info) < 2 or subject_public_key_info[0] != _DER_SEQUENCE:
        raise ValueError("a SubjectPublicKeyInfo is a DER sequence")
    return subject_public_key_info


def directory_credential(cluster_id: str, directory_id: UUID) -> bytes:
    """What a node without TLS shows: the cluster and its data directory. Anybody can claim it."""
    return b"directory|" + cluster_id.encode() + b"|" + directory_id.bytes


def key_of(cluster_id: str, log_key: LogKey) -> Key:
    """Where the record of a partition lies: SHA-256(cluster | topic id | partition)."""
    name = cluster_id.encode() + b"|" + log_key.topic_id.bytes
    name += log_key.partition.to_bytes(4, signed=True)
    return Key(int.from_bytes(hashlib.sha256(name).digest()))


def shared_prefix(one: int, other: int) -> int:
    """How many leading bits two ids have in common, 256 for equal ones."""
    return ID_BITS - (one ^ other).bit_length()


_DER_SEQUENCE: Final = 0x30
