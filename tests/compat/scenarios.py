"""Scenario tests of ours as suites: pytest on a client's folder, against a broker that runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.pytest_cases import run_pytest
from tests.compat.report import Case
from tests.compat.workshop import ROOT

BOOTSTRAP = "SPRAWL_COMPAT_BOOTSTRAP"
"""Environment variable: the broker that the tests use, in place of a node of their own."""
SUITE_LIMIT_S = 900
SEEN_S = 30


def run_scenarios(
    client: str, broker: Broker, work: Path, names: Sequence[str] | None
) -> list[Case]:
    """Runs the tests of tests/compat/CLIENT of these names (`module::test`), or all.

    A test that restarts its node cannot run against a broker that somebody else started: it is
    skipped.
    """
    folder = Path("tests") / "compat" / client
    places = [str(folder)]
    if names is not None:
        split = [name.partition("::") for name in names]
        places = [f"{folder / module}.py::{test}" for module, _, test in split]
    return run_pytest(
        ROOT,
        [*places, "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        work=work,
        env={BOOTSTRAP: broker.bootstrap, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout_s=SUITE_LIMIT_S,
    )


def eventually(told: Callable[[], object], wanted: object) -> None:
    """Asserts that `told` comes to give `wanted`.

    Apache Kafka answers a change before all that ask its broker see it.
    """
    deadline = time.monotonic() + SEEN_S
    while (found := told()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == wanted
