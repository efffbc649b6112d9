"""A cluster of real processes: started, killed, paused and stopped one by one, by their ids.

starting --ready--> running --kill -9--> dead --start--> starting
                      | SIGSTOP                 (same port, same data)
                      v
                    paused --SIGCONT--> running
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sprawl.gateway.sockets import free_ports
from tests.harness.proxy import Link, Proxy
from tests.node_process import NodeProcess

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlace:
    """Where a node lives.

    Args:
        number: from 1 on; its node id.
        data: its data directory.
        port: where it listens.
        peer_port: where it listens for other nodes.
        advertised: host:port that it tells clients, which is the proxy's.
        peers: host:port of every other node as this one sees it, by number.
    """

    number: int
    data: Path
    port: int
    peer_port: int
    advertised: str
    peers: dict[int, str]


CommandLine = Callable[[NodePlace], Sequence[str]]
"""The command that starts a node. It prints one line of JSON on stdout when it is ready."""


def single_node(*settings: str) -> CommandLine:
    """A node that is a cluster by itself, with settings as `--set` takes them."""

    def command(place: NodePlace) -> list[str]:
        words = [sys.executable, "-m", "sprawl", "serve", "--data", str(place.data)]
        words += ["--host", "127.0.0.1", "--port", str(place.port), "--http-port", "0"]
        words += ["--schema-registry-port", "off"]
        words += ["--node-id", str(place.number)]
        words += ["--advertised-listeners", f"PLAINTEXT://{place.advertised}"]
        for setting in settings:
            words += ["--set", setting]
        return words

    return command


def cluster_node(*settings: str) -> CommandLine:
    """A node of a cluster that node 1 founds, with settings as `--set` takes them."""
    alone = single_node(*settings)

    def command(place: NodePlace) -> list[str]:
        words = [*alone(place), "--peer-port", str(place.peer_port)]
        reached = ",".join(f"{number}={address}" for number, address in place.peers.items())
        words += ["--peer-address-map", reached]
        if place.number != 1:
            words += ["--join", place.peers[1]]
        return words

    return command


class ClusterNode(NodeProcess):
    """One process of a cluster."""

    def __init__(self, place: NodePlace, command: CommandLine, log: Path) -> None:
        super().__init__(place.data, log=log)
        self.place = place
        self.is_paused = False
        self.starts = 0
        self._spent_cpu_s = 0.0
        self._command = command
        self._log_path = log

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *flags: str) -> Self:
        """Returns when clients can connect.

        Args:
            flags: of `sprawl serve`, for this start only.

        Raises:
            RuntimeError: it ended, or was not ready in time; its log says why.
        """
        with self._log_path.open("a") as errors:
            self._process = subprocess.Popen(
                [*self._command(self.place), *flags],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.starts += 1
        self.is_paused = False
        assert self._process.stdout is not None
        # Unlike select(), it takes the file numbers of twenty nodes with a proxy for each link.
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            ready = waiting.select(START_TIMEOUT_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.kill()
            raise RuntimeError(f"node {self.place.number} did not start; see {self._log_path}")
        self.facts = json.loads(line)
        return self

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        """SIGCONT."""
        if self.is_paused and self.is_running:
            os.kill(self.pid, signal.SIGCONT)
        self.is_paused = False

    def kill(self) -> None:
        """SIGKILL; also when it is paused or dead already."""
        self._spent_cpu_s = self.spent_cpu_s
        super().kill()
        self.is_paused = False

    def stop(self) -> int:
        """SIGTERM, as an operator stops it."""
        self.resume()
        self._spent_cpu_s = self.spent_cpu_s
        return super().stop()

    @property
    def spent_cpu_s(self) -> float:
        """CPU-seconds of all its lives, but for what it spent on stopping."""
        return self._spent_cpu_s + (self.cpu_s() if self.is_running else 0.0)


class Cluster:
    """N nodes, each behind a link of the proxy. A context manager.

    Args:
        folder: data directories and logs of the nodes go below it.
        count: how many nodes.
        command: what starts a node.
        first: how many of them start with the context; all when it is not given.
    """

    def __init__(
        self,
        folder: Path,
        count: int,
        command: CommandLine,
        proxy: Proxy,
        *,
        first: int | None = None,
    ) -> None:
        self.nodes: list[ClusterNode] = []
        self.proxy = proxy
        self._first = count if first is None else first
        ports = free_ports("127.0.0.1", 2 * count)
        peer_ports = dict(enumerate(ports[count:], 1))
        for number, port in enumerate(ports[:count], 1):
            link = proxy.link(f"client-{number}", ("127.0.0.1", port))
            peers = {
                other: proxy.link(f"{number}-{other}", ("127.0.0.1", peer_ports[other])).address
                for other in peer_ports
                if other != number
            }
            place = NodePlace(
                number=number,
                data=folder / f"node-{number}",
                port=port,
                peer_port=peer_ports[number],
                advertised=link.address,
                peers=peers,
            )
            self.nodes.append(ClusterNode(place, command, folder / f"node-{number}.log"))

    @property
    def bootstrap(self) -> str:
        """For clients, through the proxy."""
        return ",".join(node.place.advertised for node in self.nodes)

    def link_of(self, node: ClusterNode) -> Link:
        """The clients' way to a node."""
        return self.proxy.links[f"client-{node.place.number}"]

    def ways_to(self, node: ClusterNode) -> list[Link]:
        """By which other nodes reach a node."""
        return self._between(lambda start, end: end == node.place.number)

    def ways_from(self, node: ClusterNode) -> list[Link]:
        """By which a node reaches the others."""
        return self._between(lambda start, end: start == node.place.number)

    def ways_between(self, one: ClusterNode, other: ClusterNode) -> list[Link]:
        """By which two nodes reach each other."""
        ends = {one.place.number, other.place.number}
        return self._between(lambda start, end: {start, end} == ends)

    def cut_in_two(self, island: Collection[ClusterNode]) -> None:
        """Nothing gets through between these nodes and the others; clients are with the others."""
        inside = {node.place.number for node in island}
        for link in self._between(lambda start, end: (start in inside) is not (end in inside)):
            link.cut()
        for node in island:
            self.link_of(node).cut()

    def _between(self, wanted: Callable[[int, int], bool]) -> list[Link]:
        numbers = [node.place.number for node in self.nodes]
        return [
            self.proxy.links[f"{start}-{end}"]
            for start in numbers
            for end in numbers
            if start != end and wanted(start, end)
        ]

    def heal(self) -> None:
        """Every node runs and every link is whole."""
        self.proxy.heal()
        for node in self.nodes:
            node.resume()
            if not node.is_running:
                node.kill()
                node.start()

    def __enter__(self) -> Self:
        try:
            for node in self.nodes[: self._first]:
                node.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them as an operator would; kill what does not stop."""
        try:
            for node in self.nodes:
                node.stop()
        finally:
            self.kill()

    def kill(self) -> None:
        """End every process."""
        for node in self.nodes:
            with contextlib.suppress(ProcessLookupError):
                node.kill()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition. Returns False when it never held."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
