"""kafka-python by scenario tests of ours: what its documentation says it does."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from tests.compat.scenarios import run_scenarios

VERSION = version("kafka-python")
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}


def install() -> None:
    """It comes with this project's development tools."""


run = partial(run_scenarios, "kafka_python")
