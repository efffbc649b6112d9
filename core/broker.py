"""What a request handler may touch: the node's parts, each the one owner of its state.

The front door builds a `Broker` when a node starts; handlers get it through their context. It holds
references only and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.clock import Clock
    from sprawl.core.cluster.elections import Elections
    from sprawl.core.cluster.view import ClusterView
    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.controller.controller import Controller
    from sprawl.core.groups.coordinators import GroupCoordinators
    from sprawl.core.ids import BrokerId
    from sprawl.core.partition.registry import Partitions
    from sprawl.core.records.schema_ids import SchemaBook


class Endpoint(NamedTuple):
    """Where clients of one listener reach this node: what Metadata tells them."""

    host: str
    port: int


class Volume(NamedTuple):
    """Where the data lies and how much room there is; -1 for unknown."""

    path: str
    total_bytes: int
    usable_bytes: int


@dataclass(slots=True, kw_only=True)
class Broker:
    """One node's parts.

    Args:
        node_id: Kafka's broker id.
        cluster: where everything is, as this node sees it.
        elections: have other replicas lead.
        cluster_id: 22 characters of URL-safe base64, stable for the life of the data directory.
        rack: `broker.rack`, or None.
        volume: the volume that holds the data.
        schemas: knows the schemas that topics may ask their records for; None: no registry.
        endpoints: advertised address by listener name (upper case, as Kafka names listeners).
    """

    node_id: BrokerId
    cluster_id: str
    rack: str | None
    clock: Clock
    rng: Random
    config: BrokerConfig
    cluster: ClusterView
    elections: Elections
    controller: Controller
    partitions: Partitions
    groups: GroupCoordinators
    endpoints: Mapping[str, Endpoint]
    volume: Callable[[], Volume] = lambda: Volume("memory", -1, -1)
    schemas: SchemaBook | None = None
