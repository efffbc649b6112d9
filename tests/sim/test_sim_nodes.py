"""Whole nodes in a world: they start, die in every way, and keep what the disk keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sim.world import NodeCrashed, World

from sprawl.client.cluster import Cluster
from sprawl.client.fetching import Reader
from sprawl.client.producing import NewRecord, Producer
from sprawl.client.topics import create_topic
from sprawl.core.controller.metadata_log import METADATA_TOPIC_ID, METADATA_TP
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, segment_name
from sprawl.core.log.state import LogState
from sprawl.faults import StartFault

NODE = 1


class Desk:
    """A client that nothing happens to."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def ask(self, work: Callable[[Cluster], Awaitable[object]]) -> object:
        async def connected() -> object:
            async with Cluster(self.world.node(NODE).address, timeout_ms=5_000) as cluster:
                return await work(cluster)

        process = self.world.process("desk", "desk")
        return await self.world.spawn(process, connected())

    async def create(self, topic: str, **configs: str) -> None:
        names = {name.replace("_", "."): value for name, value in configs.items()}
        await self.ask(lambda cluster: create_topic(cluster, topic, partitions=1, configs=names))

    async def write(self, topic: str, *values: bytes) -> None:
        async def send(cluster: Cluster) -> None:
            producer = Producer(cluster, await cluster.topic(topic))
            for value in values:
                await producer.send([NewRecord(timestamp_ms=0, key=None, value=value)])

        await self.ask(send)

    async def read(self, topic: str) -> list[bytes | None]:
        async def fetch(cluster: Cluster) -> list[bytes | None]:
            reader = Reader(cluster, await cluster.topic(topic), {0: 0}, max_wait_ms=100)
            found: list[bytes | None] = []
            while polled := await reader.poll():
                found += [each.record.value for each in polled]
            return found

        values = await self.ask(fetch)
        assert isinstance(values, list)
        return values


def play(story: Callable[[World, Desk], Awaitable[None]], *, seed: int = 1) -> None:
    async def told(world: World) -> None:
        await story(world, Desk(world))

    with World(seed) as world:
        world.run(told(world), limit_s=1_000)


def test_a_killed_node_keeps_what_it_had_written() -> None:
    async def story(world: World, desk: Desk) -> None:
        await world.start_node(NODE)
        await desk.create("t")
        await desk.write("t", b"a", b"b")
        world.crash(NODE)
        await world.restart(NODE)
        await desk.write("t", b"c")
        assert await desk.read("t") == [b"a", b"b", b"c"]

    play(story)


def test_power_takes_what_was_not_synced_and_nothing_else() -> None:
    kept_counts = set()

    async def story(world: World, desk: Desk) -> None:
        await world.start_node(NODE)
        await desk.create("synced", flush_messages="1")
        await desk.create("unsynced")
        values = [b"%d" % number for number in range(20)]
        await desk.write("synced", *values)
        await desk.write("unsynced", *values)
        world.power_loss(NODE)
        await world.restart(NODE)
        assert await desk.read("synced") == values
        kept = await desk.read("unsynced")
        assert kept == values[: len(kept)]
        kept_counts.add(len(kept))

    for seed in range(8):
        play(story, seed=seed)
    assert len(kept_counts) > 2


def test_a_node_dies_at_any_step_of_its_start() -> None:
    async def story(world: World, desk: Desk) -> None:
        await world.start_node(NODE)
        await desk.create("t", flush_messages="1")
        await desk.write("t", b"a")
        world.power_loss(NODE)
        starts = 0
        for steps in range(100):
            node = world.node(NODE)

            def burn() -> None:
                world.power_loss(NODE)

            node.disk.burn_after(steps, burn)
            try:
                await world.start_node(NODE)
            except NodeCrashed:
                starts += 1
            else:
                node.disk.defuse()
                break
        assert starts > 3
        assert await desk.read("t") == [b"a"]

    play(story)


def test_two_incarnations_never_share_a_disk() -> None:
    async def story(world: World, desk: Desk) -> None:
        await world.start_node(NODE)
        world.pause_node(NODE)
        node = world.node(NODE)
        node.process, paused = None, node.process
        with pytest.raises(StartFault, match="in use"):
            await world.start_node(NODE)
        node.process = paused
        world.resume_node(NODE)

    play(story)


def test_a_node_that_cannot_write_says_so_and_goes_on_when_it_can() -> None:
    async def story(world: World, desk: Desk) -> None:
        await world.start_node(NODE)
        await desk.create("t")
        node = world.node(NODE)
        room, node.disk.room_bytes = node.disk.room_bytes, 0
        with pytest.raises(Exception, match="KAFKA_STORAGE_ERROR"):
            await desk.write("t", b"a")
        node.disk.room_bytes = room
        await desk.write("t", b"b")
        assert await desk.read("t") == [b"b"]

    play(story)


def test_a_flipped_bit_is_never_served() -> None:
    refused = 0

    async def story(world: World, desk: Desk) -> None:
        nonlocal refused
        await world.start_node(NODE)
        await desk.create("t", flush_messages="1")
        values = [b"%d" % number * 10 for number in range(20)]
        await desk.write("t", *values)
        world.crash(NODE)
        assert world.node(NODE).disk.flip_bit("t-0") is not None
        await world.restart(NODE)
        try:
            found = await desk.read("t")
        except Exception as fault:  # noqa: BLE001 any refusal will do
            assert "CORRUPT" in str(fault) or "STORAGE" in str(fault)  # noqa: PT017
            refused += 1
        else:
            assert found == values[: len(found)]
            refused += len(found) < len(values)

    for seed in range(6):
        play(story, seed=seed)
    assert refused > 0


def test_clocks_of_two_nodes_differ_and_drift() -> None:
    async def story(world: World, desk: Desk) -> None:
        for number, rate in ((1, 1.0), (2, 1.5)):
            world.node(number).clock.set_rate(rate)
            await world.start_node(number, {"storage": "memory"})
        clocks = [world.node(number).clock for number in (1, 2)]
        before = [clock.monotonic_ms() for clock in clocks]
        await asyncio.sleep(100)
        passed = [clock.monotonic_ms() - b for clock, b in zip(clocks, before, strict=True)]
        assert passed == [pytest.approx(100_000, abs=2), pytest.approx(150_000, abs=2)]
        world.node(2).clock.jump(-3_600_000)
        assert clocks[0].now_ms() - clocks[1].now_ms() > 3_500_000

    play(story)


def test_a_node_whose_metadata_are_damaged_does_not_start_and_says_what_to_do() -> None:
    async def story(world: World, _: Desk) -> None:
        hosts = [world.node(number).host for number in (1, 2, 3)]
        for number in (1, 2, 3):
            join = {} if number == 1 else {"join": f"{hosts[0]}:9093"}
            settings = {"peer.port": 9093, "peer.host": hosts[number - 1]}
            await world.start_node(number, settings | join)
        await asyncio.sleep(30)
        world.crash(3)
        disk = world.node(3).disk
        state = LogState(disk.kv, METADATA_TOPIC_ID, METADATA_TP.partition)
        point = state.recovery_point()
        assert point is not None
        name = segment_name(point.key)
        assert disk.flip_bit_between(str(METADATA_TP), name, SEGMENT_HEADER_BYTES, point.position)
        with pytest.raises(StartFault, match="damaged") as refused:
            await world.restart(3)
        assert "--replace-node" in str(refused.value.next_step)

    play(story)
