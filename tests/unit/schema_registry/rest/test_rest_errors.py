"""What is refused: status, code and text."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator

import pytest
from rest_world import RestWorld

from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.rest import bodies, limits, server
from sprawl.schema_registry.rest.answers import encode
from sprawl.schema_registry.service import NotTheLeader, StoreFault, StoreTimeout

V1 = "application/vnd.schemaregistry.v1+json"


@pytest.mark.parametrize(
    ("method", "target", "body", "fault"),
    [
        ("GET", "/subjects/s/versions/1", None, (404, 40401, "Subject 's' not found.")),
        ("GET", "/subjects/t/versions/9", None, (404, 40402, "Version 9 not found.")),
        ("GET", "/schemas/ids/9", None, (404, 40403, "Schema 9 not found")),
        ("POST", "/subjects/t", {"schema": '"long"'}, (404, 40403, "Schema not found")),
        (
            "DELETE",
            "/subjects/t?permanent=true",
            None,
            (404, 40405, "Subject 't' was not deleted first before being permanently deleted"),
        ),
        (
            "GET",
            "/config/t",
            None,
            (404, 40408, "Subject 't' does not have subject-level compatibility configured"),
        ),
        (
            "GET",
            "/mode/t",
            None,
            (404, 40409, "Subject 't' does not have subject-level mode configured"),
        ),
    ],
)
async def test_codes_and_texts(
    world: RestWorld, method: str, target: str, body: object, fault: tuple[int, int, str]
) -> None:
    await world.register("t", '"int"')
    assert (await world.ask(method, target, body)).fault == fault


@pytest.mark.parametrize(
    ("method", "target", "body", "code"),
    [
        ("DELETE", "/config/t", None, 40401),
        ("POST", "/subjects/t/versions", {"schema": '"string"'}, 409),
        ("POST", "/subjects/t/versions", {"schema": "{"}, 42201),
        ("POST", "/subjects/t/versions", {"schema": '"int"', "schemaType": "XML"}, 42201),
        ("POST", "/subjects/new/versions", {}, 42201),
        ("GET", "/subjects/t/versions/first", None, 42202),
        ("GET", "/subjects/t/versions/0", None, 42202),
        ("GET", "/subjects/t/versions/2147483648", None, 42202),
        ("GET", "/subjects/t/versions/-+1", None, 42202),
        ("PUT", "/config", {"compatibility": "SIDEWAYS"}, 42203),
        ("PUT", "/mode", {"mode": "SLEEP"}, 42204),
        ("PUT", "/mode", {}, 42204),
        ("PUT", "/mode", {"mode": "IMPORT"}, 42205),
        ("POST", "/subjects/t/versions", {"schema": '"int"', "id": 7}, 42205),
        ("POST", "/subjects/t/versions", {"schemaTagsToAdd": [{"schemaEntity": {}}]}, 42205),
        ("POST", "/subjects/t/versions/1/tags", {"tagsToAdd": [{"schemaEntity": {}}]}, 42205),
        ("POST", "/subjects/__GLOBAL/versions", {"schema": '"int"'}, 42208),
        (
            "POST",
            "/subjects/t/versions",
            {"schema": '"int"', "ruleSet": {"domainRules": [{}]}},
            42210,
        ),
        ("POST", "/compatibility/subjects/t/versions/9", {"schema": '"int"'}, 40402),
    ],
)
async def test_codes(world: RestWorld, method: str, target: str, body: object, code: int) -> None:
    await world.register("t", '"int"')
    status, found, message = (await world.ask(method, target, body)).fault
    assert (status, found) == (int(str(code)[:3]), code)
    assert message


async def test_a_schema_above_the_limit_of_a_record(world: RestWorld) -> None:
    schema = '{"type":"record","name":"R","doc":"%s","fields":[]}' % ("x" * 1_100_000)
    reply = await world.ask("POST", "/subjects/s/versions", {"schema": schema})
    assert reply.fault[:2] == (422, 42209)


@pytest.mark.parametrize(
    "target", ["/nowhere", "/subjects/a/b", "/schemas/ids", "/v1", "/contexts/c/no"]
)
async def test_no_such_path(world: RestWorld, target: str) -> None:
    assert (await world.ask("GET", target)).fault == (404, 404, "HTTP 404 Not Found")


@pytest.mark.parametrize(
    "target",
    ["/schemas/ids/one", "/schemas/ids/99999999999", "/subjects?limit=many", "/contexts?offset="],
)
async def test_a_number_that_is_none_is_not_found(world: RestWorld, target: str) -> None:
    assert (await world.ask("GET", target)).fault[:2] == (404, 404)


async def test_a_method_that_is_not_there(world: RestWorld) -> None:
    reply = await world.ask("PATCH", "/config/s")
    assert reply.fault == (405, 405, "HTTP 405 Method Not Allowed")
    assert reply.headers["Allow"] == "DELETE, GET, PUT"


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, V1),
        ("*/*", V1),
        ("application/*", V1),
        ("application/json", "application/json"),
        (
            "application/vnd.schemaregistry+json, application/json",
            "application/vnd.schemaregistry+json",
        ),
        (f"application/json, {V1};q=0.5", "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", V1),
        (f"*/*, {V1};q=0", "application/vnd.schemaregistry+json"),
    ],
)
async def test_the_name_of_the_answers_type(
    world: RestWorld, accept: str | None, answered: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    for target in ("/subjects", "/subjects/s/versions"):
        reply = await world.ask("GET", target, headers=headers)
        assert reply.headers["Content-Type"] == answered


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "application/xml;q=x, */*;q=no"]
)
async def test_a_type_that_is_not_answered(world: RestWorld, accept: str) -> None:
    reply = await world.ask("GET", "/subjects", headers={"Accept": accept})
    assert reply.fault == (406, 406, "HTTP 406 Not Acceptable")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (V1, 200),
        ("application/vnd.schemaregistry+json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/octet-stream", 200),
        ("APPLICATION/JSON", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/vnd.schemaregistry.v2+json", 415),
    ],
)
async def test_types_of_bodies(world: RestWorld, content_type: str, status: int) -> None:
    reply = await world.ask(
        "POST",
        "/subjects/s/versions",
        data=b'{"schema":"\\"int\\""}',
        headers={"Content-Type": content_type},
    )
    assert reply.status == status
    if status == 415:
        assert reply.fault == (415, 415, "HTTP 415 Unsupported Media Type")


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b'{"schema": "\xff"}',
        b"[" * 200_000,
        b'{"version": ' + b"9" * 5000 + b"}",
        b"{} {}",
    ],
)
async def test_a_body_that_is_no_json(world: RestWorld, data: bytes) -> None:
    reply = await world.ask("POST", "/subjects/s/versions", data=data)
    assert reply.fault[:2] == (400, 400)


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"schema": {"type": "int"}},
        {"schema": '"int"', "version": "first"},
        {"schema": '"int"', "version": True},
        {"schema": '"int"', "id": 2**31},
        {"schema": '"int"', "references": {}},
        {"schema": '"int"', "references": [{"name": "a", "subject": "b"}]},
        {"schema": '"int"', "metadata": []},
        {"schema": '"int"', "ruleSet": {"domainRules": "all"}},
    ],
)
async def test_a_body_of_another_kind(world: RestWorld, body: object) -> None:
    assert (await world.ask("POST", "/subjects/s/versions", body)).fault[:2] == (400, 400)


@pytest.mark.parametrize("data", [b"", b"null"])
async def test_no_body(world: RestWorld, data: bytes) -> None:
    reply = await world.ask("POST", "/subjects/s/versions", data=data)
    assert reply.fault == (422, 422, "The body must not be null")


async def test_fields_that_are_not_known_are_left_out(world: RestWorld) -> None:
    assert await world.register("s", '"int"', invented=[1]) == 1
    assert await world.good("GET", "/subjects?invented=1") == ["s"]


async def test_half_a_character_is_refused_and_told_as_utf_8(world: RestWorld) -> None:
    reply = await world.ask(
        "POST", "/subjects/s/versions", data=b'{"schema":"\\"int\\"","schemaType":"\\ud800"}'
    )
    assert reply.code == 42201
    assert encode("\ud800") == b'"?"'


async def test_a_body_above_the_limit(world: RestWorld) -> None:
    data = b" " * (limits.REQUEST_BYTES_MAX + 1)
    assert (await world.ask("POST", "/subjects/s/versions", data=data)).fault[:2] == (413, 413)

    async def pieces() -> AsyncIterator[bytes]:
        yield b" " * limits.REQUEST_BYTES_MAX
        yield b"  "

    async with world.session.post(f"{world.url}/subjects/s/versions", data=pieces()) as response:
        assert response.status == 413


async def test_a_path_above_the_limit(world: RestWorld) -> None:
    name = "x" * (limits.REQUEST_LINE_BYTES_MAX + 1)
    async with world.session.get(f"{world.url}/subjects/{name}/versions") as response:
        assert response.status == 400


async def test_too_many_fields_of_a_query(world: RestWorld) -> None:
    query = "&".join(["key=a"] * (limits.QUERY_FIELDS_MAX + 1))
    assert (await world.ask("GET", f"/subjects/s/metadata?{query}")).fault[:2] == (400, 400)


async def test_a_client_that_waits_to_be_asked_for_its_body(world: RestWorld) -> None:
    async with world.session.post(
        f"{world.url}/subjects/s/versions", data=b'{"schema":"\\"int\\""}', expect100=True
    ) as response:
        assert response.status == 200


async def test_too_many_requests_at_once(world: RestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_MAX", 0)
    reply = await world.ask("GET", "/subjects")
    assert reply.fault[:2] == (503, 503)
    assert reply.headers["Retry-After"] == "1"
    monkeypatch.undo()
    assert await world.good("GET", "/subjects") == []


async def test_too_many_connections(world: RestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 1)
    assert await world.good("GET", "/subjects") == []
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    try:
        assert await reader.read() == b""
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert world.server.connections_count == 1


@pytest.mark.parametrize(
    ("failure", "fault"),
    [
        (StoreFault("the topic cannot be written"), (500, 50001, "the topic cannot be written")),
        (StoreTimeout("it may be written"), (500, 50002, "it may be written")),
        (NotTheLeader(None), (500, 50004, "Leader not known.")),
        (NotTheLeader(None, "Do it."), (500, 50004, "Leader not known. Do it.")),
    ],
)
async def test_faults_of_the_store(
    world: RestWorld,
    failure: Exception,
    fault: tuple[int, int, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.service.failure = failure
    reply = await world.ask("POST", "/subjects/s/versions", {"schema": '"int"'})
    assert reply.fault == fault
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert str(fault[1]) in caplog.text


async def test_many_faults_of_one_kind_do_not_fill_the_log(
    world: RestWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.service.failure = StoreFault("down")
    for _ in range(30):
        await world.ask("DELETE", "/config")
    assert 1 <= len(caplog.records) <= 10


async def test_reads_before_the_state_is_there(world: RestWorld) -> None:
    world.service.read_failure = StoreFault("the registry still reads its topic")
    assert (await world.ask("GET", "/subjects")).code == 50001
    assert await world.good("GET", "/") == {}


async def test_a_fault_of_our_own_is_logged_and_ends_nothing(
    world: RestWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.service.read_failure = ZeroDivisionError()
    assert (await world.ask("GET", "/subjects")).fault == (500, 500, "Internal Server Error")
    assert "please report the trace" in caplog.text
    world.service.read_failure = None
    assert await world.good("GET", "/subjects") == []


async def test_what_is_no_http_is_refused_without_noise(
    world: RestWorld, caplog: pytest.LogCaptureFixture
) -> None:
    for data in (b"\x00\x00\x00\x01\xff\n\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(world.url.rpartition(":")[2])
        )
        writer.write(data)
        writer.write_eof()
        await reader.read()
        writer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_requests_are_counted_by_route_and_status(world: RestWorld) -> None:
    await world.register("s", '"int"')
    await world.register("t", '"int"')
    await world.ask("GET", "/subjects/none/versions")
    await world.ask("GET", "/nowhere")
    counts = {(kind.method, kind.route, kind.status): n for kind, n in world.server.served.items()}
    assert counts == {
        ("POST", "/subjects/{subject}/versions", 200): 2,
        ("GET", "/subjects/{subject}/versions", 404): 1,
        ("", "(none)", 404): 1,
    }


async def test_request_ids(world: RestWorld) -> None:
    reply = await world.ask("GET", "/", headers={"X-Request-ID": "mine"})
    assert reply.headers["X-Request-ID"] == "mine"
    for strange in ("", "x" * 1000, "schön"):
        reply = await world.ask("GET", "/", headers={"X-Request-ID": strange})
        assert len(reply.headers["X-Request-ID"]) == 36


async def test_a_refused_command_leaves_no_trace(world: RestWorld) -> None:
    before: Registry = world.service.registry
    await world.ask("POST", "/subjects/s/versions", {"schema": "{"})
    assert world.service.log == []
    assert list(before.state.subjects) == []


def test_answers_have_no_blanks_and_keep_characters() -> None:
    assert json.loads(encode({"a": "ü"})) == {"a": "ü"}
    assert encode({"a": ["ü", 1]}) == '{"a":["ü",1]}'.encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
async def test_a_large_body_is_parsed_beside_the_loop(
    world: RestWorld, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    threads: list[int] = []

    def seen(data: bytes) -> object:
        threads.append(threading.get_ident())
        return bodies.parse_json(data)

    monkeypatch.setattr(server, "parse_json", seen)
    tail = "," * 200_000 + '[]{}\\"é\u2222' * 1_000
    for text in ("small", f"large {tail}"):
        schema = json.dumps({"type": "record", "name": "R", "doc": text, "fields": []})
        body = json.dumps({"schema": schema}, ensure_ascii=False).encode(encoding)
        reply = await world.ask("POST", "/subjects/s/versions", data=body)
        assert reply.status == 200
        stored = await world.good("GET", "/subjects/s/versions/latest")
        assert json.loads(stored["schema"])["doc"] == text
    assert threads[0] == threading.get_ident() != threads[1]


@pytest.mark.parametrize("value", ["{}", "[]", "1", '"a,b"', '{"a":1}'])
async def test_a_body_of_too_many_values(
    world: RestWorld, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr(limits, "PARSED_AT_ONCE_BYTES_MAX", 100)
    monkeypatch.setattr(limits, "JSON_VALUES_MAX", 50)
    for count, told in ((20, "references"), (200, "The body has more than 50 values")):
        body = f'{{"schema":"\\"int\\"","references":[{",".join([value] * count)}]}}'
        reply = await world.ask("POST", "/subjects/s/versions", data=body.encode())
        assert reply.fault[:2] == (400, 400)
        assert told in reply.fault[2]


@pytest.mark.parametrize("data", [b'"' + b'\\"' * 1_000_000, b'"\\' * 1_000_000, b'"' * 2_000_001])
async def test_a_large_body_that_is_no_json_is_looked_at_once(
    world: RestWorld, data: bytes
) -> None:
    reply = await world.ask("POST", "/subjects/s/versions", data=data)
    assert reply.fault[:2] == (400, 400)
