"""What was measured: values by row and broker, their medians and ratios, as JSON and Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

OURS = "sprawl"
THEIRS = "apache-kafka"


class Sample(NamedTuple):
    """One figure of one run.

    Args:
        group: the table it stands in.
        row: what was done.
        unit: what was measured, and in which unit.
        more_is_better: the sense of the ratio.
    """

    group: str
    row: str
    unit: str
    value: float
    more_is_better: bool


@dataclass(kw_only=True)
class Row:
    """All values of one figure, a list a broker."""

    group: str
    row: str
    unit: str
    more_is_better: bool
    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, broker: str) -> float | None:
        found = self.values.get(broker)
        return statistics.median(found) if found else None

    def gain(self) -> float | None:
        """How many times better Sprawl does: above 1 it wins, whichever way the unit counts."""
        ours, theirs = self.median(OURS), self.median(THEIRS)
        if not ours or not theirs:
            return None
        return ours / theirs if self.more_is_better else theirs / ours


@dataclass(kw_only=True)
class Figures:
    """One whole run."""

    machine: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def add(self, broker: str, sample: Sample) -> None:
        for row in self.rows:
            if (row.group, row.row, row.unit) == (sample.group, sample.row, sample.unit):
                break
        else:
            row = Row(
                group=sample.group,
                row=sample.row,
                unit=sample.unit,
                more_is_better=sample.more_is_better,
            )
            self.rows.append(row)
        row.values.setdefault(broker, []).append(sample.value)

    def replace(self, newer: Figures) -> None:
        """Take over the rows that were measured again; the others stay."""
        for row in newer.rows:
            for place, old in enumerate(self.rows):
                if (old.group, old.row, old.unit) == (row.group, row.row, row.unit):
                    self.rows[place] = row
                    break
            else:
                self.rows.append(row)

    def groups(self) -> list[str]:
        return list(dict.fromkeys(row.group for row in self.rows))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read_figures(path: Path) -> Figures:
    found = json.loads(path.read_text())
    return Figures(machine=found["machine"], rows=[Row(**row) for row in found["rows"]])


def markdown(figures: Figures) -> str:
    """A table a group; the last column says how many times better Sprawl does."""
    blocks = []
    for group in figures.groups():
        lines = [
            f"### {group}",
            "",
            "| what | unit | Sprawl | Apache Kafka | times better |",
            "|---|---|---|---|---|",
        ]
        for row in figures.rows:
            if row.group == group:
                cells = [_number(row.median(OURS)), _number(row.median(THEIRS))]
                gain = row.gain()
                cells.append("" if gain is None else f"{gain:.2f}")
                lines.append(f"| {row.row} | {row.unit} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def losing(figures: Figures) -> Sequence[Row]:
    """The rows in which Apache Kafka does better."""
    return [row for row in figures.rows if (row.gain() or 1.0) < 1.0]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
