"""`python -m tests.overlay membership --nodes 10 100 1000 --loss 0 0.05 0.2`.

Prints the tables of docs/overlay.md, from runs in virtual time. Everything follows from the seed.
`--only` takes names of tables, `--json` keeps them in a file (replacing only those made again).
`plot FILE.json PICTURE.png` draws detection over size and needs matplotlib
(`pip install -e ".[bench]"`).
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

from tests.overlay.membership import Plan, tables
from tests.overlay.tables import draw_detection, write_json


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.overlay", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    membership = kinds.add_parser("membership", help="SWIM and Lifeguard")
    membership.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1_000])
    membership.add_argument("--loss", type=float, nargs="+", default=[0.0, 0.05, 0.2])
    membership.add_argument("--minutes", type=int, default=10, help="of the longer scenarios")
    membership.add_argument("--seed", type=int, default=1)
    membership.add_argument("--only", nargs="+", default=[], metavar="TABLE")
    membership.add_argument("--json", type=Path)
    plot = kinds.add_parser("plot", help="detection over size, from a JSON file")
    plot.add_argument("source", type=Path)
    plot.add_argument("picture", type=Path)
    given = parser.parse_args()
    if given.kind == "plot":
        draw_detection(given.source, given.picture)
        return 0
    return _membership(given)


def _membership(given: argparse.Namespace) -> int:
    plan = Plan(
        sizes=tuple(given.nodes),
        losses=tuple(given.loss),
        minutes=given.minutes,
        seed=given.seed,
    )
    gc.freeze()
    begun = time.perf_counter()
    for table in tables(plan, given.only):
        print(table.markdown(), flush=True)
        print(f"({time.perf_counter() - begun:.0f} s so far)\n", file=sys.stderr, flush=True)
        if given.json is not None:
            write_json([table], given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
