"""The DHT among thousands of nodes: `python -m tests.overlay dht --nodes 10000 --dead 0.3`.

Prints the tables of docs/overlay.md; `--only dead --page docs/overlay.md` puts one in its place
there, `--json FILE` keeps all values, `--plot FOLDER` draws them (matplotlib: `pip install -e
".[bench]"`), `--show FILE` prints and draws a JSON file instead of running anything.
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
from overlay.dht_tables import table
from overlay.dht_telling import telling
from overlay.tables import command, write_page

DEAD = (0.0, 0.1, 0.3)
LIARS = (0.1, 0.3)
LIFETIMES_MIN = (120.0, 30.0, 10.0)

Tables = dict[str, list[Row]]


def main(arguments: Sequence[str]) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.show is not None:
        tables = _kept(given.show)
        for name, rows in tables.items():
            print(table(name, rows).markdown())
    else:
        tables = run(parser, given)
    if given.plot is not None:
        from overlay.dht_plots import draw

        draw(_kept(given.json) if given.json is not None else tables, given.plot)
    return 0


def run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Tables:
    """All tables that were asked for, each printed and kept when it is there."""
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
        "telling": telling,
    }
    tables: Tables = {}
    for name, source in sources.items():
        if given.only and not any(word in name for word in given.only):
            continue
        tables[name] = []
        for row in source():
            tables[name].append(row)
            print(f"{name}: {row}", file=sys.stderr, flush=True)
        shown = table(name, tables[name])
        shown.command = command(parser, argparse.Namespace(**vars(given) | {"only": name}))
        print(shown.markdown(), flush=True)
        if given.json is not None:
            _keep({name: tables[name]}, given.json)
        if given.page is not None:
            write_page([shown], given.page)
    return tables


def _kept(path: Path) -> Tables:
    kept: Tables = json.loads(path.read_text())["tables"]
    return kept


def _keep(tables: Tables, path: Path) -> None:
    """Replace the tables of the same name in a file, keep the others."""
    machine = {"cpus": str(os.cpu_count()), "python": platform.python_version()}
    known = (_kept(path) if path.exists() else {}) | tables
    path.write_text(json.dumps({"machine": machine, "tables": known}, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
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
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--page", type=Path, metavar="MD")
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    source.add_argument("--show", type=Path, metavar="JSON")
    return parser
