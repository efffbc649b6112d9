"""A node's part in its cluster: its Raft groups, its peers, and what it knows of the others.

    Transport ──┬─ RAFT frames ──> RaftHost ──> RaftReplica of each partition, and of the controller
                ├─ DHT ─────────> Overlay ──> LeaderHints <── Routing
                └─ calls ───────> the controller's commands; joining (registration.py)

A node that is alone has no transport; everything else is the same, so that a cluster of one becomes
one of three without a change of its data.

Rules:

1. A node knows its replica id before it takes part in anything: the first node of a cluster is
   replica 1, others are given theirs when they join, and it is kept with the data.
2. The controller's group began with replica 1 alone. Its leader makes voters of the others, up to
   CONTROLLER_VOTERS_MAX and always an odd number, and learners of the rest (voters.py).
3. Leaders tell the nodes nearest to a partition's key, and its replicas (overlay.py); the others
   ask when they have to know (routing.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.cluster.arrivals import Arrivals
from sprawl.core.cluster.controller_calls import call_controller, serve_controller
from sprawl.core.cluster.elections import Elections
from sprawl.core.cluster.hints import LeaderHints
from sprawl.core.cluster.peers import PeerIdentity
from sprawl.core.cluster.registration import Registration
from sprawl.core.cluster.view import Quorum, QuorumMember
from sprawl.core.cluster.voters import Candidate, controller_target
from sprawl.core.controller.checkpoint_copies import AttachedCheckpoints
from sprawl.core.controller.checkpoints import CheckpointFiles
from sprawl.core.controller.features import SUPPORTED
from sprawl.core.controller.metadata_log import (
    METADATA_CONFIG,
    METADATA_TOPIC_ID,
    METADATA_TP,
    RaftMetadataLog,
)
from sprawl.core.controller.nodes import FIRST_REPLICA
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import ZERO_UUID, BrokerId, LogKey, Offset, ReplicaId, Term
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.refusals import Refusals
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.raft.wire import WireFault
from sprawl.core.replication.copying import Copies
from sprawl.core.replication.damaged import refuses_damage, stand_aside
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.leaving import OUT, Leaving
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.replica import RaftReplica
from sprawl.core.replication.surroundings import Target

if TYPE_CHECKING:
    from random import Random
    from uuid import UUID

    from sprawl.core.clock import Clock
    from sprawl.core.cluster.hints import LeaderHint
    from sprawl.core.cluster.overlay import Overlay
    from sprawl.core.cluster.peers import TransportCounters
    from sprawl.core.cluster.routing import Routing
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.controller.controller import Controller
    from sprawl.core.controller.features import Levels
    from sprawl.core.dht.ids import NodeId
    from sprawl.core.partition.placement import Placement
    from sprawl.core.partition.replication import Replication, RunBlocking
    from sprawl.core.storage.port import Buffer, KeyValueStore, LogStore

_log = logging.getLogger(__name__)

_RAFT: Final = 1
_METADATA_KEY: Final = LogKey(METADATA_TOPIC_ID, METADATA_TP.partition)


class _Replicas(NamedTuple):
    """What `Leaving` watches."""

    leaving: Callable[[], Iterable[tuple[LogKey, Configuration]]]
    on_let_go: Callable[[LogKey], None]


class Cluster:
    """See the module. Implements the replicas' Surroundings and the controller's Remote.

    Args:
        levels: the feature levels that this program knows.
        rack: where this node is.
    """

    def __init__(
        self,
        *,
        node_id: BrokerId,
        directory_id: UUID,
        store: LogStore,
        kv: KeyValueStore,
        clock: Clock,
        rng: Random,
        run_blocking: RunBlocking,
        settings: RaftSettings | None = None,
        levels: Levels = SUPPORTED,
        rack: str | None = None,
    ) -> None:
        self.levels = levels
        self.overlay: Overlay | None = None
        self.routing: Routing | None = None
        self.node_id = node_id
        self.identity = PeerIdentity(
            node_id=node_id, directory_id=directory_id, incarnation=rng.getrandbits(64)
        )
        self.hints = LeaderHints()
        self.book = AddressBook(kv)
        self.elections = Elections(node_id, self.hints, self.book)
        self.log = RaftMetadataLog(kv=kv, clock=clock, node_id=node_id, node_of=self.book.node_of)
        self.on_led: Callable[[Partition, bool], None] = lambda partition, is_leader: None
        """Told which partitions this node begins and ends to serve."""
        self.leaving: Callable[[], Iterable[tuple[LogKey, Configuration]]] = tuple
        self.on_let_go: Callable[[LogKey], None] = lambda key: None
        self.on_nodes: Callable[[], None] = lambda: None
        """Told when the controller knows other nodes, or other addresses."""
        self._store = store
        self._kv = kv
        self._clock = clock
        self._rng = rng
        self._run_blocking = run_blocking
        self._settings = settings or RaftSettings()
        self._transport: Transport | None = None
        self._controller: Controller | None = None
        self._host: RaftHost | None = None
        self._metadata: Partition | None = None
        self._metadata_replica: RaftReplica | None = None
        self._copies: Copies | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._rack = rack
        self.registration = Registration(node_id=node_id, kv=kv, book=self.book, start=self._start)

    # --- life -----------------------------------------------------------------------------------

    def connect(self, transport: Transport) -> None:
        """Talk to other nodes through `transport` from now on."""
        self._transport = transport
        self.registration.connect(transport)

    def _serve(self, transport: Transport, controller: Controller) -> None:
        transport.on_message(_RAFT, self._receive)
        transport.on_peer(self._peer_found, self.peer_lost)
        serve_controller(transport, controller)

    def begin(self, controller: Controller) -> None:
        """Take part, as the replica that this data belongs to.

        Raises:
            OSError, ValueError: the controller's log cannot be read.
            DamagedLog: it lost what was on disk.
        """
        replica_id = self.registration.begin(controller)
        self._controller = controller
        if self._transport is not None:
            self._serve(self._transport, controller)
        self._host = RaftHost(
            replica_id=replica_id,
            kv=self._kv,
            run_blocking=self._run_blocking,
            peers=self,
            clock=self._clock,
            rng=self._rng,
            settings=self._settings,
        )
        if self._transport is not None:
            self._copies = Copies(
                host=self._host,
                calls=self._transport,
                node_of=self.book.node_of,
                run_blocking=self._run_blocking,
                clock=self._clock,
            )
            self._copies.serve(self._transport.serve)
            self._begin_routing(self._transport, controller, self._host)
        self.elections.begin(self._host, self._transport, self.routing)
        self._arrivals = Arrivals(controller, self._host, start=self._start)
        directory = self._store.directory(str(METADATA_TP))
        checkpoints = CheckpointFiles(directory)
        if self._copies is not None:
            self._copies.attached[_METADATA_KEY] = AttachedCheckpoints(checkpoints)
        leaving = Leaving(
            host=self._host, calls=self._transport, hints=self.hints, node_of=self.book.node_of
        )
        if self._transport is not None:
            self._transport.serve(OUT, leaving.answer)
        self._start(leaving.watch(_Replicas(self._leaving_now, self._let_go)))
        log = PartitionLog.open(
            tp=METADATA_TP,
            topic_id=METADATA_TOPIC_ID,
            config=METADATA_CONFIG,
            directory=directory,
            kv=self._kv,
            now_ms=self._clock.now_ms(),
            clean_shutdown=False,
            refuses_damage=refuses_damage(self._kv, _METADATA_KEY),
        )
        self._metadata = Partition(
            log,
            topic_id=METADATA_TOPIC_ID,
            term=Term(0),
            high_watermark=log.log_start_offset,
            replicate=self._replicate_metadata,
            refusals=Refusals(self._clock),
        )
        assert self._metadata_replica is not None
        self.log.attach(self._metadata, self._metadata_replica, checkpoints, self._run_blocking)
        self._host.start()

    def _begin_routing(self, transport: Transport, controller: Controller, host: RaftHost) -> None:
        from sprawl.core.cluster.overlay import Overlay
        from sprawl.core.cluster.overlay_identity import places_of
        from sprawl.core.cluster.routing import WHO_LEADS, Routing

        self.overlay = Overlay(
            node_id=self.node_id,
            cluster_id=controller.cluster_id,
            places=places_of(transport, controller.cluster_id, self.identity.directory_id),
            transport=transport,
            book=self.book,
            hints=self.hints,
            is_alive=self.is_alive,
            on_news=self._heard_of_leader,
            clock=self._clock,
            rng=self._rng,
            rack=self._rack,
        )
        self.routing = Routing(
            node_id=self.node_id,
            overlay=self.overlay,
            hints=self.hints,
            book=self.book,
            controller=controller,
            host=host,
            calls=transport,
            is_alive=self.is_alive,
            clock=self._clock,
        )
        transport.serve(WHO_LEADS, self.routing.answer)

    def _let_go(self, key: LogKey) -> None:
        self.on_let_go(key)

    def _leaving_now(self) -> Iterator[tuple[LogKey, Configuration]]:
        """Replicas that leave, whose leaders tell them no more: they have to look for them."""
        for key, founding in self.leaving():
            topic = self._leading.by_id.get(key.topic_id)
            if self.routing is not None and topic is not None and key.partition in topic.partitions:
                self.routing.search_behind([(topic, key.partition)])
            yield key, founding

    def _replicate_metadata(self, partition: Partition) -> Replication:
        self._metadata_replica = RaftReplica(
            partition,
            key=_METADATA_KEY,
            log=GroupLog(partition.log, _METADATA_KEY, self._kv),
            host=self._raft,
            founding=Configuration.of([FIRST_REPLICA]),
            is_preferred=True,
            clock=self._clock,
            around=self,
        )
        return self._metadata_replica

    async def hand_over(self) -> None:
        """Have other nodes lead what this one leads: it is about to stop."""
        if self._host is not None and self._transport is not None:
            await self._host.hand_over()

    async def silence(self) -> None:
        """Say nothing more: the partitions are about to be closed, and then the thread pool."""
        if self._host is not None:
            await self._host.close()

    async def close(self) -> None:
        """Take part no more, and close the controller's log. Partitions are closed before."""
        if self.overlay is not None and self.routing is not None:
            await self.routing.close()
            self.overlay.close()
        if self._transport is not None:
            await self._transport.close()
        if self._copies is not None:
            await self._copies.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._host is not None:
            await self._host.close()
        if self._metadata is not None:
            self._metadata.close(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "Stopping."))
            try:
                self._metadata.log.close()  # the threads have ended, and it is small
            except (OSError, KafkaFault) as failure:
                _log.error("the controller's log is recovered at the next start: %s", failure)

    @property
    def replica_id(self) -> ReplicaId:
        """This node's."""
        return self._raft.replica_id

    @property
    def places(self) -> Mapping[BrokerId, NodeId]:
        """Where nodes stand in the DHT, as far as that is known."""
        return {} if self.overlay is None else self.overlay.ids

    @property
    def group_count(self) -> int:
        """Raft groups here, the controller's among them."""
        return 0 if self._host is None else self._host.group_count

    @property
    def awake_count(self) -> int:
        """Those that do not hibernate."""
        return 0 if self._host is None else self._host.awake_count

    @property
    def counters(self) -> TransportCounters | None:
        """What went from node to node; None for a node without a peer port."""
        return None if self._transport is None else self._transport.counters

    def round_trip_ms(self, node: BrokerId) -> float | None:
        """To another node; None while there is no measurement."""
        return None if self._transport is None else self._transport.round_trip_ms(node)

    @property
    def _raft(self) -> RaftHost:
        assert self._host is not None, "begin() comes first"
        return self._host

    @property
    def _leading(self) -> Controller:
        assert self._controller is not None, "begin() comes first"
        return self._controller

    # --- for partitions -------------------------------------------------------------------------

    def quorum(self) -> Quorum:
        """The controller's group, as this node knows it."""
        replica, metadata = self._metadata_replica, self._metadata
        assert replica is not None
        assert metadata is not None
        configuration = replica.configuration
        leader = replica.leader
        node = None if leader is None else self.book.node_of(leader)
        return Quorum(
            leader_id=-1 if node is None else node,
            leader_epoch=metadata.leader_epoch,
            # What a restart knows to be committed it has applied; Raft hears of it again later.
            high_watermark=max(metadata.high_watermark, Offset(self.log.end_offset)),
            voters=[self._quorum_member(each) for each in configuration.voters],
            observers=[self._quorum_member(each) for each in configuration.learners],
        )

    def _quorum_member(self, replica: ReplicaId) -> QuorumMember:
        node = self.book.node_of(replica)
        directory = None if node is None else self.book.directory(node)
        own = replica == self.replica_id and self._metadata is not None
        end_offset = self._metadata.log_end_offset if own and self._metadata is not None else -1
        return QuorumMember(-1 if node is None else node, directory or ZERO_UUID, end_offset)

    def ran_before(self, key: LogKey) -> bool:
        """Whether a partition had a Raft group here."""
        return self._raft.hard_state(key) is not None

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Topics were deleted: nothing is kept of their groups."""
        for key in keys:
            self._raft.remove(key, forget=True)
            if self.overlay is not None:
                self.overlay.resign(key)
            self.hints.forget([key])

    async def stand_aside(self, key: LogKey) -> bool:
        """See core/replication/damaged.py."""
        return await stand_aside(self._raft, key)

    def replicate(self, partition: Partition, key: LogKey, placement: Placement) -> Replication:
        """Make a partition one of several replicas."""
        assert placement.founding is not None
        return RaftReplica(
            partition,
            key=key,
            log=GroupLog(partition.log, key, self._kv),
            host=self._raft,
            founding=placement.founding,
            is_preferred=placement.is_preferred,
            clock=self._clock,
            around=self,
        )

    def announce(self, key: LogKey, hint: LeaderHint) -> None:
        group = self._raft.group(key)
        if self.overlay is None or group is None:
            self.hints.lead(key, hint)
            return
        node = group.node
        self.overlay.lead(key, hint, node.configuration, node.configuration_index)

    def led(self, partition: Partition, *, is_leader: bool) -> None:
        if self.overlay is not None and not is_leader:
            self.overlay.resign(LogKey(partition.topic_id, partition.tp.partition))
        if partition is not self._metadata and partition.topic_id != METADATA_TOPIC_ID:
            self.on_led(partition, is_leader)
        elif is_leader:
            self._start(self._import_records())
            self.registration.look()

    def committed(self, partition: Partition) -> None:
        if partition is self._metadata:
            self.log.committed()

    def target(self, key: LogKey) -> Target | None:
        if key == _METADATA_KEY:
            return self._controller_target()
        topic = self._leading.by_id.get(key.topic_id)
        return None if topic is None else Target(topic.wanted(key.partition))

    def fell_behind(self, key: LogKey, follower: ReplicaId) -> None:
        if self._copies is not None:
            self._copies.offer(key, follower)

    def arrived(self, key: LogKey) -> None:
        self._arrivals.look(key)

    def _controller_target(self) -> Target:
        replica = self._metadata_replica
        assert replica is not None
        state = self._leading.state
        return controller_target(
            own=self.replica_id,
            voters=replica.configuration.voters,
            nodes=[
                Candidate(
                    each.replica_id,
                    is_alive=each.replica_id == self.replica_id or self.is_alive(each.node_id),
                    is_staying=not state.is_leaving(each.node_id),
                )
                for each in state.nodes.values()
            ],
        )

    async def _import_records(self) -> None:
        """Records from before the controller had a log become its first batch."""
        records = self.log.earlier_records()
        if records:
            try:
                await self.log.append(records)
            except KafkaFault as fault:
                _log.error("the topics of this data directory are not taken over: %s", fault)
                return
            self.log.forget_earlier_records()

    # --- peers ----------------------------------------------------------------------------------

    def is_alive(self, node: BrokerId) -> bool:
        """Whether this node is in contact with another one."""
        return self._transport is not None and self._transport.is_connected(node)

    def send(self, to: ReplicaId, frame: Sequence[Buffer]) -> bool:
        """See host.Peers."""
        node = self.book.node_of(to)
        if node is None or node == self.node_id or self._transport is None:
            return False
        return self._transport.send(node, _RAFT, frame)

    def is_in_sight(self, replica: ReplicaId) -> bool:
        """See host.Peers."""
        node = self.book.node_of(replica)
        return node is not None and self.is_alive(node)

    def nodes_changed(self) -> None:
        """The controller knows other nodes now, or other addresses."""
        self.registration.nodes_changed()
        if self.overlay is not None:
            self.overlay.members_changed()
            self.overlay.greet()
        self.on_nodes()

    def _heard_of_leader(self, key: LogKey) -> None:
        if key == _METADATA_KEY:
            self.registration.look()

    def _receive(self, peer: PeerIdentity, frame: memoryview) -> None:
        if self._host is None:
            return
        try:
            self._host.receive(lambda each: self.book.node_of(each) == peer.node_id, frame)
        except WireFault as fault:
            raise PeerFault(str(fault)) from fault

    def _peer_found(self, node: BrokerId) -> None:
        if self._host is None or self._transport is None:
            return
        self._host.peer_found(lambda each: self.book.node_of(each) == node)
        if self.overlay is not None:
            self.overlay.peer_found(node)

    def peer_lost(self, node: BrokerId) -> None:
        """A node is out of sight: see RaftHost.peer_lost."""
        if self._host is not None:
            self._host.peer_lost(lambda each: self.book.node_of(each) == node)
        if self.overlay is not None:
            self.overlay.peer_lost(node)

    async def command(self, node: BrokerId, command: bytes) -> bytes:
        """See controller.Remote."""
        if self._transport is None:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER)
        return await call_controller(self._transport, node, command)

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
