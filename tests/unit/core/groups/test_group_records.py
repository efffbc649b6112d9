"""Record formats of __consumer_offsets against bytes written by hand from Kafka's schemas."""

from __future__ import annotations

import pytest

from sprawl.core.groups.model import CommittedOffset
from sprawl.core.groups.records import (
    GroupKey,
    MalformedGroupRecord,
    OffsetKey,
    PersistedGroup,
    PersistedMember,
    UnknownKey,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
    parse_group_value,
    parse_key,
    parse_offset_value,
)


def raw(text: str) -> bytes:
    """Bytes from hex digits; everything after # on a line is a remark."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


OFFSET_KEY = raw(
    """
    0001            # version
    0002 6731       # group "g1"
    0003 746f70     # topic "top"
    00000007        # partition
    """
)
OFFSET_VALUE_V3 = raw(
    """
    0003                # version
    0000000000000102    # offset 258
    00000005            # leader epoch
    0002 6d64           # metadata "md"
    00000000000003e8    # commit timestamp 1000
    """
)
OFFSET_VALUE_V1 = raw(
    """
    0001 0000000000000102 0002 6d64 00000000000003e8
    00000000000007d0    # expire timestamp 2000
    """
)
OFFSET_VALUE_V4 = raw(
    """
    0004 0000000000000102 00000005
    03 6d64             # compact string: length + 1
    00000000000003e8
    01 00 02 abcd       # one tagged field: tag 0, two bytes
    """
)
OFFSET_VALUE_V0 = raw("0000 0000000000000102 0002 6d64 00000000000003e8")
GROUP_KEY = raw("0002 0002 6731")
GROUP_VALUE_V3 = raw(
    """
    0003                        # version
    0008 636f6e73756d6572       # protocol type "consumer"
    00000004                    # generation
    0005 72616e6765             # protocol "range"
    0002 6d31                   # leader "m1"
    00000000000003e8            # current state timestamp
    00000001                    # one member
      0002 6d31                 #   member id
      0001 69                   #   group instance id "i"
      0001 63                   #   client id
      0002 2f68                 #   client host "/h"
      0000ea60                  #   rebalance timeout
      00002710                  #   session timeout
      00000002 aabb             #   subscription
      00000001 cc               #   assignment
    """
)
GROUP_VALUE_V0 = raw(
    """
    0000 0008 636f6e73756d6572 00000004 0005 72616e6765 0002 6d31 00000001
      0002 6d31 0001 63 0002 2f68 00002710 00000002 aabb 00000001 cc
    """
)
GROUP_VALUE_V4 = raw(
    """
    0004 09 636f6e73756d6572 00000004 06 72616e6765 03 6d31 00000000000003e8
    02                          # compact array of one
      03 6d31 02 69 02 63 03 2f68 0000ea60 00002710 03 aabb 02 cc
      00                        #   no tagged fields
    00
    """
)
EMPTY_GROUP_VALUE_V3 = raw("0003 0000 00000000 ffff ffff 00000000000003e8 00000000")

OFFSET = CommittedOffset(258, 5, "md", 1000)
MEMBER = PersistedMember("m1", "i", "c", "/h", 60_000, 10_000, b"\xaa\xbb", b"\xcc")
GROUP = PersistedGroup("consumer", 4, "range", "m1", 1000, (MEMBER,))


def test_keys() -> None:
    assert encode_offset_key("g1", "top", 7) == OFFSET_KEY
    assert encode_group_key("g1") == GROUP_KEY
    assert parse_key(OFFSET_KEY) == parse_key(b"\0\0" + OFFSET_KEY[2:]) == OffsetKey("g1", "top", 7)
    assert parse_key(GROUP_KEY) == GroupKey("g1")
    assert parse_key(b"\0\x03rest") == UnknownKey(3)


def test_names_are_utf8_with_their_length_in_bytes() -> None:
    key = encode_offset_key("gü", "t€", 0)
    assert key[2:4] == b"\0\x03"
    assert parse_key(key) == OffsetKey("gü", "t€", 0)


def test_offset_values() -> None:
    assert encode_offset_value(OFFSET) == OFFSET_VALUE_V3
    assert parse_offset_value(OFFSET_VALUE_V3) == OFFSET
    assert parse_offset_value(OFFSET_VALUE_V4) == OFFSET
    assert parse_offset_value(OFFSET_VALUE_V0) == OFFSET._replace(leader_epoch=-1)


def test_offset_value_with_its_own_expiry_is_version_1() -> None:
    expiring = OFFSET._replace(expire_timestamp_ms=2000)
    assert encode_offset_value(expiring) == OFFSET_VALUE_V1
    assert parse_offset_value(OFFSET_VALUE_V1) == expiring._replace(leader_epoch=-1)


def test_group_values() -> None:
    assert encode_group_value(GROUP) == GROUP_VALUE_V3
    assert parse_group_value(GROUP_VALUE_V3) == GROUP
    assert parse_group_value(GROUP_VALUE_V4) == GROUP


def test_oldest_group_value() -> None:
    member = MEMBER._replace(group_instance_id=None, rebalance_timeout_ms=-1)
    assert parse_group_value(GROUP_VALUE_V0) == GROUP._replace(
        state_timestamp_ms=-1, members=(member,)
    )


def test_empty_group_value() -> None:
    group = PersistedGroup("", 0, None, None, 1000, ())
    assert encode_group_value(group) == EMPTY_GROUP_VALUE_V3
    assert parse_group_value(EMPTY_GROUP_VALUE_V3) == group


@pytest.mark.parametrize("version", [-1, 5])
def test_unknown_value_version(version: int) -> None:
    head = version.to_bytes(2, "big", signed=True)
    with pytest.raises(MalformedGroupRecord):
        parse_offset_value(head + OFFSET_VALUE_V3[2:])
    with pytest.raises(MalformedGroupRecord):
        parse_group_value(head + GROUP_VALUE_V3[2:])


@pytest.mark.parametrize("whole", [OFFSET_KEY, GROUP_KEY])
def test_cut_key(whole: bytes) -> None:
    for size in range(len(whole)):
        with pytest.raises(MalformedGroupRecord):
            parse_key(whole[:size])


def test_cut_values() -> None:
    for whole in (OFFSET_VALUE_V0, OFFSET_VALUE_V1, OFFSET_VALUE_V3):
        for size in range(len(whole)):
            with pytest.raises(MalformedGroupRecord):
                parse_offset_value(whole[:size])
    for whole in (GROUP_VALUE_V0, GROUP_VALUE_V3):
        for size in range(len(whole)):
            with pytest.raises(MalformedGroupRecord):
                parse_group_value(whole[:size])


@pytest.mark.parametrize(
    "value",
    [
        GROUP_VALUE_V3.replace(b"\0\0\0\x01\0\x02m1", b"\x7f\xff\xff\xff\0\x02m1"),
        GROUP_VALUE_V3.replace(b"range", b"\xff\xfe\xfd\xfc\xfb"),
        raw("0004 ffffffffff"),
        raw("0004 00"),
    ],
    ids=["more members than bytes", "not UTF-8", "endless varint", "null type"],
)
def test_nonsense_value(value: bytes) -> None:
    with pytest.raises(MalformedGroupRecord):
        parse_group_value(value)
