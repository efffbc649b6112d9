"""A running node: its parts, the order in which they start, and the reverse in which they stop.

    settings -> data directory locked -> HTTP port (not ready) -> storage -> Kafka ports bound
             -> topics from the controller's log -> membership, with other nodes
             -> partitions recovered -> groups loaded -> clients accepted -> ready

A start that fails on the way stops what had started. `stop` goes the same way back: clients first,
so that what they were promised is finished before the data is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from sprawl import __version__, cluster_facts, overlay_facts
from sprawl.core.broker import Broker, Endpoint
from sprawl.core.cluster.cluster import Cluster
from sprawl.core.cluster.registration import UNWANTED
from sprawl.core.cluster.view import ClusterView
from sprawl.core.config.broker import BrokerConfig
from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.definition import ConfigFault
from sprawl.core.controller import features
from sprawl.core.controller.controller import Controller
from sprawl.core.controller.identity import Identity, IdentityFault
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.state import ControllerState
from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.coordinators import GroupCoordinators
from sprawl.core.groups.model import GroupConfig
from sprawl.core.groups.placement import OFFSETS_TOPIC
from sprawl.core.ids import BrokerId
from sprawl.core.log.recovered import DamagedLog
from sprawl.core.partition.internal import InternalTopic
from sprawl.core.partition.registry import Partitions
from sprawl.core.partition.settings import PartitionSettings
from sprawl.faults import SettingFault, StartFault
from sprawl.followers import Followers
from sprawl.gateway import handlers
from sprawl.gateway.http import HttpServer
from sprawl.gateway.listeners import Listener, ListenerFault, endpoints_of, parse_listeners
from sprawl.gateway.metrics import GatewayMetrics
from sprawl.gateway.server import Server
from sprawl.peering import join, listen_to_peers, must_join, unwanted
from sprawl.platform import SystemPlatform
from sprawl.registry_port import RegistryPort
from sprawl.start_faults import cannot_bind, damaged_metadata, joined, local_url, unusable

if TYPE_CHECKING:
    from sprawl.config import Settings
    from sprawl.core.storage.port import KeyValueStore, LogStore
    from sprawl.gossiping import Gossiping
    from sprawl.peering import Peering
    from sprawl.platform import Platform

_log = logging.getLogger(__name__)


class Assembly:
    """One node's parts.

    Args:
        settings: resolved; their values are checked by `start`.
        platform: what the node stands on; this machine by default.
        tell: told of what may take a while at start, in words for a user.
    """

    def __init__(
        self,
        settings: Settings,
        platform: Platform | None = None,
        tell: Callable[[str], None] = _log.info,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._platform = platform or SystemPlatform()
        self._clock = self._platform.clock
        self._rng = self._platform.rng
        self._data = self._platform.data(settings)
        self._metrics = GatewayMetrics()
        self._endpoints: dict[str, Endpoint] = {}
        self._peer: Endpoint | None = None
        self._broker: Broker | None = None
        self._cluster: Cluster | None = None
        self._server: Server | None = None
        self._registry = RegistryPort(settings, self._platform)
        self._gossip: Gossiping | None = None
        self._running: AsyncExitStack | None = None
        self._started_ms = 0
        self.http_address: str | None = None

    # --- what a user needs to know of a running node --------------------------------------------

    @property
    def broker(self) -> Broker:
        """The parts that handlers see. Raises: RuntimeError before `start`."""
        if self._broker is None:
            raise RuntimeError("the node has not started")
        return self._broker

    @property
    def node_id(self) -> int:
        return self.broker.node_id

    @property
    def cluster_id(self) -> str:
        return self.broker.cluster_id

    @property
    def peer(self) -> Endpoint | None:
        """Where other nodes reach this one; None when it is alone."""
        return self._peer

    @property
    def listeners(self) -> dict[str, str]:
        """Advertised `host:port` by listener name."""
        return {name: joined(*endpoint) for name, endpoint in self._endpoints.items()}

    @property
    def schema_registry(self) -> str | None:
        """URL of the schema registry; None when it is off."""
        return self._registry.address

    @property
    def bootstrap(self) -> str:
        """The first listener's advertised address."""
        return next(iter(self.listeners.values()))

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when clients are served.

        Raises:
            SettingFault: a setting that cannot be used.
            StartFault: a port or the data directory is in use, or the data cannot be read.
        """
        async with AsyncExitStack() as running:
            await self._start_parts(running)
            self._running = running.pop_all()
        self._started_ms = self._clock.monotonic_ms()
        _log.info("node is ready", extra={"listeners": self.listeners})

    async def stop(self) -> None:
        """Answers what is under way, then closes the data; does nothing when not running."""
        running, self._running = self._running, None
        if running is not None:
            await running.aclose()
            _log.info("node has stopped")

    async def _start_parts(self, running: AsyncExitStack) -> None:
        settings = self._settings
        listeners = _parse_listeners(settings, self._platform.hostname())
        config = _broker_config(settings)
        identity = self._identify(running)
        await self._start_http(running)
        store, kv = self._open_storage()
        partition_settings = PartitionSettings.from_config(config)
        executor = self._platform.executor(partition_settings.io_threads)
        cluster = Cluster(
            node_id=BrokerId(identity.node_id),
            directory_id=identity.directory_id,
            store=store,
            kv=kv,
            clock=self._clock,
            rng=self._rng,
            run_blocking=partial(asyncio.get_running_loop().run_in_executor, executor),
            levels=features.SUPPORTED,
            rack=config.text("broker.rack"),
        )
        partitions = Partitions(
            store=store,
            kv=kv,
            clock=self._clock,
            settings=partition_settings,
            replicate=cluster.replicate,
            stand_aside=cluster.stand_aside,
            executor=executor,
        )
        running.push_async_callback(cluster.close)
        if cluster.registration.was_removed():
            raise StartFault(
                "this node was removed from its cluster, which does without its data",
                next_step="sprawl serve --data OTHER --join HOST:PORT",
            )
        peering, identity = await self._reach_peers(cluster, identity, running)
        followers = Followers(cluster, self._registry.wake)
        broker = self._assemble(identity, config, partitions, followers, cluster)
        self._server = server = Server(broker, self._metrics, platform=self._platform)
        followers.follow(broker, server)
        cluster.on_led = followers.led
        running.push_async_callback(server.stop)
        ports = {each.name: _bind(server, each) for each in listeners}
        self._endpoints.update(endpoints_of(listeners, ports))
        running.push_async_callback(self._registry.stop)
        self._registry.bind()
        self._load(cluster, broker.controller)
        try:
            await self._announce(cluster, self._describe(broker, identity, cluster))
            if peering is not None:
                await self._begin_gossip(peering, broker, cluster, kv, running)
            await partitions.start()
        except (KafkaFault, OSError) as error:
            raise unusable(settings.data, error) from error
        # Only now: closing partitions that were never recovered would mark them as sound.
        running.push_async_callback(partitions.close)
        running.push_async_callback(cluster.silence)
        running.push_async_callback(broker.groups.close)
        # A second time, because clients have to go before groups and partitions do.
        running.push_async_callback(server.stop)
        await broker.groups.start()
        running.push_async_callback(self._registry.stop)
        await self._registry.start(broker, None if peering is None else peering.transport)
        handlers.load()
        await server.start()
        running.push_async_callback(self._registry.stop_serving)
        # First of all when the node stops: clients that are sent on go at once.
        running.push_async_callback(cluster.hand_over)
        if self._gossip is not None:
            running.callback(self._gossip.membership.leave)  # told while that goes on
        self._broker = broker
        self._cluster = cluster

    async def _reach_peers(
        self, cluster: Cluster, identity: Identity, running: AsyncExitStack
    ) -> tuple[Peering | None, Identity]:
        """(the port for other nodes, whose data this is)."""
        settings = self._settings
        joined = cluster.registration.stored_cluster_id()
        if joined not in (None, identity.cluster_id):
            # It stopped between the two steps of joining: see below.
            identity = self._data.adopt(joined)
        peering = await listen_to_peers(settings, cluster, identity, self._platform)
        if peering is None:
            return None, identity
        self._peer = peering.advertised
        running.callback(peering.close_datagrams)
        cluster.connect(peering.transport)
        if not must_join(settings, cluster):
            return peering, identity
        cluster_id = await join(settings, cluster, identity, peering.advertised, tell=self._tell)
        return peering, self._data.adopt(cluster_id)

    async def _begin_gossip(
        self,
        peering: Peering,
        broker: Broker,
        cluster: Cluster,
        kv: KeyValueStore,
        running: AsyncExitStack,
    ) -> None:
        from sprawl.gossiping import Gossiping

        gossip = Gossiping(
            self._settings,
            peering,
            platform=self._platform,
            broker=broker,
            cluster=cluster,
            kv=kv,
            metrics=self._metrics,
        )
        running.push_async_callback(gossip.close)
        await gossip.start()
        self._gossip = gossip

    def _identify(self, running: AsyncExitStack) -> Identity:
        running.callback(self._data.close)
        try:
            return self._data.identify()
        except IdentityFault as fault:
            raise StartFault(str(fault), next_step="sprawl --data OTHER --port 0") from fault
        except OSError as error:
            raise unusable(self._settings.data, error) from error

    async def _start_http(self, running: AsyncExitStack) -> None:
        port = self._settings.http_port
        if port is None:
            return
        host = self._settings.http_host
        http = HttpServer(
            metrics=self._metrics,
            health=self._health,
            gauges=self._gauges,
            pages={"/members": self._members} | overlay_facts.pages(self._cluster_parts),
            clock=self._clock,
            bind=self._platform.bind,
        )
        try:
            bound = await http.listen(host, port)
        except OSError as error:
            raise cannot_bind("http port", host, port, error) from error
        running.push_async_callback(http.stop)
        self.http_address = local_url("http", host, bound)

    def _open_storage(self) -> tuple[LogStore, KeyValueStore]:
        try:
            return self._data.open()
        except OSError as error:
            raise unusable(self._settings.data, error) from error

    def _assemble(
        self,
        identity: Identity,
        config: BrokerConfig,
        partitions: Partitions,
        followers: Followers,
        cluster: Cluster,
    ) -> Broker:
        node_id = BrokerId(identity.node_id)
        controller = Controller(
            ControllerState(),
            cluster.log,
            node_id=node_id,
            cluster_id=identity.cluster_id,
            broker_config=lambda: broker.config,
            rng=self._rng,
            listener=followers,
            remote=cluster,
            levels=cluster.levels,
            places=lambda: cluster.places,
        )

        def offsets_topic() -> TopicSpec:
            return TopicSpec(
                name=OFFSETS_TOPIC,
                partition_count=broker.config.offsets_topic_num_partitions,
                replication_factor=min(
                    broker.config.offsets_topic_replication_factor, len(controller.nodes)
                ),
                configs={
                    "cleanup.policy": "compact",
                    "compression.type": "producer",
                    "segment.bytes": str(broker.config.offsets_topic_segment_bytes),
                },
            )

        def offsets_partition_count() -> int:
            topic = controller.topics.get(OFFSETS_TOPIC)
            return 0 if topic is None else topic.partition_count

        groups = GroupCoordinators(
            log=InternalTopic(partitions, OFFSETS_TOPIC, self._clock),
            partition_count=offsets_partition_count,
            ensure_topic=lambda: controller.ensure_topic(offsets_topic()),
            find_deleted=lambda names: _deleted_among(names, controller),
            config=GroupConfig.from_broker(config),
            clock=self._clock,
            rng=self._rng,
        )
        rack = config.text("broker.rack")
        broker = Broker(
            node_id=node_id,
            cluster_id=identity.cluster_id,
            rack=rack,
            cluster=ClusterView(
                node_id=node_id,
                state=controller.state,
                hints=cluster.hints,
                partitions=partitions,
                endpoints=self._endpoints,
                rack=rack,
                is_alive=cluster.is_alive,
                controller=lambda: controller.leader,
                quorum=cluster.quorum,
                routing=lambda: cluster.routing,
            ),
            elections=cluster.elections,
            clock=self._clock,
            rng=self._rng,
            config=config,
            controller=controller,
            partitions=partitions,
            groups=groups,
            endpoints=self._endpoints,
            volume=self._data.volume,
        )
        return broker

    def _describe(self, broker: Broker, identity: Identity, cluster: Cluster) -> NodeInfo:
        """This node as it registers."""
        host = next(iter(self._endpoints.values())).host
        return NodeInfo(
            node_id=broker.node_id,
            replica_id=cluster.replica_id,
            directory_id=identity.directory_id,
            endpoints=self._endpoints | self._registry.endpoints(host),
            peer=self._peer,
            rack=broker.rack,
            levels=cluster.levels,
        )

    def _load(self, cluster: Cluster, controller: Controller) -> None:
        """Take part, and follow what the controller has decided."""
        try:
            cluster.begin(controller)
            controller.load()
        except DamagedLog as damage:
            raise damaged_metadata(self._settings.data, damage) from damage
        except (ValueError, OSError, KafkaFault) as error:
            if isinstance(error, KafkaFault) and error.code in UNWANTED:
                raise unwanted(error) from error
            raise StartFault(
                f"the metadata in {self._settings.data} cannot be read: {error}",
                next_step="start the version of Sprawl that wrote it, or use other --data",
            ) from error

    async def _announce(self, cluster: Cluster, node: NodeInfo) -> None:
        try:
            await cluster.registration.announce(node)
        except KafkaFault as fault:
            if fault.code not in UNWANTED:
                raise
            raise unwanted(fault) from fault

    # --- health and metrics ---------------------------------------------------------------------

    def _health(self) -> dict[str, object]:
        """What /health says; `ready` decides its status."""
        is_out = self._cluster is not None and self._cluster.registration.is_out
        is_ready = self._running is not None and not is_out
        facts: dict[str, object] = {"ready": is_ready, "version": __version__}
        if self._broker is None or self._cluster is None or self._server is None:
            return facts
        volume = self._data.volume()
        return facts | {
            "node_id": self.node_id,
            "cluster_id": self.cluster_id,
            "storage": self._settings.storage,
            "data": volume.path,
            "free_bytes": volume.usable_bytes,
            "listeners": self.listeners,
            "topics": len(self._broker.controller.topics),
            "cluster": cluster_facts.health(cluster_facts.look(self._broker, self._cluster)),
            "uptime_ms": self._clock.monotonic_ms() - self._started_ms,
            "advice": [advice._asdict() for advice in self._server.advices()],
        }

    async def _members(self, _parameters: Mapping[str, str]) -> object:
        """What /members says."""
        if self._gossip is None:
            raise LookupError("this node has no peer port, or just starts")
        return self._gossip.document()

    def _cluster_parts(self) -> tuple[Broker, Cluster] | None:
        if self._broker is None or self._cluster is None:
            return None
        return self._broker, self._cluster

    def _gauges(self) -> Iterator[tuple[str, str, float]]:
        """What /metrics shows beside the gateway's counters."""
        yield "sprawl_ready", "1 when clients are served", float(self._running is not None)
        if self._broker is None or self._cluster is None:
            return
        topics = self._broker.controller.topics.values()
        opened = list(self._broker.partitions.opened())
        yield "sprawl_topics", "Topics", len(topics)
        yield "sprawl_partitions", "Partitions", sum(topic.partition_count for topic in topics)
        yield "sprawl_partitions_open", "Partitions whose logs are open", len(opened)
        log_bytes = sum(partition.log.size_bytes for partition in opened)
        yield "sprawl_open_log_bytes", "Size of the open logs", log_bytes
        if self._broker.groups.availability_of_all() is ErrorCode.NONE:
            groups = self._broker.groups.list_groups()
            yield "sprawl_groups", "Consumer groups", len(groups)
        facts = cluster_facts.look(self._broker, self._cluster)
        yield from self._registry.gauges()
        yield from cluster_facts.gauges(facts, self._cluster, self.node_id)
        if self._gossip is not None:
            yield from self._gossip.gauges()
        yield from overlay_facts.gauges(self._cluster)
        free_bytes = self._data.volume().usable_bytes
        if free_bytes >= 0:
            yield "sprawl_disk_free_bytes", "Room left for data", free_bytes


