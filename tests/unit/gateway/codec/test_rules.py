"""The rules of README.md: what a version can carry, and what a decoder refuses."""

from __future__ import annotations

import importlib
import tracemalloc
from collections.abc import Iterator
from uuid import UUID

import pytest
from codec_messages import MESSAGES, Maker, Message, random_of

from sprawl.core.errors import PeerFault
from sprawl.gateway import codec
from sprawl.gateway.codec._generated.k00_produce import NodeEndpoint, ProduceResponse
from sprawl.gateway.codec._generated.k01_fetch import (
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from sprawl.gateway.codec._generated.k03_metadata import MetadataRequest, MetadataRequestTopic
from sprawl.gateway.codec._generated.k09_offset_fetch import OffsetFetchRequest
from sprawl.gateway.codec._generated.k10_find_coordinator import FindCoordinatorRequest
from sprawl.gateway.codec._generated.k12_heartbeat import HeartbeatRequest, HeartbeatResponse
from sprawl.gateway.codec._generated.k18_api_versions import ApiVersionsRequest, ApiVersionsResponse
from sprawl.gateway.codec._generated.k61_describe_producers import DescribeProducersRequest
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.codec.schema import Field
from sprawl.gateway.codec.schema import Struct as StructSchema


def round_trip(key: int, version: int, body: Struct) -> Struct:
    request = type(body).__name__.endswith("Request")
    written = memoryview(b"".join(codec.encode_body(key, version, request, body)))
    if request:
        return codec.decode_request_body(key, version, written, 0)
    flexible = version >= codec.API_RANGES[key].flexible_from and key != 18
    return codec.decode_response(key, version, bytes(4) + b"\0" * flexible + bytes(written))[1]


# --- versions ------------------------------------------------------------------------------------


def test_a_field_that_the_version_lacks_must_keep_its_default() -> None:
    with pytest.raises(ValueError, match=r"HeartbeatRequest\.group_instance_id .* version 2"):
        codec.encode_body(12, 2, True, HeartbeatRequest(group_instance_id="i"))
    codec.encode_body(12, 3, True, HeartbeatRequest(group_instance_id="i"))


def test_an_ignorable_field_that_the_version_lacks_is_dropped() -> None:
    request = FetchRequest(rack_id="r", session_id=4)
    assert round_trip(1, 4, request) == FetchRequest()
    assert round_trip(1, 11, request) == request


Path = tuple[Field, ...]


def paths_to_absent(schema: StructSchema, version: int, path: Path = ()) -> Iterator[Path]:
    """Every field that the version lacks, with the fields that it stands in."""
    for field in schema.fields:
        if version not in field.versions:
            yield (*path, field)
        elif field.struct is not None:
            yield from paths_to_absent(field.struct, version, (*path, field))


def descend(maker: Maker, body: Struct, path: Path) -> Struct:
    """Make one struct for each step of the path. Returns: the one that holds the last field."""
    for field in path[:-1]:
        assert field.struct is not None
        inner = getattr(maker.classes, field.struct.class_name)()
        for child in field.struct.fields:
            if child.name == path[-1].name or maker.version not in child.versions:
                continue
            setattr(inner, child.name, maker.value(child))
        setattr(body, field.name, [inner] if field.is_array else inner)
        body = inner
    return body


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_every_absent_field_is_refused_or_dropped_as_kafka_does(message: Message) -> None:
    """Each field at any depth, set in each version that lacks it."""
    key = message.api.key
    for version in message.versions:
        rng = random_of("absent", message, version)
        for path in paths_to_absent(message.schema, version):
            field = path[-1]
            body = Maker(message, version, rng).build()
            holder = descend(Maker(message, version, rng), body, path)
            plain = b"".join(codec.encode_body(key, version, message.is_request, body))
            setattr(holder, field.name, something(Maker(message, field.versions.high, rng), field))
            if field.ignorable:
                written = codec.encode_body(key, version, message.is_request, body)
                assert b"".join(written) == plain
            else:
                with pytest.raises(ValueError, match=f"{field.name} is set"):
                    codec.encode_body(key, version, message.is_request, body)


def something(maker: Maker, field: Field) -> object:
    """A value that differs from the field's default."""
    default = [] if field.is_array else field.default
    while True:
        value = maker.value(field)
        if field.struct is not None and not field.is_array:
            default = getattr(maker.classes, field.struct.class_name)()
        if field.type_name == "uuid" and value == UUID(int=0):
            continue
        if value != default:
            return value


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_generated_messages_round_trip_with_unknown_tags_and_ignorable_fields(
    message: Message,
) -> None:
    """What the version carries comes back, unknown tagged fields included."""
    for version in message.versions:
        rng = random_of("round trip", message, version)
        for _ in range(5):
            body = Maker(message, version, rng, unknown_tags=True).build()
            assert round_trip(message.api.key, version, body) == body
            loaded = Maker(message, version, rng, ignorable=True).build()
            once = round_trip(message.api.key, version, loaded)
            assert round_trip(message.api.key, version, once) == once


def test_an_unknown_version_cannot_be_written() -> None:
    for key, version in ((12, 5), (12, -1), (0, 2), (999, 0)):
        with pytest.raises(ValueError, match="is not supported"):
            codec.encode_body(key, version, True, HeartbeatRequest())


# --- null ----------------------------------------------------------------------------------------


def test_null_is_written_only_where_the_version_allows_it() -> None:
    request = MetadataRequest(topics=None)
    assert b"".join(codec.encode_body(3, 1, True, request)) == b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match="MetadataRequest v0"):
        codec.encode_body(3, 0, True, request)
    with pytest.raises(ValueError, match="MetadataRequest v9"):
        codec.encode_body(3, 9, True, MetadataRequest(topics=[MetadataRequestTopic(name=None)]))
    codec.encode_body(3, 10, True, MetadataRequest(topics=[MetadataRequestTopic(name=None)]))


