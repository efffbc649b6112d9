"""Where the acts of `twenty` are played: nodes, what happens to them, and what is measured."""

from __future__ import annotations

import random
import statistics
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster.local_command import run_sprawl
from tests.harness.processes import Cluster, ClusterNode
from tests.harness.recorder import Recorder
from tests.harness.routes import CONVERGED_S_MAX, Convergence, Place, await_convergence
from tests.node_process import process_cpu_s

STARTED_AT_ONCE = 3
"""A start takes a core for most of a second."""
WHOLE_S_MAX = 90.0
"""Until every replica is in sync again: it copies what it missed, at most some hundred records a
partition here, and the leader of a partition that nobody writes to has to be asked first."""
COMMAND_S_MAX = 180.0
WHOLE_LOOK_S = 1.0
SAID_CHARS_MAX = 1_000
"""Of what `sprawl cluster status` says, the head: a line for each partition follows."""


@dataclass(slots=True, kw_only=True)
class Act:
    """One act, and what was measured in it.

    Args:
        began_us, ended_us: in the time of the history.
        whole_s: how long it took, each time, until every replica was in sync.
    """

    name: str
    began_us: int
    ended_us: int = 0
    convergences: list[Convergence] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return (self.ended_us - self.began_us) / 1e6

    def routes(self) -> tuple[float, float] | None:
        """Median and largest seconds until the routes were right; None when they never were."""
        seconds = [each.seconds for each in self.convergences]
        known = [each for each in seconds if each is not None]
        if not known or len(known) < len(seconds):
            return None
        return statistics.median(known), max(known)


class Stage:
    """The members of a cluster, and everything that acts do with them.

    Args:
        seed: chooses who leaves, crashes and is cut off.
        log: is told each step.
    """

    def __init__(
        self, cluster: Cluster, recorder: Recorder, seed: int, log: Callable[[str], None]
    ) -> None:
        self.cluster = cluster
        self.recorder = recorder
        self.rng = random.Random(f"acts {seed}")
        self.acts: list[Act] = []
        self.members = list(cluster.nodes)
        self.resident_mib: dict[int, float] = {}
        self._log = log

    @property
    def living(self) -> list[ClusterNode]:
        """Members that run."""
        return [node for node in self.members if node.is_running]

    def say(self, what: str) -> None:
        """Tell people."""
        self._log(f"{self.recorder.history.now_us() / 1e6:6.1f} s  {what}")

    def problem(self, what: str) -> None:
        """Something that makes the run bad, told at once."""
        self.say(f"PROBLEM: {what}")
        self.recorder.problem(what)

    @contextmanager
    def act(self, name: str) -> Iterator[Act]:
        """What happens inside belongs to the act."""
        act = Act(name=name, began_us=self.recorder.history.now_us())
        self.acts.append(act)
        self.say(f"act: {name}")
        try:
            yield act
        finally:
            act.ended_us = self.recorder.history.now_us()
            for node in self.living:
                number = node.place.number
                self.resident_mib[number] = max(
                    self.resident_mib.get(number, 0.0), node.resident_mib()
                )

    def start(self, nodes: Sequence[ClusterNode]) -> None:
        """Start nodes, a few at a time. Raises: RuntimeError when one does not start."""
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
            list(pool.map(ClusterNode.start, nodes))

    def settle(
        self,
        act: Act,
        what: str,
        nodes: Sequence[ClusterNode] | None = None,
        places: Collection[Place] | None = None,
        since: float | None = None,
    ) -> None:
        """Wait until the routes are right.

        Args:
            nodes: those that have to agree; all of the living when it is not given.
            places: see `await_convergence`.
            since: `time.monotonic` of what had happened; now when it is not given.
        """
        since = time.monotonic() if since is None else since
        found = await_convergence(what, nodes or self.living, since, places)
        act.convergences.append(found)
        self.say(f"routes right {found.text()}")
        if not found.is_in_time:
            self.problem(
                f"{act.name}: routes took more than {CONVERGED_S_MAX:.0f} s: {found.text()}"
            )

    def await_whole(self, act: Act) -> None:
        """Wait until `sprawl cluster status` says that every replica is in sync."""
        began = time.monotonic()
        last = ""
        while (found := self._status()).returncode:
            last = found.stdout.strip().rpartition("\n")[2]
            if time.monotonic() - began > WHOLE_S_MAX:
                self.problem(
                    f"{act.name}: not whole within {WHOLE_S_MAX:.0f} s:"
                    f" {found.stdout[:SAID_CHARS_MAX]} {found.stderr}"
                )
                return
            time.sleep(WHOLE_LOOK_S)
        act.whole_s.append(time.monotonic() - began)
        self.say(f"whole after {act.whole_s[-1]:.1f} s" + (f" (last: {last})" if last else ""))

    def command(self, *words: str) -> str:
        """A `sprawl` command that has to succeed. Returns: what it printed.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        began = time.monotonic()
        found = run_sprawl(*words, bootstrap=self.bootstrap, timeout_s=COMMAND_S_MAX)
        said = " ".join(words)
        self.say(f"sprawl {said}: {found.returncode}, {time.monotonic() - began:.1f} s")
        if found.returncode:
            raise RuntimeError(f"sprawl {said}: exit code {found.returncode}: {found.stderr}")
        return found.stdout

    @property
    def bootstrap(self) -> str:
        """Of the living, through the proxy."""
        return ",".join(node.place.advertised for node in self.living)

    def idle_percent(self, rest_s: float, seconds: float) -> dict[int, float]:
        """CPU of each node while nobody asks for anything, in percent of one core."""
        time.sleep(rest_s)
        before = {node.place.number: process_cpu_s(node.pid) for node in self.living}
        began = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        return {
            node.place.number: 100 * (process_cpu_s(node.pid) - before[node.place.number]) / took
            for node in self.living
        }

    def _status(self) -> subprocess.CompletedProcess[str]:
        return run_sprawl("cluster", "status", bootstrap=self.bootstrap, timeout_s=COMMAND_S_MAX)
