"""A node's schema registry: its port, what answers there, and where those of other nodes are.

    settings read, port taken -> told to the other nodes with the node's listeners
        -> (groups loaded) topic begun -> first connection -> topic read, HTTP loaded -> answered
        -> stopped before the groups are

What speaks HTTP costs 0.2 s and 13 MiB to load: a node that nobody asks for schemas does without.
Which nodes have one is told as a listener of a name of its own: clients of Kafka ask for the
listener that they connected to, and never see it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sprawl import __version__
from sprawl.config import Rank
from sprawl.core.broker import Endpoint
from sprawl.core.cluster.peers import PeerRefused, PeerUnreachable
from sprawl.core.cluster.view import NO_LEADER
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, PartitionId
from sprawl.faults import SettingFault
from sprawl.start_faults import cannot_bind, joined, local_url

if TYPE_CHECKING:
    import socket

    from sprawl.config import Settings
    from sprawl.core.broker import Broker
    from sprawl.core.cluster.transport import Transport
    from sprawl.platform import Platform
    from sprawl.schema_registry.rest.auth import Users
    from sprawl.schema_registry.rest.server import RegistryServer
    from sprawl.schema_registry.serving.checked_schemas import CheckedSchemas
    from sprawl.schema_registry.serving.service import TopicRegistry

_log = logging.getLogger(__name__)

LISTENERS: Final = {"http": "SCHEMA-REGISTRY-HTTP", "https": "SCHEMA-REGISTRY-HTTPS"}
"""What the port is called among a node's listeners, by the scheme of its URL."""
BACKLOG: Final = 128
"""Connections that the system keeps until they are accepted: those of a service that starts."""
CHECK_TIMEOUT_MS: Final = 3_000
"""For the node that leads `_schemas` to look schemas up: longer than an answer takes, short enough
to ask its successor while a batch waits."""
REPLICAS_MAX: Final = 3
"""Of `_schemas`, when there are as many nodes, whatever the default for topics is: a registry that
is lost takes the meaning of all data with it."""


