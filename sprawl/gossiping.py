"""Membership as part of a node: its keys, its load, and what /members and /metrics say of it.

Loaded by nodes with a peer port only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sprawl.core.cluster.membership import ClusterMembership, SeenMember
from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.gossip.model import EventKind, MemberId, MemberState
from sprawl.faults import SettingFault
from sprawl.load_figures import LoadFigures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sprawl.cluster_facts import Gauge
    from sprawl.config import Settings
    from sprawl.core.broker import Broker
    from sprawl.core.cluster.cluster import Cluster
    from sprawl.core.controller.nodes import NodeInfo
    from sprawl.core.gossip.keyring import Keyring
    from sprawl.core.ids import BrokerId
    from sprawl.core.storage.port import KeyValueStore
    from sprawl.gateway.metrics import GatewayMetrics
    from sprawl.gossip_keys import KeyFile
    from sprawl.peering import Peering
    from sprawl.platform import Platform

_log = logging.getLogger(__name__)
LOOK_S: Final = 10.0
"""Between two looks at our load and at the file of keys: what gossip tells of loads, at most."""
_EVENTS: Final = {
    EventKind.JOINED: ("joins", "Members that were not known before"),
    EventKind.SUSPECT: ("suspicions", "Times that a member was suspected"),
    EventKind.ALIVE: ("false_alarms", "Suspicions that their member refuted"),
    EventKind.DEAD: ("deaths", "Times that a member was given up"),
    EventKind.LEFT: ("leaves", "Times that a member left in good order"),
    EventKind.REJOINED: ("returns", "Times that a member began another life"),
}


class Gossiping:
    """See the module.

    Raises:
        SettingFault: the keys cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        peering: Peering,
        *,
        platform: Platform,
        broker: Broker,
        cluster: Cluster,
        kv: KeyValueStore,
        metrics: GatewayMetrics,
    ) -> None:
        me = MemberId(cluster.node_id, cluster.identity.directory_id)
        self._broker = broker
        self._cluster = cluster
        self._peering = peering
        self._key_file = _key_file(settings)
        self._keyring = _keyring(self._key_file, me, broker)
        self.membership = ClusterMembership(
            me=me,
            cluster_id=broker.cluster_id,
            told=PeerAddress(*peering.advertised),
            transport=peering.transport,
            book=cluster.book,
            kv=kv,
            clock=platform.clock,
            rng=platform.rng,
            keyring=self._keyring,
            on_gone=cluster.peer_lost,
        )
        self._figures = LoadFigures(
            platform, metrics, broker.partitions, lambda: _used_share(broker)
        )
        self._looking: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take part."""
        await self.membership.start(self._peering.take_datagrams())
        self._cluster.on_nodes = self.membership.nodes_changed
        self._cluster.registration.on_out = self.membership.leave
        self._looking = asyncio.get_running_loop().create_task(self._look(), name="gossip load")

    async def close(self) -> None:
        """Stop; see ClusterMembership.close."""
        await self.membership.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        try:
            while True:
                self.membership.update_load(self._figures.take())
                self.refresh_keys()
                await asyncio.sleep(LOOK_S)
        finally:
            self.membership.halt()  # a loop that ends without a stop of the node ends this, too

    def refresh_keys(self) -> None:
        """Take over what the file of keys says now."""
        keys = self._key_file
        if keys is not None and self._keyring is not None and keys.refresh():
            self._keyring.replace(keys.keys)

    # --- what it says ---------------------------------------------------------------------------

    def document(self) -> dict[str, object]:
        """For /members: everybody that gossip knows."""
        nodes = self._broker.controller.nodes
        return {
            "cluster_id": self._broker.cluster_id,
            "node_id": self._broker.node_id,
            "local_health": self.membership.local_health,
            "members": [_told(seen, nodes) for seen in self.membership.seen()],
        }

    def gauges(self) -> Iterator[Gauge]:
        """For /metrics."""
        membership = self.membership
        for state, count in membership.states().items():
            name = state.name.lower()
            yield f"sprawl_members_{name}", f"Members that this node takes for {name}", count
        yield (
            "sprawl_members_local_health",
            "How far this node mistrusts its own view of the others; 0 is well",
            membership.local_health,
        )
        for kind, (name, text) in _EVENTS.items():
            yield f"sprawl_member_{name}_total", text, membership.events[kind]
        for field in fields(membership.counters):
            yield (
                f"sprawl_gossip_{field.name}_total",
                f"Membership: {field.name.replace('_', ' ')}",
                getattr(membership.counters, field.name),
            )
        yield (
            "sprawl_gossip_unplaced_total",
            "Membership: packets not sent, since nobody knows where their member is",
            membership.datagrams_unplaced,
        )


def _key_file(settings: Settings) -> KeyFile | None:
    path = settings.text("gossip.keys")
    if path is None:
        if settings.text("peer.certificate") is not None:
            _log.warning(
                "nodes talk by TLS, but membership's packets are not sealed: whoever reaches UDP of"
                " the peer port can tell which nodes live and which do not (a hint, no data);"
                " next: openssl rand -base64 32 > gossip.keys, the same file on every node, and"
                " --gossip-keys gossip.keys"
            )
        return None
    from sprawl.gossip_keys import KeyFile

    try:
        return KeyFile(Path(path))
    except (OSError, ValueError) as error:
        raise SettingFault(
            f"gossip.keys = {path} cannot be used: {error}",
            next_step=f"openssl rand -base64 32 > {path}, the same on every node",
        ) from error


def _keyring(key_file: KeyFile | None, me: MemberId, broker: Broker) -> Keyring | None:
    if key_file is None:
        return None
    from sprawl.core.gossip.keyring import SESSION_BYTES, Keyring

    session = broker.rng.randbytes(SESSION_BYTES)
    return Keyring(me, key_file.keys, session, broker.cluster_id)


def _used_share(broker: Broker) -> float:
    """How full the data's volume is; 0 when there is none, or it does not say."""
    try:
        volume = broker.volume()
    except OSError:
        return 0.0
    if volume.total_bytes <= 0 or volume.usable_bytes < 0:
        return 0.0
    return 1 - volume.usable_bytes / volume.total_bytes


def _told(seen: SeenMember, nodes: Mapping[BrokerId, NodeInfo]) -> dict[str, object]:
    member, load = seen.member, seen.load
    node = nodes.get(member.id.node_id)
    is_registered = node is not None and node.directory_id == member.id.directory_id
    return {
        "node_id": member.id.node_id,
        "directory_id": str(member.id.directory_id),
        "is_registered": is_registered,
        "address": str(seen.address),
        "rack": node.rack if node is not None and is_registered else None,
        "state": MemberState(member.state).name.lower(),
        "epoch": member.epoch,
        "incarnation": member.incarnation,
        "age_ms": seen.age_ms,
        "load": None
        if load is None
        else {
            "cpu_percent": load.cpu / 100,
            "disk_percent": load.disk / 100,
            "partitions": load.partitions,
            "led": load.led,
            "bytes_in_per_s": load.bytes_in,
            "bytes_out_per_s": load.bytes_out,
            "produce_p99_us": load.p99_us,
            "hot": [
                {
                    "topic_id": str(each.key.topic_id),
                    "partition": each.key.partition,
                    "bytes_per_s": each.bytes_per_s,
                }
                for each in load.hot_groups
            ],
        },
    }
