"""Scenario tests in Go: built once into a program, run by Go's own test runner, as cases."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.report import Case, Outcome
from tests.compat.workshop import build_step, need, prepared

SUITE_LIMIT_S = 300
_SOURCES = ("go.mod", "scenarios_test.go")
_DETAIL_CHARACTERS = 300
_OUTCOMES: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}


def go_program(name: str, source: Path) -> Path:
    """The tests of `source` as one program, built again when they change.

    Args:
        name: of the client, with its version.
    """
    texts = b"".join((source / each).read_bytes() for each in _SOURCES)

    def build(folder: Path) -> None:
        need("go")
        for each in _SOURCES:
            shutil.copy(source / each, folder)
        build_step(["go", "mod", "tidy"], cwd=folder)
        build_step(["go", "test", "-c", "-o", "scenarios"], cwd=folder)

    return prepared(f"{name}-{hashlib.sha256(texts).hexdigest()[:8]}", build) / "scenarios"


def run_go_tests(
    program: Path, work: Path, names: Sequence[str] | None, env: Mapping[str, str]
) -> list[Case]:
    """Runs the tests of these names, or all.

    Args:
        program: of `go_program`.
        work: the log stays there.

    Raises:
        RuntimeError: they could not run.
    """
    chosen = [f"-test.run=^({'|'.join(names)})$"] if names else []
    done = workshop.run(
        ["go", "tool", "test2json", "-t", program, "-test.v=test2json", *chosen],
        cwd=work,
        env=env,
        timeout_s=SUITE_LIMIT_S,
        log=work / "go.log",
    )
    cases = _read(done.stdout)
    if not cases:
        raise RuntimeError(f"go: exit code {done.returncode}\n{done.stdout[-2_000:]}")
    return cases


def _read(printed: str) -> list[Case]:
    """The cases of test2json's events, one JSON object a line."""
    said: dict[str, str] = {}
    cases = []
    for line in printed.splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        name = event.get("Test", "")
        if event["Action"] == "output":
            text = event["Output"]
            if not text.lstrip().startswith(("===", "---")):
                said[name] = said.get(name, "") + text
        elif name and event["Action"] in _OUTCOMES:
            outcome = _OUTCOMES[event["Action"]]
            detail = " ".join(said.get(name, "").split())[:_DETAIL_CHARACTERS]
            seconds = event.get("Elapsed", 0.0)
            detail = "" if outcome == "passed" else detail
            cases.append(Case(name=name, outcome=outcome, seconds=seconds, detail=detail))
    return cases
