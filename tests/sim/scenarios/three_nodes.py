"""Three nodes that replicate everything, and what they promise while any of it goes wrong.

chaos     nodes are killed and lose power (also in the middle of a handler), stand still, are slow,
          stop in good order; disks are slow; links between nodes and with clients are cut, one way
          too, slow and reset; clients crash
heal      everything works again; within bounded virtual time every client succeeds
verdict   nothing acknowledged is lost or stands twice, every replica that leads says the same, and
          no consumer sees anything out of order. No loss of power is an excuse: acks=all waits for
          the disks of a majority
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import ClassVar

from sim.administrator import Administered, Administrator
from sim.clients import AssignedConsumer, GroupConsumer, IdempotentProducer, PlainProducer
from sim.network import LinkQuality
from sim.scenario import Scenario
from sim.scenarios import verdict
from sim.shortener import Shortened, Shortener
from sim.workload import LogText, Workload
from sim.world import NodeCrashed, SimNode, World

from sprawl.faults import StartFault

NODES = (1, 2, 3)
PEER_PORT = 9093
GROUP = "readers"
TOPIC = "replicated"
SHORTENED = "shortened"
CHECKPOINT_BYTES = "metadata.log.max.record.bytes.between.snapshots"
LIVELY_S = 240.0
"""Virtual time in which every client must succeed once the world is healed."""


class ThreeNodes(Scenario):
    """See the module."""

    name = "three_nodes"
    rare: ClassVar[tuple[str, ...]] = (
        "killed",
        "lost power",
        "died inside a handler",
        "two nodes were down",
        "a node was cut off",
        "two nodes did not reach each other",
        "a link worked one way",
        "the leader changed",
        "a batch was answered at a later attempt",
        "a group was joined again",
        "an operation ended without an answer",
        "a log was copied",
        "a metadata checkpoint was written",
        "a metadata checkpoint was copied",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.rng = world.rng("scenario")
        self.chance = world.rng("chaos")
        self.nodes = {number: world.node(number) for number in NODES}
        self.workload = Workload(world, ",".join(n.address for n in self.nodes.values()))
        self.history = self.workload.history
        self.shortened = Shortened(SHORTENED)
        self.administered = Administered()
        self._busy: set[int] = set()
        self._choose_knobs()

    # --- what the seed chooses ------------------------------------------------------------------

    def _choose_knobs(self) -> None:
        rng = self.rng
        faults = [*self._node_faults(), *self._other_faults()]
        knobs = self.knobs
        knobs["partitions"] = rng.choice((1, 1, 2, 4))
        knobs["segment.ms"] = rng.choice((500, 3_000, 10**9))
        knobs["size_bytes"] = rng.choice((20, 300, 3_000))
        knobs["pause_s"] = rng.choice((0.05, 0.2, 0.5))
        knobs["latency_s"] = rng.choice((0.0001, 0.001, 0.02))
        knobs["tear_odds"] = rng.choice((0.0, 0.05, 0.5))
        knobs["disk_delay_s"] = rng.choice((0.0001, 0.0005, 0.005))
        knobs["min.insync.replicas"] = rng.choice((1, 2, 2))
        knobs["chaos_s"] = rng.choice((5.0, 15.0, 30.0))
        knobs["faults"] = sorted(rng.sample([f.__name__ for f in faults], rng.randint(1, 5)))
        knobs["shortens"] = rng.choice((False, True))
        knobs["checkpoint_bytes"] = rng.choice((700, 4_000, 20_971_520))

    def _node_faults(self) -> list[Callable[[int], Awaitable[None]]]:
        return [
            self._kill,
            self._lose_power,
            self._kill_at_a_step,
            self._lose_power_at_a_step,
            self._stand_still,
            self._be_slow,
            self._restart_cleanly,
            self._slow_disk,
        ]

    def _other_faults(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._isolate,
            self._cut_pair,
            self._cut_one_way,
            self._cut_clients,
            self._reset,
            self._slow_links,
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
        for number, node in self.nodes.items():
            self._restore_disk(node)
            await world.start_node(number, self._settings(number))
        await self._start_clients()
        await self._chaos(float(str(knobs["chaos_s"])))
        await self._heal()
        await self._live()
        await self._finish()

    def _settings(self, number: int) -> dict[str, object]:
        settings: dict[str, object] = {
            "peer.port": PEER_PORT,
            "peer.host": self.nodes[number].host,
            "default.replication.factor": 3,
            "min.insync.replicas": self.knobs["min.insync.replicas"],
            "offsets.topic.num.partitions": 2,
            "offsets.topic.segment.bytes": 1_048_576,
            CHECKPOINT_BYTES: self.knobs["checkpoint_bytes"],
        }
        if number != 1:
            settings["join"] = f"{self.nodes[1].host}:{PEER_PORT}"
        return settings

    async def _start_clients(self) -> None:
        knobs = self.knobs
        partitions = int(str(knobs["partitions"]))
        self.topics = {TOPIC: partitions}
        configs = {"segment.ms": str(knobs["segment.ms"]), "retention.ms": "-1"}
        workload = self.workload
        await workload.create_topic(TOPIC, partitions, configs)
        pause_s = float(str(knobs["pause_s"]))
        sends = {"topics": self.topics, "size_bytes": knobs["size_bytes"], "pause_s": pause_s}
        self.producers = [
            workload.start(PlainProducer, **sends),
            workload.start(IdempotentProducer, **sends),
            workload.start(IdempotentProducer, **sends),
        ]
        if knobs["shortens"]:
            await workload.create_topic(SHORTENED, 1, {"segment.ms": "100", "retention.ms": "-1"})
            about = {"told": self.shortened, "size_bytes": knobs["size_bytes"]}
            self.producers.append(workload.start(Shortener, **about, pause_s=pause_s))
        if knobs["checkpoint_bytes"] != 20_971_520:
            told = self.administered
            self.producers.append(workload.start(Administrator, told=told, pause_s=2 * pause_s))
        everything = range(partitions)
        workload.start(AssignedConsumer, topic=TOPIC, partitions=everything, pause_s=pause_s)
        for _ in range(2):
            workload.start(GroupConsumer, topic=TOPIC, group=GROUP, pause_s=pause_s)

    async def _chaos(self, seconds: float) -> None:
        wanted = self.knobs["faults"]
        assert isinstance(wanted, list)
        own = [each for each in self._node_faults() if each.__name__ in wanted]
        others = [each for each in self._other_faults() if each.__name__ in wanted]
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(
            self._break_nodes(own, end),
            self._break_nodes(own, end),
            self._break_others(others, end),
        )

    async def _break_nodes(
        self, faults: list[Callable[[int], Awaitable[None]]], end: float
    ) -> None:
        """One node after the other; two of these make two nodes fail at once."""
        loop = asyncio.get_running_loop()
        while faults and loop.time() < end:
            await self._some(0.0, 5.0)
            victim = self.chance.choice([each for each in NODES if each not in self._busy])
            self._busy.add(victim)
            try:
                await self.chance.choice(faults)(victim)
            finally:
                self._busy.discard(victim)
            self.workload.check_alive()

    async def _break_others(self, faults: list[Callable[[], Awaitable[None]]], end: float) -> None:
        loop = asyncio.get_running_loop()
        while faults and loop.time() < end:
            await self._some(0.0, 4.0)
            await self.chance.choice(faults)()
            self.workload.check_alive()

    async def _some(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(least_s, most_s))

    # --- faults of a node -----------------------------------------------------------------------

    async def _kill(self, number: int) -> None:
        if self.nodes[number].is_up:
            self.world.crash(number)
            self.world.sometimes("killed")
        self._count_down()
        await self._some(0.0, 6.0)
        await self._up(number)

    async def _lose_power(self, number: int) -> None:
        if self.nodes[number].is_up:
            self.world.power_loss(number)
            self.world.sometimes("lost power")
        self._count_down()
        await self._some(0.0, 10.0)
        await self._up(number)

    async def _kill_at_a_step(self, number: int) -> None:
        await self._die_at_a_step(number, power=False)

    async def _lose_power_at_a_step(self, number: int) -> None:
        await self._die_at_a_step(number, power=True)

    async def _die_at_a_step(self, number: int, *, power: bool) -> None:
        if self.nodes[number].is_up:
            self.world.crash_at_step(number, self.chance.randrange(40), power=power)
        await self._some(0.5, 6.0)
        self.nodes[number].disk.defuse()
        await self._up(number)

    def _count_down(self) -> None:
        down = sum(not node.is_up for node in self.nodes.values())
        self.world.sometimes("two nodes were down", when=down >= 2)

    async def _stand_still(self, number: int) -> None:
        process = self.nodes[number].process
        assert process is not None
        if process.is_dead:
            return
        self.world.pause(process)
        await self._some(0.01, 12.0)
        self.world.resume(process)

    async def _be_slow(self, number: int) -> None:
        process = self.nodes[number].process
        assert process is not None
        self.world.slow(process, self.chance.choice((0.0001, 0.002)))
        await self._some(0.5, 5.0)
        self.world.slow(process, 0.0)

    async def _restart_cleanly(self, number: int) -> None:
        with contextlib.suppress(NodeCrashed):
            if self.nodes[number].is_up:
                await self.world.stop_node(number)
        self._count_down()
        await self._some(0.0, 3.0)
        await self._up(number)

    async def _slow_disk(self, number: int) -> None:
        self.nodes[number].disk.delay_s = self.chance.choice((0.05, 0.5, 2.0))
        await self._some(0.5, 6.0)
        self._restore_disk(self.nodes[number])

    async def _up(self, number: int) -> None:
        """Start a node until it runs."""
        tries = 0
        while not self.nodes[number].is_up:
            tries += 1
            assert tries < 100, f"node {number} does not start"
            try:
                await self.world.start_node(number)
            except NodeCrashed:
                self.world.sometimes("died while starting")
            except StartFault as fault:
                self.world.note("no start", str(fault))
                self.world.sometimes("could not start")
                await self._some(0.5, 2.0)

    # --- faults between them --------------------------------------------------------------------

    async def _isolate(self) -> None:
        """The other nodes do not reach one, its clients do."""
        one = self.chance.choice(NODES)
        await self._cut_for(
            [(self.nodes[one].host, self.nodes[each].host) for each in NODES if each != one]
        )
        self.world.sometimes("a node was cut off")

    async def _cut_pair(self) -> None:
        one, other = self.chance.sample(NODES, 2)
        await self._cut_for([(self.nodes[one].host, self.nodes[other].host)])
        self.world.sometimes("two nodes did not reach each other")

    async def _cut_one_way(self) -> None:
        one, other = self.chance.sample(NODES, 2)
        await self._cut_for([(self.nodes[one].host, self.nodes[other].host)], both_ways=False)
        self.world.sometimes("a link worked one way")

    async def _cut_clients(self) -> None:
        hosts = self.workload.hosts
        cut = self.chance.sample(hosts, self.chance.randint(1, len(hosts)))
        node = self.nodes[self.chance.choice(NODES)]
        await self._cut_for([(host, node.host) for host in cut])

    async def _cut_for(self, pairs: list[tuple[str, str]], *, both_ways: bool = True) -> None:
        network = self.world.network
        for one, other in pairs:
            network.cut(one, other, both_ways=both_ways)
        await self._some(0.5, 15.0)
        for one, other in pairs:
            network.heal(one, other, both_ways=both_ways)

    async def _reset(self) -> None:
        node = self.nodes[self.chance.choice(NODES)]
        others = [each.host for each in self.nodes.values() if each is not node]
        host = self.chance.choice([*self.workload.hosts, *others])
        self.world.network.reset_connections(host, node.host)

    async def _slow_links(self) -> None:
        one, other = self.chance.sample(NODES, 2)
        network = self.world.network
        slow = LinkQuality(latency_s=self.chance.choice((0.2, 1.0)), jitter_s=0.5, bytes_per_s=1e4)
        network.slow(self.nodes[one].host, self.nodes[other].host, slow)
        await self._some(0.5, 6.0)
        network.slow(self.nodes[one].host, self.nodes[other].host, network.quality)

    async def _crash_client(self) -> None:
        workload = self.workload
        victim = self.chance.choice(list(workload.clients))
        new = workload.crash(victim)
        if victim in self.producers:
            self.producers[self.producers.index(victim)] = new

    # --- afterwards -----------------------------------------------------------------------------

    def _restore_disk(self, node: SimNode) -> None:
        node.disk.delay_s = float(str(self.knobs["disk_delay_s"]))

    async def _heal(self) -> None:
        self.world.note("heal", "")
        self.world.network.heal_all()
        for number, node in self.nodes.items():
            node.disk.defuse()
            self._restore_disk(node)
            await self._up(number)

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

    async def _finish(self) -> None:
        """Read everything, then as each other leader has it, and judge."""
        workload = self.workload
        self._count_rare_states()
        await workload.stop(self.producers, limit_s=LIVELY_S)
        logs = await workload.read_all(self.topics)
        if self.knobs["shortens"]:
            await self._check_shortened()
        await self._replicas_agree()
        await self._controllers_agree()
        await workload.stop(list(workload.clients), limit_s=LIVELY_S)
        committed = await workload.read_committed(GROUP, list(logs))
        self._judge(logs)
        verdict.check_committed(self.history, committed)
        await self._restart_all()
        again = await workload.read_all(self.topics)
        for place, records in logs.items():
            # A request whose sender gave up may arrive as late as this.
            kept = again[place][: len(records)]
            assert kept == records, f"{place} changed with a restart of all nodes"
        self._judge(again)
        if self.knobs["shortens"]:
            await self._check_shortened()
        await self._controllers_agree()
        for number in NODES:
            await self.world.stop_node(number)

    async def _check_shortened(self) -> None:
        read = await self.workload.read_all({SHORTENED: 1})
        self.shortened.check(dict(read[SHORTENED, 0]))

    async def _controllers_agree(self) -> None:
        """Every controller comes to the same end, and to what was promised."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIVELY_S
        controllers = [node.assembly.broker.controller for node in self.nodes.values()]  # type: ignore[union-attr]
        while len({each.end_offset for each in controllers}) > 1:
            assert loop.time() < deadline, f"stuck at {[each.end_offset for each in controllers]}"
            await asyncio.sleep(0.5)
        self.administered.check(controllers)

    async def _restart_all(self) -> None:
        for number in NODES:
            await self.world.stop_node(number)
        starting = [asyncio.ensure_future(self.world.start_node(each)) for each in NODES]
        for each in starting:
            await each

    async def _replicas_agree(self) -> None:
        """All replicas come to the same end, and hold the same bytes there."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIVELY_S
        places = [(TOPIC, index) for index in range(self.topics[TOPIC])]
        if self.knobs["shortens"]:
            places.append((SHORTENED, 0))
        for place in places:
            while True:
                replicas = [self._replica(number, *place) for number in NODES]
                ends = {
                    None if each is None else (each.high_watermark, each.log_end_offset)
                    for each in replicas
                }
                if len(ends) == 1 and None not in ends:
                    break
                assert loop.time() < deadline, f"{place} ends at {ends}"
                await asyncio.sleep(0.5)
            logs = [each.log for each in replicas if each is not None]
            first_index = max(log.first_index for log in logs)
            for at in range(first_index, logs[0].last_index + 1):
                entries = [bytes(log.entries(at, at + 1, 1)[0].frame) for log in logs]
                assert len(set(entries)) == 1, f"entry {at} of {place} differs"

    def _replica(self, number: int, name: str, index: int):  # type: ignore[no-untyped-def]
        assembly = self.nodes[number].assembly
        assert assembly is not None
        for topic in assembly.broker.partitions.topics():
            if topic.name == name and index < len(topic.partitions):
                return topic.partitions[index]
        return None

    def _count_rare_states(self) -> None:
        world = self.world
        for client in self.workload.clients.values():
            if isinstance(client, IdempotentProducer):
                world.sometimes("a batch was answered at a later attempt", when=client.resent > 0)
            if isinstance(client, GroupConsumer):
                world.sometimes("a group was joined again", when=client.joins > 1)
        terms = [
            replica.term
            for number in NODES
            for index in range(self.topics[TOPIC])
            if (replica := self._replica(number, TOPIC, index)) is not None
        ]
        world.sometimes("the leader changed", when=max(terms, default=0) > 1)
        unknown = any(event.kind == "info" for event in self.history.of_op("send"))
        copied = any(node.disk.copies for node in self.nodes.values())
        world.sometimes("a log was copied", when=copied)
        disks = [node.disk for node in self.nodes.values()]
        written = any(each.checkpoints_written for each in disks)
        world.sometimes("a metadata checkpoint was written", when=written)
        came = any(each.checkpoints_copied for each in disks)
        world.sometimes("a metadata checkpoint was copied", when=came)
        world.sometimes("an operation ended without an answer", when=unknown)

    def _judge(self, logs: LogText) -> None:
        history = self.history
        verdict.check_logs_are_dense(logs)
        verdict.check_nothing_was_made_up(history, logs)
        gone = [str(each) for each in verdict.lost(history, logs)]
        assert not gone, f"lost: {gone[:20]}"
        verdict.check_polls_are_in_order(history)
        verdict.check_polls_agree_with_logs(history, logs)