async def _deleted_among(names: Collection[str], controller: Controller) -> set[str]:
    """The topics that no longer exist: not just unknown here because this node is behind."""
    if controller.topics.keys() >= set(names):
        return set()
    await controller.barrier()
    return set(names) - controller.topics.keys()


def _parse_listeners(settings: Settings, hostname: str) -> list[Listener]:
    try:
        return parse_listeners(
            settings.listeners,
            settings.advertised_listeners,
            settings.text("advertised.host") or hostname,
            settings.text("listener.security.protocol.map"),
        )
    except ListenerFault as fault:
        raise SettingFault(str(fault), next_step="sprawl config --explain") from fault


def _broker_config(settings: Settings) -> BrokerConfig:
    """The broker's own view of the settings: what was set by Kafka's names, and those of the
    node's own settings that Kafka has too, so that tools can read them."""
    static = {name: found.value or "" for name, found in settings.broker.items()}
    own = {
        "node.id": str(settings.node_id),
        "broker.id": str(settings.node_id),
        "listeners": settings.listeners,
        "advertised.listeners": settings.advertised_listeners,
        "log.dirs": str(settings.data),
    }
    static |= {k: v for k, v in own.items() if v is not None and k in BROKER_CONFIGS}
    try:
        return BrokerConfig.from_overrides(static)
    except ConfigFault as fault:
        raise SettingFault(str(fault), next_step="sprawl config --explain --all") from fault


def _bind(server: Server, listener: Listener) -> int:
    try:
        return server.bind(listener)
    except OSError as error:
        raise cannot_bind("port", listener.host, listener.port, error) from error
