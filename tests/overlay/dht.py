"""The DHT among thousands of nodes: `python -m tests.overlay dht --nodes 10000 --dead 0.3`.

Prints tables; `--only WORD` takes a part of them, `--json FILE` writes all values, `--plot FOLDER`
draws them (matplotlib: `pip install -e ".[bench]"`), `--show FILE` prints and draws a JSON file
instead of running anything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from overlay import dht_runs
from overlay.dht_costs import costs
from overlay.dht_runs import Row

DEAD = (0.0, 0.1, 0.3)
LIARS = (0.1, 0.3)
LIFETIMES_MIN = (120.0, 30.0, 10.0)

Tables = dict[str, list[Row]]


def main(arguments: Sequence[str]) -> int:
    given = _parse(arguments)
    if given.show is not None:
        tables: Tables = json.loads(given.show.read_text())["tables"]
        for name, rows in tables.items():
            print(markdown(name, rows))
    else:
        tables = run(given)
    if given.json is not None:
        machine = {"cpus": str(os.cpu_count()), "python": platform.python_version()}
        given.json.write_text(json.dumps({"machine": machine, "tables": tables}, indent=1) + "\n")
    if given.plot is not None:
        from overlay.dht_plots import draw

        draw(tables, given.plot)
    return 0


def run(given: argparse.Namespace) -> Tables:
    """All tables that were asked for, each printed when it is there."""
    nodes, lookups, seed = given.nodes, given.lookups, given.seed
    few = min(nodes, given.few)
    sources: dict[str, Callable[[], Iterable[Row]]] = {
        "build": lambda: [dht_runs.build(nodes, seed)],
        "dead": lambda: dht_runs.dead(nodes, given.dead, lookups, seed),
        "loss": lambda: dht_runs.losing(nodes, lookups, seed),
        "sizes": lambda: dht_runs.sizes(nodes, lookups, seed),
        "churn": lambda: dht_runs.churn(few, given.lifetime, seed),
        "liars": lambda: dht_runs.lies(few, given.liars, min(lookups, 200), seed),
        "costs": lambda: costs(seed),
    }
    tables: Tables = {}
    for name, source in sources.items():
        if given.only and not any(word in name for word in given.only):
            continue
        tables[name] = []
        for row in source():
            tables[name].append(row)
            print(f"{name}: {row}", file=sys.stderr, flush=True)
        print(markdown(name, tables[name]), flush=True)
    return tables


def markdown(name: str, rows: Sequence[Row]) -> str:
    """One table."""
    columns = list(rows[0]) if rows else []
    lines = [f"### {name}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(_shown(row[column]) for column in columns)} |" for row in rows]
    return "\n".join([*lines, ""])


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.overlay dht", description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument(
        "--few", type=int, default=1_000, help="nodes of the runs with churn and liars"
    )
    parser.add_argument("--lookups", type=int, default=1_000, help="of each row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--dead", type=float, nargs="+", default=DEAD, help="shares that die at once"
    )
    parser.add_argument("--liars", type=float, nargs="+", default=LIARS, help="shares that lie")
    parser.add_argument(
        "--lifetime",
        type=float,
        nargs="+",
        default=LIFETIMES_MIN,
        metavar="MIN",
        help="mean life of a node under churn",
    )
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--show", type=Path, metavar="JSON")
    return parser.parse_args(arguments)