class RegistryPort:
    """See the module.

    Raises:
        SettingFault: a setting that cannot be used.
    """

    def __init__(self, settings: Settings, platform: Platform) -> None:
        self._settings = settings
        self._platform = platform
        self._bound: list[socket.socket] = []
        self._port: int | None = None
        self._registry: TopicRegistry | None = None
        self._server: RegistryServer | None = None
        self._broker: Broker | None = None
        self._transport: Transport | None = None
        self._checked: CheckedSchemas | None = None
        self._is_waiting = False
        """For the first connection."""
        self._opening: asyncio.Task[None] | None = None
        self._tls: ssl.SSLContext | None = None
        self._leader_tls: ssl.SSLContext | None = None
        self._users: Users | None = None

    @property
    def scheme(self) -> str:
        return "http" if self._tls is None else "https"

    @property
    def address(self) -> str | None:
        """Its URL on this machine; None when there is none."""
        if self._port is None:
            return None
        return local_url(self.scheme, self._host, self._port)

    @property
    def _host(self) -> str:
        return self._settings.text("schema.registry.host") or self._settings.required("host")

    def endpoints(self, host: str) -> dict[str, Endpoint]:
        """What other nodes are told.

        Args:
            host: that clients of this node are told.
        """
        if self._port is None:
            return {}
        return {LISTENERS[self.scheme]: Endpoint(host, self._port)}

    def bind(self) -> None:
        """Take the port. One that nobody asked for by name, and that somebody else has, is left.

        Connections wait from now on: until it listens, a port can be taken by another node that
        starts at the same time.

        Raises:
            SettingFault, StartFault: a setting or the port cannot be used.
        """
        port = self._settings.schema_registry_port
        if port is None:
            return
        self._read_files()
        try:
            self._bound = self._platform.bind(self._host, port)
            for each in self._bound:
                each.listen(BACKLOG)
        except OSError as error:
            self._close()
            fault = cannot_bind("schema registry port", self._host, port, error)
            is_chosen = self._settings.own["schema.registry.port"].rank is not Rank.DEFAULT
            if is_chosen or error.errno != errno.EADDRINUSE:
                raise fault from error
            _log.warning(
                "no schema registry here: %s; --schema-registry-port PORT takes another, off none",
                fault.message,
            )
            return
        self._port = self._bound[0].getsockname()[1]

    def _read_files(self) -> None:
        text = self._settings.text
        certificate, key = text("schema.registry.certificate"), text("schema.registry.key")
        if (certificate is None) != (key is None):
            raise SettingFault(
                "schema.registry.certificate and schema.registry.key belong together: give both",
                next_step="sprawl config --explain",
            )
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            try:
                self._tls.load_cert_chain(certificate, key)
            except OSError as error:
                raise SettingFault(
                    f"the certificate of the schema registry cannot be used: {error}",
                    next_step="sprawl config --explain",
                ) from error
        users = text("schema.registry.users")
        if users is not None:
            from sprawl.schema_registry.rest.auth import UserFileFault, parse_users

            try:
                self._users = parse_users(Path(users).read_text(encoding="utf-8"))
            except (OSError, UserFileFault, UnicodeDecodeError) as error:
                raise SettingFault(
                    f"the users of the schema registry cannot be read from {users}: {error}",
                    next_step="sprawl schema hash-password makes the lines of that file",
                ) from error

    async def start(self, broker: Broker, transport: Transport | None) -> None:
        """Answer what brokers ask about schemas, and with a port begin to read the topic and take
        the first connection.

        Args:
            transport: to the other nodes; None for a node that is alone.

        Raises:
            SettingFault: schema.registry.ca cannot be used.
        """
        from sprawl.schema_registry.serving.checked_schemas import CHECK_METHOD, CheckedSchemas

        self._broker = broker
        self._transport = transport
        self._checked = checked = CheckedSchemas(
            self._running, self._ask_leader, self._platform.clock
        )
        broker.schemas = checked
        if transport is not None:
            transport.serve(CHECK_METHOD, lambda _, body: checked.answer(bytes(body)))
        if self._port is None:
            return
        self._running()
        self._leader_tls = self._read_authority()
        loop = asyncio.get_running_loop()
        self._is_waiting = True
        for each in self._bound:
            loop.add_reader(each, self._knocked)

    def _running(self) -> TopicRegistry:
        """The registry, which reads the topic from now on. A node without a port makes it when a
        topic asks for schemas."""
        if self._registry is None:
            self._registry = self._make()
            self._registry.start()
        return self._registry

    def _make(self) -> TopicRegistry:
        from sprawl.schema_registry.model.entities import Level
        from sprawl.schema_registry.model.registry import Settings as RegistrySettings
        from sprawl.schema_registry.serving.formats import schema_formats
        from sprawl.schema_registry.serving.node_topic import NodeTopic
        from sprawl.schema_registry.serving.service import TopicRegistry

        broker = self._broker
        assert broker is not None, "start() comes first"

        def url_of(node_id: int) -> str | None:
            node = broker.controller.nodes.get(BrokerId(node_id))
            for scheme, name in LISTENERS.items():
                if node is not None and (place := node.endpoints.get(name)) is not None:
                    return f"{scheme}://{joined(*place)}"
            return None

        level = self._settings.required("schema.registry.compatibility.level")
        return TopicRegistry(
            NodeTopic(
                broker,
                url_of,
                replication_factor=lambda: min(REPLICAS_MAX, len(broker.controller.nodes)),
            ),
            schema_formats,
            RegistrySettings(
                compatibility_level=Level(level.upper()),
                mode_mutability=self._settings.flag("schema.registry.mode.mutability"),
            ),
            executor=self._platform.executor,
        )

    async def _ask_leader(self, question: bytes) -> bytes:
        """Have the node that leads `_schemas` say whether schemas fit.

        Raises:
            KafkaFault: it cannot be asked.
        """
        from sprawl.schema_registry.serving.checked_schemas import CHECK_METHOD
        from sprawl.schema_registry.serving.topic import SCHEMAS_TOPIC

        broker = self._broker
        assert broker is not None, "start() comes first"
        info = broker.controller.topics.get(SCHEMAS_TOPIC)
        leader = NO_LEADER if info is None else broker.cluster.leader(info, PartitionId(0))
        if self._transport is None or leader in (NO_LEADER, broker.node_id):
            raise KafkaFault(
                ErrorCode.LEADER_NOT_AVAILABLE, f"{SCHEMAS_TOPIC} has no leader, or is being read"
            )
        try:
            return await self._transport.call(
                BrokerId(leader), CHECK_METHOD, question, timeout_ms=CHECK_TIMEOUT_MS
            )
        except (PeerRefused, PeerUnreachable) as failure:
            raise KafkaFault(ErrorCode.LEADER_NOT_AVAILABLE, str(failure)) from failure

    def _knocked(self) -> None:
        """The first connection waits to be accepted."""
        self._stop_waiting()
        self._opening = asyncio.get_running_loop().create_task(self._open())

    def _stop_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        for each in self._bound if self._is_waiting else ():
            loop.remove_reader(each)
        self._is_waiting = False

    async def _open(self) -> None:
        assert self._registry is not None
        try:
            await self._registry.caught_up()
            module = await asyncio.to_thread(import_module, "sprawl.schema_registry.rest.server")
            await self._serve(module.RegistryServer)
        except Exception:  # noqa: BLE001 nobody waits for this task
            _log.exception("the schema registry cannot answer: report this")
            self._close()  # who connects is refused, and does not wait for nothing

    async def _serve(self, make: type[RegistryServer]) -> None:
        from sprawl.schema_registry.rest.answers import ServerFacts

        assert self._registry is not None
        assert self._broker is not None
        assert self._port is not None
        self._server = make(
            self._registry,
            facts=ServerFacts(self._broker.cluster_id, version=__version__),
            bind=lambda _host, _port: self._bound,
            ssl_context=self._tls,
            auth=self._users,
            leader_ssl_context=self._leader_tls,
            clock=self._platform.clock,
        )
        await self._server.start(self._host, self._port)

    def _read_authority(self) -> ssl.SSLContext | None:
        authority = self._settings.text("schema.registry.ca")
        if authority is None:
            return None
        try:
            return ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise SettingFault(
                f"schema.registry.ca = {authority} cannot be used: {error}",
                next_step="sprawl config --explain",
            ) from error

    def wake(self) -> None:
        """`_schemas` came, went, or changed its leader."""
        if self._registry is not None:
            self._registry.wake()

    async def stop_serving(self) -> None:
        """Take no more requests, and answer those under way; nothing happens without any."""
        self._stop_waiting()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def stop(self) -> None:
        """Give everything back; nothing happens when nothing was taken."""
        await self.stop_serving()
        checked, self._checked = self._checked, None
        if checked is not None:
            await checked.stop()
        registry, self._registry = self._registry, None
        if registry is not None:
            await registry.stop()
        self._close()

    def _close(self) -> None:
        for each in self._bound:
            each.close()
        self._bound = []

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """What /metrics shows."""
        if self._registry is None:
            return
        counts = self._registry.counts()
        names = {
            "subjects": "Subjects of the schema registry",
            "schemas": "Versions in the schema registry, soft-deleted ones too",
            "is_leader": "1 when this node takes the writes of the schema registry",
            "writes": "Commands that the schema registry answered",
            "refusals": "Commands that the schema registry refused",
            "timeouts": "Commands of which it is not known whether they were written",
            "skipped": "Records of _schemas that could not be used",
        }
        for name, text in names.items():
            yield f"sprawl_schema_registry_{name}", text, float(getattr(counts, name))
        by_class = dict.fromkeys((2, 3, 4, 5), 0)
        for kind, count in self._server.served.items() if self._server is not None else ():
            if kind.status // 100 in by_class:  # a leader's answer is passed on, whatever it is
                by_class[kind.status // 100] += count
        for status, count in by_class.items():
            yield (
                f"sprawl_schema_registry_answers_{status}xx",
                f"Requests to the schema registry answered with {status}xx",
                float(count),
            )
