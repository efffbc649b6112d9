"""Several nodes on one machine as one command: each a process of its own, started and watched.

    plan (ports, folders; kept in DIR/cluster.json) ──> node 1 ready ──> the others join ──> ready
       a node that ends by itself ──> told, the others go on
       the command ends ──> all nodes stop in good order

The plan is kept with the data, so that the same command starts the same cluster again: other nodes
know a node by its peer port.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sprawl.faults import SettingFault, StartFault

START_S = 30.0
"""How long a node may take until it is ready: a recovery of its logs included."""
STOP_S = 30.0
LAST_LINES = 5
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node of the cluster.

    Args:
        port: for Kafka's clients.
        peer_port: for the other nodes.
        http_port: for health and metrics.
    """

    node_id: int
    port: int
    peer_port: int
    http_port: int


def make_plan(count: int, port: int, http_port: int) -> list[NodePlan]:
    """Ports for `count` nodes: one after the other from the given ones on, peers 100 above; 0 takes
    ports that are free now."""
    if port == 0:
        free = _free_ports(3 * count)
        return [
            NodePlan(
                node_id=n + 1,
                port=free[3 * n],
                peer_port=free[3 * n + 1],
                http_port=free[3 * n + 2],
            )
            for n in range(count)
        ]
    return [
        NodePlan(node_id=n + 1, port=port + n, peer_port=port + 100 + n, http_port=http_port + n)
        for n in range(count)
    ]


def load_plan(
    folder: Path, wanted: Callable[[], list[NodePlan]], count: int | None
) -> list[NodePlan]:
    """The plan that is kept in a folder, or a new one that is kept from now on.

    Raises:
        SettingFault: the folder holds a cluster of another size.
        StartFault: what is kept cannot be read.
    """
    place = folder / "cluster.json"
    if not place.exists():
        plan = wanted()
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"version": _VERSION, "nodes": [asdict(each) for each in plan]}
        place.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return plan
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        plan = [NodePlan(**each) for each in found["nodes"]]
    except (ValueError, KeyError, TypeError) as fault:
        raise StartFault(
            f"{place} cannot be read: {fault}", next_step="use another --data"
        ) from fault
    if count is not None and count != len(plan):
        raise SettingFault(
            f"{folder} holds a cluster of {len(plan)} nodes, not of {count}",
            next_step=f"leave -n out, or use another --data; more nodes: sprawl serve --join"
            f" localhost:{plan[0].peer_port}",
        )
    return plan


class NodeProcess:
    """One node as a child process; its log lines go to `folder`/node.log."""

    def __init__(
        self, plan: NodePlan, folder: Path, settings: Sequence[str], seed: NodePlan
    ) -> None:
        self.plan = plan
        self.log = folder / "node.log"
        self.facts: dict[str, object] = {}
        self._folder = folder
        self._settings = settings
        self._seed = seed
        self._process: asyncio.subprocess.Process | None = None

    def command(self) -> list[str]:
        """What starts it."""
        plan = self.plan
        words = [sys.executable, "-m", "sprawl", "serve", "--data", str(self._folder / "data")]
        words += ["--node-id", str(plan.node_id), "--port", str(plan.port)]
        words += ["--peer-port", str(plan.peer_port), "--http-port", str(plan.http_port)]
        words += ["--log-format", "human", "--log-level", "info", *self._settings]
        if plan.node_id != self._seed.node_id:
            words += ["--join", f"localhost:{self._seed.peer_port}"]
        return words

    async def start(self) -> None:
        """Returns when it is ready.

        Raises:
            StartFault: it ended, or was not ready in time; with its last log lines.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            errors = files.enter_context(self.log.open("ab"))
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for this command; it stops its nodes itself
            )
        assert self._process.stdout is not None
        line = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                line = await self._process.stdout.readline()
        if not line:
            await self.stop()
            raise StartFault(
                f"node {self.plan.node_id} did not start:\n{self.last_lines()}",
                next_step=f"look into {self.log}",
            )
        self.facts = json.loads(line)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop it in good order, or by force when that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def last_lines(self) -> str:
        """The end of its log."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as lines:
                return "".join(deque(lines, LAST_LINES)).rstrip()
        except OSError:
            return ""


class LocalCluster:
    """All nodes of a plan.

    Args:
        folder: of the cluster; each node has one of its own in it.
        settings: further flags of `sprawl serve`, for every node.
    """

    def __init__(self, plan: Sequence[NodePlan], folder: Path, settings: Sequence[str]) -> None:
        shared = [*settings]
        if len(plan) >= 3:
            shared += ["--set", "default.replication.factor=3", "--set", "min.insync.replicas=2"]
        self.nodes = [
            NodeProcess(each, folder / f"node-{each.node_id}", shared, plan[0]) for each in plan
        ]

    @property
    def bootstrap(self) -> str:
        """For clients: every node."""
        return ",".join(f"localhost:{node.plan.port}" for node in self.nodes)

    async def start(self) -> None:
        """The first node founds the cluster, or all find each other again.

        Raises:
            StartFault: a node did not start; those that did are stopped.
        """
        first, *others = self.nodes
        is_new = not (first.log.parent / "data").exists()
        try:
            if is_new:
                await first.start()
                await asyncio.gather(*(node.start() for node in others))
            else:
                await asyncio.gather(*(node.start() for node in self.nodes))
        except BaseException:
            await self.stop()
            raise

    async def watch(self, ended: Callable[[NodeProcess, int], None]) -> None:
        """Tell of every node that ends by itself; returns when none is left."""

        async def one(node: NodeProcess) -> None:
            ended(node, await node.wait())

        await asyncio.gather(*(one(node) for node in self.nodes))

    async def stop(self) -> None:
        """Stop all, side by side."""
        await asyncio.gather(*(node.stop() for node in self.nodes))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
