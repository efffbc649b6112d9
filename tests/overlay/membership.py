"""Prints the tables of docs/overlay.md, from runs in virtual time. Everything follows from the
seed. Without options they are those of the page; `--only traffic --page docs/overlay.md` puts one
in its place there.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.overlay.membership_runs import (
    anomalies,
    detection,
    false_positives,
    leaves,
    partitions,
    traffic,
)
from tests.overlay.tables import Table, command, draw_detection, write_json, write_page


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.plot is not None and given.show is None and given.json is None:
        parser.error("--plot needs --json or --show")
    if given.show is None:
        _run(parser, given)
    if given.plot is not None:
        draw_detection(given.show or given.json, given.plot)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.overlay membership", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1_000])
    parser.add_argument("--loss", type=float, nargs="+", default=[0.0, 0.05, 0.2])
    parser.add_argument("--minutes", type=int, default=3, help="of the longer scenarios")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[], metavar="TABLE")
    parser.add_argument("--json", type=Path, help="keep the tables; replaces only those made again")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--page", type=Path, metavar="MD", help="put the tables between their marks in a page"
    )
    source.add_argument("--show", type=Path, metavar="JSON", help="run nothing, plot these")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PNG",
        help='detection over size; needs pip install -e ".[bench]"',
    )
    return parser


def _run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    plan = Plan(
        sizes=tuple(given.nodes),
        losses=tuple(given.loss),
        minutes=given.minutes,
        seed=given.seed,
    )
    gc.freeze()
    begun = time.perf_counter()
    for table in tables(plan, given.only):
        table.command = command(parser, argparse.Namespace(**vars(given) | {"only": table.key}))
        print(table.markdown(), flush=True)
        print(f"({time.perf_counter() - begun:.0f} s so far)\n", file=sys.stderr, flush=True)
        if given.json is not None:
            write_json([table], given.json)
        if given.page is not None:
            write_page([table], given.page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for on the command line."""

    sizes: tuple[int, ...]
    losses: tuple[float, ...]
    minutes: int
    seed: int


def tables(plan: Plan, only: Sequence[str]) -> Iterator[Table]:
    """The tables whose names are asked for; all without any."""
    middle = min(plan.sizes, key=lambda size: abs(size - 100))
    makers: dict[str, Callable[[], Table]] = {
        "detection": lambda: detection(plan.sizes, plan.losses, plan.seed),
        "detection-streams": lambda: detection(
            plan.sizes, [max(plan.losses)], plan.seed, has_streams=True
        ),
        "false-positives": lambda: false_positives(middle, plan.losses, plan.minutes, plan.seed),
        "anomalies-mute": lambda: anomalies(max(1, plan.minutes // 3), plan.seed, "mute"),
        "anomalies-stop": lambda: anomalies(max(1, plan.minutes // 3), plan.seed, "stop"),
        "partitions": lambda: partitions([size for size in plan.sizes if size <= 100], plan.seed),
        "leaves": lambda: leaves(middle, plan.losses, plan.seed),
        "traffic": lambda: traffic(plan.sizes, plan.seed),
    }
    unknown = set(only) - set(makers)
    if unknown:
        raise SystemExit(f"no such table: {', '.join(sorted(unknown))}; there are {list(makers)}")
    for key in only or makers:
        yield makers[key]()
