"""Suites that pytest runs: their report as cases."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.report import Case, Outcome

_DETAIL_CHARACTERS = 300


def run_pytest(
    folder: Path,
    arguments: Sequence[str],
    *,
    work: Path,
    env: Mapping[str, str],
    timeout_s: float,
    python: str | Path = sys.executable,
) -> list[Case]:
    """Runs pytest in a folder of its own and reads what it found.

    Args:
        arguments: what to run, and pytest's options.
        work: its log and report go here.
        python: the interpreter, if the suite has an environment of its own.

    Raises:
        RuntimeError: it could not run, with the last lines that it printed.
    """
    report = work / "junit.xml"
    done = workshop.run(
        [python, "-m", "pytest", f"--junitxml={report}", *arguments],
        cwd=folder,
        env=env,
        timeout_s=timeout_s,
        log=work / "pytest.log",
    )
    if not report.exists():
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise RuntimeError(f"pytest: exit code {done.returncode}\n{tail}")
    return read_junit(report.read_text())


def read_junit(text: str) -> list[Case]:
    """The cases of a JUnit report, in its order; an error in set-up or clean-up is a failure."""
    cases: dict[str, Case] = {}
    for element in ET.fromstring(text).iter("testcase"):
        module = element.get("classname", "").rpartition(".")[2]
        name = f"{module}::{element.get('name', '')}"
        found = [child for child in element if child.tag in ("failure", "error", "skipped")]
        outcome: Outcome = "passed"
        detail = ""
        if found:
            outcome = "skipped" if found[0].tag == "skipped" else "failed"
            said = found[0].get("message") or found[0].text or ""
            detail = " ".join(said.split())[:_DETAIL_CHARACTERS]
        if name in cases and cases[name].outcome == "failed":
            continue
        seconds = float(element.get("time", "0"))
        cases[name] = Case(name=name, outcome=outcome, seconds=seconds, detail=detail)
    return list(cases.values())
