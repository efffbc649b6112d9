"""Frames: headers, the size prefix, the buffers that come out, and bytes written by hand."""

from __future__ import annotations

import subprocess
import sys
from uuid import UUID

import pytest

from sprawl.core.errors import PeerFault
from sprawl.gateway import codec
from sprawl.gateway.codec import API_RANGES, RequestHeader
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchableTopicResponse,
    FetchResponse,
    PartitionData,
)
from sprawl.gateway.codec._generated.k12_heartbeat import HeartbeatRequest, HeartbeatResponse
from sprawl.gateway.codec._generated.k18_api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)


def joined(buffers: list[codec.Buffer]) -> memoryview:
    return memoryview(b"".join(buffers))


def test_a_non_flexible_request_has_header_version_1() -> None:
    body = HeartbeatRequest(group_id="g", generation_id=5, member_id="m")
    written = joined(codec.encode_request(RequestHeader(12, 0, 7, "me"), body))
    assert written == bytes.fromhex(
        "00000016"  # size: 22 bytes follow
        "000c 0000 00000007"  # api key, version, correlation id
        "0002 6d65"  # client id "me"
        "0001 67 00000005 0001 6d"
    )
    assert codec.decode_request(written[4:]) == (RequestHeader(12, 0, 7, "me"), body)


def test_a_flexible_request_has_header_version_2_with_a_plain_client_id() -> None:
    body = HeartbeatRequest(group_id="g", generation_id=5, member_id="m", group_instance_id="i")
    written = joined(codec.encode_request(RequestHeader(12, 4, 7, "me"), body))
    assert written[4:] == bytes.fromhex(
        "000c 0004 00000007 0002 6d65 00"  # int16 length of the client id, no tagged fields
        "02 67 00000005 02 6d 02 69 00"
    )
    assert codec.decode_request(written[4:]) == (RequestHeader(12, 4, 7, "me"), body)


def test_a_client_id_may_be_null() -> None:
    written = joined(codec.encode_request(RequestHeader(12, 4, 7, None), HeartbeatRequest()))
    header, _ = codec.decode_request(written[4:])
    assert header.client_id is None


def test_tagged_fields_of_a_header_are_passed_over() -> None:
    frame = bytes.fromhex("000c 0004 00000007 ffff 02 00 02 abcd 8001 0001 00000000 01 00 00")
    header, body = codec.decode_request(memoryview(frame))
    assert header == RequestHeader(12, 4, 7, None)
    assert body == HeartbeatRequest()


@pytest.mark.parametrize(
    ("version", "header"), [(0, "00000009"), (3, "00000009"), (4, "00000009 00")]
)
def test_a_response_has_tagged_fields_in_its_header_from_the_flexible_version_on(
    version: int, header: str
) -> None:
    written = joined(codec.encode_response(12, version, 9, HeartbeatResponse()))
    assert written[4:].tobytes().startswith(bytes.fromhex(header))
    assert int.from_bytes(written[:4], "big") == len(written) - 4
    assert codec.decode_response(12, version, written[4:]) == (9, HeartbeatResponse())


def test_an_api_versions_response_never_has_tagged_fields_in_its_header() -> None:
    body = ApiVersionsResponse(api_keys=[ApiVersion(api_key=18, max_version=4)])
    written = joined(codec.encode_response(18, 3, 9, body))
    assert written[4:] == bytes.fromhex("00000009 0000 02 0012 0000 0004 00 00000000 00")
    assert codec.decode_response(18, 3, written[4:]) == (9, body)


def test_the_fallback_of_api_versions_is_a_version_0_body() -> None:
    written = joined(codec.encode_api_versions_fallback(9, 0, 4))
    assert written == bytes.fromhex("00000010 00000009 0023 00000001 0012 0000 0004")
    correlation_id, body = codec.decode_response(18, 3, written[4:])
    assert correlation_id == 9
    assert isinstance(body, ApiVersionsResponse)
    assert body.api_keys == [ApiVersion(api_key=18, min_version=0, max_version=4)]


