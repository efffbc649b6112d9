"""Reads, replay, and topics that other registries wrote."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest
from registry_world import World, new
from schemas_topic_world import Log, Nodes, registering, turns, until, versions

from sprawl.schema_registry.model.entities import Level
from sprawl.schema_registry.model.records import LogRecord
from sprawl.schema_registry.model.registering import register
from sprawl.schema_registry.model.scopes import put_config
from sprawl.schema_registry.service import StoreFault
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.topic import Place


def schema_record(subject: str, version: int, schema_id: int, text: str) -> LogRecord:
    """As Confluent's registry writes it."""
    key = {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}
    value = {"subject": subject, "version": version, "id": schema_id, "schema": text}
    return _dump(key), _dump({**value, "deleted": False})


def _dump(fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def subjects(registry: Any) -> list[str]:
    return sorted(registry.state.subjects)


async def test_a_long_log_is_replayed_while_the_loop_lives_on() -> None:
    log = Log()
    count = 2_000
    log.produce(*(schema_record(f"s{n}", 1, n + 1, f"f{n}") for n in range(count)))
    async with Nodes(log) as nodes:
        service = await nodes.start(ready=False)
        with pytest.raises(StoreFault):
            await service.read(subjects)
        other_work = 0
        while not service.is_ready:
            await asyncio.sleep(0)
            other_work += 1
        assert other_work >= count / limits.APPLY_SLICE
        assert len(await service.read(subjects)) == count
        assert (await service.write(registering("t", "new"))).id == count + 1


async def test_a_follower_sees_what_the_leader_wrote() -> None:
    async with Nodes() as nodes:
        leader = await nodes.start("a")
        follower = await nodes.start("b", leads=False)
        stored = [await leader.write(registering("s", f"a f{n}?")) for n in range(3)]
        await until(lambda: follower.counts().position == 4)
        assert await follower.read(versions("s")) == stored
        assert not follower.counts().is_leader


async def test_a_replica_that_is_being_filled_answers_no_reads() -> None:
    async with Nodes() as nodes:
        await (await nodes.start("a")).write(registering("s", "a"))
        replica = await nodes.start("b", leads=False, ready=False)
        nodes.topics["b"].is_current = False
        await turns()
        assert not replica.is_ready
        with pytest.raises(StoreFault):
            await replica.read(subjects)
        nodes.topics["b"].is_current = True
        replica.wake()
        await until(lambda: replica.is_ready)
        assert await replica.read(subjects) == ["s"]


async def test_a_record_that_cannot_be_used_is_one_line_with_its_offset(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    log = Log(
        [
            schema_record("s", 1, 1, "a"),
            (b"no json", b"{}"),
            schema_record("t", 1, 1, "another text under the same id"),
            schema_record("u", 1, 2, "b"),
        ]
    )
    async with Nodes(log) as nodes:
        service = await nodes.start()
        assert await service.read(subjects) == ["s", "u"]
        assert (service.counts().applied, service.counts().skipped) == (2, 2)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" is left out")[0] for line in lines] == [
        "_schemas-0: the record at offset 1",
        "_schemas-0: the record at offset 2",
    ]


async def test_the_topic_of_another_registry_is_adopted() -> None:
    """Compacted: offsets are missing, tombstones stand for what was deleted for good."""
    noop = (b'{"keytype":"NOOP","magic":0}', None)
    gone = b'{"keytype":"SCHEMA","subject":"gone","version":1,"magic":1}'
    # Karapace's order of fields, and its global config.
    karapace_key = b'{"keytype":"SCHEMA","subject":"k","version":2,"magic":1}'
    karapace = {"subject": "k", "version": 2, "id": 7, "schema": "k", "deleted": True}
    config = b'{"keytype":"CONFIG","subject":null,"magic":0}'
    association = b'{"keytype":"ASSOC","tenant":"default","magic":0}'
    log = Log()
    log.skip(3)
    log.produce(noop, schema_record("s", 3, 5, "a"))
    log.skip(2)
    log.produce((gone, None), (karapace_key, _dump(karapace)))
    log.produce((config, b'{"compatibilityLevel":"NONE"}'), (association, b"{}"))
    delete = b'{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}'
    log.produce(schema_record("d", 1, 6, "d"), (delete, b'{"subject":"s","version":2}'))
    log.skip()
    async with Nodes(log) as nodes:
        service = await nodes.start()
        assert await service.read(subjects) == ["d", "k", "s"]
        [stored] = await service.read(versions("s"))
        assert (stored.version, stored.id, stored.deleted) == (3, 5, False)
        assert await service.read(lambda registry: registry.state.configs[None]) is not None
        # NONE holds; the next version and the next id follow theirs.
        stored = await service.write(registering("s", "z"))
        assert (stored.version, stored.id) == (4, 8)
        # A later config replaces the very record that Karapace wrote.
        await service.write(lambda registry: put_config(registry, None, {"compatibility": "FULL"}))
        assert [key for key, _ in log.records if b"CONFIG" in key] == [config, config]
    async with Nodes(log) as nodes:
        again = await nodes.start("b")
        config_of = await again.read(lambda registry: registry.state.configs[None])
        assert config_of.compatibility_level is Level.FULL


async def test_what_was_written_here_is_read_back_after_compaction() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        world = World()
        for number in range(5):
            await service.write(registering("s", f"a f{number}?"))
        for key, value in nodes.log.records:
            world.take(key, value)
    compacted = Log(world.compacted())
    async with Nodes(compacted) as nodes:
        again = await nodes.start()
        assert [each.id for each in await again.read(versions("s"))] == [1, 2, 3, 4, 5]


