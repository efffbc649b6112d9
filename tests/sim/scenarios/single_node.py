"""One node, everything that can go wrong with it, and what it promises all the same.

chaos     the node is killed, loses power (also in the middle of a handler, also while it
          starts), stands still, is slow; its disk is slow, full, fails to sync, has cold pages;
          the network cuts, delays, tears and resets; clients crash; wall clocks jump
heal      everything works again; within bounded virtual time every client succeeds
verdict   on topic `safe` (flush.messages=1) nothing acknowledged is lost, ever. On topic `fast`
          a loss of power may take the end of the log, a kill nothing
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import ClassVar

from sim.clients import AssignedConsumer, GroupConsumer, IdempotentProducer, PlainProducer
from sim.disk import DISK_BYTES
from sim.network import LinkQuality
from sim.scenario import Scenario
from sim.scenarios import verdict
from sim.workload import LogText, Workload
from sim.world import WALL_MS, NodeCrashed, World

from sprawl.faults import StartFault

NODE = 1
GROUP = "readers"
SAFE, FAST = "safe", "fast"
LIVELY_S = 200.0
"""Virtual time in which every client must succeed once the world is healed."""


class SingleNode(Scenario):
    """See the module."""

    name = "single_node"
    rare: ClassVar[tuple[str, ...]] = (
        "killed",
        "lost power",
        "died inside a handler",
        "died while starting",
        "an acknowledged record was lost with the power",
        "a batch was answered at a later attempt",
        "a sync failed",
        "the disk was full",
        "a group was joined again",
        "a client crashed",
        "a consumer was beyond the end of the log",
        "an operation ended without an answer",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.rng = world.rng("scenario")
        self.chance = world.rng("chaos")
        self.node = world.node(NODE)
        self.workload = Workload(world, self.node.address)
        self.history = self.workload.history
        self.losses_us: list[int] = []
        self._needs_restart = False
        self._choose_knobs()

    # --- what the seed chooses ------------------------------------------------------------------

    def _choose_knobs(self) -> None:
        rng = self.rng
        faults = [*self._node_faults(), *self._other_faults()]
        knobs = self.knobs
        knobs["partitions"] = rng.choice((1, 1, 2, 3))
        knobs["segment.ms"] = rng.choice((500, 3_000, 10**9))
        knobs["index.interval.bytes"] = rng.choice((0, 300, 4_096))
        knobs["size_bytes"] = rng.choice((20, 300, 3_000))
        knobs["pause_s"] = rng.choice((0.02, 0.05, 0.2))
        knobs["latency_s"] = rng.choice((0.0001, 0.001, 0.02))
        knobs["tear_odds"] = rng.choice((0.0, 0.05, 0.5))
        knobs["window_bytes"] = rng.choice((3_000, 65_536))
        knobs["cold_odds"] = rng.choice((0.0, 0.0, 0.3))
        knobs["disk_delay_s"] = rng.choice((0.0001, 0.002, 0.05, 0.3))
        knobs["clock_rate"] = rng.choice((1.0, 1.0, 0.98, 1.02))
        knobs["chaos_s"] = rng.choice((5.0, 10.0, 20.0))
        # A few kinds of faults a seed, so that each gets room to do its worst; one of them ends
        # the node, because that is what the promises are about.
        names = {each.__name__ for each in faults}
        ends = rng.choice(
            (
                self._kill,
                self._kill_at_a_step,
                *[self._lose_power_at_a_step] * 3,
                self._lose_power_after_a_resend,
            )
        )
        also = rng.sample(sorted(names - {ends.__name__}), rng.randint(0, 4))
        knobs["faults"] = sorted([ends.__name__, *also])

    def _node_faults(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._kill,
            self._lose_power,
            self._kill_at_a_step,
            self._lose_power_at_a_step,
            self._stand_still,
            self._be_slow,
            self._restart_cleanly,
            self._lose_power_after_a_resend,
        ]

    def _other_faults(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._slow_disk,
            self._full_disk,
            self._failing_sync,
            self._cut,
            self._cut_one_way,
            self._reset,
            self._refuse,
            self._slow_link,
            self._jump,
            self._crash_client,
        ]

    # --- the story ------------------------------------------------------------------------------

    async def play(self) -> None:
        knobs = self.knobs
        world = self.world
        latency_s = float(str(knobs["latency_s"]))
        world.network.quality.latency_s = latency_s
        world.network.quality.jitter_s = latency_s
        world.network.tear_odds = float(str(knobs["tear_odds"]))
        world.network.window_bytes = int(str(knobs["window_bytes"]))
        self.node.disk.cold_odds = float(str(knobs["cold_odds"]))
        self.node.clock.set_rate(float(str(knobs["clock_rate"])))
        self._restore_disk()
        settings = {
            "offsets.topic.num.partitions": 2,
            "offsets.topic.segment.bytes": 1_048_576,
            "log.cleaner.backoff.ms": 2_000,
            "log.retention.check.interval.ms": 3_000,
        }
        await world.start_node(NODE, settings)
        await self._start_clients()
        await self._chaos(float(str(knobs["chaos_s"])))
        await self._heal()
        await self._live()
        logs = await self._finish()
        self._judge(logs)

    async def _start_clients(self) -> None:
        knobs = self.knobs
        partitions = int(str(knobs["partitions"]))
        self.topics = {SAFE: partitions, FAST: partitions}
        shared = {
            "segment.ms": str(knobs["segment.ms"]),
            "index.interval.bytes": str(knobs["index.interval.bytes"]),
            "retention.ms": "-1",
        }
        workload = self.workload
        await workload.create_topic(SAFE, partitions, shared | {"flush.messages": "1"})
        await workload.create_topic(FAST, partitions, shared)
        pause_s = float(str(knobs["pause_s"]))
        sends = {"topics": self.topics, "size_bytes": knobs["size_bytes"], "pause_s": pause_s}
        self.producers = [
            workload.start(PlainProducer, **sends),
            workload.start(IdempotentProducer, **sends),
            workload.start(IdempotentProducer, **sends),
        ]
        workload.start(AssignedConsumer, topic=SAFE, partitions=range(partitions), pause_s=pause_s)
        workload.start(AssignedConsumer, topic=FAST, partitions=range(partitions), pause_s=pause_s)
        for _ in range(2):
            workload.start(GroupConsumer, topic=SAFE, group=GROUP, pause_s=pause_s)

    async def _chaos(self, seconds: float) -> None:
        wanted = self.knobs["faults"]
        assert isinstance(wanted, list)
        own = [each for each in self._node_faults() if each.__name__ in wanted]
        others = [each for each in self._other_faults() if each.__name__ in wanted]
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(self._break(own, end), self._break(others, end))

    async def _break(self, faults: list[Callable[[], Awaitable[None]]], end: float) -> None:
        loop = asyncio.get_running_loop()
        while faults and loop.time() < end:
            await self._some(0.0, 2.0)
            await self.chance.choice(faults)()
            self.workload.check_alive()

    async def _some(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(least_s, most_s))

    # --- faults of the node ---------------------------------------------------------------------

    async def _kill(self) -> None:
        if self.node.is_up:
            self.world.crash(NODE)
            self.world.sometimes("killed")
        await self._some(0.0, 3.0)
        await self._up()

    async def _lose_power(self) -> None:
        if self.node.is_up:
            self.world.power_loss(NODE)
            self.losses_us.append(self.world.now_us)
            self.world.sometimes("lost power")
        self._restore_disk()  # one whose every sync takes seconds lets no node start in time
        await self._some(0.0, 10.0)
        await self._up()

    async def _kill_at_a_step(self) -> None:
        await self._die_at_a_step(power=False)

    async def _lose_power_at_a_step(self) -> None:
        await self._die_at_a_step(power=True)

    async def _die_at_a_step(self, *, power: bool) -> None:
        """Die in the middle of something, or, when the node is down, of its start."""
        if self.node.is_up and self.chance.random() < 0.5:
            self.world.crash(NODE)
        if self.node.is_up:
            self._set_fuse(self.chance.randrange(30), power=power)
            await self._some(0.5, 4.0)
        else:
            self._set_fuse(self.chance.randrange(25), power=power)
        await self._up()

    def _set_fuse(self, steps: int, *, power: bool) -> None:
        def burn() -> None:
            world = self.world
            if not self.node.is_up:
                return
            world.sometimes("died inside a handler")
            if power:
                self.losses_us.append(world.now_us)
                world.power_loss(NODE)
            else:
                world.crash(NODE)

        self.node.disk.burn_after(steps, burn)

    async def _lose_power_after_a_resend(self) -> None:
        """Syncs take long, producers lose their connections and send again, and before the first
        sync is over the power is gone."""
        self.node.disk.delay_s = 2.0
        await self._some(0.2, 0.5)
        for host in self.workload.hosts:
            self.world.network.reset_connections(host, self.node.host)
        await self._some(0.5, 3.0)
        await self._lose_power()

    async def _stand_still(self) -> None:
        process = self.node.process
        assert process is not None
        if process.is_dead:
            return
        self.world.pause(process)
        await self._some(0.01, 12.0)
        self.world.resume(process)

    async def _be_slow(self) -> None:
        process = self.node.process
        assert process is not None
        self.world.slow(process, self.chance.choice((0.0001, 0.002, 0.02)))
        await self._some(0.5, 5.0)
        self.world.slow(process, 0.0)

    async def _restart_cleanly(self) -> None:
        with contextlib.suppress(NodeCrashed):
            if self.node.is_up:
                await self.world.stop_node(NODE)
        await self._some(0.0, 2.0)
        await self._up()

    async def _up(self) -> None:
        """Start the node until it runs."""
        tries = 0
        while not self.node.is_up:
            tries += 1
            assert tries < 100, "the node does not start"
            try:
                await self.world.start_node(NODE)
            except NodeCrashed:
                self.world.sometimes("died while starting")
            except StartFault as fault:
                self.world.note("no start", str(fault))
                self.world.sometimes("could not start")
                await self._some(0.5, 2.0)

    # --- faults around it -----------------------------------------------------------------------

    async def _slow_disk(self) -> None:
        self.node.disk.delay_s = self.chance.choice((0.05, 0.5, 2.0))
        await self._some(0.5, 6.0)
        self._restore_disk()

    async def _full_disk(self) -> None:
        disk = self.node.disk
        disk.room_bytes = self.chance.choice((0, 100, 5_000))
        self._needs_restart = True
        self.world.sometimes("the disk was full")
        await self._some(0.5, 5.0)
        disk.room_bytes = DISK_BYTES

    async def _failing_sync(self) -> None:
        self.node.disk.failing_syncs = self.chance.randint(1, 3)
        self._needs_restart = True
        await self._some(0.5, 3.0)
        if not self.node.disk.failing_syncs:
            self.world.sometimes("a sync failed")
        self.node.disk.failing_syncs = 0

    async def _cut(self) -> None:
        await self._cut_from(both_ways=True)

    async def _cut_one_way(self) -> None:
        await self._cut_from(both_ways=False)

    async def _cut_from(self, *, both_ways: bool) -> None:
        hosts = self.workload.hosts
        cut = self.chance.sample(hosts, self.chance.randint(1, len(hosts)))
        pairs = [(host, self.node.host) for host in cut]
        if not both_ways and self.chance.random() < 0.5:
            pairs = [(node, host) for host, node in pairs]
        for one, other in pairs:
            self.world.network.cut(one, other, both_ways=both_ways)
        await self._some(0.5, 15.0)
        for one, other in pairs:
            self.world.network.heal(one, other, both_ways=both_ways)

    async def _reset(self) -> None:
        host = self.chance.choice(self.workload.hosts)
        self.world.network.reset_connections(host, self.node.host)

    async def _refuse(self) -> None:
        self.world.network.refuse(self.node.host, 9092)
        await self._some(0.5, 3.0)
        self.world.network.refuse(self.node.host, 9092, refuses=False)

    async def _slow_link(self) -> None:
        host = self.chance.choice(self.workload.hosts)
        slow = LinkQuality(latency_s=self.chance.choice((0.2, 1.0)), jitter_s=0.5, bytes_per_s=1e4)
        network = self.world.network
        network.slow(host, self.node.host, slow)
        await self._some(0.5, 6.0)
        network.slow(host, self.node.host, network.quality)

    async def _jump(self) -> None:
        self.node.clock.wall_ms = WALL_MS + self.chance.choice((-600_000, -1_000, 0, 600_000))

    async def _crash_client(self) -> None:
        workload = self.workload
        victim = self.chance.choice(list(workload.clients))
        new = workload.crash(victim)
        if victim in self.producers:
            self.producers[self.producers.index(victim)] = new
        self.world.sometimes("a client crashed")

    # --- afterwards -----------------------------------------------------------------------------

    def _restore_disk(self) -> None:
        self.node.disk.delay_s = float(str(self.knobs["disk_delay_s"]))

    async def _heal(self) -> None:
        world, node = self.world, self.node
        world.note("heal", "")
        node.disk.defuse()
        node.disk.failing_syncs = 0
        node.disk.room_bytes = DISK_BYTES
        self._restore_disk()
        world.network.heal_all()
        if self._needs_restart and node.is_up:
            world.crash(NODE)  # a log that could not be synced is closed until then
        await self._up()

    async def _live(self) -> None:
        """Every client gets something done."""
        healed_us = self.world.now_us
        clients = self.workload.clients
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIVELY_S
        while stuck := [each for each in clients.values() if each.succeeded_us <= healed_us]:
            assert loop.time() < deadline, "stuck after everything was healed: " + ", ".join(
                f"client {each.number} ({type(each).__name__}, {each.faults})" for each in stuck
            )
            await asyncio.sleep(0.5)
            self.workload.check_alive()

    async def _finish(self) -> LogText:
        """Stop the producers, let the group read to the end, read everything, start anew, and
        read it again."""
        workload = self.workload
        self._count_rare_states()
        await workload.stop(self.producers, limit_s=LIVELY_S)
        logs = await workload.read_finally(self.topics)
        await self._group_catches_up(logs)
        await workload.stop(list(workload.clients), limit_s=LIVELY_S)
        places = [place for place in logs if place[0] == SAFE]
        await workload.read_committed(GROUP, places)
        await self.world.stop_node(NODE)
        await self.world.start_node(NODE)
        again = await workload.read_all(self.topics)
        for place, records in logs.items():
            # A request whose sender gave up may be written as late as this.
            assert again[place][: len(records)] == records, (
                f"a clean restart changed {place} from {len(records)} records that end in"
                f" {records[-3:]} to {len(again[place])} that end in {again[place][-3:]}"
            )
        await self.world.stop_node(NODE)
        return logs

    async def _group_catches_up(self, logs: LogText) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIVELY_S
        wanted = {
            (topic, partition): set(range(len(records)))
            for (topic, partition), records in logs.items()
            if topic == SAFE
        }
        members = [event.process for event in self.history.of_op("subscribe", "ok")]
        while True:
            polled = verdict.polled_offsets(self.history, members)
            missing = {
                place: sorted(offsets - polled.get(place, set()))
                for place, offsets in wanted.items()
                if offsets - polled.get(place, set())
            }
            if not missing:
                return
            assert loop.time() < deadline, f"the group never read {missing}"
            await asyncio.sleep(1)

    def _count_rare_states(self) -> None:
        world = self.world
        for client in self.workload.clients.values():
            if isinstance(client, IdempotentProducer):
                world.sometimes("a batch was answered at a later attempt", when=client.resent > 0)
            if isinstance(client, GroupConsumer):
                world.sometimes("a group was joined again", when=client.joins > 1)
            beyond = "OFFSET_OUT_OF_RANGE" in client.faults
            world.sometimes("a consumer was beyond the end of the log", when=beyond)
        unknown = any(event.kind == "info" for event in self.history.of_op("send"))
        world.sometimes("an operation ended without an answer", when=unknown)

    def _judge(self, logs: LogText) -> None:
        history = self.history
        lossy = [FAST] if self.losses_us else []
        is_judged = verdict.check_history(self.workload, GROUP, lossy_topics=lossy)
        self.world.sometimes(verdict.GIVEN_UP, when=not is_judged)
        # What the checkers leave out: the topic that may lose its end with the power.
        fast = {place: records for place, records in logs.items() if place[0] in lossy}
        verdict.check_texts_are_there_once(fast)
        gone = verdict.lost(history, fast)
        verdict.check_only_a_tail_was_lost(history, self.losses_us, gone)
        self.world.sometimes("an acknowledged record was lost with the power", when=bool(gone))
