"""kafkajs by scenario tests of ours, which Node's own test runner runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.needs import mark_waiting
from tests.compat.pytest_cases import read_junit
from tests.compat.report import Case
from tests.compat.workshop import build_step, need, prepared
from tests.compat.workshop import run as run_command

HERE = Path(__file__).parent
VERSION = "2.2.4"
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}
SUITE_LIMIT_S = 300


def install() -> None:
    _modules()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, or all."""
    shutil.copy(HERE / "package.json", work)
    shutil.copy(HERE / "scenarios.test.js", work)
    (work / "node_modules").symlink_to(_modules() / "node_modules")
    report = work / "junit.xml"
    chosen = [f"--test-name-pattern=^{re.escape(name.partition('::')[2])}$" for name in names or []]
    done = run_command(
        [
            "node",
            "--test",
            "--test-reporter=junit",
            f"--test-reporter-destination={report}",
            *chosen,
            "scenarios.test.js",
        ],
        cwd=work,
        env={"BOOTSTRAP": broker.bootstrap, "KAFKAJS_NO_PARTITIONER_WARNING": "1"},
        timeout_s=SUITE_LIMIT_S,
        log=work / "node.log",
    )
    if not report.exists():
        raise RuntimeError(f"node: exit code {done.returncode}\n{done.stdout[-2_000:]}")
    # Node reports the tests that were not chosen as skipped.
    found = read_junit(report.read_text())
    cases = [case for case in found if names is None or case.name in names]
    return mark_waiting(cases, broker, HERE / "needs.txt")


def _modules() -> Path:
    def build(folder: Path) -> None:
        need("node", "npm")
        shutil.copy(HERE / "package.json", folder)
        build_step(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder)

    return prepared(f"kafkajs-{VERSION}", build)
