"""What goes wrong in a cluster: with its nodes, their disks, and the network between them.

A scenario takes a few kinds by name, has them happen for a while (`chaos`) and ends all of it
(`heal`). Whatever a fault begins it ends itself; nodes whose replicas may stand aside for good, as
after a failed sync, are started again at the latest when everything heals.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from sim.disk import DISK_BYTES, SimDisk
from sim.scenarios.sleepers import Sleepers
from sim.workload import Workload
from sim.world import NodeCrashed, SimNode, World

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogKey
from sprawl.core.log.frames import FrameFault, walk
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES, segment_name
from sprawl.core.log.state import LogState
from sprawl.core.raft.hard_state import HardState
from sprawl.core.replication.host import hard_state_key
from sprawl.faults import StartFault

OFFSET_BYTES = 8
"""An entry begins with its offset."""


class ClusterFaults:
    """See the module.

    Args:
        nodes: the cluster's; a scenario may add to them.
    """

    def __init__(self, world: World, nodes: Mapping[int, SimNode], workload: Workload) -> None:
        self.world = world
        self.nodes = nodes
        self.workload = workload
        self.chance = world.rng("chaos")
        self.sleepers = Sleepers(world)
        self.producers: list[int] = []
        """Clients the scenario starts, kept up to date as they crash and are replaced."""
        self.damaged: int | None = None
        """The node whose disk flipped a bit."""
        self._disk_delay_s = 0.0
        self._busy: set[int] = set()
        self._split_chance = world.rng("splits")
        self._needs_restart: dict[int, None] = {}

    def set_disk_delay(self, seconds: float) -> None:
        """How slow disks are that nothing is wrong with."""
        self._disk_delay_s = seconds
        for node in self.nodes.values():
            node.disk.delay_s = seconds

    @property
    def names(self) -> list[str]:
        """All kinds that a scenario chooses a few of."""
        return [each.__name__ for each in (*self._node_faults(), *self._other_faults())]

    async def chaos(self, names: Sequence[str], seconds: float, *, splits: bool = False) -> None:
        """Let these faults happen for about so long; each ends what it began.

        Args:
            splits: the nodes are split in two beside that.
        """
        own = [each for each in self._node_faults() if each.__name__ in names]
        others = [each for each in self._other_faults() if each.__name__ in names]
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(
            self._break_nodes(own, end),
            self._break_nodes(own, end),
            self._break_others(others, end),
            self._keep_splitting(end if splits else 0.0),
        )

    async def _break_nodes(
        self, faults: list[Callable[[int], Awaitable[None]]], end: float
    ) -> None:
        """One node after the other; two of these make two nodes fail at once."""
        loop = asyncio.get_running_loop()
        while faults and loop.time() < end:
            await self._some(0.0, 5.0)
            victim = self.chance.choice([each for each in self.nodes if each not in self._busy])
            self._busy.add(victim)
            try:
                await self.chance.choice(faults)(victim)
            finally:
                self._busy.discard(victim)
            self.look()

    async def _break_others(self, faults: list[Callable[[], Awaitable[None]]], end: float) -> None:
        loop = asyncio.get_running_loop()
        while faults and loop.time() < end:
            await self._some(0.0, 4.0)
            await self.chance.choice(faults)()
            self.look()

    async def _keep_splitting(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < end:
            await asyncio.sleep(self._split_chance.uniform(0.0, 4.0))
            await self._split()
            self.look()

    def look(self) -> None:
        """See what became of clients and groups meanwhile. Raises whatever a client ended with."""
        self.workload.check_alive()
        self.sleepers.look(self.nodes.values())

    async def _some(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(least_s, most_s))

    async def join(self, number: int, settings: Mapping[str, object], within_s: float) -> None:
        """Have a node join the cluster while other things go wrong; one that finds nobody to take
        it in joins when everything is healed."""
        self._busy.add(number)
        await self._some(0.0, within_s)
        try:
            await self.world.start_node(number, settings)
        except StartFault as fault:
            self.world.note("no start", str(fault))
            return
        self.world.sometimes("a node joined under chaos")
        self._busy.discard(number)

    # --- afterwards -----------------------------------------------------------------------------

    async def heal(self) -> None:
        """End all of it; returns when every node runs."""
        self.world.note("heal", "")
        self.world.network.heal_all()
        for number, node in self.nodes.items():
            self._restore(node)
            if number in self._needs_restart and node.is_up:
                self.world.crash(number)
            await self.up(number)
        self._needs_restart.clear()

    def _restore(self, node: SimNode) -> None:
        node.disk.defuse()
        node.disk.failing_syncs = 0
        node.disk.room_bytes = DISK_BYTES
        node.disk.delay_s = self._disk_delay_s

    async def up(self, number: int) -> None:
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

    # --- what there is --------------------------------------------------------------------------

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
            self._full_disk,
            self._failing_sync,
            self._jump,
            self._flip_a_bit,
            self._flip_a_sealed_bit,
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

    # --- faults of a node -----------------------------------------------------------------------

    async def _kill(self, number: int) -> None:
        if self.nodes[number].is_up:
            self.world.crash(number)
            self.world.sometimes("killed")
        self._count_down()
        await self._some(0.0, 6.0)
        await self.up(number)

    async def _lose_power(self, number: int) -> None:
        if self.nodes[number].is_up:
            self.world.power_loss(number)
            self.world.sometimes("lost power")
        self._count_down()
        await self._some(0.0, 10.0)
        await self.up(number)

    async def _kill_at_a_step(self, number: int) -> None:
        await self._die_at_a_step(number, power=False)

    async def _lose_power_at_a_step(self, number: int) -> None:
        await self._die_at_a_step(number, power=True)

    async def _die_at_a_step(self, number: int, *, power: bool) -> None:
        if self.nodes[number].is_up:
            self.world.crash_at_step(number, self.chance.randrange(40), power=power)
        await self._some(0.5, 6.0)
        self.nodes[number].disk.defuse()
        await self.up(number)

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
        await self.up(number)

    async def _slow_disk(self, number: int) -> None:
        self.nodes[number].disk.delay_s = self.chance.choice((0.05, 0.5, 2.0))
        await self._some(0.5, 6.0)
        self.nodes[number].disk.delay_s = self._disk_delay_s

    async def _full_disk(self, number: int) -> None:
        disk = self.nodes[number].disk
        disk.room_bytes = self.chance.choice((0, 100, 5_000))
        self.world.sometimes("the disk was full")
        await self._bear_it(number, 8.0)
        disk.room_bytes = DISK_BYTES
        await self._after_trouble(number)

    async def _failing_sync(self, number: int) -> None:
        disk = self.nodes[number].disk
        disk.failing_syncs = self.chance.randint(1, 3)
        await self._bear_it(number, 5.0)
        self.world.sometimes("a sync failed", when=not disk.failing_syncs)
        disk.failing_syncs = 0
        await self._after_trouble(number)

    async def _jump(self, number: int) -> None:
        """The wall clock is wrong for a while, and then right at once."""
        clock = self.nodes[number].clock
        clock.jump(by_ms := self.chance.choice((-600_000, -1_000, 1_000, 600_000)))
        self.world.sometimes("a wall clock jumped")
        await self._some(0.5, 8.0)
        clock.jump(-by_ms)

    async def _flip_a_bit(self, number: int) -> None:
        """A node dies, and its disk is not what it was: always the same one, for with another that
        fails alike no majority would be left."""
        node = self.nodes[number]
        logs = self._replicated_logs(node)
        if self.chance.random() < 0.5:
            await self._die(number, self.world.crash)
        else:
            await self._die(number, self.world.power_loss)
        self._flip_one(number, logs, self._flip_in)
        await self._some(0.0, 6.0)
        await self.up(number)

    async def _flip_a_sealed_bit(self, number: int) -> None:
        """The same in what no start reads, and of a node that runs, or not."""
        node = self.nodes[number]
        logs = self._replicated_logs(node)
        self._flip_one(number, logs, self._flip_in_sealed)
        await self._some(0.0, 6.0)
        if self.chance.random() < 0.3:
            await self._die(number, self.world.crash)
        await self.up(number)

    def _flip_one(
        self,
        number: int,
        logs: list[tuple[str, LogKey]],
        flip: Callable[[SimDisk, str, LogKey], bool],
    ) -> None:
        if self.damaged in (None, number) and logs:
            self.chance.shuffle(logs)
            if any(flip(self.nodes[number].disk, *each) for each in logs):
                self.damaged = number
                self.world.sometimes("a synced bit flipped")

    async def _die(self, number: int, how: Callable[[int], None]) -> None:
        if self.nodes[number].is_up:
            how(number)
        self._count_down()
        await self._some(0.0, 1.0)

    def _replicated_logs(self, node: SimNode) -> list[tuple[str, LogKey]]:
        if not node.is_up or node.assembly is None:
            return []
        return [
            (f"{topic.name}-{index}", LogKey(topic.topic_id, index))
            for topic in node.assembly.broker.partitions.topics()
            for index in topic.here()
        ]

    def _flip_in(self, disk: SimDisk, name: str, key: LogKey) -> bool:
        """In what the next start reads, of a replica of three: synced, and newer than the index."""
        state = LogState(disk.kv, *key)
        point, hard = state.recovery_point(), disk.kv.get(hard_state_key(key))
        if point is None or hard is None or len(HardState.parse(hard).configuration.voters) < 3:
            return False
        summary = state.summaries().get(point.key)
        low = SEGMENT_HEADER_BYTES if summary is None else summary.end.size_bytes
        return bool(disk.flip_bit_between(name, segment_name(point.key), low, point.position))

    def _flip_in_sealed(self, disk: SimDisk, name: str, key: LogKey) -> bool:
        """In an entry of a sealed segment of a replica of three; not in its offset, which no
        checksum covers, so that a consumer takes it as it is."""
        state = LogState(disk.kv, *key)
        point, hard = state.recovery_point(), disk.kv.get(hard_state_key(key))
        if point is None or hard is None or len(HardState.parse(hard).configuration.voters) < 3:
            return False
        sealed = [(at, each) for at, each in state.summaries().items() if at < point.key]
        if not sealed:
            return False
        at, summary = self.chance.choice(sealed)
        file = disk.directory(name).open(segment_name(at))
        try:
            frames = [*walk(file, SEGMENT_HEADER_BYTES, summary.end.size_bytes)]
        except (FrameFault, OSError):
            return False  # it is damaged already, or on its way out
        frame = self.chance.choice(frames)
        low, high = frame.position + OFFSET_BYTES, frame.position + frame.size_bytes
        flipped = disk.flip_bit_between(name, segment_name(at), low, high)
        self.world.sometimes("a sealed bit flipped", when=flipped is not None)
        return flipped is not None

    async def _bear_it(self, number: int, most_s: float) -> None:
        """Run with a disk that is in trouble, or die and start with it."""
        await self._some(0.5, most_s)
        if self.chance.random() < 0.3 and self.nodes[number].is_up:
            self.world.crash(number)
            with contextlib.suppress(NodeCrashed, StartFault):
                await self.world.start_node(number)

    async def _after_trouble(self, number: int) -> None:
        """Replicas that stand aside do so until the node is started again: now, or at the end."""
        self._needs_restart[number] = None
        self.world.sometimes("a replica stood aside", when=self._stands_aside(number))
        if self.chance.random() < 0.5:
            if self.nodes[number].is_up:
                self.world.crash(number)
            await self.up(number)

    def _stands_aside(self, number: int) -> bool:
        node = self.nodes[number]
        if not node.is_up or node.assembly is None:
            return False
        for topic in node.assembly.broker.partitions.topics():
            for partition in topic.partitions:
                try:
                    if partition is not None:
                        partition.check_leader()
                except KafkaFault as fault:
                    if fault.code is ErrorCode.KAFKA_STORAGE_ERROR:
                        return True
        return False

    # --- faults between them --------------------------------------------------------------------

    async def _isolate(self) -> None:
        """The other nodes do not reach one, its clients do."""
        one = self.chance.choice(list(self.nodes))
        await self._cut_for(
            [(self.nodes[one].host, self.nodes[each].host) for each in self.nodes if each != one]
        )
        self.world.sometimes("a node was cut off")

    async def _split(self) -> None:
        """Several nodes and several others do not reach each other; a client reaches those on its
        side, or all."""
        chance = self._split_chance
        numbers = list(self.nodes)
        chance.shuffle(numbers)
        here = chance.randint(2, len(numbers) - 2)
        sides: tuple[list[str], list[str]] = ([], [])
        for at, number in enumerate(numbers):
            sides[at >= here].append(self.nodes[number].host)
        for host in self.workload.hosts:
            side = chance.choice((0, 1, None))
            if side is not None:
                sides[side].append(host)
        network = self.world.network
        pairs = network.partition(*sides)
        await asyncio.sleep(chance.uniform(0.5, 15.0))
        for one, other in pairs:
            network.heal(one, other)
        self.world.sometimes("the nodes were split")

    async def _cut_pair(self) -> None:
        one, other = self.chance.sample(list(self.nodes), 2)
        await self._cut_for([(self.nodes[one].host, self.nodes[other].host)])
        self.world.sometimes("two nodes did not reach each other")

    async def _cut_one_way(self) -> None:
        one, other = self.chance.sample(list(self.nodes), 2)
        await self._cut_for([(self.nodes[one].host, self.nodes[other].host)], both_ways=False)
        self.world.sometimes("a link worked one way")

    async def _cut_clients(self) -> None:
        hosts = self.workload.hosts
        cut = self.chance.sample(hosts, self.chance.randint(1, len(hosts)))
        node = self.nodes[self.chance.choice(list(self.nodes))]
        await self._cut_for([(host, node.host) for host in cut])

    async def _cut_for(self, pairs: list[tuple[str, str]], *, both_ways: bool = True) -> None:
        network = self.world.network
        for one, other in pairs:
            network.cut(one, other, both_ways=both_ways)
        await self._some(0.5, 10.0)
        for one, other in pairs:
            network.heal(one, other, both_ways=both_ways)

    async def _reset(self) -> None:
        node = self.nodes[self.chance.choice(list(self.nodes))]
        others = [each.host for each in self.nodes.values() if each is not node]
        host = self.chance.choice([*self.workload.hosts, *others])
        self.world.network.reset_connections(host, node.host)

    async def _slow_links(self) -> None:
        one, other = self.chance.sample(list(self.nodes), 2)
        network = self.world.network
        latency_s = self.chance.choice((0.2, 1.0))
        slow = replace(network.quality, latency_s=latency_s, jitter_s=0.5, bytes_per_s=1e4)
        network.slow(self.nodes[one].host, self.nodes[other].host, slow)
        await self._some(0.5, 6.0)
        network.slow(self.nodes[one].host, self.nodes[other].host, network.quality)

    async def _crash_client(self) -> None:
        workload = self.workload
        victim = self.chance.choice(list(workload.clients))
        new = workload.crash(victim)
        if victim in self.producers:
            self.producers[self.producers.index(victim)] = new
