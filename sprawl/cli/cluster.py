"""`sprawl cluster`: a cluster on this machine, how a cluster is doing, and where things are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sprawl.cli.cluster_local import local
from sprawl.cli.cluster_members import members
from sprawl.cli.cluster_nodes import drain, remove, repair
from sprawl.cli.cluster_overlay import lookup, ring
from sprawl.cli.cluster_upgrade import upgrade
from sprawl.cli.common import (
    bootstrap_option,
    json_option,
    print_json,
    table_of,
    with_cluster,
)
from sprawl.faults import EXIT_USAGE, CommandFault

if TYPE_CHECKING:
    from sprawl.client.cluster import Cluster
    from sprawl.client.clusters import ClusterStatus, PartitionStatus

SHOWN_MAX = 20
"""Partitions that `status` names unless asked for all."""


@click.group(name="cluster")
def command() -> None:
    """A cluster on this machine, how a cluster is doing, and where things are.

    \b
    sprawl cluster local -n 3
    sprawl cluster status
    sprawl cluster move orders/0 --to 2,3,4
    sprawl cluster drain 3
    """


for each in (local, members, drain, remove, repair, upgrade, ring, lookup):
    command.add_command(each)


@command.command(name="status")
@click.option("--all", "show_all", is_flag=True, help=f"Name more than {SHOWN_MAX} partitions.")
@bootstrap_option
@json_option
def status(show_all: bool, bootstrap: str | None, as_json: bool) -> int:
    """Nodes, controller, and partitions that need attention.

    Exit code 1 when a partition has no leader or too few replicas in sync.
    """
    from sprawl.client.clusters import read_status

    found = with_cluster(bootstrap, read_status)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(status_text(found, shown_max=None if show_all else SHOWN_MAX))
    return 0 if found.is_healthy else 1


def status_text(found: ClusterStatus, *, shown_max: int | None) -> str:
    """For a person: what is wrong last, where the eye is."""
    alive = sum(each.is_alive for each in found.nodes)
    controller = found.controller if found.controller >= 0 else "none"
    lines = [
        f"cluster {found.cluster_id}: {alive} of {len(found.nodes)} nodes alive, controller"
        f" {controller}, voters {_listed(found.voters)}"
        + (f", learners {_listed(found.observers)}" if found.observers else ""),
    ]
    if found.upgrade_to is not None:
        lines.append(
            f"level {found.level}, and every node knows {found.upgrade_to}: sprawl cluster upgrade"
        )
    lines += [
        "",
        table_of(
            ("node", "address", "rack", "state", "controller", "replicas", "leaders"),
            [
                (
                    node.node_id,
                    f"{node.host}:{node.port}",
                    node.rack,
                    node.state,
                    node.controller,
                    node.replicas,
                    node.leaders,
                )
                for node in found.nodes
            ],
        ),
        "",
    ]
    troubled = [each for each in found.partitions if each.trouble]
    lines.append(_summary(found.partitions))
    if troubled:
        shown = troubled[:shown_max]
        lines += [
            "",
            table_of(
                ("partition", "leader", "replicas", "in sync", "what"),
                [
                    (
                        each.name,
                        each.leader if each.is_led else None,
                        _listed(each.replicas),
                        _listed(each.in_sync),
                        each.trouble,
                    )
                    for each in shown
                ],
            ),
        ]
        if len(shown) < len(troubled):
            lines.append(f"and {len(troubled) - len(shown)} more: --all names them")
    return "\n".join(lines)


def _summary(partitions: Sequence[PartitionStatus]) -> str:
    counts = [
        (sum(not each.is_led for each in partitions), "without leader"),
        (sum(each.is_led and not each.is_complete for each in partitions), "under-replicated"),
        (sum(each.moves_to is not None for each in partitions), "moving"),
    ]
    found = ", ".join(f"{count} {what}" for count, what in counts if count)
    total = f"{len(partitions)} partition{'' if len(partitions) == 1 else 's'}"
    return f"{total}: {found or 'all led and in sync'}"


@command.command(name="move")
@click.argument("partition", metavar="TOPIC/PARTITION")
@click.option("--to", "target", metavar="ID,ID,...", help="The nodes, the preferred leader first.")
@click.option("--cancel", is_flag=True, help="Stop a move that is under way.")
@bootstrap_option
def move(partition: str, target: str | None, cancel: bool, bootstrap: str | None) -> int:
    """Move a partition's replicas to other nodes; `status` shows it until it has arrived.

    \b
    sprawl cluster move orders/0 --to 2,3,4
    sprawl cluster move orders/0 --cancel
    """
    from sprawl.client.moves import move_partition

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
    return ",".join("lost" if number < 0 else str(number) for number in numbers) or "-"
