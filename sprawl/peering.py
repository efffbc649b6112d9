"""The port for the other nodes of a cluster: what the settings say of it, and joining."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sprawl.core.broker import Endpoint
from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId
from sprawl.faults import SettingFault, StartFault
from sprawl.gateway.listeners import WILDCARDS
from sprawl.gateway.sockets import FREE_PORT_TRIES

if TYPE_CHECKING:
    import socket

    from sprawl.config import Settings
    from sprawl.core.cluster.cluster import Cluster
    from sprawl.core.cluster.peer_tls import PeerTls
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.controller.identity import Identity
    from sprawl.platform import Platform

PEER_PORT = 9093
"""Where nodes listen for each other unless told otherwise: beside Kafka's 9092."""


def seeds_of(settings: Settings) -> list[PeerAddress]:
    """The nodes to join, in order. Raises: SettingFault for what is no host:port."""
    seeds = []
    for entry in (settings.text("join") or "").split(","):
        text = entry.strip()
        if not text:
            continue
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal():
            raise SettingFault(
                f"join = {text!r} is no host:port", next_step=f"--join {text}:{PEER_PORT}"
            )
        seeds.append(PeerAddress(host.strip("[]"), int(port)))
    return seeds


def address_map(settings: Settings) -> dict[BrokerId, PeerAddress]:
    """Where nodes are reached, for those of `peer.address.map`. Raises: SettingFault."""
    found = {}
    for entry in filter(None, (settings.text("peer.address.map") or "").split(",")):
        node, _, place = entry.strip().partition("=")
        host, _, port = place.rpartition(":")
        if not (node.isdecimal() and host and port.isdecimal()):
            raise SettingFault(
                f"peer.address.map has {entry!r}, which is no ID=host:port",
                next_step="sprawl config --explain",
            )
        found[BrokerId(int(node))] = PeerAddress(host.strip("[]"), int(port))
    return found


def must_join(settings: Settings, cluster: Cluster) -> bool:
    """Whether this node has to join a cluster before it can do anything."""
    return cluster.registration.stored_replica_id() is None and bool(seeds_of(settings))


class Peering:
    """The port for other nodes, of both protocols.

    Args:
        transport: on its TCP side.
        advertised: the address that other nodes are told.
        datagrams: sockets bound to the same number of UDP, for membership.
    """

    def __init__(
        self, transport: Transport, advertised: Endpoint, datagrams: list[socket.socket]
    ) -> None:
        self.transport = transport
        self.advertised = advertised
        self._datagrams = datagrams

    def take_datagrams(self) -> list[socket.socket]:
        """The sockets; who takes them closes them."""
        taken, self._datagrams = self._datagrams, []
        return taken

    def close_datagrams(self) -> None:
        """Close those that nobody took."""
        for each in self.take_datagrams():
            each.close()


async def listen_to_peers(
    settings: Settings, cluster: Cluster, identity: Identity, platform: Platform
) -> Peering | None:
    """Open the port for other nodes; None when the settings ask for no cluster.

    Raises:
        SettingFault, StartFault: the settings or the port cannot be used.
    """
    port = settings.peer_port
    if port is None:
        return None
    from sprawl.core.cluster.transport import Transport

    reached_at = address_map(settings)
    host = settings.text("peer.host") or settings.required("host")
    advertised = settings.text("peer.advertised.host") or settings.text("advertised.host")
    if advertised is None:
        if host in WILDCARDS:
            raise SettingFault(
                "other nodes cannot be told an address that stands for all of them",
                next_step="--peer-advertised-host NAME, as the other nodes reach this one",
            )
        advertised = host
    transport = Transport(
        identity=cluster.identity,
        cluster_id=None if must_join(settings, cluster) else identity.cluster_id,
        rng=platform.rng,
        addresses=lambda node: reached_at.get(node) or cluster.book.address(node),
        expected_directory=cluster.book.directory,
        tls=_tls(settings),
    )
    datagrams, bound = await _bind(transport, platform, host, port)
    return Peering(transport, Endpoint(advertised, bound), datagrams)


async def _bind(
    transport: Transport, platform: Platform, host: str, port: int
) -> tuple[list[socket.socket], int]:
    """One number on both protocols; with port 0 one that is free on both."""
    tries = 1 if port else FREE_PORT_TRIES
    for left in reversed(range(tries)):
        protocol = "UDP"
        datagrams: list[socket.socket] = []
        try:
            datagrams = platform.bind_datagrams(host, port)
            number = int(datagrams[0].getsockname()[1])
            protocol = "TCP"
            return datagrams, await transport.listen(host, number)
        except OSError as error:
            for each in datagrams:
                each.close()
            busy = error.errno == errno.EADDRINUSE
            if busy and left:
                continue
            raise StartFault(
                f"peer port {port} is in use ({protocol})"
                if busy
                else f"cannot listen on {protocol} {host}:{port}: {error}",
                next_step="stop what has it, or choose another one: --peer-port 0",
            ) from error
    raise AssertionError("the last try returns or raises")


async def join(
    settings: Settings,
    cluster: Cluster,
    identity: Identity,
    peer: Endpoint,
    *,
    tell: Callable[[str], None],
) -> str:
    """Become a member of the cluster that the settings name.

    Args:
        tell: told what is done.

    Returns:
        The cluster's id.

    Raises:
        StartFault: nobody answers, or the cluster does not want this node.
    """
    node = NodeInfo(
        node_id=cluster.node_id,
        replica_id=ReplicaId(0),
        directory_id=identity.directory_id,
        endpoints={},
        peer=peer,
        levels=cluster.levels,
    )
    seeds = seeds_of(settings)
    tell(f"joining the cluster at {' or '.join(map(str, seeds))}")
    try:
        cluster_id = await cluster.registration.join(
            seeds, node, may_replace=settings.flag("replace.node")
        )
    except KafkaFault as fault:
        if fault.code is ErrorCode.UNSUPPORTED_VERSION:
            raise unwanted(fault) from fault
        raise StartFault(
            f"this node cannot join: {fault.message or fault.code.name}",
            next_step="check --join, --node-id and that the other node runs with a peer port",
        ) from fault
    tell(f"joined cluster {cluster_id} as node {cluster.node_id}")
    return cluster_id


def unwanted(fault: KafkaFault) -> StartFault:
    """What a user does about a node that its cluster does not let in again."""
    return StartFault(
        f"the cluster does not take this node: {fault.message}",
        next_step="install the version of Sprawl that the other nodes run"
        if fault.code is ErrorCode.UNSUPPORTED_VERSION
        else "sprawl serve --data OTHER --join HOST:PORT",
    )


def _tls(settings: Settings) -> PeerTls | None:
    named = [settings.text(f"peer.{part}") for part in ("certificate", "key", "ca")]
    if not any(named):
        return None
    if not all(named):
        raise SettingFault(
            "peer.certificate, peer.key and peer.ca belong together: give all three",
            next_step="sprawl config --explain",
        )
    from sprawl.core.cluster.peer_tls import PeerTls

    try:
        return PeerTls(*(Path(each) for each in named if each))
    except OSError as error:
        raise SettingFault(
            f"the certificates for other nodes cannot be used: {error}",
            next_step="sprawl config --explain",
        ) from error
