"""Every route, once where all is well."""

from __future__ import annotations

import json

from rest_world import RestWorld

from sprawl.schema_registry.rest.table import ROUTES

RECORD = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}'
WIDER = (
    '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},'
    '{"name":"b","type":"string","default":""}]}'
)
HOLDER = '{"type":"record","name":"H","fields":[{"name":"r","type":"R"}]}'
TO_R = [{"name": "R", "subject": "r", "version": 1}]


async def test_every_route(world: RestWorld) -> None:
    await _facts(world)
    await _subjects(world)
    await _schemas(world)
    await _compatibility(world)
    await _scopes(world)
    await _deleting(world)
    assert world.visited == {route.name for route in ROUTES}
    served = {(kind.method, kind.route) for kind in world.server.served}
    assert served >= {(route.method, route.path) for route in ROUTES}


async def _facts(world: RestWorld) -> None:
    assert await world.good("GET", "/") == {}
    assert await world.good("POST", "/") == {}
    assert await world.good("POST", "/", {"a": "b"}) == {}
    assert set(await world.good("GET", "/schemas/types")) == {"AVRO", "JSON", "PROTOBUF"}
    assert await world.good("GET", "/exporters") == []
    assert await world.good("GET", "/v1/metadata/id") == {
        "id": "",
        "scope": {
            "path": [],
            "clusters": {
                "kafka-cluster": "a-kafka-cluster",
                "schema-registry-cluster": "schema-registry",
            },
        },
    }
    assert await world.good("GET", "/v1/metadata/version") == {
        "version": "1.2.3",
        "commitId": "abc",
    }
    assert await world.good("GET", "/v1/metadata/deployment") == {"attributes": []}
    assert (await world.good("GET", "/openapi.json"))["info"]["version"] == "1.2.3"


async def _subjects(world: RestWorld) -> None:
    answer = await world.good("POST", "/subjects/r/versions", {"schema": RECORD})
    guid = answer.pop("guid")
    assert answer == {"id": 1, "version": 1, "schemaType": "AVRO", "schema": RECORD}
    metadata = {"properties": {"owner": "me"}}
    assert await world.register("r", WIDER, metadata=metadata) == 2
    assert await world.register("h", HOLDER, references=TO_R) == 3
    assert await world.good("GET", "/subjects") == ["h", "r"]
    assert await world.good("GET", "/subjects?subjectPrefix=r&offset=0&limit=1") == ["r"]
    assert await world.good("GET", "/subjects/r/versions") == [1, 2]
    assert await world.good("GET", "/subjects/r/versions?offset=1") == [2]
    first = {
        "subject": "r",
        "version": 1,
        "id": 1,
        "guid": guid,
        "schemaType": "AVRO",
        "schema": RECORD,
    }
    assert await world.good("GET", "/subjects/r/versions/1") == first
    spaced = {"schema": json.dumps(json.loads(RECORD), indent=1)}
    assert await world.good("POST", "/subjects/r", spaced) == first
    for latest in ("latest", "-1"):
        found = await world.good("GET", f"/subjects/r/versions/{latest}")
        assert (found["version"], found["metadata"]) == (2, metadata)
    text = await world.ask("GET", "/subjects/r/versions/1/schema")
    assert text.body.decode() == RECORD
    resolved = await world.ask("GET", "/subjects/h/versions/1/schema?format=resolved")
    assert resolved.json["fields"][0]["type"] == json.loads(RECORD)
    assert await world.good("GET", "/subjects/r/versions/1/referencedby") == [3]
    found = await world.good("GET", "/subjects/r/metadata?key=owner&value=me")
    assert found["version"] == 2
    changed = await world.good(
        "POST", "/subjects/r/versions/2/tags", {"metadata": {"properties": {"owner": "you"}}}
    )
    assert changed["version"] == 3
    assert changed["metadata"]["properties"]["owner"] == "you"
    assert (await world.good("GET", "/subjects/r/versions/3"))["id"] == changed["id"] == 4


