"""What a suite found: cases, their outcomes, and the list of those that must pass."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One test of a suite.

    Args:
        name: the suite's own name for it, the same in every run.
        detail: why it failed or was skipped, one line.
        needs: the Kafka API or feature it waits for, when that is the whole reason.
    """

    name: str
    outcome: Outcome
    seconds: float = 0.0
    detail: str = ""
    needs: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One suite against one broker."""

    client: str
    version: str
    broker: str
    cases: tuple[Case, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(case.outcome == outcome for case in self.cases)

    def names(self, outcome: Outcome) -> set[str]:
        return {case.name for case in self.cases if case.outcome == outcome}

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read_report(path: Path) -> Report:
    found = json.loads(path.read_text())
    return Report(**found | {"cases": tuple(Case(**case) for case in found["cases"])})


def read_allowed(path: Path) -> list[str]:
    """The names in a `tests.allow`: one a line; `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def broken_promises(report: Report, allowed: Iterable[str]) -> list[str]:
    """The allowed cases that did not pass, a line each; cases that were not run do not count."""
    by_name = {case.name: case for case in report.cases}
    return [
        f"{report.client}: {name}: {by_name[name].outcome}: {by_name[name].detail}"
        for name in allowed
        if name in by_name and by_name[name].outcome != "passed"
    ]


def table(reports: Sequence[Report]) -> str:
    """A Markdown table with a line for each suite and broker, and our score relative to Kafka's."""
    lines = [
        "| client | version | broker | passed | failed | skipped | of what Apache Kafka passes |",
        "|---|---|---|---|---|---|---|",
    ]
    reference = {r.client: r.names("passed") for r in reports if r.broker == "apache-kafka"}
    for report in sorted(reports, key=lambda r: (r.client, r.broker)):
        score = ""
        known = reference.get(report.client)
        if known and report.broker != "apache-kafka":
            ours = len(known & report.names("passed"))
            waiting = {case.name for case in report.cases if case.needs} & known
            score = f"{ours}/{len(known)} = {ours / len(known):.1%}"
            if served := len(known - waiting):
                score += f"; {ours / served:.1%} without APIs not served yet ({len(waiting)})"
        counts = " | ".join(str(report.count(o)) for o in ("passed", "failed", "skipped"))
        lines.append(
            f"| {report.client} | {report.version} | {report.broker} | {counts} | {score} |"
        )
    return "\n".join(lines)
