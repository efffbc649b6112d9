"""`python -m tests.harness --seed 7`: a hundred faults in seven minutes, among three nodes."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.harness.processes import cluster_node, single_node
from tests.harness.run import KITS, Plan, run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.harness",
        description="Real nodes and clients, a fault proxy, faults by chance, and checkers.",
    )
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=420.0, help="how long the faults last")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--rate", type=float, default=100.0, help="texts a second and producer")
    parser.add_argument("--client", action="append", choices=[kit.name for kit in KITS])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, help="folder to keep everything in, good or bad")
    given = parser.parse_args()
    print(f"seed {given.seed}")
    folder = given.out or Path(tempfile.mkdtemp(prefix="sprawl-harness-"))
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=folder / "clients.log", level=logging.WARNING)
    plan = Plan(
        nodes=given.nodes,
        faults=given.faults,
        seconds=given.seconds,
        seed=given.seed,
        rate=given.rate,
        replication_factor=min(3, given.nodes),
        kits=[kit for kit in KITS if given.client is None or kit.name in given.client],
    )
    replicated = ["default.replication.factor=3", "min.insync.replicas=2"]
    command = single_node(*given.set) if given.nodes == 1 else cluster_node(*replicated, *given.set)
    result = run(plan, folder, command)
    print(result.text())
    if given.out is None and result.is_good:
        shutil.rmtree(folder)
    else:
        print(f"history: {result.history}")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
