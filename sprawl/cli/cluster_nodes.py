"""`sprawl cluster drain`, `remove` and `repair`: nodes that go, and what is lost with them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from sprawl.cli.common import bootstrap_option, json_option, print_json, with_cluster
from sprawl.faults import CommandFault

if TYPE_CHECKING:
    from sprawl.client.cluster import Cluster
    from sprawl.client.moves import Candidate
    from sprawl.client.nodes import Member

LOOK_S: Final = 0.5
QUORUM_S: Final = 30.0
"""How long the controller's quorum may take to do without a node; it looks every ten seconds."""
STOPPED_MOVES_S: Final = 60.0
"""How long partitions may take to go back whose move to a node was stopped."""


@click.command(name="drain")
@click.argument("node", type=int)
@click.option("--keep", is_flag=True, help="Leave the empty node in the cluster.")
@click.option("--cancel", is_flag=True, help="Let the node stay, and take replicas again.")
@click.option(
    "--fewer-replicas",
    is_flag=True,
    help="Where too few other nodes are left, give the replicas up instead.",
)
@bootstrap_option
@json_option
def drain(node: int, bootstrap: str | None, **flags: bool) -> int:
    """Move everything off a node, wait until that is done, and take it out of the cluster.

    The node may be running or lost. Interrupted, the same command goes on where it was.

    \b
    sprawl cluster drain 3
    sprawl cluster drain 3 --cancel
    """

    async def work(cluster: Cluster) -> dict[str, object]:
        if flags["cancel"]:
            await _stay(cluster, node)
            return {"node": node, "state": "alive"}
        return await _drain(cluster, node, keep=flags["keep"], may_shrink=flags["fewer_replicas"])

    result = with_cluster(bootstrap, work)
    if flags["as_json"]:
        print_json(result)
    elif flags["cancel"]:
        click.echo(f"node {node} stays, and takes replicas again")
    elif flags["keep"]:
        click.echo(f"node {node} holds nothing any more, and takes no new replicas")
    else:
        click.echo(f"node {node} is out of the cluster; its process can be stopped")
    return 0


@click.command(name="remove")
@click.argument("node", type=int)
@bootstrap_option
def remove(node: int, bootstrap: str | None) -> int:
    """Take a node out of the cluster that holds no replicas: see `drain`."""
    from sprawl.client.nodes import unregister

    async def work(cluster: Cluster) -> None:
        await _known(cluster, node)
        await unregister(cluster, node)

    with_cluster(bootstrap, work)
    click.echo(f"node {node} is out of the cluster; its process can be stopped")
    return 0


@click.command(name="repair")
@bootstrap_option
@json_option
def repair(bootstrap: str | None, as_json: bool) -> int:
    """Give partitions new replicas for those that are lost for good.

    A replica is lost when its node came back with --replace-node. A node that is only away is not:
    `drain` it.
    """
    from sprawl.client.moves import LOST, clear, left_on

    async def work(cluster: Cluster) -> int:
        lost = left_on(await cluster.metadata(), {LOST})
        if lost:
            await clear(cluster, {LOST}, _candidates(cluster), _Progress("lost replicas"))
        return lost

    found = with_cluster(bootstrap, work)
    if as_json:
        print_json({"repaired": found})
    else:
        click.echo(f"{found} replica{'' if found == 1 else 's'} replaced" if found else "none lost")
    return 0


async def _drain(cluster: Cluster, node: int, *, keep: bool, may_shrink: bool) -> dict[str, object]:
    from sprawl.client.moves import clear, left_on, plan, read_moves, stuck_fault
    from sprawl.client.nodes import cordon

    await _known(cluster, node)
    find = _candidates(cluster, but=node)
    view = await cluster.metadata()
    had = left_on(view, {node})
    found = plan(view, await read_moves(cluster), {node}, await find(), may_shrink=may_shrink)
    if found.short:
        fault = stuck_fault(found)
        fault.next_step = (
            f"start another node first, or: sprawl cluster drain {node} --fewer-replicas"
        )
        raise fault
    await cordon(cluster, node, is_on=True)
    await clear(cluster, {node}, find, _Progress(f"replicas on node {node}"), may_shrink=may_shrink)
    if not keep:
        await _leave_quorum(cluster, node)
        await _unregister(cluster, node)
    return {"node": node, "state": "leaving" if keep else "removed", "moved": had}


async def _stay(cluster: Cluster, node: int) -> None:
    from sprawl.client.moves import cancel_moves, read_moves
    from sprawl.client.nodes import cordon

    await _known(cluster, node)
    await cordon(cluster, node, is_on=False)
    view = await cluster.metadata()
    here = {
        (topic.name, each.partition)
        for topic in view.topics.values()
        for each in topic.partitions
        if node in each.replicas
    }
    going = {place for place, to in (await read_moves(cluster)).items() if node not in to}
    await cancel_moves(cluster, here & going)


async def _known(cluster: Cluster, node: int) -> Member:
    from sprawl.client.nodes import read_nodes

    nodes = await read_nodes(cluster)
    for each in nodes:
        if each.node_id == node:
            return each
    listed = ", ".join(str(each.node_id) for each in nodes)
    raise CommandFault(
        f"the cluster has no node {node}, only {listed}", next_step="sprawl cluster members"
    )


def _candidates(
    cluster: Cluster, but: int | None = None
) -> Callable[[], asyncio.Future[list[Candidate]]]:
    """Who may take replicas: the nodes that are there to stay."""
    from sprawl.client.moves import Candidate
    from sprawl.client.nodes import State, read_nodes

    async def find() -> list[Candidate]:
        return [
            Candidate(each.node_id, each.rack)
            for each in await read_nodes(cluster)
            if each.node_id != but and each.state is State.ALIVE
        ]

    return lambda: asyncio.ensure_future(find())


async def _leave_quorum(cluster: Cluster, node: int) -> None:
    """Wait until the controller does without the node: taken out as its leader, it would cost an
    election."""
    from sprawl.client.clusters import controller_members

    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUORUM_S
    while node in await controller_members(cluster):
        if loop.time() > deadline:
            raise CommandFault(
                f"node {node} holds nothing any more, but has a vote in the controller's quorum"
                " still",
                next_step=f"sprawl cluster status; then: sprawl cluster remove {node}",
            )
        await asyncio.sleep(LOOK_S)


async def _unregister(cluster: Cluster, node: int) -> None:
    """Wait for partitions whose move to the node was stopped: it may hold what others lack until
    their leaders have said that it does not."""
    from sprawl.client.faults import Refused
    from sprawl.client.nodes import unregister
    from sprawl.core.errors import ErrorCode

    loop = asyncio.get_running_loop()
    deadline = loop.time() + STOPPED_MOVES_S
    while True:
        try:
            return await unregister(cluster, node)
        except Refused as fault:
            if fault.code is not ErrorCode.INVALID_REQUEST or loop.time() > deadline:
                fault.next_step = f"sprawl cluster status; then: sprawl cluster drain {node}"
                raise
        await asyncio.sleep(LOOK_S)


class _Progress:
    """One line that is written over on a terminal, a line for each change elsewhere."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told: tuple[int, int] | None = None

    def __call__(self, left: int, moving: int) -> None:
        if (left, moving) == self._told:
            return
        is_first, self._told = self._told is None, (left, moving)
        if is_first and not left:
            return
        line = f"{self._what} left: {left}, moving: {moving}"
        if sys.stderr.isatty():
            click.echo(f"\r{line}\x1b[K" + ("" if left else "\n"), err=True, nl=False)
        else:
            click.echo(line, err=True)
