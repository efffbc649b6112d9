"""Three nodes that replicate everything, and what they promise while any of it goes wrong.

chaos     nodes are killed and lose power (also in the middle of a handler), stand still, are slow,
          stop in good order; disks are slow, full, fail to sync; links between nodes and with
          clients are cut, one way too, slow and reset, and lose, double and reorder what they
          carry; clocks drift; clients crash; members of the group sleep for longer than it waits
          for them; topics come, change and go
heal      everything works again; within bounded virtual time every client succeeds
verdict   nothing acknowledged is lost or stands twice, every replica that leads says the same, and
          no consumer sees anything out of order. No loss of power is an excuse: acks=all waits for
          the disks of a majority. What the controller was asked had one order, and all nodes know
          what came of it
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from sim.clients import (
    SESSION_TIMEOUT_MS,
    AssignedConsumer,
    GroupConsumer,
    IdempotentProducer,
    PlainProducer,
)
from sim.pipelined import PipelinedProducer
from sim.scenario import Scenario
from sim.scenarios import verdict
from sim.scenarios.cluster_faults import ClusterFaults
from sim.scenarios.conditions import Conditions
from sim.shortener import Shortened, Shortener
from sim.topic_admin import NAMES, TopicAdmin, TopicState, check_topics, was_deleted
from sim.workload import LogText, Workload
from sim.world import World

from sprawl.assembly import Assembly
from sprawl.core.config.broker_keys import RACK_AWARE
from sprawl.core.controller.controller import Controller
from sprawl.core.errors import KafkaFault
from sprawl.core.partition.partition import Partition
from sprawl.faults import StartFault

PEER_PORT = 9093
GROUP = "readers"
TOPIC = "replicated"
SHORTENED = "shortened"
CHECKPOINT_BYTES = "metadata.log.max.record.bytes.between.snapshots"
LIVELY_S = 240.0
"""Virtual time in which every client must succeed once the world is healed."""
PAUSE_ODDS = 0.2
PAUSE_S_MAX = 20.0
"""Longer than a session and the rebalance after it."""


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
        "a batch was refused behind another",
        "a group was joined again",
        "a member slept",
        "an operation ended without an answer",
        "a log was copied",
        "the disk was full",
        "a sync failed",
        "a replica stood aside",
        "a consumer was sent to a follower",
        "topics came and went",
        "a metadata checkpoint was written",
        "a metadata checkpoint was copied",
        "a wall clock jumped",
        "a synced bit flipped",
        "a sealed bit flipped",
        "a damaged replica was filled again",
        "a datagram was lost",
        "a datagram was doubled",
        "a datagram came late",
        "a segment was lost",
        "clocks drifted apart",
        "a group hibernated",
        "a group that hibernated was woken",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.rng = world.rng("scenario")
        self.pauses = world.rng("pauses")
        self.nodes = {number: world.node(number) for number in self._numbers()}
        self.workload = Workload(world, ",".join(n.address for n in self.nodes.values()))
        self.history = self.workload.history
        self.shortened = Shortened(SHORTENED)
        self.faults = ClusterFaults(world, self.nodes, self.workload)
        self._choose_knobs()
        self.conditions = Conditions.choose(world.rng("conditions"), self.nodes)
        self.knobs["conditions"] = self.conditions

    # --- what the seed chooses ------------------------------------------------------------------

    def _numbers(self) -> tuple[int, ...]:
        """The nodes."""
        return (1, 2, 3)

    def _first_numbers(self) -> tuple[int, ...]:
        """Those that run before anything goes wrong."""
        return tuple(self.nodes)

    def _choose_knobs(self) -> None:
        rng = self.rng
        knobs = self.knobs
        knobs["partitions"] = rng.choice((1, 1, 2, 4))
        knobs["segment.ms"] = rng.choice((500, 3_000, 10**9))
        knobs["size_bytes"] = rng.choice((20, 300, 3_000))
        knobs["pause_s"] = rng.choice((0.2, 0.4, 0.8))
        knobs["latency_s"] = rng.choice((0.0001, 0.001, 0.02))
        knobs["tear_odds"] = rng.choice((0.0, 0.05, 0.5))
        knobs["disk_delay_s"] = rng.choice((0.0001, 0.0005, 0.005))
        knobs["min.insync.replicas"] = rng.choice((1, 2, 2))
        knobs["chaos_s"] = rng.choice((2.5, 5.0, 12.0))
        knobs["faults"] = sorted(rng.sample(self.faults.names, rng.randint(1, 5)))
        knobs["shortens"] = rng.choice((False, True))
        # Where the consumer stands that reads from the replica in its rack.
        knobs["rack"] = rng.choice(("", "rack-1", "rack-2", "rack-3"))
        knobs["topics_change"] = rng.choice((False, False, False, True))
        knobs["members_sleep"] = self.pauses.random() < PAUSE_ODDS
        knobs["checkpoint_bytes"] = rng.choice((700, 4_000, 20_971_520))

    # --- the story ------------------------------------------------------------------------------

    async def play(self) -> None:
        knobs = self.knobs
        world = self.world
        latency_s = float(str(knobs["latency_s"]))
        world.network.quality.latency_s = latency_s
        world.network.quality.jitter_s = latency_s
        world.network.tear_odds = float(str(knobs["tear_odds"]))
        self.conditions.begin(world)
        self.faults.set_disk_delay(float(str(knobs["disk_delay_s"])))
        for number in self._first_numbers():
            with contextlib.suppress(StartFault):  # a join that the network lost is tried again
                await world.start_node(number, self._settings(number))
            await self.faults.up(number)
        await self._start_clients()
        await self._chaos()
        await self.faults.heal()
        await self._live()
        await self._finish()

    async def _chaos(self) -> None:
        wanted = self.knobs["faults"]
        assert isinstance(wanted, list)
        chaos_s = float(str(self.knobs["chaos_s"]))
        splits = self.conditions.splits and len(self.nodes) > 3
        chaos = self.faults.chaos(wanted, chaos_s, splits=splits)
        if self.knobs["members_sleep"]:
            await asyncio.gather(chaos, self._put_a_member_to_sleep())
        else:
            await chaos

    async def _put_a_member_to_sleep(self) -> None:
        """It wakes up in a generation that may be over."""
        await asyncio.sleep(self.pauses.uniform(0.0, 4.0))
        clients = self.workload.clients
        members = [each for each in clients if isinstance(clients[each], GroupConsumer)]
        seconds = self.pauses.uniform(SESSION_TIMEOUT_MS / 1_000, PAUSE_S_MAX)
        await self.workload.pause(self.pauses.choice(members), seconds)
        self.world.sometimes("a member slept")

    def _settings(self, number: int) -> dict[str, object]:
        settings: dict[str, object] = {
            "peer.port": PEER_PORT,
            "peer.host": self.nodes[number].host,
            "default.replication.factor": 3,
            "min.insync.replicas": self.knobs["min.insync.replicas"],
            "offsets.topic.num.partitions": 2,
            "offsets.topic.segment.bytes": 1_048_576,
            "broker.rack": f"rack-{number}",
            "replica.selector.class": RACK_AWARE if self.knobs["rack"] else "",
            CHECKPOINT_BYTES: self.knobs["checkpoint_bytes"],
            "log.scrub.interval.ms": 5_000,
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
        self.faults.producers = [
            workload.start(PlainProducer, **sends),
            workload.start(IdempotentProducer, **sends),
            workload.start(PipelinedProducer, **sends),
        ]
        if knobs["shortens"]:
            await workload.create_topic(SHORTENED, 1, {"segment.ms": "100", "retention.ms": "-1"})
            about = {"told": self.shortened, "size_bytes": knobs["size_bytes"]}
            self.faults.producers.append(workload.start(Shortener, **about, pause_s=pause_s))
        if knobs["topics_change"]:
            for _ in range(2):
                workload.start(TopicAdmin, pause_s=pause_s)
        everything = range(partitions)
        reads = {"topic": TOPIC, "partitions": everything, "rack": knobs["rack"]}
        workload.start(AssignedConsumer, **reads, pause_s=pause_s)
        for _ in range(2):
            workload.start(GroupConsumer, topic=TOPIC, group=GROUP, pause_s=pause_s)

    # --- afterwards -----------------------------------------------------------------------------

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
            self.faults.look()

    async def _finish(self) -> None:
        """Read everything, then as each other leader has it, and judge."""
        workload = self.workload
        self._count_rare_states()
        await workload.stop(self.faults.producers, limit_s=LIVELY_S)
        # A request whose sender gave up may be written late: nobody polls after the reading.
        await workload.stop(list(workload.clients), limit_s=LIVELY_S)
        logs = await self._read_everything()
        if self.knobs["shortens"]:
            await self._check_shortened()
        places = list(logs)
        if self.knobs["shortens"]:
            places.append((SHORTENED, 0))
        await self._replicas_agree(places)
        await self._controllers_agree()
        self.faults.look()
        await self._restart_all()
        self._judge(await self._read_everything())
        if self.knobs["shortens"]:
            await self._check_shortened()
        await self._controllers_agree()
        if self.knobs["topics_change"]:
            await self._check_changed_topics()
        for number in self.nodes:
            await self.world.stop_node(number)

    async def _read_everything(self) -> LogText:
        """For the verdict; what is found now must be found later too."""
        logs = await self.workload.read_finally(self.topics)
        await self.workload.read_committed(GROUP, list(logs))
        return logs

    async def _check_changed_topics(self) -> None:
        """Every node knows the same topics, which had one story, and all of them can be used."""
        topics = self._controller(1).topics
        known = {name: topics[name] for name in NAMES if name in topics}
        final = {
            name: TopicState(each.partition_count, tuple(sorted(each.configs.items())))
            for name, each in known.items()
        }
        was_found = check_topics(self.history, final)
        self.world.sometimes("the search for an order of changes was given up", when=not was_found)
        self.world.sometimes("topics came and went", when=was_deleted(self.history))
        counts = {name: state.partitions for name, state in final.items()}
        for name, count in counts.items():
            for partition in range(count):
                await self.workload.write(name, partition, "still here")
        read = await self.workload.read_all(counts)
        assert all(records[-1][1] == "still here" for records in read.values()), read
        await self._replicas_agree(list(read))

    async def _check_shortened(self) -> None:
        read = await self.workload.read_all({SHORTENED: 1})
        self.shortened.check(dict(read[SHORTENED, 0]))

    async def _controllers_agree(self) -> None:
        """Every node's controller comes to the same end and knows the same there."""
        controllers = [self._controller(number) for number in self.nodes]
        await self._until(
            lambda: len({each.end_offset for each in controllers}) == 1,
            "the controllers end at different places",
        )
        states = [vars(each.state) for each in controllers]
        assert all(each == states[0] for each in states), "the controllers know different things"

    async def _restart_all(self) -> None:
        for number in self.nodes:
            await self.world.stop_node(number)
        starting = [asyncio.ensure_future(self.world.start_node(each)) for each in self.nodes]
        for each in starting:
            await each

    async def _replicas_agree(self, places: Sequence[tuple[str, int]]) -> None:
        """All replicas come to the same end, and hold the same bytes there."""
        for place in places:
            await self._until(
                partial(self._end_alike, *place), f"the replicas of {place} end at different places"
            )
            if self.faults.damaged is None:
                assert self._are_alike(*place), f"the replicas of {place} differ"
            else:
                await self._until(
                    partial(self._are_alike, *place), f"the replicas of {place} stay different"
                )
            # All of them are there again, also on the node whose disk flipped a bit.
            again = any(node.disk.damaged_logs for node in self.nodes.values())
            self.world.sometimes("a damaged replica was filled again", when=again)

    async def _until(self, is_so: Callable[[], bool], otherwise: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIVELY_S
        while not is_so():
            assert loop.time() < deadline, otherwise
            await asyncio.sleep(0.5)
            self.faults.look()

    def _end_alike(self, name: str, index: int) -> bool:
        replicas = self._replicas(name, index)
        ends = {
            each and (each.high_watermark, each.log_end_offset, each.log.last_index)
            for each in replicas
        }
        return len(ends) == 1 and None not in ends

    def _are_alike(self, name: str, index: int) -> bool:
        """Whether all replicas hold the same bytes. Damage is found by and by."""
        logs = [replica.log for replica in self._replicas(name, index) if replica is not None]
        first_index = max(log.first_index for log in logs)
        try:
            for at in range(first_index, logs[0].last_index + 1):
                found = {bytes(log.entries(at, at + 1, 1)[0].frame) for log in logs}
                if len(found) != 1:
                    self.world.note("differ", f"entry {at} of {name}-{index}")
                    return False
        except (KafkaFault, ValueError):
            if self.faults.damaged is None:
                raise
            return False
        return len(logs) == len(self._replicas(name, index))

    def _replicas(self, name: str, index: int) -> list[Partition | None]:
        """As each node has it that should."""
        controller = self._controller(1)
        wanted = controller.topics[name].replicas[index]
        return [self._replica(n, name, index) for n in controller.state.brokers_of(wanted)]

    def _replica(self, number: int, name: str, index: int) -> Partition | None:
        for topic in self._assembly(number).broker.partitions.topics():
            if topic.name == name and index < len(topic.partitions):
                return topic.partitions[index]
        return None

    def _controller(self, number: int) -> Controller:
        return self._assembly(number).broker.controller

    def _assembly(self, number: int) -> Assembly:
        assembly = self.nodes[number].assembly
        assert assembly is not None
        return assembly

    def _count_rare_states(self) -> None:
        world = self.world
        self.conditions.count(world)
        for client in self.workload.clients.values():
            if isinstance(client, IdempotentProducer):
                world.sometimes("a batch was answered at a later attempt", when=client.resent > 0)
            if isinstance(client, PipelinedProducer):
                world.sometimes("a batch was refused behind another", when=client.followers > 0)
                world.sometimes("a batch was acknowledged by a later one", when=client.implied > 0)
            if isinstance(client, AssignedConsumer):
                sent_on = client.near.advice_count > 0
                world.sometimes("a consumer was sent to a follower", when=sent_on)
            if isinstance(client, GroupConsumer):
                world.sometimes("a group was joined again", when=client.joins > 1)
        terms = [
            replica.term
            for number in self.nodes
            for index in range(self.topics[TOPIC])
            if (replica := self._replica(number, TOPIC, index)) is not None
        ]
        world.sometimes("the leader changed", when=max(terms, default=0) > 1)
        unknown = any(event.kind == "info" for event in self.history.of_op("send"))
        copied = any(node.disk.copies for node in self.nodes.values())
        world.sometimes("a log was copied", when=copied)
        sound = [each for each in self.nodes if each != self.faults.damaged]
        wronged = [each for each in sound if self.nodes[each].disk.damaged_logs]
        assert not wronged, f"nodes {wronged} took a sound log for damaged"
        disks = [node.disk for node in self.nodes.values()]
        written = any(each.checkpoints_written for each in disks)
        world.sometimes("a metadata checkpoint was written", when=written)
        came = any(each.checkpoints_copied for each in disks)
        world.sometimes("a metadata checkpoint was copied", when=came)
        world.sometimes("an operation ended without an answer", when=unknown)

    def _judge(self, logs: LogText) -> None:
        is_judged = verdict.check_history(self.workload, GROUP)
        self.world.sometimes(verdict.GIVEN_UP, when=not is_judged)
        verdict.check_acknowledged_are_in_order(self.history, logs)
        verdict.check_resumed(self.history)
        verdict.check_generations(self.history)
