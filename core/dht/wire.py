"""Messages as bytes.

    0   u8   version, 1
    1   u8   kind: 1 PING, 2 its answer, 3 FIND_NODE, 4 FIND_VALUE, 5 their answer, 6 STORE,
             7 its answer
    2   u32  request id
    6        FIND_NODE, FIND_VALUE: 32 bytes id
             answer to them: u8 count, each contact (32 bytes id, i32 node, u8 length of the rack's
             name, 255 for none, the name in UTF-8); the rest is a record, none if nothing is left
             STORE: a record
             answer to it: u8 result

All numbers are big-endian.
"""

from __future__ import annotations

import struct
from typing import Final, assert_never

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import ID_BYTES, Key, NodeId
from sprawl.core.dht.messages import (
    FindNode,
    FindValue,
    Found,
    Message,
    Ping,
    Pong,
    Store,
    Stored,
    StoreResult,
)
from sprawl.core.dht.records import Record, parse_record
from sprawl.core.errors import PeerFault
from sprawl.core.ids import BrokerId
from sprawl.core.limits import (
    DHT_MESSAGE_BYTES_MAX,
    DHT_MESSAGE_CONTACTS_MAX,
    DHT_RACK_BYTES_MAX,
)

VERSION: Final = 1
_HEAD: Final = struct.Struct(">BBI")
_CONTACT: Final = struct.Struct(">32siB")
_NO_RACK: Final = 255


def encode(message: Message) -> bytes:
    """The bytes of a message.

    Raises:
        ValueError: it has more contacts, or a rack with a longer name, than a message may have.
    """
    match message:
        case Ping(request_id):
            return _HEAD.pack(VERSION, 1, request_id)
        case Pong(request_id):
            return _HEAD.pack(VERSION, 2, request_id)
        case FindNode(request_id, target):
            return _HEAD.pack(VERSION, 3, request_id) + target.to_bytes(ID_BYTES)
        case FindValue(request_id, key):
            return _HEAD.pack(VERSION, 4, request_id) + key.to_bytes(ID_BYTES)
        case Found(request_id, contacts, record):
            parts = [_HEAD.pack(VERSION, 5, request_id), _encode_contacts(contacts)]
            if record is not None:
                parts.append(record.encoded)
            return b"".join(parts)
        case Store(request_id, record):
            return _HEAD.pack(VERSION, 6, request_id) + record.encoded
        case Stored(request_id, result):
            return _HEAD.pack(VERSION, 7, request_id) + bytes((result,))
        case _:
            assert_never(message)


def parse(data: bytes) -> Message:
    """Read a message.

    Raises:
        PeerFault: the bytes are none, or of a version not known here. Nothing else.
    """
    if not _HEAD.size <= len(data) <= DHT_MESSAGE_BYTES_MAX:
        raise PeerFault(f"DHT message of {len(data)} bytes")
    version, kind, request_id = _HEAD.unpack_from(data)
    if version != VERSION:
        raise PeerFault(f"DHT message of version {version}")
    at = _HEAD.size
    left = len(data) - at
    match kind:
        case 1 if left == 0:
            return Ping(request_id)
        case 2 if left == 0:
            return Pong(request_id)
        case 3 if left == ID_BYTES:
            return FindNode(request_id, Key(int.from_bytes(data[at:])))
        case 4 if left == ID_BYTES:
            return FindValue(request_id, Key(int.from_bytes(data[at:])))
        case 5:
            contacts, at = _parse_contacts(data, at)
            record: Record | None = parse_record(data[at:]) if at < len(data) else None
            return Found(request_id, contacts, record)
        case 6:
            return Store(request_id, parse_record(data[at:]))
        case 7 if left == 1 and data[at] <= StoreResult.FULL:
            return Stored(request_id, StoreResult(data[at]))
        case _:
            raise PeerFault(f"DHT message of kind {kind} with {left} bytes")


def _encode_contacts(contacts: tuple[Contact, ...]) -> bytes:
    if len(contacts) > DHT_MESSAGE_CONTACTS_MAX:
        raise ValueError(f"{len(contacts)} contacts in one message")
    parts = [bytes((len(contacts),))]
    for node_id, node, rack in contacts:
        if rack is None:
            parts.append(_CONTACT.pack(node_id.to_bytes(ID_BYTES), node, _NO_RACK))
            continue
        name = rack.encode()
        if len(name) > DHT_RACK_BYTES_MAX:
            raise ValueError(f"the name of rack {rack[:20]}... has {len(name)} bytes")
        parts.append(_CONTACT.pack(node_id.to_bytes(ID_BYTES), node, len(name)) + name)
    return b"".join(parts)


def _parse_contacts(data: bytes, at: int) -> tuple[tuple[Contact, ...], int]:
    contacts = []
    try:
        count = data[at]
        at += 1
        if count > DHT_MESSAGE_CONTACTS_MAX:
            raise PeerFault(f"{count} contacts in one DHT message")
        for _ in range(count):
            node_id, node, length = _CONTACT.unpack_from(data, at)
            at += _CONTACT.size
            rack = None
            if length != _NO_RACK:
                if length > DHT_RACK_BYTES_MAX or at + length > len(data):
                    raise PeerFault(f"a rack with a name of {length} bytes")
                rack = data[at : at + length].decode()
                at += length
            contacts.append(Contact(NodeId(int.from_bytes(node_id)), BrokerId(node), rack))
    except (struct.error, IndexError, UnicodeDecodeError) as fault:
        raise PeerFault(f"malformed contacts: {fault}") from None
    return tuple(contacts), at
