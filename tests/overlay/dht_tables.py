"""The DHT's figures as docs/overlay.md shows them: the columns that say something, in its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from overlay.dht_runs import Row
from overlay.tables import Cell, Table

Column = tuple[str, Callable[[Row], Cell]]
LIES = {
    "drop": "answer nothing but pings",
    "invent": "name nodes that do not exist",
    "misdirect": "name the nearest nodes, each at a wrong place",
    "collude": "name only each other",
    "stale": "give old records, rightly signed",
}


def _as_is(name: str) -> Column:
    return name, lambda row: row[name]


def _whole(name: str, key: str) -> Column:
    return name, lambda row: round(float(row[key]))


def _share(name: str, key: str) -> Column:
    return name, lambda row: _percent(row[key])


def _two(name: str, one: str, other: str) -> Column:
    return name, lambda row: f"{_short(row[one])}, {_short(row[other])}"


def _percent(share: float | str) -> str:
    return f"{float(share) * 100:.3g} %"


def _short(value: float | str) -> str:
    number = float(value)
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


FOUND = _share("8 nearest found", "8 closest found")
OF_NEAREST = _share("of the 8 nearest", "of the 8 closest")
TIMES = _two("ms, mean and p99", "ms", "ms p99")
SPEED = _whole("lookups/s a core", "lookups/s")
TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "build": (
        "So many nodes, their tables full",
        (
            _as_is("nodes"),
            ("built in, s", lambda row: row["build s"]),
            _as_is("MiB"),
            _as_is("kB a node"),
            _whole("contacts a node", "contacts a node"),
        ),
    ),
    "dead": (
        "A share of {nodes} nodes dies at once",
        (
            _share("dead", "dead"),
            FOUND,
            _share("record found", "record found"),
            _two("hops, mean and most", "hops", "hops max"),
            _as_is("requests"),
            TIMES,
            SPEED,
        ),
    ),
    "loss": (
        "{nodes} nodes, messages as bytes, some of them lost",
        (
            _share("lost", "lost"),
            FOUND,
            OF_NEAREST,
            _as_is("requests"),
            TIMES,
            _whole("bytes a lookup", "bytes"),
            SPEED,
        ),
    ),
    "sizes": (
        "Hops, and logarithms of the number of nodes",
        (
            _as_is("nodes"),
            _two("hops, mean and most", "hops", "hops max"),
            _as_is("requests"),
            _as_is("log2 N (b=1)"),
            _as_is("log16 N (b=4)"),
            _as_is("log32 N (b=5)"),
        ),
    ),
    "churn": (
        "Nodes of {nodes} die without a word and as many join, 20 minutes",
        (
            ("mean life of a node, minutes", lambda row: _short(row["lifetime min"])),
            _share("current record", "current record"),
            OF_NEAREST,
            _as_is("requests"),
            _whole("ms", "ms"),
            _as_is("other messages a node and minute"),
        ),
    ),
    "costs": (
        "CPU of single steps",
        (_as_is("step"), ("µs", lambda row: _short(row["us"]))),
    ),
    "telling": (
        "{nodes} nodes in one process, {partitions} partitions get leaders; a node looks them up",
        (
            _whole("told", "told"),
            ("CPU of all nodes, s", lambda row: row["tell s"]),
            ("µs for each told", lambda row: _short(row["us a told"])),
            _whole("looked up", "sought"),
            _whole("frames sent", "frames"),
            ("CPU of all nodes, s", lambda row: row["seek s"]),
        ),
    ),
}


def table(name: str, rows: Sequence[Row]) -> Table:
    """The figures of one name."""
    if name == "liars":
        return _liars(rows)
    title, columns = TABLES[name]
    numbers = {key: _short(rows[0][key]) for key in ("nodes", "partitions") if key in rows[0]}
    made = Table(f"dht-{name}", title.format(**numbers), [column for column, _ in columns])
    made.rows = [[tell(row) for _, tell in columns] for row in rows]
    return made


def _liars(rows: Sequence[Row]) -> Table:
    """A row for each lie and share, all paths in it."""

    def kind(row: Row) -> tuple[str, float, str]:
        return str(row["lie"]), float(row["liars"]), str(row["registry"])

    made = Table(
        "dht-liars",
        "Some nodes lie, all in league",
        ("liars", "what they do", "paths", "current record", "requests"),
    )
    for (lie, share, registry), group in groupby(rows, kind):
        of_paths = list(group)
        told = LIES[lie] + (", where the registry's ids are known" if registry == "yes" else "")
        found = [f"{float(row['current record']) * 100:.3g}" for row in of_paths]
        made.rows.append(
            [
                _percent(share),
                told,
                ", ".join(str(row["paths"]) for row in of_paths),
                ", ".join(found) + " %",
                ", ".join(_short(row["requests"]) for row in of_paths),
            ]
        )
    made.rows.sort(key=lambda row: float(str(row[0]).split()[0]))
    return made
