"""Schemathesis: what it derives from the description of the registry, `/openapi.json`."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.brokers import Broker
from tests.compat.report import Case
from tests.compat.workshop import build_step, prepared

VERSION = "4.32.5"
BROKER_CONFIGS: dict[str, str] = {}
WITH_REGISTRY = True
SEED = "1"
EXAMPLES_MAX = "10"
"""Random requests an operation; those that follow from its description come besides."""
RUN_LIMIT_S = 900
"""A run takes one minute, more on a busy machine. Schemathesis' own limit is none: it goes on with
random requests until that time is over."""
REQUEST_LIMIT_S = 60
LENIENT = "negative_data_rejection,positive_data_acceptance"
"""Checks left out: FINDINGS.md says why."""
_DETAIL_CHARACTERS = 300


def install() -> None:
    _python()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the operations of these names (`GET /subjects`), or all: a case an operation."""
    report = work / "junit.xml"
    chosen = [word for name in names or () for word in ("--include-name", name)]
    done = workshop.run(
        [
            *(_python(), "-m", "schemathesis.cli", "run"),
            *(f"{broker.schema_registry}/openapi.json", "--no-color"),
            *("--phases", "coverage,fuzzing", "--seed", SEED, "--max-examples", EXAMPLES_MAX),
            *("--exclude-checks", LENIENT, "--generation-database", "none"),
            *("--request-timeout", str(REQUEST_LIMIT_S)),
            *("--report", "junit", "--report-junit-path", report),
            *chosen,
        ],
        cwd=work,
        timeout_s=RUN_LIMIT_S,
        log=work / "schemathesis.log",
    )
    if not report.exists():
        raise RuntimeError(f"schemathesis: exit code {done.returncode}\n{done.stdout[-2_000:]}")
    return [_case(each) for each in ET.parse(report).getroot().iter("testcase")]


def _case(element: ET.Element) -> Case:
    found = [child for child in element if child.tag in ("failure", "error", "skipped")]
    name, seconds = element.get("name", ""), float(element.get("time", "0"))
    if not found:
        return Case(name=name, outcome="passed", seconds=seconds)
    detail = " ".join(f"{found[0].get('message', '')} {found[0].text or ''}".split())
    outcome = "skipped" if found[0].tag == "skipped" else "failed"
    return Case(name=name, outcome=outcome, seconds=seconds, detail=detail[:_DETAIL_CHARACTERS])


def _python() -> Path:
    """An interpreter of its own: it brings a plugin of pytest that our tests do without."""

    def build(folder: Path) -> None:
        build_step([sys.executable, "-m", "venv", folder / "venv"], cwd=folder)
        python = folder / "venv" / "bin" / "python"
        build_step([python, "-m", "pip", "install", "-q", f"schemathesis=={VERSION}"], cwd=folder)

    return prepared(f"schemathesis-{VERSION}", build) / "venv" / "bin" / "python"