async def test_a_read_during_which_the_state_changes_is_done_again() -> None:
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        entered, go_on = threading.Event(), threading.Event()
        seen: list[list[str]] = []

        def slow(registry: Any) -> list[str]:
            found = subjects(registry)
            seen.append(found)
            entered.set()
            assert go_on.wait(10)
            return found

        reading = asyncio.ensure_future(service.read(slow))
        await asyncio.to_thread(entered.wait, 10)
        await service.write(registering("t", "b"))
        go_on.set()
        assert await reading == ["s", "t"]
        assert seen == [["s"], ["s", "t"]]
        assert service.counts().reads_again == 1


async def test_what_a_read_stumbles_over_while_the_state_changes_reaches_nobody() -> None:
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        entered, go_on = threading.Event(), threading.Event()

        def torn(registry: Any) -> list[str]:
            found = []
            for subject in registry.state.subjects:
                found.append(subject)
                entered.set()
                assert go_on.wait(10)
            return found

        reading = asyncio.ensure_future(service.read(torn))
        await asyncio.to_thread(entered.wait, 10)
        await service.write(registering("t", "b"))
        go_on.set()
        assert await reading == ["s", "t"]


async def test_a_read_that_is_overtaken_again_and_again_makes_changes_wait() -> None:
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        entered, go_on = threading.Semaphore(0), threading.Semaphore(0)

        def slow(registry: Any) -> list[str]:
            found = subjects(registry)
            entered.release()
            assert go_on.acquire(timeout=10)
            return found

        reading = asyncio.ensure_future(service.read(slow))
        for number in range(limits.READ_TRIES_MAX):
            await asyncio.to_thread(entered.acquire)
            await service.write(registering(f"s{number}", "a"))
            go_on.release()
        await asyncio.to_thread(entered.acquire)
        late = asyncio.ensure_future(service.write(registering("late", "a")))
        await until(lambda: nodes.log.committed == limits.READ_TRIES_MAX + 2)
        await turns()
        assert not late.done()
        go_on.release()
        assert await reading == [f"s{number}" for number in range(limits.READ_TRIES_MAX)]
        await late


async def test_a_command_that_takes_long_holds_neither_the_loop_nor_reads() -> None:
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        entered, go_on = threading.Event(), threading.Event()

        def parses_long(registry: Any) -> Any:
            entered.set()
            assert go_on.wait(10)
            return registering("t", "b")(registry)

        writing = asyncio.ensure_future(service.write(parses_long))
        await asyncio.to_thread(entered.wait, 10)
        assert await service.read(subjects) == ["s"]
        go_on.set()
        assert (await writing).id == 2


async def test_no_more_reads_are_under_way_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "READS_MAX", 1)
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        go_on = threading.Event()
        reading = asyncio.ensure_future(service.read(lambda _: go_on.wait(10)))
        await turns(2)
        with pytest.raises(StoreFault):
            await service.read(subjects)
        go_on.set()
        assert await reading


async def test_a_topic_that_was_deleted_and_made_anew_is_another_one() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        log = nodes.log
        log.batches, log.end_offset, log.committed = [], 0, 0
        log.produce(schema_record("t", 1, 1, "another"))
        log.incarnation += 1
        service.wake()
        await until(lambda: service.counts().replays == 2)
        await turns()
        assert await service.read(subjects) == ["t"]
        assert (await service.write(registering("s", "b"))).id == 2


async def test_a_replica_that_comes_back_is_read_from_the_start() -> None:
    """Meanwhile compaction may have taken away a tombstone that was never seen."""
    async with Nodes() as nodes:
        await nodes.start("a")
        log = nodes.log
        log.produce(schema_record("s", 1, 1, "a"), schema_record("t", 1, 2, "b"))
        service = await nodes.start("b", leads=False)
        topic = nodes.topics["b"]
        topic.place = Place.ELSEWHERE
        service.wake()
        await until(lambda: not service.is_ready)
        log.batches = []
        log.produce(schema_record("t", 1, 2, "b"))
        topic.place = None
        service.wake()
        await until(lambda: service.is_ready)
        assert await service.read(subjects) == ["t"]


async def test_a_log_that_begins_later_than_what_was_read_is_read_again() -> None:
    async with Nodes() as nodes:
        await nodes.start("a")
        log = nodes.log
        service = await nodes.start("b", leads=False)
        log.produce(schema_record("s", 1, 1, "a"), schema_record("t", 1, 2, "b"))
        log.start_offset = 1
        await until(lambda: service.counts().subjects == 1)
        assert await service.read(subjects) == ["t"]


async def test_after_an_error_of_its_own_it_takes_what_the_log_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RETRY_S", 0)
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        topic = nodes.topics["a"]
        read = topic.read

        async def broken(offset: int | None) -> Any:
            monkeypatch.setattr(topic, "read", read)
            raise AssertionError("a bug")

        monkeypatch.setattr(topic, "read", broken)
        nodes.log.produce(schema_record("t", 1, 2, "b"))
        await until(lambda: service.counts().replays == 2)
        assert (await service.write(registering("s", "a b?"))).id == 3
        assert await service.read(subjects) == ["s", "t"]


async def test_a_compatibility_check_runs_beside_registrations() -> None:
    """Reads that parse have parsed schemas of their own."""
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))

        def check(registry: Any) -> int:
            return len(register(registry, "s", new("a x?")).records)

        jobs: list[Any] = [service.read(check) for _ in range(20)]
        jobs += [service.write(registering(f"t{n}", f"a f{n}")) for n in range(10)]
        found = await asyncio.gather(*jobs)
        assert set(found[:20]) == {1}