@pytest.mark.parametrize(
    ("key", "version", "body", "what"),
    [
        (3, 0, "ffffffff", "MetadataRequest.topics"),
        (3, 1, "00000001 ffff", "MetadataRequestTopic.name"),
        (3, 9, "02 00 00 01 00 00 00", "MetadataRequestTopic.name"),
        (10, 0, "ffff", "FindCoordinatorRequest.key"),
        (36, 0, "ffffffff", "SaslAuthenticateRequest.auth_bytes"),
        (36, 2, "00 00", "SaslAuthenticateRequest.auth_bytes"),
        (61, 0, "00 00", "DescribeProducersRequest.topics"),
    ],
)
def test_null_where_the_version_forbids_it_is_the_peers_fault(
    key: int, version: int, body: str, what: str
) -> None:
    with pytest.raises(PeerFault, match=what):
        codec.decode_request_body(key, version, memoryview(bytes.fromhex(body)), 0)


def test_null_is_a_value_that_the_version_lacks_where_empty_is_the_default() -> None:
    """OffsetFetch 8 has no top-level topics; null there means "all", not "none" (KIP-709)."""
    with pytest.raises(ValueError, match=r"OffsetFetchRequest\.topics is set"):
        codec.encode_body(9, 8, True, OffsetFetchRequest(topics=None))
    codec.encode_body(9, 8, True, OffsetFetchRequest())


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        HeartbeatRequest(generation_id=2**31),
        HeartbeatRequest(generation_id=1.5),  # type: ignore[arg-type]
        HeartbeatRequest(generation_id="1"),  # type: ignore[arg-type]
        HeartbeatRequest(group_id=b"g"),  # type: ignore[arg-type]
        HeartbeatRequest(group_id="x" * 32_768),
        HeartbeatRequest(group_id="\ud800"),
        FindCoordinatorRequest(),
    ],
    ids=["range", "float", "str", "bytes", "long", "surrogate", "class"],
)
@pytest.mark.parametrize("version", [0, 4])
def test_values_that_do_not_fit_raise_value_error(body: Struct, version: int) -> None:
    with pytest.raises(ValueError):
        codec.encode_body(12, version, True, body)


@pytest.mark.parametrize("version", [0, 4])
def test_the_longest_string_passes(version: int) -> None:
    body = HeartbeatRequest(group_id="x" * 32_767)
    assert round_trip(12, version, body) == body


def test_a_compact_string_of_more_than_an_int16_is_refused() -> None:
    body = b"\x81\x80\x02" + b"x" * 32_768 + b"\0\0\0\0\1\0\0"
    with pytest.raises(PeerFault, match="group_id"):
        codec.decode_request_body(12, 4, memoryview(body), 0)


