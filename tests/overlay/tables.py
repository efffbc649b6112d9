"""Tables of measurements: as text, in a page of Markdown, as JSON, as a picture."""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

Cell: TypeAlias = str | float | int | None


@dataclass(slots=True)
class Table:
    """Rows under a title. `key` names it in the JSON file and in a page, `points` are what a
    picture shows, `command` makes it again."""

    key: str
    title: str
    columns: Sequence[str]
    rows: list[list[Cell]] = field(default_factory=list)
    points: list[dict[str, float]] = field(default_factory=list)
    command: str = ""

    def markdown(self) -> str:
        lines = [f"**{self.title}**", "", _line(self.columns), _line("---" for _ in self.columns)]
        lines += [_line(map(_told, row)) for row in self.rows]
        return "\n".join(lines) + "\n"

    def in_page(self) -> str:
        """Between its marks, with what makes it again."""
        return f"<!-- {self.key} -->\n{self.markdown()}\n`{self.command}`\n<!-- /{self.key} -->"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _told(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case float():
            return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
        case int():
            return f"{cell:,}"
    return str(cell)


def seconds(times_ms: Iterable[float | None]) -> str:
    """Median and largest of some times; those that never came are said so."""
    all_ms = list(times_ms)
    came = [time_ms / 1_000 for time_ms in all_ms if time_ms is not None]
    if not came:
        return "never"
    never = f", {len(all_ms) - len(came)} never" if len(came) < len(all_ms) else ""
    return f"{statistics.median(came):.1f} ({max(came):.1f}{never})"


def write_json(tables: Iterable[Table], path: Path) -> None:
    """Replace the tables of the same key in a file, keep the others."""
    known = {}
    if path.exists():
        known = {table["key"]: table for table in json.loads(path.read_text())}
    known |= {table.key: asdict(table) for table in tables}
    path.write_text(json.dumps(list(known.values()), indent=1, ensure_ascii=False) + "\n")


def write_page(tables: Iterable[Table], path: Path) -> None:
    """Put tables in the place of those of the same key in a page of Markdown: between
    `<!-- key -->` and `<!-- /key -->`.

    Raises:
        SystemExit: the page has no such place; it is left as it was.
    """
    page = path.read_text()
    for table in tables:
        begin, end = f"<!-- {table.key} -->", f"<!-- /{table.key} -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"{path} has no place for {table.key}: {begin} and {end}")
        page = before + table.in_page() + after
    path.write_text(page)


def command(parser: argparse.ArgumentParser, given: argparse.Namespace) -> str:
    """What gives the same figures again: the parser's program with those options that are not as
    they are by default. Where figures go is left out."""
    words: list[str] = []
    for name, value in vars(given).items():
        if name in GOING or value == parser.get_default(name):
            continue
        values = value if isinstance(value, list | tuple) else [value]
        words += ["--" + name.replace("_", "-"), *map(str, values)]
    return " ".join([parser.prog, *map(shlex.quote, words)])


GOING = ("json", "page", "plot", "show")
"""Options that say where figures go."""


def draw_detection(source: Path, path: Path) -> None:
    """Time from crash to DEAD over the size of the cluster, beside what theory says."""
    known = {table["key"]: table for table in json.loads(source.read_text())}
    points: list[dict[str, float]] = known["detection"]["points"]
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for loss in sorted({point["loss"] for point in points}):
        found = [point for point in points if point["loss"] == loss]
        sizes = [point["nodes"] for point in found]
        axis.plot(sizes, [point["everyone_s"] for point in found], "o-", label=f"{loss:.0%} lost")
    sizes = sorted({point["nodes"] for point in points})
    theory = [next(p["theory_s"] for p in points if p["nodes"] == size) for size in sizes]
    axis.plot(sizes, theory, "k--", label="theory, no loss")
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("nodes")
    axis.set_ylabel("seconds from crash until everyone knows")
    axis.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
