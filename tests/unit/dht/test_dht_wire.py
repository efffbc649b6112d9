"""Messages as bytes: what is written is read back, and no bytes make more than a `PeerFault`."""

from __future__ import annotations

from random import Random

import pytest
from dht_strategies import contacts, messages, records
from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import NodeId
from sprawl.core.dht.messages import Found, Message, Ping
from sprawl.core.dht.records import Record, parse_record
from sprawl.core.dht.wire import encode, parse
from sprawl.core.errors import PeerFault
from sprawl.core.ids import BrokerId
from sprawl.core.limits import DHT_MESSAGE_BYTES_MAX, DHT_MESSAGE_CONTACTS_MAX


@given(messages)
@settings(deadline=None)
def test_messages_survive_the_way(message: Message) -> None:
    assert parse(encode(message)) == message


@given(records())
@settings(deadline=None)
def test_records_survive_the_way(record: Record) -> None:
    assert parse_record(record.encoded) == record


@given(st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_message_or_a_fault(data: bytes) -> None:
    for start in (b"", b"\x01", b"\x01\x05\0\0\0\0", b"\x01\x06\0\0\0\0"):
        _parse_or_fault(start + data)


@given(messages, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_damaged_messages_are_a_message_or_a_fault(message: Message, rng: Random) -> None:
    data = bytearray(encode(message))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    _parse_or_fault(bytes(data))
    _parse_or_fault(bytes(data[: rng.randrange(len(data))]))
    _parse_or_fault(bytes(data) + b"\0")


def _parse_or_fault(data: bytes) -> None:
    try:
        message = parse(data)
    except PeerFault:
        return
    assert encode(message) == data, "only one way to say it"


def test_messages_cut_off_anywhere_are_refused() -> None:
    contact = Contact(NodeId(1), BrokerId(2), "rack-a")
    data = encode(Found(7, (contact,), None))
    for end in range(len(data)):
        with pytest.raises(PeerFault):
            parse(data[:end])


def test_an_answer_of_twenty_contacts_is_small() -> None:
    contact = Contact(NodeId(1), BrokerId(2), "eu-west-1a")
    assert len(encode(Found(7, (contact,) * 20, None))) < 1_000


@given(st.lists(contacts, min_size=64, max_size=64))
@settings(max_examples=20, deadline=None)
def test_the_largest_answer_fits_the_limit(found: list[Contact]) -> None:
    longest = [each._replace(rack="r" * 249) for each in found]
    assert len(encode(Found(0, tuple(longest), None))) < DHT_MESSAGE_BYTES_MAX - 3_000


def test_what_exceeds_a_limit_is_not_sent() -> None:
    contact = Contact(NodeId(1), BrokerId(2))
    with pytest.raises(ValueError, match="contacts"):
        encode(Found(0, (contact,) * (DHT_MESSAGE_CONTACTS_MAX + 1), None))
    with pytest.raises(ValueError, match="rack"):
        encode(Found(0, (contact._replace(rack="r" * 250),), None))


def test_another_version_is_refused() -> None:
    data = b"\x02" + encode(Ping(1))[1:]
    with pytest.raises(PeerFault, match="version 2"):
        parse(data)
