"""Look-ups that are answered at once: as in a thread, and only where that is short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from rest_world import RestWorld, rest_world
from schemas_topic_world import Nodes, registering, until

from sprawl.schema_registry.model.registry import Judged, Registry
from sprawl.schema_registry.rest import limits
from sprawl.schema_registry.serving import limits as serving_limits
from sprawl.schema_registry.serving.service import TopicRegistry

T = TypeVar("T")

SHORT = (
    "/schemas/ids/1",
    "/schemas/ids/1?fetchMaxId=true",
    "/schemas/ids/1?format=",
    "/schemas/ids/1?subject=s",
    "/schemas/ids/1?subject=:.:",
    "/schemas/ids/1?subject=:.c:",
    "/schemas/ids/2?subject=s",
    "/schemas/ids/3?referenceFormat=qualified",
    "/schemas/ids/1?subject=known-as",
    "/schemas/ids/1/schema",
    "/schemas/ids/2/schema?subject=s",
    "/schemas/ids/1/versions",
    "/schemas/ids/1/versions?deleted=true",
    "/schemas/ids/1/versions?offset=1&limit=1",
    "/schemas/ids/1/subjects",
    "/contexts/c/schemas/ids/1",
    "/contexts/c/schemas/ids/1/versions",
    "/subjects/s/versions",
    "/subjects/s/versions?deleted=true",
    "/subjects/s/versions?deletedOnly=true",
    "/subjects/s/versions?deletedAsNegative=true",
    "/subjects/known-as/versions",
    "/subjects/gone/versions",
    "/subjects/gone/versions/1",
    "/subjects/gone/versions/1?deleted=true",
    "/subjects/s/versions/2",
    "/subjects/s/versions/2?deleted=true",
    "/subjects/s/versions/latest",
    "/subjects/s/versions/-1/schema",
    "/subjects/refers/versions/1",
    "/subjects/:.c:s/versions/1",
    "/contexts/c/subjects/s/versions/latest",
    "/config",
    "/config/s",
    "/config/none",
    "/config/none?defaultToGlobal=true",
    "/contexts/c/config",
    "/mode",
    "/mode/s",
    "/mode/none",
    "/mode/none?defaultToGlobal=true",
)
"""Answered at once, refusals too."""
LONG = (
    "/schemas",
    "/schemas/ids/1?format=resolved",
    "/schemas/ids/1/schema?format=resolved",
    "/schemas/ids/99",
    "/schemas/ids/1?subject=none",
    "/schemas/ids/1/versions?subject=s",
    "/schemas/ids/99/subjects",
    "/schemas/guids/00000000-0000-0000-0000-000000000000",
    "/subjects",
    "/subjects/none/versions",
    "/subjects/none/versions/1",
    "/subjects/s/versions/9",
    "/subjects/gone/versions/latest",
    "/subjects/s/versions/latest?format=resolved",
    "/subjects/s/versions/1/referencedby",
    "/subjects/only-in-c/versions/1",
    "/config/with-contracts",
    "/contexts",
)


class LongWay:
    """A registry that answers nothing at once."""

    def __init__(self, service: TopicRegistry) -> None:
        self._service = service

    @property
    def is_ready(self) -> bool:
        return self._service.is_ready

    async def write(self, command: Callable[[Registry], Judged[T]]) -> T:
        return await self._service.write(command)

    async def read(self, query: Callable[[Registry], T], **_: object) -> T:
        return await self._service.read(query)


@asynccontextmanager
async def filled() -> AsyncIterator[tuple[TopicRegistry, RestWorld]]:
    """A registry that has some of everything."""
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        async with rest_world(service) as world:
            await world.register("s", "a", metadata={"properties": {"owner": "me"}})
            await world.register("s", "a b?")
            await world.register("s", "a b? c?")
            await world.register("t", "a", metadata={"properties": {"owner": "me"}})
            await world.register("gone", "z")
            await world.register("with-contracts", "y")
            await world.register(
                "refers", "a @B", references=[{"name": "B", "subject": "s", "version": 3}]
            )
            await world.register(":.c:s", "in-c")
            await world.register(":.c:only-in-c", "x")
            await world.good("DELETE", "/subjects/s/versions/2")
            await world.good("DELETE", "/subjects/gone")
            await world.good("PUT", "/config/known-as", {"alias": "s"})
            await world.good("PUT", "/config/s", {"compatibility": "FULL"})
            await world.good(
                "PUT", "/config/with-contracts", {"defaultMetadata": {"properties": {"a": "b"}}}
            )
            await world.good("PUT", "/mode/s", {"mode": "READONLY"})
            yield service, world


async def test_the_answers_are_the_same_at_once_and_in_a_thread() -> None:
    async with filled() as (service, world), rest_world(LongWay(service)) as long_way:
        for target in SHORT + LONG:
            before = service.counts().reads_here
            short = await world.ask("GET", target)
            is_here = service.counts().reads_here - before
            long = await long_way.ask("GET", target)
            assert service.counts().reads_here - before == is_here
            assert (short.status, short.body) == (long.status, long.body), target
            assert short.headers.get("Content-Type") == long.headers.get("Content-Type")
            assert is_here == (target in SHORT), target


@pytest.mark.parametrize(
    ("target", "entries"),
    [
        ("/schemas/ids/1/versions", 2),
        ("/schemas/ids/1?subject=s", 3),
        ("/subjects/s/versions", 3),
        ("/subjects/s/versions/3", 3),
        ("/schemas/ids/1", 1),
    ],
)
async def test_what_goes_through_more_entries_than_the_limit_is_not_short(
    target: str, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with filled() as (service, world):
        for limit, is_short in ((entries, True), (entries - 1, False)):
            monkeypatch.setattr(limits, "SHORT_READ_ENTRIES_MAX", limit)
            before = service.counts().reads_here
            await world.good("GET", target)
            assert service.counts().reads_here - before == is_short, limit


async def test_a_short_read_waits_while_a_piece_is_half_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving_limits, "APPLY_SLICE", 1)

    def count(registry: Registry) -> int:
        return len(registry.state.versions("s", deleted=True))

    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        await service.write(registering("s", "a b?"))
        records = [record for record in nodes.log.records if record[1] is not None]
        leaving = [(key, None) for key, _ in records]
        nodes.log.produce(*leaving)
        await until(lambda: service._state._is_changing)
        read = asyncio.ensure_future(service.read(count, is_short=lambda _: True))
        assert await read == 0
        assert service.counts().reads_here == 0


async def test_a_short_read_that_parses_is_an_error_of_ours() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()

        def parses(registry: Registry) -> Any:
            return registry.schemas.format_of("AVRO")

        with pytest.raises(AssertionError):
            await service.read(parses, is_short=lambda _: True)