async def _schemas(world: RestWorld) -> None:
    listed = await world.good("GET", "/schemas?latestOnly=true")
    assert [(item["subject"], item["version"]) for item in listed] == [("h", 1), ("r", 3)]
    found = await world.good("GET", "/schemas/ids/3?fetchMaxId=true")
    assert found["schema"] == HOLDER
    assert found["maxId"] == 4
    assert found["references"] == TO_R
    text = await world.ask("GET", "/schemas/ids/1/schema")
    assert text.body.decode() == RECORD
    assert await world.good("GET", "/schemas/ids/1/subjects") == ["r"]
    assert await world.good("GET", "/schemas/ids/1/versions") == [{"subject": "r", "version": 1}]
    by_guid = await world.good("GET", f"/schemas/guids/{found['guid']}")
    assert by_guid["schema"] == HOLDER
    assert "subject" not in by_guid
    ids = await world.good("GET", f"/schemas/guids/{found['guid']}/ids")
    assert ids == [{"context": ".", "id": 3}]
    assert await world.good("GET", "/contexts") == ["."]


async def _compatibility(world: RestWorld) -> None:
    other = {"schema": '{"type":"record","name":"R","fields":[{"name":"c","type":"int"}]}'}
    path = "/compatibility/subjects/r/versions"
    assert await world.good("POST", f"{path}/latest", {"schema": RECORD}) == {"is_compatible": True}
    assert await world.good("POST", f"{path}/latest", other) == {"is_compatible": False}
    assert await world.good("POST", f"{path}?verbose=true", {"schema": RECORD}) == {
        "is_compatible": True,
        "messages": [],
    }
    told = await world.good("POST", f"{path}?verbose=true", other)
    assert told["is_compatible"] is False
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in told["messages"][0]


async def _scopes(world: RestWorld) -> None:
    assert await world.good("GET", "/config") == {"compatibilityLevel": "BACKWARD"}
    assert await world.good("PUT", "/config", {"compatibility": "full"}) == {
        "compatibility": "FULL"
    }
    assert await world.good("PUT", "/config/r", {"compatibility": "NONE", "normalize": False}) == {
        "compatibility": "NONE",
        "normalize": False,
    }
    assert await world.good("GET", "/config/r") == {
        "normalize": False,
        "compatibilityLevel": "NONE",
    }
    assert await world.good("GET", "/config/h?defaultToGlobal=true") == {
        "compatibilityLevel": "FULL"
    }
    assert (await world.good("DELETE", "/config/r"))["compatibilityLevel"] == "NONE"
    assert await world.good("DELETE", "/config") == {"compatibilityLevel": "FULL"}
    assert await world.good("GET", "/config") == {"compatibilityLevel": "BACKWARD"}

    assert await world.good("GET", "/mode") == {"mode": "READWRITE"}
    assert await world.good("PUT", "/mode/r", {"mode": "READONLY"}) == {"mode": "READONLY"}
    assert await world.good("GET", "/mode/r") == {"mode": "READONLY"}
    assert await world.good("GET", "/mode/h?defaultToGlobal=true") == {"mode": "READWRITE"}
    assert await world.good("DELETE", "/mode/r") == {"mode": "READONLY"}
    assert await world.good("DELETE", "/mode/r?recursive=true") == {}
    assert await world.good("PUT", "/mode?force=true", {"mode": "IMPORT"}) == {"mode": "IMPORT"}
    assert await world.good("DELETE", "/mode") == {"mode": "IMPORT"}


async def _deleting(world: RestWorld) -> None:
    assert await world.good("DELETE", "/subjects/r/versions/2") == 2
    assert await world.good("GET", "/subjects/r/versions?deleted=true") == [1, 2, 3]
    assert await world.good("GET", "/subjects/r/versions?deletedOnly=true") == [2]
    assert await world.good("GET", "/subjects/r/versions?deletedAsNegative=true") == [1, -2, 3]
    assert (await world.good("GET", "/subjects/r/versions/2?deleted=true"))["deleted"] is True
    assert await world.good("DELETE", "/subjects/r/versions/2?permanent=true") == 2
    assert await world.good("DELETE", "/subjects/h") == [1]
    assert await world.good("GET", "/subjects?deleted=true") == ["h", "r"]
    assert await world.good("GET", "/subjects?deletedOnly=true") == ["h"]
    assert await world.good("DELETE", "/subjects/h?permanent=true") == [1]
    assert await world.good("GET", "/subjects?deleted=true") == ["r"]
    await world.register(":.c:s", RECORD)
    await world.good("DELETE", "/subjects/:.c:s")
    await world.good("DELETE", "/subjects/:.c:s?permanent=true")
    assert await world.good("GET", "/contexts") == [".", ".c"]
    assert (await world.ask("DELETE", "/contexts/.c")).status == 204
    assert await world.good("GET", "/contexts") == ["."]


