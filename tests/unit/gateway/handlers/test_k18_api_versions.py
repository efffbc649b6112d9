"""ApiVersions: what is announced is what is served, in the shape old clients expect."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from server_world import CONTROLLER, HEARTBEATS, Gates, serving

from sprawl.core.controller.features import Levels
from sprawl.core.controller.state import ControllerState, level_record
from sprawl.core.errors import ErrorCode
from sprawl.gateway import dispatch, handlers
from sprawl.gateway.codec import API_RANGES, encode_response
from sprawl.gateway.codec._generated.k18_api_versions import (
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from sprawl.gateway.dispatch import ConnectionInfo, RequestContext
from sprawl.gateway.handlers import k18_api_versions


def ask(
    version: int = 3,
    name: str = "librdkafka",
    software_version: str = "2.15.0",
    controller: Any = CONTROLLER,
) -> tuple[ApiVersionsResponse, ConnectionInfo]:
    info = ConnectionInfo(id=1, listener_name="PLAINTEXT")
    ctx = RequestContext(
        api_key=18,
        api_version=version,
        correlation_id=1,
        client_id=None,
        connection=info,
        broker=cast("Any", SimpleNamespace(controller=controller)),
        metrics=cast("Any", None),
    )
    request = ApiVersionsRequest(
        client_software_name=name, client_software_version=software_version
    )
    return k18_api_versions.handle(ctx, request), info


def ranges(response: ApiVersionsResponse) -> dict[int, tuple[int, int]]:
    return {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}


def test_exactly_the_registered_apis_are_announced() -> None:
    with serving(HEARTBEATS):
        response, _ = ask()
    assert response.error_code == ErrorCode.NONE
    assert ranges(response) == {12: (0, 4), 18: (0, 4)}


def test_produce_is_announced_from_zero_for_old_codec_checks() -> None:
    with serving(Gates().spec()):
        response, _ = ask()
    assert ranges(response)[0] == (0, 13)


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4])
def test_every_version_has_the_same_content(version: int) -> None:
    with serving(HEARTBEATS):
        response, _ = ask(version)
    assert ranges(response) == {12: (0, 4), 18: (0, 4)}


def test_the_bytes_of_versions_0_and_3() -> None:
    with serving():
        response, _ = ask()
    frame = {v: b"".join(encode_response(18, v, 5, response)) for v in (0, 3)}
    name = b"\x0fsprawl.version"
    features = (
        b"\3"  # tagged fields: supported, the epoch, finalized
        b"\0\x15\2" + name + b"\0\1\0\2\0"
        b"\1\x08\0\0\0\0\0\0\0\0"
        b"\2\x15\2" + name + b"\0\1\0\1\0"
    )
    entry = b"\0\x12\0\0\0\4"
    assert frame[0] == b"\0\0\0\x10\0\0\0\5\0\0\0\0\0\1" + entry
    # Flexible body behind a header that is not: no tag section follows the correlation id.
    assert frame[3][4:] == b"\0\0\0\5\0\0\2" + entry + b"\0\0\0\0\0" + features


def test_the_levels_of_the_program_and_of_the_cluster_are_told() -> None:
    state = ControllerState()
    state.apply(level_record(5, 17))
    response, _ = ask(controller=SimpleNamespace(levels=Levels(3, 7), state=state))
    [known] = response.supported_features
    assert (known.name, known.min_version, known.max_version) == ("sprawl.version", 3, 7)
    [final] = response.finalized_features
    assert (final.name, final.min_version_level, final.max_version_level) == (
        "sprawl.version",
        5,
        5,
    )
    assert response.finalized_features_epoch == 17


def test_the_clients_software_is_remembered_from_version_3() -> None:
    _, info = ask(3, "apache-kafka-java", "4.3.0")
    assert (info.client_software_name, info.client_software_version) == (
        "apache-kafka-java",
        "4.3.0",
    )
    _, info = ask(2, "", "")
    assert info.client_software_name == ""


@pytest.mark.parametrize(
    ("name", "version"),
    [("", "1.0"), ("java", ""), ("-java", "1.0"), ("java-", "1.0"), ("ja va", "1"), ("j\n", "1")],
)
def test_software_that_is_badly_named_is_refused(name: str, version: str) -> None:
    response, info = ask(3, name, version)
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert response.api_keys == []
    assert info.client_software_name == ""


def test_every_api_that_a_node_serves_lies_within_kafkas_range() -> None:
    with serving():
        handlers.load()
        served = dict(dispatch.registered())
    assert len(served) == len(handlers.MODULES)
    for key, spec in served.items():
        api = API_RANGES[key]
        assert api.min_version <= spec.min_version <= spec.max_version <= api.max_version


def test_apis_whose_mere_presence_changes_clients_are_not_served() -> None:
    # Telemetry (71, 72) would be pushed at once, 68 and 69 would promise the new group protocol.
    with serving():
        handlers.load()
        assert not {68, 69, 71, 72} & dispatch.registered().keys()
