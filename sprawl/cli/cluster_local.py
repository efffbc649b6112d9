"""`sprawl cluster local`: a cluster of node processes on this machine, until it is interrupted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import click

from sprawl.cli.common import parse_assignments, table_of
from sprawl.cli.serve import process_age_ms, write_ports_file
from sprawl.faults import EXIT_FAILED, EXIT_OK
from sprawl.local_cluster import REPLICATED, LocalCluster, NodeProcess
from sprawl.local_plan import HOST, Wish, check_ports, make_plan, settle_plan
from sprawl.node import loop_factory

EXIT_INTERRUPTED = 130
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGHUP too: a terminal that is closed would leave the nodes behind."""


@click.command(name="local")
@click.option("-n", "--nodes", type=click.IntRange(1, 15), help="How many nodes. Default: 3.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/cluster"),
    show_default=True,
    help="Folder of the cluster; run again, it starts the same one.",
)
@click.option(
    "--storage",
    type=click.Choice(["disk", "memory"]),
    default="disk",
    show_default=True,
    help="Where topics are kept.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_000),
    help="For clients, of node 1; 0 takes free ports for everything. Default: 9092.",
)
@click.option(
    "--http-port", type=click.IntRange(0, 65_000), help="Of node 1; 0: free ones. Default: 9644."
)
@click.option(
    "--schema-registry-port",
    type=click.IntRange(0, 65_000),
    help="Of node 1; 0: free ones. Default: 8081.",
)
@click.option(
    "--ports-file", type=click.Path(path_type=Path), help="Write the ready line to this file too."
)
@click.option(
    "--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A broker config of every node."
)
def local(
    data: Path,
    storage: str,
    ports_file: Path | None,
    pairs: tuple[str, ...],
    **wishes: int | None,
) -> int:
    """Start a cluster on this machine and run until interrupted.

    \b
    sprawl cluster local -n 3
    sprawl cluster local -n 3 --storage memory --port 0 --ports-file ports.json

    From three nodes on, topics have three replicas, and acks=all waits for two of them.
    """
    parse_assignments(pairs)
    in_memory = storage == "memory"
    wish = Wish(**wishes)
    plan = make_plan(wish) if in_memory else settle_plan(data, wish)
    check_ports(plan)
    settings = [word for pair in pairs for word in ("--set", pair)]
    cluster = LocalCluster(plan, data, settings, in_memory=in_memory)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_run(cluster, data, ports_file))


async def _run(cluster: LocalCluster, folder: Path, ports_file: Path | None) -> int:
    """Starts, shows, watches and stops the nodes.

    Raises:
        StartFault: one did not start.
    """
    stop = asyncio.Event()

    def interrupt() -> None:
        if stop.is_set():
            cluster.kill()  # the user does not want to wait for a clean stop
            os._exit(EXIT_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, interrupt)
    is_terminal = sys.stdout.isatty()
    if is_terminal:
        click.echo(f"starting {len(cluster.nodes)} nodes, logs in {folder}/node-N/node.log")
    starting = asyncio.ensure_future(cluster.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return EXIT_INTERRUPTED
    stopping.cancel()
    starting.result()
    facts = ready_facts(cluster)
    if ports_file is not None:
        write_ports_file(ports_file, facts)
    click.echo(banner(cluster, facts) if is_terminal else json.dumps(facts))
    sys.stdout.flush()
    return await _watch(cluster, stop, is_terminal=is_terminal)


async def _watch(cluster: LocalCluster, stop: asyncio.Event, *, is_terminal: bool) -> int:
    """Until it is to stop, or all nodes have ended by themselves."""
    left = len(cluster.nodes)

    def ended(node: NodeProcess, code: int) -> None:
        nonlocal left
        left -= 1
        if not stop.is_set():
            click.echo(obituary(node, code, left), err=True)

    watching = asyncio.ensure_future(cluster.watch(ended))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait([watching, stopping], return_when=asyncio.FIRST_COMPLETED)
    was_asked = stop.is_set()
    if was_asked and is_terminal:
        click.echo("\nstopping the nodes; Ctrl-C again ends them at once")
    stopping.cancel()
    await cluster.stop()
    await watching
    return EXIT_OK if was_asked else EXIT_FAILED


def ready_facts(cluster: LocalCluster) -> dict[str, object]:
    """What a script needs to reach the nodes; `event` is last, as in `sprawl serve`'s line."""
    first = cluster.nodes[0].facts
    return {
        "version": first.get("version"),
        "cluster_id": first.get("cluster_id"),
        "storage": first.get("storage"),
        "bootstrap": cluster.bootstrap,
        "nodes": [
            {
                "node_id": node.plan.node_id,
                "kafka": f"{HOST}:{node.plan.port}",
                "peer": f"{HOST}:{node.plan.peer_port}",
                "http": f"http://{HOST}:{node.plan.http_port}",
                "schema_registry": node.facts.get("schema_registry"),
                "data": node.facts.get("data"),
                "log": str(node.log.resolve()),
                "pid": node.facts.get("pid"),
                "ready_ms": node.facts.get("ready_ms"),
            }
            for node in cluster.nodes
        ],
        "settings": dict(REPLICATED) if cluster.is_replicated else {},
        "pid": os.getpid(),
        "ready_ms": process_age_ms(),
        "event": "ready",
    }


def banner(cluster: LocalCluster, facts: dict[str, object]) -> str:
    """The same facts for a person, and what to type next."""
    rows = [
        (
            node.plan.node_id,
            f"{HOST}:{node.plan.port}",
            f"{HOST}:{node.plan.peer_port}",
            f"{HOST}:{node.plan.http_port}",
            "memory" if node.data is None else node.data,
            f"ready in {_seconds(node.facts.get('ready_ms'))}",
        )
        for node in cluster.nodes
    ]
    lines = [table_of(("node", "kafka", "peer", "http", "data", "status"), rows), ""]
    if cluster.is_replicated:
        lines += [
            f"New topics have 3 replicas, acks=all waits for 2: {_pairs()}",
            "Any one node may fail: nothing is lost, and the others go on.",
        ]
    else:
        lines.append("New topics have one replica; with -n 3 they have three.")
    lines += [
        "",
        "In a second terminal:",
        f"  export SPRAWL_BOOTSTRAP={facts['bootstrap']}",
        '  sprawl produce hello "first message"',
        "  sprawl consume hello --from-beginning",
        "  sprawl cluster status",
        "",
        "Ctrl-C stops all nodes"
        + ("." if cluster.nodes[0].data else "; what is in memory is lost then."),
    ]
    return "\n".join(lines)


def obituary(node: NodeProcess, code: int, left: int) -> str:
    """What is said of a node that ended by itself."""
    how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    others = {0: "No other node is left.", 1: "One other goes on."}.get(
        left, f"The other {left} go on."
    )
    return (
        f"node {node.plan.node_id} {how}. {others} The end of {node.log}:\n{node.last_lines()}"
        f"  start it again: {node.command_again()}"
    )


def _pairs() -> str:
    return ", ".join(f"{name}={value}" for name, value in REPLICATED.items())


def _seconds(ms: object) -> str:
    return f"{ms / 1_000:.1f} s" if isinstance(ms, int) and ms >= 0 else "time"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
