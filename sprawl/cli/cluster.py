"""`sprawl cluster`: a cluster on this machine, and how a cluster is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sprawl.cli.cluster_local import local
from sprawl.cli.common import (
    bootstrap_option,
    json_option,
    print_json,
    print_table,
    with_cluster,
)
from sprawl.faults import EXIT_USAGE, CommandFault

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


command.add_command(local)


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
