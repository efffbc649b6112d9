"""Ours beside kinship (SWIM and Lifeguard in Rust), on real sockets:

    python -m venv ELSEWHERE && ELSEWHERE/bin/pip install kinship==0.4.0
    python -m tests.overlay.rival --kinship-python ELSEWHERE/bin/python

Both play the same script through the same lossy proxy, with their settings for a LAN (which are the
same numbers) and encryption: joining, quiet, crashes without and with loss, leaves, and a process
that is stopped again and again (SIGSTOP) with a sixth of the nodes in it. Takes about four minutes
each. `--only sprawl` plays one of them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sprawl.gateway.sockets import free_ports
from tests.overlay.rival.proxy import HOST, Ports, Proxy
from tests.overlay.tables import Cell, Table, command, seconds, write_json, write_page

CAGE = Path(__file__).with_name("cage.py")
JOIN_S_MAX = 60
QUIET_S = 30
CRASHES = 5
BETWEEN_S = 3
SETTLE_S = 25
"""Longer than a lonely suspicion usually takes with so few nodes."""
LEAVES = 3
STOPPED_S, RUNNING_S, STOPS = 12, 3, 6


class Cluster:
    """Nodes of one kind, in two processes: the second one is there to be stopped."""

    def __init__(self, kind: str, python: str, nodes: int, loss: float) -> None:
        self.kind = kind
        self.loss = loss
        self.count = nodes
        self.stoppable = set(range(nodes - nodes // 6, nodes))
        numbers = free_ports(HOST, 2 * nodes)
        self.ports = [Ports(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
        self.proxy = Proxy(self.ports, 1)
        self.events: list[dict[str, Any]] = []
        self.gone: set[int] = set()
        self._python = python
        self._cages: list[asyncio.subprocess.Process] = []
        self._readers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.proxy.start()
        seeds = [self.count // 2, self.count // 2 + 1]
        plan = {
            "nodes": [(ports.own, ports.front) for ports in self.ports],
            "seeds": seeds,
            "key": base64.b64encode(os.urandom(32)).decode(),
        }
        rest = [number for number in range(self.count) if number not in self.stoppable]
        rest.sort(key=lambda number: number not in seeds)  # they are there before the others come
        for here in (rest, sorted(self.stoppable)):
            cage = await asyncio.create_subprocess_exec(
                self._python,
                str(CAGE),
                self.kind,
                json.dumps(plan | {"here": here}),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.getcwd()},
            )
            self._cages.append(cage)
            self._readers.append(asyncio.create_task(self._read(cage)))

    async def _read(self, cage: asyncio.subprocess.Process) -> None:
        assert cage.stdout is not None
        while line := await cage.stdout.readline():
            self.events.append(json.loads(line))

    async def act(self, what: str, number: int) -> float:
        """Crash a node or have it leave; when that was asked."""
        stdin = self._cages[number in self.stoppable].stdin
        assert stdin is not None
        self.gone.add(number)
        stdin.write(f"{what} {number}\n".encode())
        await stdin.drain()
        return time.monotonic()

    def signal(self, number: signal.Signals) -> None:
        self._cages[1].send_signal(number)

    async def close(self) -> None:
        for cage in self._cages:
            assert cage.stdin is not None
            cage.stdin.close()
        for cage in self._cages:
            try:
                await asyncio.wait_for(cage.wait(), 20)
            except TimeoutError:
                cage.kill()
                await cage.wait()
        await asyncio.gather(*self._readers)
        await self.proxy.close()

    # --- what was told ------------------------------------------------------------------------

    def present(self) -> set[int]:
        return set(range(self.count)) - self.gone

    def told(self, kind: str, subject: int, since: float) -> dict[int, float]:
        """Who was told when, counted from `since`; those still there only."""
        first: dict[int, float] = {}
        for event in self.events:
            if (event["kind"], event["subject"]) == (kind, subject) and event["t"] >= since:
                first.setdefault(event["observer"], event["t"] - since)
        return {observer: at for observer, at in first.items() if observer not in self.gone}

    def count_of(self, kind: str, subjects: set[int], observers: set[int], since: float) -> int:
        return sum(
            event["kind"] == kind
            and event["subject"] in subjects
            and event["observer"] in observers
            and event["t"] >= since
            for event in self.events
        )


async def play(cluster: Cluster) -> dict[str, Cell]:
    """The script; what came of it, by row."""
    found: dict[str, Cell] = {}
    begun = time.monotonic()
    await cluster.start()
    try:
        found["all joined, s"] = await _until_joined(cluster, begun)
        await asyncio.sleep(5)
        before = cluster.proxy.traffic.copy()
        await asyncio.sleep(QUIET_S)
        quiet = cluster.proxy.traffic.since(before)
        per = cluster.count * QUIET_S
        found["quiet: packets a node and second"] = quiet.packets / per
        found["quiet: packet bytes"] = quiet.packet_bytes / per
        found["quiet: stream bytes"] = quiet.stream_bytes / per

        numbers = iter(range(cluster.count))
        for loss in (0.0, cluster.loss):
            cluster.proxy.loss = loss
            await _crashes(cluster, [next(numbers) for _ in range(CRASHES)], loss, found)
        cluster.proxy.loss = 0.0
        await _leaves(cluster, [next(numbers) for _ in range(LEAVES)], found)
        await _stops(cluster, found)
    finally:
        await cluster.close()
    return found


async def _until_joined(cluster: Cluster, begun: float) -> float | None:
    wanted = cluster.count * (cluster.count - 1)
    while time.monotonic() < begun + JOIN_S_MAX:
        known = {(e["observer"], e["subject"]) for e in cluster.events if e["kind"] == "JOINED"}
        if len(known) >= wanted:
            return time.monotonic() - begun
        await asyncio.sleep(0.1)
    return None


async def _crashes(
    cluster: Cluster, numbers: Sequence[int], loss: float, found: dict[str, Cell]
) -> None:
    begun = time.monotonic()
    when = {}
    for number in numbers:
        when[number] = await cluster.act("crash", number)
        await asyncio.sleep(BETWEEN_S)
    await asyncio.sleep(SETTLE_S)
    present = cluster.present()
    suspects, firsts, lasts = [], [], []
    for number in numbers:
        suspected = cluster.told("SUSPECT", number, when[number])
        dead = cluster.told("DEAD", number, when[number])
        suspects.append(1_000 * min(suspected.values()) if suspected else None)
        firsts.append(1_000 * min(dead.values()) if dead else None)
        lasts.append(1_000 * max(dead.values()) if present <= set(dead) else None)
    name = f"{loss:.0%} lost"
    found[f"{name}: first SUSPECT, s"] = seconds(suspects)
    found[f"{name}: first DEAD, s"] = seconds(firsts)
    found[f"{name}: DEAD everywhere, s"] = seconds(lasts)
    for kind in ("SUSPECT", "DEAD"):
        wrong = cluster.count_of(kind, present, present, begun)
        found[f"{name}: {kind} of living nodes"] = wrong


async def _leaves(cluster: Cluster, numbers: Sequence[int], found: dict[str, Cell]) -> None:
    when = {number: await cluster.act("leave", number) for number in numbers}
    await asyncio.sleep(10)
    present = cluster.present()
    times: list[float | None] = []
    for number in numbers:
        left = cluster.told("LEFT", number, when[number])
        times.append(1_000 * max(left.values()) if present <= set(left) else None)
    found["LEFT everywhere, s"] = seconds(times)
    wrong = cluster.count_of("DEAD", set(numbers), present, min(when.values()))
    found["leaves called DEAD"] = wrong


async def _stops(cluster: Cluster, found: dict[str, Cell]) -> None:
    begun = time.monotonic()
    for _ in range(STOPS):
        cluster.signal(signal.SIGSTOP)
        await asyncio.sleep(STOPPED_S)
        cluster.signal(signal.SIGCONT)
        await asyncio.sleep(RUNNING_S)
    await asyncio.sleep(SETTLE_S)
    present = cluster.present()
    running = present - cluster.stoppable
    for kind in ("SUSPECT", "DEAD"):
        wrong = cluster.count_of(kind, running, present, begun)
        found[f"process stopped: {kind} of running nodes"] = wrong
    found["process stopped: DEAD of stopped nodes"] = cluster.count_of(
        "DEAD", cluster.stoppable, running, begun
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.overlay.rival", description=__doc__)
    parser.add_argument("--kinship-python", help="an interpreter that has kinship installed")
    parser.add_argument("--nodes", type=int, default=30)
    parser.add_argument("--loss", type=float, default=0.1)
    parser.add_argument("--only", choices=("sprawl", "kinship"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, metavar="MD")
    given = parser.parse_args()
    pythons = {"sprawl": sys.executable, "kinship": given.kinship_python}
    kinds = [given.only] if given.only else list(pythons)
    if "kinship" in kinds and not given.kinship_python:
        parser.error("--kinship-python is needed, or --only sprawl")
    results: dict[str, dict[str, Cell]] = {}
    for kind in kinds:
        cluster = Cluster(kind, pythons[kind], given.nodes, given.loss)
        results[kind] = asyncio.run(play(cluster))
    title = f"{given.nodes} nodes on one machine, real sockets; times: median (largest)"
    table = Table("rival", title, ("", *kinds))
    table.rows = [[row, *(results[kind].get(row) for kind in kinds)] for row in results[kinds[0]]]
    named = vars(given) | {"kinship_python": "ELSEWHERE/bin/python"}
    table.command = command(parser, argparse.Namespace(**named))
    print(table.markdown())
    if given.json is not None:
        write_json([table], given.json)
    if given.page is not None:
        write_page([table], given.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
