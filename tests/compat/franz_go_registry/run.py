"""franz-go's schema registry client by scenario tests of ours, run by Go's own test runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.go_tests import go_program, run_go_tests
from tests.compat.report import Case

HERE = Path(__file__).parent
VERSION = "1.8.0"
BROKER_CONFIGS: dict[str, str] = {}
WITH_REGISTRY = True


def install() -> None:
    _program()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, or all."""
    assert broker.schema_registry is not None
    return run_go_tests(_program(), work, names, {"REGISTRY": broker.schema_registry})


def _program() -> Path:
    return go_program(f"franz-go-sr-{VERSION}", HERE)
