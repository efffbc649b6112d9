"""franz-go by scenario tests of ours, built once and run by Go's own test runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.go_tests import go_program, run_go_tests
from tests.compat.needs import mark_waiting
from tests.compat.report import Case

HERE = Path(__file__).parent
VERSION = "1.20.6"
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}


def install() -> None:
    _program()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, or all."""
    cases = run_go_tests(_program(), work, names, {"BOOTSTRAP": broker.bootstrap})
    return mark_waiting(cases, broker, HERE / "needs.txt")


def _program() -> Path:
    return go_program(f"franz-go-{VERSION}", HERE)
