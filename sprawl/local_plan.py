"""The ports and folders of a cluster on one machine: chosen once, kept with its data.

Other nodes know a node by its peer port, so that one stays for as long as the data does; the ports
for clients and for HTTP follow the command line.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from sprawl.faults import SettingFault, StartFault
from sprawl.gateway.sockets import free_ports, hold_port
from sprawl.ports import holder_of

HOST: Final = "localhost"
FIRST_PORT: Final = 9092
FIRST_HTTP_PORT: Final = 9644
FIRST_REGISTRY_PORT: Final = 8081
PEERS_ABOVE: Final = 100
"""How far above the ports for clients those for other nodes are: 9192 to 9206 are free of names
that Kafka's users know."""
_VERSION: Final = 1
_PLAN: Final = "cluster.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node of the cluster.

    Args:
        port: for Kafka's clients.
        peer_port: for the other nodes.
        http_port: for health and metrics.
        schema_registry_port: 0 for a free one: plans of former versions have none.
    """

    node_id: int
    port: int
    peer_port: int
    http_port: int
    schema_registry_port: int = 0

    def ports(self) -> Iterator[tuple[str, int]]:
        """Each with what it is for."""
        yield "for clients", self.port
        yield "for other nodes", self.peer_port
        yield "for HTTP", self.http_port
        yield "for its schema registry", self.schema_registry_port


class Wish(NamedTuple):
    """What the command line says; None where it says nothing.

    Args:
        nodes: how many.
        port, http_port, schema_registry_port: of node 1; 0 takes free ones for all.
    """

    nodes: int | None = None
    port: int | None = None
    http_port: int | None = None
    schema_registry_port: int | None = None


def node_folder(folder: Path, node_id: int) -> Path:
    """Where a node of the cluster in `folder` keeps its things."""
    return folder / f"node-{node_id}"


def data_folder(folder: Path, node_id: int) -> Path:
    """A node's data directory."""
    return node_folder(folder, node_id) / "data"


def make_plan(wish: Wish) -> list[NodePlan]:
    """Ports for new nodes: one after the other, those for peers PEERS_ABOVE the others; for port 0
    all of them are ports that are free now."""
    count = wish.nodes or 3
    first = FIRST_PORT if wish.port is None else wish.port
    http, registry = wish.http_port, wish.schema_registry_port
    if http is None:
        http = FIRST_HTTP_PORT if first else 0
    if registry is None:
        registry = FIRST_REGISTRY_PORT if first else 0
    ports = zip(
        *_ports([first, first and first + PEERS_ABOVE, http, registry], count),
        strict=True,
    )
    return [
        NodePlan(
            node_id=node,
            port=port,
            peer_port=peer,
            http_port=http,
            schema_registry_port=registry,
        )
        for node, (port, peer, http, registry) in enumerate(ports, start=1)
    ]


def settle_plan(folder: Path, wish: Wish) -> list[NodePlan]:
    """The plan of the cluster in `folder`, kept there from now on.

    A cluster that has data keeps its nodes and their peer ports; it may grow.

    Raises:
        SettingFault: the folder holds a larger cluster than is wished.
        StartFault: what is kept cannot be read.
    """
    kept = _kept(folder)
    if not any(data_folder(folder, each.node_id).exists() for each in kept):
        plan = make_plan(wish)
    elif wish.nodes is not None and wish.nodes < len(kept):
        raise SettingFault(
            f"{folder} holds a cluster of {len(kept)} nodes, not of {wish.nodes}",
            next_step="leave -n out, or use another --data",
        )
    else:
        plan = _with_ports(_grown(kept, wish.nodes or len(kept)), wish)
    if plan != kept:
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"version": _VERSION, "nodes": [asdict(each) for each in plan]}
        (folder / _PLAN).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return plan


def check_ports(plan: Sequence[NodePlan]) -> None:
    """Are all ports free? Asked before the first node starts, so that all or none does.

    Raises:
        StartFault: somebody has one; says who.
    """
    for node in plan:
        for use, port in node.ports():
            try:
                with ExitStack() as held:
                    hold_port(HOST, port, held, has_datagrams=port == node.peer_port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    continue  # the node itself says it better
                holder = holder_of(port)
                raise StartFault(
                    f"port {port}, node {node.node_id}'s {use}, is in use"
                    + (f" by {holder}" if holder else ""),
                    next_step="stop it, or take free ports: sprawl cluster local --port 0",
                ) from error


def _kept(folder: Path) -> list[NodePlan]:
    place = folder / _PLAN
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        return [NodePlan(**each) for each in found["nodes"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise StartFault(
            f"{place} cannot be read: {fault}", next_step="use another --data"
        ) from fault


def _grown(kept: Sequence[NodePlan], count: int) -> list[NodePlan]:
    plan = list(kept)
    while len(plan) < count:
        plan.append(
            NodePlan(
                node_id=max(each.node_id for each in plan) + 1,
                port=max(each.port for each in plan) + 1,
                peer_port=max(each.peer_port for each in plan) + 1,
                http_port=max(each.http_port for each in plan) + 1,
                schema_registry_port=_next(each.schema_registry_port for each in plan),
            )
        )
    return plan


def _next(ports: Iterable[int]) -> int:
    """After the last one; a free one where others are free ones."""
    last = max(ports)
    return last and last + 1


def _with_ports(plan: Sequence[NodePlan], wish: Wish) -> list[NodePlan]:
    unsaid = 0 if wish.port == 0 else None
    http, registry = wish.http_port, wish.schema_registry_port
    firsts = {
        "port": wish.port,
        "http_port": unsaid if http is None else http,
        "schema_registry_port": unsaid if registry is None else registry,
    }
    changed = list(plan)
    for name, first in firsts.items():
        if first is not None:
            [ports] = _ports([first], len(plan))
            pairs = zip(changed, ports, strict=True)
            changed = [replace(each, **{name: port}) for each, port in pairs]
    return changed


def _ports(firsts: Sequence[int], count: int) -> list[list[int]]:
    """For each first port, that and the following ones; free ones for 0."""
    free = iter(free_ports(HOST, count * firsts.count(0)))
    return [
        list(range(first, first + count)) if first else list(islice(free, count))
        for first in firsts
    ]