async def test_head_is_get_without_a_body(world: RestWorld) -> None:
    await world.register("s", '"int"')
    reply = await world.ask("HEAD", "/subjects/s/versions/1")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) > 0


async def test_json_schema_and_protobuf(world: RestWorld) -> None:
    text = '{"type":"object","properties":{"a":{"type":"string"}}}'
    await world.register("j", text, schemaType="JSON")
    assert (await world.good("GET", "/subjects/j/versions/1"))["schemaType"] == "JSON"
    proto = 'syntax = "proto3";\nmessage M { string a = 1; }\n'
    schema_id = await world.register("p", proto, schemaType="PROTOBUF")
    found = await world.good("GET", f"/schemas/ids/{schema_id}")
    assert found["schemaType"] == "PROTOBUF"
    assert "message M" in found["schema"]
    serialized = await world.good("GET", f"/schemas/ids/{schema_id}?format=serialized")
    assert await world.register("q", serialized["schema"], schemaType="PROTOBUF") == schema_id


async def test_what_is_there_is_answered_without_a_record(world: RestWorld) -> None:
    await world.register("s", '"int"')
    count = len(world.service.log)
    assert await world.register("s", '{"type":"int"}') == 1
    assert len(world.service.log) == count


async def test_an_alias_counts_under_subjects_and_for_ids(world: RestWorld) -> None:
    await world.register("real", '"int"')
    await world.good("PUT", "/config/nick", {"alias": "real"})
    assert (await world.good("GET", "/subjects/nick/versions/1"))["subject"] == "real"
    assert await world.register("nick", '"int"') == 1
    assert (await world.good("GET", "/schemas/ids/1?subject=nick"))["subject"] == "real"
    assert (await world.good("GET", "/config/nick"))["alias"] == "real"
    listed = await world.good("GET", "/schemas?subjectPrefix=ni&aliases=true")
    assert [(item["subject"], item["aliases"]) for item in listed] == [("real", ["nick"])]


async def test_a_registered_schema_may_be_answered_in_another_spelling(world: RestWorld) -> None:
    await world.register("r", RECORD)
    body = {"schema": HOLDER, "references": TO_R}
    answer = await world.good("POST", "/subjects/h/versions?format=resolved", body)
    assert json.loads(answer["schema"])["fields"][0]["type"] == json.loads(RECORD)
    assert (await world.good("GET", "/subjects/h/versions/1"))["schema"] == HOLDER


async def test_a_version_tells_when_its_record_was_written(world: RestWorld) -> None:
    world.service.timestamp_ms = 1_700_000_000_123
    schema = {"schema": '"int"'}
    registered = await world.good("POST", "/subjects/s/versions", schema)
    assert "ts" not in registered, "it is not known before it is written"
    for method, target, body in (
        ("GET", "/subjects/s/versions/1", None),
        ("GET", "/schemas/ids/1", None),
        ("GET", f"/schemas/guids/{registered['guid']}", None),
        ("POST", "/subjects/s", schema),
        ("POST", "/subjects/s/versions", schema),
    ):
        assert (await world.good(method, target, body))["ts"] == 1_700_000_000_123
    assert [each["ts"] for each in await world.good("GET", "/schemas")] == [1_700_000_000_123]
    world.service.timestamp_ms = None
    await world.register("t", '"long"')
    assert "ts" not in await world.good("GET", "/subjects/t/versions/1")
