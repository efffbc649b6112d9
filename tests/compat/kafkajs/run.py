"""kafkajs by scenario tests of ours, which Node's own test runner runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.needs import mark_waiting
from tests.compat.node_tests import npm_modules, run_node_tests
from tests.compat.report import Case

HERE = Path(__file__).parent
VERSION = "2.2.4"
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}


def install() -> None:
    _modules()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, or all."""
    env = {"BOOTSTRAP": broker.bootstrap, "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
    cases = run_node_tests(HERE, _modules(), work, names, env)
    return mark_waiting(cases, broker, HERE / "needs.txt")


def _modules() -> Path:
    return npm_modules(f"kafkajs-{VERSION}", HERE)
