"""kafkajs with its schema registry client, by scenario tests of ours, run by Node's test runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.node_tests import npm_modules, run_node_tests
from tests.compat.report import Case

HERE = Path(__file__).parent
VERSION = "3.9.0"  # The last one for Node 20; 4 asks for Node 22.
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}
WITH_REGISTRY = True


def install() -> None:
    _modules()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, or all."""
    assert broker.schema_registry is not None
    env = {
        "BOOTSTRAP": broker.bootstrap,
        "REGISTRY": broker.schema_registry,
        "KAFKAJS_NO_PARTITIONER_WARNING": "1",
    }
    return run_node_tests(HERE, _modules(), work, names, env)


def _modules() -> Path:
    return npm_modules(f"kafkajs-registry-{VERSION}", HERE)