def test_text_that_is_not_utf_8_is_read_as_kafka_reads_it() -> None:
    body = memoryview(bytes.fromhex("0002 67ff 00000000 0000"))
    decoded = codec.decode_request_body(12, 0, body, 0)
    assert decoded == HeartbeatRequest(group_id="g\ufffd")


# --- tagged fields -------------------------------------------------------------------------------


def test_tagged_fields_are_written_only_when_set() -> None:
    topics = [FetchableTopicResponse(partitions=[PartitionData()])]
    response = FetchResponse(responses=topics)
    plain = b"".join(codec.encode_body(1, 12, False, response))
    topics[0].partitions[0].diverging_epoch = EpochEndOffset(epoch=3, end_offset=77)
    told = b"".join(codec.encode_body(1, 12, False, response))
    content = bytes.fromhex("00000003 000000000000004d 00")
    assert len(told) == len(plain) + 2 + len(content)
    assert b"\1\0" + bytes([len(content)]) + content in told
    assert round_trip(1, 12, response) == response


def test_unknown_tagged_fields_are_kept_and_written_in_order() -> None:
    body = bytes.fromhex("01 01 02 05 01 aa 03 02 bbcc")
    decoded = codec.decode_request_body(18, 3, memoryview(body), 0)
    assert decoded == ApiVersionsRequest(unknown_tagged_fields={5: b"\xaa", 3: b"\xbb\xcc"})
    written = b"".join(codec.encode_body(18, 3, True, decoded))
    assert written == bytes.fromhex("01 01 02 03 02 bbcc 05 01 aa")


def test_unknown_tagged_fields_stand_between_known_ones() -> None:
    response = ApiVersionsResponse(zk_migration_ready=True, unknown_tagged_fields={2**20: b"z"})
    response.finalized_features_epoch = 5
    assert round_trip(18, 3, response) == response


def test_a_tag_that_the_version_defines_cannot_be_an_unknown_one() -> None:
    response = ApiVersionsResponse(zk_migration_ready=True, unknown_tagged_fields={3: b"\1"})
    with pytest.raises(ValueError, match="tag 3"):
        codec.encode_body(18, 3, False, response)


def test_unknown_tagged_fields_do_not_fit_a_version_without_tags() -> None:
    with pytest.raises(ValueError, match="unknown_tagged_fields"):
        codec.encode_body(12, 0, True, HeartbeatRequest(unknown_tagged_fields={9: b""}))


@pytest.mark.parametrize("content", ["00000000000000", "0000000000000000 00"])
def test_a_tagged_field_must_be_as_long_as_it_says(content: str) -> None:
    raw = bytes.fromhex(content)
    body = bytes.fromhex("0000 01 00000000 01 01") + bytes([len(raw)]) + raw
    with pytest.raises(PeerFault, match=r"tagged field 1|inside a field"):
        codec.decode_response(18, 3, memoryview(bytes(4) + body))


# --- sizes and limits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "version", "body"),
    [
        (3, 0, "7fffffff"),
        (3, 9, "ffffffff0f"),
        (61, 0, "02 02 61 ffffffff0f"),
        (18, 3, "01 01 ffffffff0f"),
        (18, 3, "01 01 01 00 ffffffff0f"),
        (36, 0, "7fffffff"),
        (0, 3, "ffff 0001 00000000 00000001 0001 74 00000001 00000000 7fffffff"),
    ],
)
def test_a_count_or_length_that_the_frame_cannot_hold_allocates_nothing(
    key: int, version: int, body: str
) -> None:
    frame = memoryview(bytes.fromhex(body))
    with pytest.raises(PeerFault):
        codec.decode_request_body(key, version, frame, 0)
    tracemalloc.start()
    with pytest.raises(PeerFault):
        codec.decode_request_body(key, version, frame, 0)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000


