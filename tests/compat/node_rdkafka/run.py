"""node-rdkafka's own e2e tests, which its package ships, run by mocha."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.brokers import Broker
from tests.compat.needs import mark_waiting
from tests.compat.node_rdkafka.outcome import case_name, declared_titles, read_cases
from tests.compat.report import Case
from tests.compat.workshop import MissingToolError, build_step, need, prepared

HERE = Path(__file__).parent
VERSION = "3.6.1"
BROKER_CONFIGS = {"auto.create.topics.enable": "true", "num.partitions": "1"}
TOPICS = ("test", "test2")
"""What the suite takes for granted, with one partition each."""
RUN_WHOLE = {"producer-transaction"}
"""Files whose cases build on each other."""
CASE_LIMIT_S = 40
PROCESS_LIMIT_S = 100
_TOPICS_LIMIT_S = 60


def install() -> None:
    _package()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the cases of these names (`file::title`), or all."""
    package = _package()
    _make_topics(package, broker)
    cases: list[Case] = []
    for spec in sorted((package / "e2e").glob("*.spec.js")):
        module = spec.name.removesuffix(".spec.js")
        titles = declared_titles(_mocha(spec, work / f"{module}-listed", broker, "--dry-run"))
        wanted = [title for title in titles if names is None or case_name(module, title) in names]
        if module in RUN_WHOLE:
            report = _mocha(spec, work / module, broker) if wanted else ""
            cases += read_cases(module, wanted, report)
            continue
        # A process for each case: after one that fails, the client may never disconnect.
        for number, title in enumerate(wanted):
            only = f"--grep=^{re.escape(title)}$"
            report = _mocha(spec, work / f"{module}-{number}", broker, only)
            cases += read_cases(module, [title], report)
    return mark_waiting(cases, broker, HERE / "needs.txt")


def _make_topics(package: Path, broker: Broker) -> None:
    shutil.copy(HERE / "topics.js", package.parents[1])
    done = workshop.run(
        ["node", "topics.js", *TOPICS],
        cwd=package.parents[1],
        env={"BOOTSTRAP": broker.bootstrap},
        timeout_s=_TOPICS_LIMIT_S,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the suite's topics were not made\n{done.stdout[-2_000:]}")


def _mocha(spec: Path, stem: Path, broker: Broker, *options: str) -> str:
    """mocha's JSON report of one file; "" if it wrote none."""
    report = stem.with_suffix(".json")
    mocha = spec.parents[3] / "node_modules" / "mocha" / "bin" / "mocha.js"
    timeout = f"--timeout={CASE_LIMIT_S * 1000}"
    into = ["--reporter=json", f"--reporter-option=output={report}"]
    workshop.run(
        ["node", mocha, "--exit", timeout, *into, *options, spec],
        cwd=spec.parents[1],
        env={"KAFKA_HOST": broker.bootstrap},
        timeout_s=PROCESS_LIMIT_S,
        log=stem.with_suffix(".log"),
    )
    return report.read_text() if report.exists() else ""


def _node_headers() -> Path:
    """Where Node's C++ headers are: they came with Node, or there is no building here."""
    need("node")
    asked = ["node", "-p", "JSON.stringify([process.execPath, process.version])"]
    told = json.loads(workshop.run(asked, timeout_s=30).stdout)
    prefix = Path(told[0]).resolve().parents[1]
    if not (prefix / "include" / "node" / "node.h").exists():
        raise MissingToolError(f"not installed: the C++ headers of Node {told[1]}")
    return prefix


def _package() -> Path:
    """node-rdkafka's package, its binding and the librdkafka that it ships built from source."""

    def build(folder: Path) -> None:
        need("node", "npm", "make", "gcc", "g++", "python3")
        headers = _node_headers()
        shutil.copy(HERE / "package.json", folder)
        fetch = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        build_step(fetch, cwd=folder)
        # One job: its makefile installs librdkafka while it is still built if there are more.
        gyp = folder / "node_modules" / "node-gyp" / "bin" / "node-gyp.js"
        build_step(
            ["nice", "node", gyp, "rebuild", f"--nodedir={headers}", "--jobs=1"],
            cwd=folder / "node_modules" / "node-rdkafka",
        )

    return prepared(f"node-rdkafka-{VERSION}", build) / "node_modules" / "node-rdkafka"
