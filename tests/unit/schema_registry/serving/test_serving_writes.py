"""Writes to a registry on `_schemas`: what is acknowledged stays, whoever leads and dies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from registry_world import facts, new
from schemas_topic_world import (
    Log,
    Nodes,
    records_of,
    registering,
    turns,
    until,
    versions,
)

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.schema_registry.model.faults import FaultCode, RegistryFault
from sprawl.schema_registry.model.records import barrier
from sprawl.schema_registry.model.registering import register
from sprawl.schema_registry.service import NotTheLeader, StoreFault, StoreTimeout
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.topic import Place


async def test_the_answer_comes_when_the_schema_can_be_read() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        assert (await service.write(registering("s", "a b"))).id == 1
        assert [each.schema for each in await service.read(versions("s"))] == ["a b"]
        assert nodes.log.records[0] == barrier()
        assert len(nodes.log.records) == 2


async def test_many_clients_that_register_the_same_schemas_get_one_id_for_each() -> None:
    async with Nodes(threads=True) as nodes:
        service = await nodes.start()
        texts = [f"a f{number}?" for number in range(6)]
        asked = [(f"s{client % 4}", text) for client in range(8) for text in texts]
        stored = await asyncio.gather(*(service.write(registering(*each)) for each in asked))
        ids: dict[str, set[int]] = {}
        for (_, text), schema in zip(asked, stored, strict=True):
            ids.setdefault(text, set()).add(schema.id)
        assert sorted(ids.values(), key=min) == [{number} for number in range(1, 7)]
        state = nodes.log.state()
        assert [state.version("s0", n).version for n in range(1, 7)] == list(range(1, 7))  # type: ignore[union-attr]
        assert await service.read(lambda registry: facts(registry.state)) == facts(state)
        # Of 48 requests, each subject has each schema once.
        assert len(nodes.log.records) == 1 + 4 * 6


async def test_a_command_is_not_judged_while_the_one_before_is_on_its_way() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.hold()
        judged: list[str] = []

        def noted(text: str) -> Any:
            def command(registry: Any) -> Any:
                judged.append(text)
                return register(registry, text, new(text))

            return command

        first, second = (asyncio.ensure_future(service.write(noted(text))) for text in ("b", "c"))
        await turns()
        assert judged == ["b"]
        assert not first.done()
        assert await service.read(versions("b")) == []
        nodes.log.commit()
        assert [(await each).id for each in (first, second)] == [2, 3]


@pytest.mark.parametrize("keep", [True, False])
async def test_a_leader_deposed_on_the_way_does_not_know_and_its_successor_does(
    keep: bool,
) -> None:
    async with Nodes() as nodes:
        old = await nodes.start("a")
        new_one = await nodes.start("b", leads=False)
        await old.write(registering("s", "a"))
        nodes.log.hold()
        pending = asyncio.ensure_future(old.write(registering("s", "a b?")))
        await until(lambda: nodes.log.end_offset == 3)
        nodes.log.elect("b", keep=keep)
        with pytest.raises(StoreTimeout):
            await pending
        with pytest.raises(NotTheLeader) as sent_on:
            await old.write(registering("s", "a b?"))
        assert sent_on.value.leader_url == "http://b:8081"
        # The client tries again, there: it is one schema, whatever became of the first try.
        assert (await new_one.write(registering("s", "a b?"))).id == 2
        assert [each.id for each in await new_one.read(versions("s"))] == [1, 2]
        await turns()
        assert [each.id for each in await old.read(versions("s"))] == [1, 2]


async def test_a_new_leader_appends_a_barrier_before_its_first_record() -> None:
    async with Nodes() as nodes:
        first = await nodes.start("a")
        await first.write(registering("s", "a"))
        second = await nodes.start("b")
        assert await second.read(versions("s"))
        assert nodes.log.records.count(barrier()) == 1
        await second.write(registering("s", "a b?"))
        assert nodes.log.records[2] == barrier()
        await second.write(registering("s", "a c?"))
        assert nodes.log.records.count(barrier()) == 2


async def test_after_a_kill_everything_that_was_acknowledged_is_there() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        acknowledged = [await service.write(registering("s", f"a f{n}?")) for n in range(3)]
        nodes.log.hold()
        pending = asyncio.ensure_future(service.write(registering("s", "a late?")))
        await until(lambda: nodes.log.end_offset == 5)
        await nodes.kill(service)
        pending.cancel()
        again = await nodes.start()
        stored = await again.read(versions("s"))
        assert stored[:3] == acknowledged
        # What was appended and never answered was kept by the log, so its id is taken.
        assert (await again.write(registering("s", "a late?"))).id == 4
        assert (await again.write(registering("s", "a more?"))).id == 5


async def test_what_a_producer_writes_between_judging_and_appending_counts() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        foreign = records_of("other", "a b?", nodes.log)

        def produce_once(_records: object) -> None:
            nodes.topics["a"].before_append = lambda records: None
            nodes.log.produce(*foreign)

        nodes.topics["a"].before_append = produce_once
        stored = await service.write(registering("s", "a b?"))
        assert (stored.id, stored.version) == (2, 2)
        assert [each.id for each in await service.read(versions("other"))] == [2]


async def test_a_topic_that_others_fill_too_fast_is_a_fault_and_not_an_endless_wait() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.topics["a"].before_append = lambda records: nodes.log.produce(barrier())
        with pytest.raises(StoreFault):
            await service.write(registering("s", "a b?"))
        nodes.topics["a"].before_append = lambda records: None
        assert (await service.write(registering("s", "a b?"))).id == 2


async def test_what_cannot_be_appended_is_told_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RETRY_S", 0)
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.refusal = KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, "The disk is full.")
        with pytest.raises(StoreFault, match="disk is full"):
            await service.write(registering("s", "a b?"))
        nodes.log.refusal = None
        assert (await service.write(registering("s", "a c?"))).id == 2
        assert service.counts().faults == 1


async def test_a_commit_that_does_not_come_is_a_timeout_and_what_follows_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.hold()
        monkeypatch.setattr(limits, "COMMIT_S", 0)
        with pytest.raises(StoreTimeout):
            await service.write(registering("s", "a b?"))
        monkeypatch.setattr(limits, "COMMIT_S", 60)
        following = asyncio.ensure_future(service.write(registering("s", "a c?")))
        await turns()
        assert not following.done()
        nodes.log.commit()
        assert ((await following).id, (await following).version) == (3, 3)


async def test_a_topic_that_would_lose_schemas_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RETRY_S", 0)
    async with Nodes() as nodes:
        nodes.log.unfit = KafkaFault(ErrorCode.INVALID_CONFIG, "cleanup.policy is delete")
        service = await nodes.start()
        with pytest.raises(StoreFault, match="policy is delete"):
            await service.write(registering("s", "a"))
        assert nodes.log.records == []


async def test_refusals_of_the_model_reach_the_client_and_write_nothing() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        with pytest.raises(RegistryFault) as refused:
            await service.write(registering("s", "b"))
        assert refused.value.code is FaultCode.INCOMPATIBLE_SCHEMA
        assert len(nodes.log.records) == 2
        counts = service.counts()
        assert (counts.refusals, counts.writes, counts.schemas, counts.subjects) == (1, 1, 1, 1)


async def test_an_error_in_a_command_is_its_callers_and_the_next_one_is_served() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        with pytest.raises(ZeroDivisionError):
            await service.write(lambda registry: 1 / 0)
        assert (await service.write(registering("s", "a"))).id == 1


async def test_a_write_waits_for_a_leader_and_is_told_when_none_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Nodes() as nodes:
        service = await nodes.start(leads=False)
        waiting = asyncio.ensure_future(service.write(registering("s", "a")))
        await turns()
        nodes.log.elect("a")
        assert (await waiting).id == 1
        nodes.log.elect(None)
        monkeypatch.setattr(limits, "WRITE_WAIT_S", 0)
        with pytest.raises(NotTheLeader) as sent_on:
            await service.write(registering("s", "b"))
        assert sent_on.value.leader_url is None
        assert service.counts().misdirected == 1


async def test_a_client_that_goes_before_its_turn_leaves_nothing() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.hold()
        first = asyncio.ensure_future(service.write(registering("s", "a b?")))
        gone = asyncio.ensure_future(service.write(registering("s", "a c?")))
        await turns()
        gone.cancel()
        nodes.log.commit()
        await first
        assert (await service.write(registering("s", "a d?"))).id == 3
        assert [each.schema for each in await service.read(versions("s"))] == ["a", "a b?", "a d?"]


async def test_no_more_writes_wait_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITES_WAITING_MAX", 3)
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.hold()
        waiting = [
            asyncio.ensure_future(service.write(registering(f"s{number}", "a")))
            for number in range(3)
        ]
        await turns()
        with pytest.raises(StoreFault):
            await service.write(registering("s4", "a"))
        waiting.pop().cancel()
        await turns()
        waiting.append(asyncio.ensure_future(service.write(registering("s4", "a"))))
        await turns()
        nodes.log.commit()
        assert {(await each).id for each in waiting} == {1}


async def test_a_stop_finishes_what_is_under_way_and_refuses_the_rest() -> None:
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.hold()
        first, second = (
            asyncio.ensure_future(service.write(registering("s", text))) for text in ("a b?", "c?")
        )
        await turns()
        stopping = asyncio.ensure_future(service.stop())
        await turns()
        nodes.log.commit()
        await stopping
        assert (await first).id == 2
        for refused in (second, service.write(registering("s", "a d?"))):
            with pytest.raises(StoreFault):
                await refused
        assert len(nodes.log.records) == 3


async def test_a_stop_does_not_wait_for_a_commit_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CLOSING_S", 0)
    async with Nodes() as nodes:
        service = await nodes.start()
        await service.write(registering("s", "a"))
        nodes.log.hold()
        pending = asyncio.ensure_future(service.write(registering("s", "a b?")))
        await turns()
        await service.stop()
        with pytest.raises(StoreTimeout):
            await pending


async def test_the_first_write_creates_the_topic() -> None:
    async with Nodes(Log(exists=False)) as nodes:
        service = await nodes.start()
        assert await service.read(lambda registry: list(registry.state.subjects)) == []
        assert not nodes.log.exists
        assert (await service.write(registering("s", "a"))).id == 1
        assert nodes.log.exists


async def test_a_node_without_a_replica_sends_everybody_on() -> None:
    async with Nodes() as nodes:
        await nodes.start("a")
        service = await nodes.start("b", leads=False)
        nodes.topics["b"].place = Place.ELSEWHERE
        service.wake()
        await until(lambda: not service.is_ready)
        for asked in (service.read(versions("s")), service.write(registering("s", "a"))):
            with pytest.raises(NotTheLeader) as sent_on:
                await asked
            assert sent_on.value.leader_url == "http://a:8081"