def test_a_request_of_an_unknown_version_keeps_a_readable_header() -> None:
    """A newer client's ApiVersions request must be answered, not dropped (KIP-511)."""
    frame = memoryview(bytes.fromhex("0012 0063 00000009 0001 63 00 aabbcc"))
    header, pos = codec.decode_request_header(frame)
    assert header == RequestHeader(18, 99, 9, "c")
    assert frame[pos:] == b"\xaa\xbb\xcc"
    with pytest.raises(PeerFault, match="ApiVersionsRequest v99 is not supported"):
        codec.decode_request_body(18, 99, frame, pos)


def test_a_request_of_an_unknown_api_keeps_a_readable_header() -> None:
    frame = memoryview(bytes.fromhex("03e7 0001 00000009 0001 63 00"))
    header, pos = codec.decode_request_header(frame)
    assert (header, pos) == (RequestHeader(999, 1, 9, "c"), 11)
    with pytest.raises(PeerFault, match="api 999"):
        codec.decode_request_body(999, 1, frame, pos)


def test_records_of_a_produce_request_are_a_view_of_the_frame() -> None:
    records = bytes(range(200))
    request = ProduceRequest(
        topic_data=[
            TopicProduceData(
                name="t", partition_data=[PartitionProduceData(index=1, records=records)]
            )
        ]
    )
    for version in (3, 12):
        written = bytearray(
            joined(codec.encode_request(RequestHeader(0, version, 1, "c"), request))
        )
        _, decoded = codec.decode_request(memoryview(written)[4:])
        assert isinstance(decoded, ProduceRequest)
        view = decoded.topic_data[0].partition_data[0].records
        assert isinstance(view, memoryview)
        assert view.obj is written
        assert view == records
        view[0] = 99
        assert 99 in written, "the log stamps offsets in place"


def test_records_of_a_fetch_response_are_not_copied() -> None:
    first, second = memoryview(b"a" * 100), b"b" * 50
    partitions = [
        PartitionData(partition_index=0, records=[first, second]),
        PartitionData(partition_index=1, records=None),
        PartitionData(partition_index=2, records=b""),
        PartitionData(partition_index=3, records=second),
    ]
    response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])
    for version in (4, 12):
        buffers = codec.encode_response(1, version, 1, response)
        assert buffers[1] is first
        assert buffers[2] is second
        assert buffers[4] is second
        written = joined(buffers)
        assert int.from_bytes(written[:4], "big") == len(written) - 4
        _, decoded = codec.decode_response(1, version, written[4:])
        assert isinstance(decoded, FetchResponse)
        read = [partition.records for partition in decoded.responses[0].partitions]
        assert read == [bytes(first) + second, None, b"", second]


def test_a_body_alone_has_neither_header_nor_size() -> None:
    assert joined(codec.encode_body(12, 0, False, HeartbeatResponse(error_code=3))) == b"\0\3"


def test_api_ranges_are_those_of_kafka() -> None:
    fetch = API_RANGES[1]
    assert (fetch.name, fetch.min_version, fetch.max_version) == ("Fetch", 4, 18)
    assert fetch.flexible_from == 12
    handshake = API_RANGES[17]
    assert handshake.max_version < handshake.flexible_from, "SaslHandshake never went flexible"


def test_an_unstable_version_is_known_but_not_announced() -> None:
    assert API_RANGES[22].max_version == 5
    assert API_RANGES[22].latest_version == 6


def test_importing_the_codec_loads_no_message_and_no_compiler() -> None:
    script = (
        "import sys; import sprawl.gateway.codec as c; assert len(c.API_RANGES) >= 47;"
        "print([m for m in sys.modules if 'codec.' in m])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert eval(loaded.stdout) == [
        "sprawl.gateway.codec._generated",
        "sprawl.gateway.codec._generated.api_ranges",
    ]


def test_messages_compare_by_value_and_print_their_fields() -> None:
    first = ApiVersionsRequest(client_software_name="a")
    assert first == ApiVersionsRequest(client_software_name="a")
    assert first != ApiVersionsRequest(client_software_name="b")
    assert first != ApiVersionsRequest(client_software_name="a", unknown_tagged_fields={9: b"x"})
    assert first != HeartbeatRequest()
    assert repr(first) == (
        "ApiVersionsRequest(client_software_name='a', client_software_version='')"
    )


def test_default_lists_are_not_shared() -> None:
    first, second = ProduceRequest(), ProduceRequest()
    first.topic_data.append(TopicProduceData(topic_id=UUID(int=1)))
    assert second.topic_data == []
