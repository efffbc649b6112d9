"""Several nodes on one machine as one command: each a process of its own, started and watched.

    plan ──> node 1 ready ──> the others join ──> all ready, and all know each other
       a node that ends by itself ──> told, the others go on
       the command ends ──> all nodes stop in good order, side by side

With data there is from an earlier run, all start together and find each other again.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sprawl.faults import StartFault
from sprawl.local_plan import HOST, NodePlan, data_folder, node_folder

if TYPE_CHECKING:
    from asyncio.subprocess import Process

START_S: Final = 60.0
"""How long a node may take until it is ready: a recovery of its logs included."""
STOP_S: Final = 30.0
"""How long it may take to stop in good order, before it is killed."""
LAST_LINES: Final = 6
REPLICATED_FROM: Final = 3
"""With so many nodes, topics get three replicas: a cluster of two survives no loss."""
REPLICATED: Final = {"default.replication.factor": "3", "min.insync.replicas": "2"}


class NodeProcess:
    """One node as a child process; its log lines go to node.log in its folder.

    Args:
        folder: of the cluster.
        settings: further flags of `sprawl serve`.
        in_memory: it keeps nothing.
        seeds: peer ports of the nodes that it may join.
    """

    def __init__(
        self,
        plan: NodePlan,
        folder: Path,
        settings: Sequence[str] = (),
        *,
        in_memory: bool = False,
        seeds: Iterable[int] = (),
    ) -> None:
        self.plan = plan
        self.log = node_folder(folder, plan.node_id) / "node.log"
        self.data = None if in_memory else data_folder(folder, plan.node_id)
        self.facts: dict[str, object] = {}
        """The node's own ready line."""
        self._settings = settings
        self._seeds = ",".join(f"{HOST}:{port}" for port in seeds)
        self._process: Process | None = None
        self._log_begin = 0

    @property
    def has_data(self) -> bool:
        """Whether it was there before."""
        return self.data is not None and self.data.exists()

    def arguments(self, *, founds: bool, replaces: bool = False) -> list[str]:
        """The words after `sprawl`.

        Args:
            founds: it begins a cluster, unless its data belongs to one.
            replaces: it comes back without its data.
        """
        plan = self.plan
        words = ["serve", "--node-id", str(plan.node_id), "--host", HOST]
        words += (
            ["--storage", "memory"] if self.data is None else ["--data", str(self.data.resolve())]
        )
        words += ["--port", str(plan.port), "--peer-port", str(plan.peer_port)]
        words += ["--http-port", str(plan.http_port)]
        words += ["--schema-registry-port", str(plan.schema_registry_port), *self._settings]
        if not founds and not self.has_data:
            words += ["--join", self._seeds]
        if replaces:
            words += ["--replace-node"]
        return words

    def command_again(self) -> str:
        """What a user can type to start it again."""
        is_found = shutil.which("sprawl") == str(Path(sys.executable).with_name("sprawl"))
        program = ["sprawl"] if is_found else [sys.executable, "-m", "sprawl"]
        return shlex.join(program + self.arguments(founds=False, replaces=self.data is None))

    async def start(self, *, founds: bool) -> None:
        """Returns when it is ready.

        Raises:
            StartFault: it ended, or was not ready in time; with its last log lines.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as errors:
            self._log_begin = errors.tell()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sprawl", *self.arguments(founds=founds)),
                *("--log-format", "human", "--log-level", "info"),
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
        if not line.endswith(b"\n"):
            await self.stop()
            raise StartFault(
                f"node {self.plan.node_id} did not start; its last words:\n{self.last_lines()}",
                next_step=f"see all of {self.log}",
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
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def last_lines(self) -> str:
        """The end of its log, as far as it is of this start."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_begin)
                lines = deque(log, LAST_LINES)
        except OSError:
            return ""
        return "".join(f"    {line.decode('utf-8', 'replace').rstrip()}\n" for line in lines)


class LocalCluster:
    """All nodes of a plan.

    Args:
        folder: of the cluster; each node has one of its own in it.
        settings: further flags of `sprawl serve`, for every node.
        in_memory: nothing is kept.
    """

    def __init__(
        self,
        plan: Sequence[NodePlan],
        folder: Path,
        settings: Sequence[str] = (),
        *,
        in_memory: bool = False,
    ) -> None:
        flags: list[str] = []
        if len(plan) >= REPLICATED_FROM:
            flags += [f for name, value in REPLICATED.items() for f in ("--set", f"{name}={value}")]
        self.nodes = [
            NodeProcess(
                each,
                folder,
                [*flags, *settings],
                in_memory=in_memory,
                seeds=[other.peer_port for other in plan if other is not each],
            )
            for each in plan
        ]

    @property
    def is_replicated(self) -> bool:
        """Whether topics get several replicas by default."""
        return len(self.nodes) >= REPLICATED_FROM

    @property
    def bootstrap(self) -> str:
        """For clients: every node."""
        return ",".join(f"{HOST}:{node.plan.port}" for node in self.nodes)

    async def start(self) -> None:
        """The first node founds the cluster and the others join it, or all find each other again.

        Raises:
            StartFault: a node did not start; those that did are stopped.
        """
        old = [node for node in self.nodes if node.has_data]
        new = [node for node in self.nodes if not node.has_data]
        try:
            if old:
                await _all(node.start(founds=False) for node in old)
            else:
                await new.pop(0).start(founds=True)
            await _all(node.start(founds=False) for node in new)
        except BaseException:
            await self.stop()
            raise

    async def watch(self, ended: Callable[[NodeProcess, int], None]) -> None:
        """Tell of every node that ends; returns when none is left."""

        async def one(node: NodeProcess) -> None:
            ended(node, await node.wait())

        await asyncio.gather(*(one(node) for node in self.nodes))

    async def stop(self) -> None:
        """Stop all, side by side."""
        await asyncio.gather(*(node.stop() for node in self.nodes))

    def kill(self) -> None:
        """End all at once."""
        for node in self.nodes:
            node.kill()


async def _all(jobs: Iterable[Coroutine[object, object, None]]) -> None:
    """Side by side; the first failure ends them all and is raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
