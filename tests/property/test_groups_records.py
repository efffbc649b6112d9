"""Records of __consumer_offsets: what is written is read back; what is not a record is refused."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.groups.model import CommittedOffset
from sprawl.core.groups.records import (
    GroupKey,
    MalformedGroupRecord,
    OffsetKey,
    PersistedGroup,
    PersistedMember,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
    parse_group_value,
    parse_key,
    parse_offset_value,
)
from sprawl.core.groups.subscription import subscribed_topics

TEXT = st.text(max_size=40)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
BLOB = st.binary(max_size=40)
MEMBERS = st.builds(PersistedMember, TEXT, st.none() | TEXT, TEXT, TEXT, INT32, INT32, BLOB, BLOB)
GROUPS = st.builds(
    PersistedGroup,
    TEXT,
    INT32,
    st.none() | TEXT,
    st.none() | TEXT,
    INT64,
    st.lists(MEMBERS, max_size=4).map(tuple),
)


@given(TEXT, TEXT, INT32)
def test_keys_come_back(group_id: str, topic: str, partition: int) -> None:
    assert parse_key(encode_offset_key(group_id, topic, partition)) == OffsetKey(
        group_id, topic, partition
    )
    assert parse_key(encode_group_key(group_id)) == GroupKey(group_id)


@given(st.builds(CommittedOffset, INT64, INT32, TEXT, INT64, st.none()))
def test_offsets_come_back(committed: CommittedOffset) -> None:
    assert parse_offset_value(encode_offset_value(committed)) == committed


@given(GROUPS)
def test_groups_come_back(group: PersistedGroup) -> None:
    assert parse_group_value(encode_group_value(group)) == group


@given(st.integers(0, 5), st.binary(max_size=200))
def test_any_bytes_are_a_record_or_malformed(version: int, rest: bytes) -> None:
    record = version.to_bytes(2, "big") + rest
    for parse in (parse_key, parse_offset_value, parse_group_value):
        with suppress(MalformedGroupRecord):
            parse(record)
    subscribed_topics(record)
