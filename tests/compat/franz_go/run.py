"""franz-go by scenario tests of ours, built once and run by Go's own test runner."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.brokers import Broker
from tests.compat.needs import mark_waiting
from tests.compat.report import Case, Outcome
from tests.compat.workshop import build_step, need, prepared

HERE = Path(__file__).parent
VERSION = "1.20.6"
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}
SUITE_LIMIT_S = 300
_SOURCES = ("go.mod", "scenarios_test.go")
_DETAIL_CHARACTERS = 300
_OUTCOMES: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}


def install() -> None:
    _program()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, or all."""
    chosen = [f"-test.run=^({'|'.join(names)})$"] if names else []
    done = workshop.run(
        ["go", "tool", "test2json", "-t", _program(), "-test.v=test2json", *chosen],
        cwd=work,
        env={"BOOTSTRAP": broker.bootstrap},
        timeout_s=SUITE_LIMIT_S,
        log=work / "go.log",
    )
    cases = _read(done.stdout)
    if not cases:
        raise RuntimeError(f"go: exit code {done.returncode}\n{done.stdout[-2_000:]}")
    return mark_waiting(cases, broker, HERE / "needs.txt")


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


def _program() -> Path:
    """The tests as one program, built again when their source changes."""
    sources = b"".join((HERE / name).read_bytes() for name in _SOURCES)

    def build(folder: Path) -> None:
        need("go")
        for name in _SOURCES:
            shutil.copy(HERE / name, folder)
        build_step(["go", "mod", "tidy"], cwd=folder)
        build_step(["go", "test", "-c", "-o", "scenarios"], cwd=folder)

    name = f"franz-go-{VERSION}-{hashlib.sha256(sources).hexdigest()[:8]}"
    return prepared(name, build) / "scenarios"
