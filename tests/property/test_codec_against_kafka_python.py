"""Byte for byte: our codec and kafka-python's, which reads Kafka's own schemas.

Every API, version and direction, with generated values: both encoders write the same bytes, and
both decoders read the same values from them. kafka-python's schema codec is taken below its message
classes, which rename and convert some fields; it neither writes unknown tagged fields nor knows a
zero UUID (it says None), nor a default for a tagged struct (it says None).
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from uuid import UUID

import pytest
from codec_messages import MESSAGES, Maker, Message, random_of

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec import (
    API_RANGES,
    RequestHeader,
    decode_request_body,
    decode_request_header,
    decode_response,
    encode_body,
    encode_request,
)
from sprawl.gateway.codec._generated.k64_unregister_broker import (
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.codec.schema import Field
from sprawl.gateway.codec.schema import Struct as StructSchema

with warnings.catch_warnings():  # it reads its files with a deprecated importlib.resources call
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.protocol.api_header import RequestHeader as OracleHeader
    from kafka.protocol.schemas import StructField, load_json

ROUNDS = 20
NO_ORACLE = frozenset({64})
"""kafka-python does not know UnregisterBroker; its bytes are written down below."""
KNOWN = [message for message in MESSAGES if message.api.key not in NO_ORACLE]


@cache
def oracle(name: str) -> StructField:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return StructField(load_json(name))


def as_oracle_value(field: Field, value: object, version: int) -> object:
    if isinstance(value, list):
        return [as_oracle_value(field, element, version) for element in value]
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, UUID):
        return None if value == ZERO_UUID else value
    if isinstance(value, Struct):
        assert field.struct is not None
        if field.tag is not None and not field.is_array and value == type(value)():
            return None
        return as_oracle_dict(field.struct, value, version)
    return value


def as_oracle_dict(schema: StructSchema, message: Struct, version: int) -> dict[str, object]:
    return {
        field.name: as_oracle_value(field, getattr(message, field.name), version)
        for field in schema.fields
        if version in field.versions
    }


def without_absent_tags(schema: StructSchema, values: dict[str, object]) -> dict[str, object]:
    """What kafka-python's decoder gives: tagged fields that were not sent are not there."""
    kept = {}
    for field in schema.fields:
        if field.name not in values:
            continue
        value = values[field.name]
        if field.tag is not None:
            empty = field.is_array or field.struct is not None or field.type_name == "uuid"
            if not value if empty else value == field.default:
                continue
        if field.struct is not None and isinstance(value, list):
            value = [without_absent_tags(field.struct, element) for element in value]
        elif field.struct is not None and value is not None:
            value = without_absent_tags(field.struct, value)
        kept[field.name] = value
    return kept


def decode(message: Message, version: int, body: bytes) -> Struct:
    key = message.api.key
    if message.is_request:
        return decode_request_body(key, version, memoryview(body), 0)
    flexible = version in message.api.flexible and key != 18
    correlation_id, decoded = decode_response(
        key, version, memoryview(b"\0\0\0\7" + b"\0" * flexible + body)
    )
    assert correlation_id == 7
    return decoded


@pytest.mark.parametrize("message", KNOWN, ids=str)
def test_both_codecs_agree(message: Message) -> None:
    theirs = oracle(message.schema.name)
    for version in message.versions:
        flexible = version in message.api.flexible
        rng = random_of(message, version)
        for _ in range(ROUNDS):
            ours = Maker(message, version, rng).build()
            values = as_oracle_dict(message.schema, ours, version)
            expected = theirs.encode(values, version=version, compact=flexible, tagged=flexible)

            written = b"".join(encode_body(message.api.key, version, message.is_request, ours))
            assert written == expected, f"v{version} {ours}"

            stream = io.BytesIO(written)
            read = theirs.decode(stream, version=version, compact=flexible, tagged=flexible)
            assert stream.tell() == len(written)
            assert read == without_absent_tags(message.schema, values), f"v{version} {ours}"

            assert decode(message, version, expected) == ours, f"v{version} {ours}"


def test_every_message_has_an_oracle() -> None:
    """Both directions of every API, and the newest version of each, are known to kafka-python."""
    assert len(KNOWN) == 2 * (len(API_RANGES) - len(NO_ORACLE))
    for message in KNOWN:
        known = oracle(message.schema.name)
        assert known.max_version == message.api.versions.high


def test_what_has_no_oracle_has_these_bytes() -> None:
    request = UnregisterBrokerRequest(broker_id=258)
    assert b"".join(encode_body(64, 0, True, request)) == b"\0\0\1\2\0"
    answer = UnregisterBrokerResponse(throttle_time_ms=1, error_code=102, error_message="no")
    assert b"".join(encode_body(64, 0, False, answer)) == b"\0\0\0\1\0\x66\x03no\0"
    answer = UnregisterBrokerResponse(error_code=0, error_message=None)
    assert b"".join(encode_body(64, 0, False, answer)) == b"\0\0\0\0\0\0\0\0"


@pytest.mark.parametrize("client_id", ["", "client-é", None])
@pytest.mark.parametrize("message", [m for m in MESSAGES if m.is_request], ids=str)
def test_request_headers_agree(message: Message, client_id: str | None) -> None:
    key = message.api.key
    for version in message.versions:
        theirs = OracleHeader(
            request_api_key=key,
            request_api_version=version,
            correlation_id=2**31 - 1,
            client_id=client_id,
        )
        head = theirs.encode(flexible=version in message.api.flexible)
        ours = RequestHeader(key, version, 2**31 - 1, client_id)
        body = Maker(message, version, random_of("header", message, version)).build()
        written = b"".join(encode_request(ours, body))
        assert written[4 : 4 + len(head)] == head
        assert decode_request_header(memoryview(written)[4:]) == (ours, len(head))
