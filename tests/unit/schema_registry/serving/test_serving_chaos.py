"""Many clients, leaders that come and go, nodes that die: what was acknowledged is true for good.

Each run follows from its seed alone: nothing waits for time, and no thread takes part.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from registry_world import facts
from schemas_topic_world import Nodes, records_of, registering, turns, until

from sprawl.schema_registry.service import NotTheLeader, StoreFault, StoreTimeout
from sprawl.schema_registry.serving import limits

NAMES = ("a", "b", "c")
CLIENTS = 6
WRITES = 8
STEPS = 60


class Chaos:
    def __init__(self, nodes: Nodes, seed: int) -> None:
        self.rng = Random(seed)
        self.nodes = nodes
        self.services: dict[str, Any] = {}
        self.acknowledged: list[tuple[str, str, int]] = []
        self.unknown_count = 0

    async def client(self) -> None:
        rng = self.rng
        for _ in range(WRITES):
            subject, text = f"s{rng.randrange(3)}", f"a f{rng.randrange(12)}?"
            at = rng.choice(NAMES)
            while True:
                try:
                    stored = await self.services[at].write(registering(subject, text))
                except NotTheLeader as sent_on:
                    url = sent_on.leader_url
                    at = rng.choice(NAMES) if url is None else url[len("http://") :][0]
                except StoreFault:
                    at = rng.choice(NAMES)
                except StoreTimeout:
                    self.unknown_count += 1
                else:
                    self.acknowledged.append((subject, text, stored.id))
                    break
                await turns(1)

    async def step(self) -> None:
        rng, log = self.rng, self.nodes.log
        match rng.randrange(6):
            case 0:
                log.elect(rng.choice(NAMES), keep=rng.random() < 0.5)
            case 1:
                log.elect(None)
            case 2:
                log.hold()
            case 3:
                log.commit()
            case 4:
                self.produce()
            case 5:
                await self.restart(rng.choice(NAMES))
        await turns(rng.randrange(30))

    def produce(self) -> None:
        """Somebody registers a schema without asking us."""
        log = self.nodes.log
        log.produce(*records_of("s3", f"a f{self.rng.randrange(12)}?", log))

    def sometimes_produce(self, _records: object) -> None:
        if self.rng.random() < 0.2:
            self.produce()

    async def start(self, name: str, *, leads: bool) -> None:
        self.services[name] = await self.nodes.start(name, leads=leads, ready=False)
        self.nodes.topics[name].before_append = self.sometimes_produce

    async def restart(self, name: str) -> None:
        """What the old one had under way is never answered by it."""
        old = self.services[name]
        await self.nodes.kill(old)
        await self.start(name, leads=False)
        old._fail_waiting("its process is gone")


def has_read(service: Any, end_offset: int) -> bool:
    counts = service.counts()
    return bool(counts.is_ready and counts.position == end_offset)


@pytest.mark.parametrize("seed", range(12))
async def test_what_was_acknowledged_is_true_for_good(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETRY_S", 0)
    monkeypatch.setattr(limits, "LOOK_WHILE_WAITED_FOR_S", 0)
    async with Nodes() as nodes:
        chaos = Chaos(nodes, seed)
        for name in NAMES:
            await chaos.start(name, leads=name == "a")
        clients = [asyncio.ensure_future(chaos.client()) for _ in range(CLIENTS)]
        for _ in range(STEPS):
            await chaos.step()
        nodes.log.elect("a")
        await until(lambda: all(each.done() for each in clients))
        await asyncio.gather(*clients)
        assert len(chaos.acknowledged) == CLIENTS * WRITES
        state = nodes.log.state()
        ids: dict[str, set[int]] = {}
        for subject, text, schema_id in chaos.acknowledged:
            ids.setdefault(text, set()).add(schema_id)
            stored = [each for each in state.versions(subject) if each.schema == text]
            assert [each.id for each in stored] == [schema_id]
        assert all(len(each) == 1 for each in ids.values())
        for service in chaos.services.values():
            await until(lambda each=service: has_read(each, nodes.log.end_offset))
            assert await service.read(lambda registry: facts(registry.state)) == facts(state)
