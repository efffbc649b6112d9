"""`sprawl cluster`: a cluster on this machine, and how a cluster is doing."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sprawl.cli.common import (
    bootstrap_option,
    json_option,
    parse_assignments,
    print_json,
    print_table,
    with_cluster,
)
from sprawl.faults import EXIT_USAGE, CommandFault
from sprawl.local_cluster import LocalCluster, NodeProcess, load_plan, make_plan

if TYPE_CHECKING:
    from sprawl.client.cluster import Cluster
    from sprawl.client.clusters import ClusterStatus


@click.group(name="cluster")
def command() -> None:
    """A cluster on this machine, and how a cluster is doing.

    \b
    sprawl cluster local -n 3
    sprawl cluster status
    sprawl cluster move orders/0 --to 2,3,4
    """


@command.command(name="local")
@click.option("-n", "--nodes", type=click.IntRange(1, 15), help="How many nodes. Default: 3.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("data/cluster"),
    show_default=True,
    help="Folder of the cluster; run again, it starts the same one.",
)
@click.option("--port", type=int, default=9092, show_default=True, help="Of node 1; 0: free ones.")
@click.option("--http-port", type=int, default=9644, show_default=True, help="Of node 1.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A config of every node.")
def local(nodes: int | None, data: Path, port: int, http_port: int, pairs: tuple[str, ...]) -> int:
    """Start a cluster on this machine and run until interrupted.

    \b
    From three nodes on, new topics have three replicas, and acks=all waits for two of them.
    """
    parse_assignments(pairs)
    settings = [word for pair in pairs for word in ("--set", pair)]
    plan = load_plan(data, lambda: make_plan(nodes or 3, port, http_port), nodes)
    return asyncio.run(_run(LocalCluster(plan, data, settings), data))


async def _run(cluster: LocalCluster, folder: Path) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    is_terminal = sys.stdout.isatty()
    if is_terminal:
        click.echo(f"starting {len(cluster.nodes)} nodes in {folder}")
    starting = asyncio.ensure_future(cluster.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return 130
    starting.result()
    _show(cluster, is_terminal=is_terminal)
    watching = asyncio.ensure_future(
        cluster.watch(lambda node, code: None if stop.is_set() else _tell(node, code))
    )
    await asyncio.wait([watching, stopping], return_when=asyncio.FIRST_COMPLETED)
    was_asked = stop.is_set()
    stop.set()
    await cluster.stop()
    await watching
    stopping.cancel()
    return 0 if was_asked else 1


def _show(cluster: LocalCluster, *, is_terminal: bool) -> None:
    rows = [
        (
            node.plan.node_id,
            f"localhost:{node.plan.port}",
            f"localhost:{node.plan.peer_port}",
            f"http://localhost:{node.plan.http_port}",
            node.log,
        )
        for node in cluster.nodes
    ]
    columns = ("node", "kafka", "peer", "http", "log")
    if not is_terminal:
        nodes = [dict(zip(columns, map(str, row), strict=True)) for row in rows]
        click.echo(json.dumps({"bootstrap": cluster.bootstrap, "nodes": nodes, "event": "ready"}))
        return
    print_table(columns, rows)
    if len(cluster.nodes) >= 3:
        click.echo("new topics have 3 replicas; acks=all waits for 2 of them")
    click.echo(f"\n  export SPRAWL_BOOTSTRAP={cluster.bootstrap}")
    click.echo('  sprawl produce hello "first message"')
    click.echo("  sprawl cluster status\n\nCtrl-C stops all nodes.")


def _tell(node: NodeProcess, code: int) -> None:
    click.echo(
        f"node {node.plan.node_id} ended with code {code}; its last lines:\n{node.last_lines()}\n"
        f"  start it again: {' '.join(node.command())}",
        err=True,
    )


@command.command(name="status")
@bootstrap_option
@json_option
def status(bootstrap: str | None, as_json: bool) -> int:
    """Nodes, controller, and partitions that need attention.

    Exit code 1 when a partition has no leader or too few replicas in sync.
    """
    from sprawl.client.clusters import read_status

    found = with_cluster(bootstrap, read_status)
    if as_json:
        print_json(found.to_json())
    else:
        _print_status(found)
    return 0 if found.is_healthy else 1


def _print_status(found: ClusterStatus) -> None:
    click.echo(
        f"cluster {found.cluster_id}   controller {found.controller}   voters"
        f" {_listed(found.voters)}"
        + (f"   learners {_listed(found.observers)}" if found.observers else "")
    )
    print_table(
        ("node", "address", "rack", "replicas", "leaders"),
        [
            (node.node_id, f"{node.host}:{node.port}", node.rack, node.replicas, node.leaders)
            for node in found.nodes
        ],
    )
    troubled = [each for each in found.partitions if each.trouble]
    total = len(found.partitions)
    if not troubled:
        click.echo(f"{total} partitions, all led and in sync")
        return
    click.echo(f"{total} partitions, {len(troubled)} need attention:")
    print_table(
        ("partition", "leader", "replicas", "in sync", "what"),
        [
            (each.name, each.leader, _listed(each.replicas), _listed(each.in_sync), each.trouble)
            for each in troubled
        ],
    )


@command.command(name="move")
@click.argument("partition", metavar="TOPIC/PARTITION")
@click.option("--to", "target", metavar="ID,ID,...", help="The nodes, the preferred leader first.")
@click.option("--cancel", is_flag=True, help="Stop a move that is under way.")
@bootstrap_option
def move(partition: str, target: str | None, cancel: bool, bootstrap: str | None) -> int:
    """Move a partition's replicas to other nodes; `status` shows it until it has arrived."""
    from sprawl.client.clusters import move_partition

    topic, _, number = partition.rpartition("/")
    if not topic or not number.isdecimal() or (target is None) is not cancel:
        raise CommandFault(
            "a partition, and either --to or --cancel, are wanted",
            next_step="sprawl cluster move orders/0 --to 1,2,3",
            exit_code=EXIT_USAGE,
        )
    nodes = None if target is None else _numbers(target)

    async def work(cluster: Cluster) -> None:
        await move_partition(cluster, topic, int(number), nodes)

    with_cluster(bootstrap, work)
    what = "stays where it is" if nodes is None else f"moves to {_listed(nodes)}"
    click.echo(f"{partition} {what}")
    return 0


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise CommandFault(
            f"{text!r} is no list of node ids", next_step="--to 1,2,3", exit_code=EXIT_USAGE
        )
    return [int(part) for part in parts]


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers)) or "-"
