"""Paths as they come: names with any character in them, and contexts in front of them."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_world import RestWorld

from sprawl.schema_registry.model.faults import RegistryFault
from sprawl.schema_registry.rest import media
from sprawl.schema_registry.rest.faults import HttpFault
from sprawl.schema_registry.rest.routes import Router
from sprawl.schema_registry.rest.table import ROUTES


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "../..",
        "..",
        "a.b-value",
        "a%2Fb",
        "50%",
        "a b+c",
        "ключ",
        "a?b#c;d",
        "versions",
        "subjects",
        "latest",
        "a:b",
        ":",
        "null",
        '"quoted"\\',
    ],
)
async def test_a_subject_may_have_any_name(world: RestWorld, name: str) -> None:
    path = f"/subjects/{quote(name, safe='')}"
    await world.register(quote(name, safe=""), '"int"')
    assert await world.good("GET", "/subjects") == [name]
    assert await world.good("GET", f"{path}/versions") == [1]
    assert (await world.good("GET", f"{path}/versions/latest"))["subject"] == name
    scope = quote(name, safe="")
    await world.good("PUT", f"/config/{scope}", {"compatibility": "NONE"})
    assert await world.good("GET", f"/config/{scope}") == {"compatibilityLevel": "NONE"}
    assert await world.good("GET", f"/subjects?subjectPrefix={scope}") == [name]
    assert await world.good("DELETE", path) == [1]


async def test_a_name_is_decoded_once(world: RestWorld) -> None:
    await world.register("a%252Fb", '"int"')
    assert await world.good("GET", "/subjects") == ["a%2Fb"]
    assert (await world.ask("GET", "/subjects/a%2Fb/versions")).code == 40401


async def test_bytes_that_are_no_text_and_unfinished_escapes(world: RestWorld) -> None:
    await world.register("%ff", '"int"')
    await world.register("%zz", '"int"')
    assert await world.good("GET", "/subjects") == ["%zz", "\ufffd"]


@pytest.mark.parametrize(
    "target", ["//subjects//s/versions/", "/subjects/s/versions/", "/subjects/s/versions?"]
)
async def test_empty_segments_mean_nothing(world: RestWorld, target: str) -> None:
    await world.register("s", '"int"')
    assert await world.good("GET", target) == [1]


async def test_a_plus_is_a_blank_in_a_query_only(world: RestWorld) -> None:
    await world.register("a+b", '"int"')
    await world.register("a%20c", '"int"')
    assert await world.good("GET", "/subjects?subjectPrefix=a%2Bb") == ["a+b"]
    assert await world.good("GET", "/subjects?subjectPrefix=a+c") == ["a c"]


@pytest.mark.parametrize("context", ["c", ".c", ":.c:", "%3A.c%3A"])
async def test_a_context_in_front_of_a_path(world: RestWorld, context: str) -> None:
    await world.register("s", '"string"')
    before = f"/contexts/{context}"
    answer = await world.good("POST", f"{before}/subjects/s/versions", {"schema": '"int"'})
    assert answer["id"] == 1, "each context counts for itself"
    assert await world.good("GET", f"{before}/subjects") == [":.c:s"]
    assert await world.good("GET", f"{before}/subjects?subjectPrefix=s") == [":.c:s"]
    assert await world.good("GET", f"{before}/subjects?subjectPrefix=:*:s") == [":.c:s", "s"]
    assert (await world.good("GET", f"{before}/subjects/s/versions/1"))["schema"] == '"int"'
    other = await world.good("GET", f"{before}/subjects/:.:s/versions/1")
    assert other["subject"] == "s"
    assert [item["subject"] for item in await world.good("GET", f"{before}/schemas")] == [":.c:s"]
    assert [item["subject"] for item in await world.good("GET", "/schemas")] == ["s"]
    assert (await world.good("GET", f"{before}/schemas/ids/1"))["schema"] == '"int"'
    assert (await world.good("GET", f"{before}/schemas/ids/1?subject=s"))["subject"] == ":.c:s"
    assert (await world.good("GET", "/schemas/ids/1"))["schema"] == '"string"'
    assert await world.good(
        "POST", f"{before}/compatibility/subjects/s/versions/latest", {"schema": '"boolean"'}
    ) == {"is_compatible": False}


async def test_config_and_mode_of_a_context(world: RestWorld) -> None:
    await world.good("PUT", "/contexts/c/config", {"compatibility": "NONE"})
    assert await world.good("GET", "/config/:.c:") == {"compatibilityLevel": "NONE"}
    assert await world.good("GET", "/contexts/c/config") == {"compatibilityLevel": "NONE"}
    assert await world.good("GET", "/config") == {"compatibilityLevel": "BACKWARD"}
    await world.good("PUT", "/contexts/c/config/s", {"compatibility": "FULL"})
    assert await world.good("GET", "/config/:.c:s") == {"compatibilityLevel": "FULL"}
    await world.good("PUT", "/contexts/c/mode", {"mode": "READONLY"})
    assert await world.good("GET", "/mode/:.c:") == {"mode": "READONLY"}
    assert await world.good("GET", "/contexts/c/mode/s?defaultToGlobal=true") == {
        "mode": "READONLY"
    }
    assert await world.good("GET", "/contexts/./mode") == {"mode": "READWRITE"}
    await world.good("PUT", "/contexts/./mode", {"mode": "READONLY"})
    assert await world.good("GET", "/mode") == {"mode": "READONLY"}


async def test_paths_that_are_the_same_in_every_context(world: RestWorld) -> None:
    await world.register(":.c:s", '"int"')
    assert await world.good("GET", "/contexts/c/contexts") == [".", ".c"]
    assert (await world.good("GET", "/contexts/c/v1/metadata/version"))["version"] == "1.2.3"
    assert await world.good("GET", "/contexts/.") == {}
    assert (await world.ask("GET", "/contexts/c")).status == 405
    assert (await world.ask("DELETE", "/contexts/c")).code == 42211


async def test_qualified_references(world: RestWorld) -> None:
    record = '{"type":"record","name":"R","fields":[]}'
    await world.register(":.c:r", record)
    references = [{"name": "R", "subject": "r", "version": -1}]
    holder = '{"type":"record","name":"H","fields":[{"name":"r","type":"R"}]}'
    await world.register(":.c:h", holder, references=references)
    for path in ("/subjects/:.c:h/versions/1", "/schemas/ids/2?subject=:.c:"):
        plain = await world.good("GET", path)
        assert plain["references"] == [{"name": "R", "subject": "r", "version": 1}]
        joint = "&" if "?" in path else "?"
        told = await world.good("GET", f"{path}{joint}referenceFormat=qualified")
        assert told["references"][0]["subject"] == ":.c:r"


@given(st.sampled_from(["GET", "HEAD", "POST", "DELETE", "PUT"]), st.text(max_size=60))
def test_no_path_upsets_the_router(method: str, path: str) -> None:
    for target in (path, f"/subjects/{path}", f"/contexts/{path}", f"/schemas/ids/{path}"):
        with contextlib.suppress(HttpFault, RegistryFault):
            Router(ROUTES).find(method, target)


@given(st.text(alphabet="aplication/json*;,q=.01 ", max_size=60))
def test_no_accept_upsets_the_choice(accept: str) -> None:
    with contextlib.suppress(HttpFault):
        assert media.choose(accept) in media.ANSWERED
