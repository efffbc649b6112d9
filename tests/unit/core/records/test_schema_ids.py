"""Topics that want the ids of registered schemas: what is taken, refused, and asked about."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.errors import ErrorCode
from sprawl.core.log.config import LogConfig
from sprawl.core.records.batch import parse_header
from sprawl.core.records.compression import GZIP, NONE
from sprawl.core.records.record import encode_batch
from sprawl.core.records.schema_ids import (
    BY_MESSAGE,
    FITS,
    MESSAGE_DEPTH_MAX,
    NameStrategy,
    Part,
    SchemasUnknown,
    SchemaUse,
    UnregisteredSchemas,
    Verdict,
    check_schemas,
)
from sprawl.core.records.varint import append_varint

VALUES = LogConfig(confluent_value_schema_validation=True)
KEYS = LogConfig(confluent_key_schema_validation=True)
GUID = UUID(int=7)
SEVEN = b"\x00\x00\x00\x00\x07"
HEADER = "__value_schema_id"


def use(schema: int | UUID = 7, part: Part = Part.VALUE, message: tuple[int, ...] | None = None):
    return SchemaUse("t", part, NameStrategy.TOPIC, schema, message)


def check(
    *records: tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]],
    rules: LogConfig = VALUES,
    known: dict[SchemaUse, Verdict] | None = None,
    compression: int = NONE,
) -> None:
    batch = encode_batch([(0, *record) for record in records], compression=compression)
    known = {use(): FITS} if known is None else known
    check_schemas(memoryview(batch), parse_header(batch), topic="t", rules=rules, find=known.get)


def reasons(*records, **options) -> list[tuple[int, str]]:
    with pytest.raises(UnregisteredSchemas) as raised:
        check(*records, **options)
    assert raised.value.code is ErrorCode.INVALID_RECORD
    return [tuple(error) for error in raised.value.record_errors]


def asked(*records, **options) -> set[SchemaUse]:
    with pytest.raises(SchemasUnknown) as raised:
        check(*records, **options)
    return set(raised.value.uses)


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_records_that_name_a_fitting_schema_are_taken(compression: int) -> None:
    check((None, SEVEN, []), (b"k", SEVEN + b"data", []), compression=compression)


def test_a_null_names_no_schema() -> None:
    check((b"k", None, []))
    check((None, b"v", []), rules=KEYS, known={})


@pytest.mark.parametrize("value", [b"", b"text", SEVEN[:4], b"\x02" + bytes(16), b"\x01short"])
def test_a_value_without_an_id_is_refused(value: bytes) -> None:
    assert reasons((None, SEVEN, []), (None, value, [])) == [
        (1, "Its value does not begin with the id of a schema.")
    ]


def test_the_reason_of_the_registry_is_told() -> None:
    known = {use(): FITS, use(8): Verdict("names schema 8, which is nowhere")}
    eight = b"\x00\x00\x00\x00\x08"
    assert reasons((None, SEVEN, []), (None, eight, []), (None, eight, []), known=known) == [
        (1, "Its value names schema 8, which is nowhere."),
        (2, "Its value names schema 8, which is nowhere."),
    ]


def test_what_is_not_known_is_asked_about_at_once() -> None:
    rules = LogConfig(confluent_key_schema_validation=True, confluent_value_schema_validation=True)
    eight = b"\x00\x00\x00\x00\x08"
    assert asked((eight, SEVEN, []), (eight, eight, []), rules=rules) == {
        use(8, Part.KEY),
        use(8),
    }


def test_a_record_that_is_surely_wrong_needs_no_question() -> None:
    assert reasons((None, b"\x00\x00\x00\x00\x08", []), (None, b"", [])) == [
        (1, "Its value does not begin with the id of a schema.")
    ]


def test_a_guid_stands_for_a_schema_in_front_of_data_or_in_a_header() -> None:
    known = {use(GUID): FITS}
    name = b"\x01" + GUID.bytes
    check((None, name + b"data", []), (None, b"data", [(HEADER, name)]), known=known)
    assert reasons((None, name, [(HEADER, None)]), known=known)


def test_the_header_of_a_key_says_nothing_of_its_value() -> None:
    assert reasons((b"k", b"data", [("__key_schema_id", b"\x01" + GUID.bytes)]), known={})


def varints(*numbers: int) -> bytes:
    out = bytearray()
    for number in numbers:
        append_varint(out, number)
    return bytes(out)


def test_where_the_message_matters_it_is_read() -> None:
    known = {
        use(): BY_MESSAGE,
        use(message=(0,)): FITS,
        use(message=(1, 2)): Verdict("is another message"),
    }
    check((None, SEVEN + varints(0) + b"data", []), known=known)
    check((None, b"data", [(HEADER, SEVEN + varints(1, 0))]), known=known)
    assert reasons((None, SEVEN + varints(2, 1, 2), []), known=known) == [
        (0, "Its value is another message.")
    ]
    assert asked((None, SEVEN + varints(1, 5), []), known=known) == {use(message=(5,))}


@pytest.mark.parametrize(
    "indexes", [b"", varints(2, 1), varints(-1), varints(MESSAGE_DEPTH_MAX + 1), b"\xff" * 9]
)
def test_a_message_that_cannot_be_read_is_refused(indexes: bytes) -> None:
    known = {use(): BY_MESSAGE}
    assert reasons((None, SEVEN + indexes, []), known=known) == [
        (0, "Its value does not tell which message of its Protobuf schema it is.")
    ]


@given(
    st.lists(
        st.tuples(
            st.none() | st.binary(max_size=40),
            st.none() | st.binary(max_size=40),
            st.lists(
                st.tuples(
                    st.sampled_from([HEADER, "__key_schema_id", "x"]),
                    st.none() | st.binary(max_size=30),
                ),
                max_size=2,
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([FITS, BY_MESSAGE, None, Verdict("is refused")]),
)
def test_any_bytes_are_taken_refused_or_asked_about(records, verdict) -> None:
    rules = LogConfig(confluent_key_schema_validation=True, confluent_value_schema_validation=True)
    batch = encode_batch([(0, *record) for record in records])
    with contextlib.suppress(UnregisteredSchemas, SchemasUnknown):
        check_schemas(
            memoryview(batch),
            parse_header(batch),
            topic="t",
            rules=rules,
            find=lambda use: verdict,
        )