@pytest.mark.parametrize(
    ("key", "version", "body", "error"),
    [
        (3, 0, "00000004 0000 0000 0000", r"MetadataRequest\.topics announces 4 elements"),
        (3, 9, "04 0200 00 00 00", r"MetadataRequest\.topics announces 3 elements"),
        (61, 0, "02 02 61 04 00000000 00000000", "partition_indexes announces 3 elements"),
        (18, 3, "01 01 02 00 00", "tagged fields of ApiVersionsRequest announces 2 elements"),
        (18, 3, "01 01 01 00 02 00", "tagged field 0 of ApiVersionsRequest"),
        (12, 0, "0003 6162", "group_id has the length 3"),
        (12, 4, "04 6162", "group_id has the length 4"),
        (36, 0, "00000003 6162", "auth_bytes has the length 3"),
        (36, 2, "04 6162", "auth_bytes has the length 4"),
        (12, 0, "0001 61 0000", "HeartbeatRequest v0 ends after 5 bytes"),
    ],
)
def test_a_fault_names_the_field(key: int, version: int, body: str, error: str) -> None:
    """Caught where it is announced, before the elements are read."""
    with pytest.raises(PeerFault, match=error):
        codec.decode_request_body(key, version, memoryview(bytes.fromhex(body)), 0)


def test_elements_of_all_levels_count_against_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("sprawl.gateway.codec._generated.k61_describe_producers")
    topics = [module.TopicRequest(name="t", partition_indexes=[1, 2, 3]) for _ in range(4)]
    body = b"".join(codec.encode_body(61, 0, True, DescribeProducersRequest(topics=topics)))
    monkeypatch.setattr(codec, "REQUEST_ELEMENTS_MAX", 16)
    codec.decode_request_body(61, 0, memoryview(body), 0)
    monkeypatch.setattr(codec, "REQUEST_ELEMENTS_MAX", 15)
    with pytest.raises(PeerFault, match="partition_indexes announces 3 elements"):
        codec.decode_request_body(61, 0, memoryview(body), 0)


def test_unknown_tagged_fields_count_against_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    body = memoryview(bytes.fromhex("01 01 02 05 01 aa 03 02 bbcc"))
    monkeypatch.setattr(codec, "REQUEST_ELEMENTS_MAX", 1)
    with pytest.raises(PeerFault, match="tagged fields of ApiVersionsRequest announces 2"):
        codec.decode_request_body(18, 3, body, 0)


def test_a_real_frame_of_too_many_elements_is_refused() -> None:
    count = codec.REQUEST_ELEMENTS_MAX + 1
    body = b"\0\0\0\1\0\1t" + count.to_bytes(4, "big") + bytes(4 * count)
    with pytest.raises(PeerFault, match="FetchTopic"):
        codec.decode_request_body(1, 4, memoryview(bytes(17) + body), 0)


@pytest.mark.parametrize("varint", ["8080808010", "808080808000", "ffffffffff01"])
def test_a_varint_of_more_than_32_bits_is_refused(varint: str) -> None:
    frame = memoryview(bytes.fromhex(varint) + bytes(100))
    with pytest.raises(PeerFault, match="varint"):
        codec.decode_request_body(12, 4, frame, 0)


def test_bytes_after_a_request_are_passed_over() -> None:
    """librdkafka 2.16 ends a Metadata v13 request for all topics with three bytes too many."""
    body = b"".join(codec.encode_body(12, 4, True, HeartbeatRequest(group_id="g")))
    found = codec.decode_request_body(12, 4, memoryview(body + b"\0\1\0"), 0)
    assert found == HeartbeatRequest(group_id="g")


def test_bytes_after_a_response_are_refused() -> None:
    frame = b"".join(codec.encode_response(12, 4, 1, HeartbeatResponse()))[4:]
    with pytest.raises(PeerFault, match="1 bytes that mean nothing"):
        codec.decode_response(12, 4, memoryview(frame + b"\0"))


def test_a_position_past_the_frame_is_refused() -> None:
    with pytest.raises(PeerFault):
        codec.decode_request_body(12, 4, memoryview(b"\0"), 1)


def test_topic_ids_survive() -> None:
    request = FetchRequest(topics=[FetchTopic(topic_id=UUID(int=5)), FetchTopic()])
    assert round_trip(1, 13, request) == request


def test_leader_hints_of_produce_need_version_10() -> None:
    """The node endpoints of KIP-951 are not ignorable: a handler sets them from version 10 on."""
    response = ProduceResponse(node_endpoints=[NodeEndpoint(node_id=1, host="h", port=9092)])
    assert round_trip(0, 10, response) == response
    with pytest.raises(ValueError, match="node_endpoints"):
        codec.encode_body(0, 9, False, response)
