"""Scenario tests in JavaScript: run by Node's own test runner, their report as cases."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.pytest_cases import read_junit
from tests.compat.report import Case
from tests.compat.workshop import build_step, need, prepared

SUITE_LIMIT_S = 300
_TESTS = "scenarios.test.js"


def npm_modules(name: str, source: Path) -> Path:
    """A folder with the packages that `source`/package.json asks for. Args: name: with version."""

    def build(folder: Path) -> None:
        need("node", "npm")
        shutil.copy(source / "package.json", folder)
        build_step(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder)

    return prepared(name, build)


def run_node_tests(
    source: Path, modules: Path, work: Path, names: Sequence[str] | None, env: Mapping[str, str]
) -> list[Case]:
    """Runs the tests of `source`/scenarios.test.js of these names, or all.

    Args:
        modules: of `npm_modules`.
        work: an empty folder; the log and the report stay there.

    Raises:
        RuntimeError: they could not run.
    """
    shutil.copy(source / "package.json", work)
    shutil.copy(source / _TESTS, work)
    (work / "node_modules").symlink_to(modules / "node_modules")
    report = work / "junit.xml"
    chosen = [f"--test-name-pattern=^{re.escape(name.partition('::')[2])}$" for name in names or []]
    done = workshop.run(
        [
            "node",
            "--test",
            "--test-reporter=junit",
            f"--test-reporter-destination={report}",
            *chosen,
            _TESTS,
        ],
        cwd=work,
        env=env,
        timeout_s=SUITE_LIMIT_S,
        log=work / "node.log",
    )
    if not report.exists():
        raise RuntimeError(f"node: exit code {done.returncode}\n{done.stdout[-2_000:]}")
    # Node reports the tests that were not chosen as skipped.
    found = read_junit(report.read_text())
    return [case for case in found if names is None or case.name in names]
