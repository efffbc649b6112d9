"""librdkafka's own test suite: every case that talks to a broker.

The suite's runner is built from librdkafka's source and started once for each test number, so that
a test that hangs or crashes takes no other with it. A case is what the runner calls a test; a
number may have several (0045_subscribe_update, 0045_resubscribe_with_regex).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from tests.compat import workshop
from tests.compat.brokers import ApacheKafka, Broker, SprawlBroker
from tests.compat.librdkafka.outcome import Printed, declared_cases, read_case
from tests.compat.report import Case
from tests.compat.workshop import build_step, need, prepared

HERE = Path(__file__).parent
VERSION = "2.15.1"
"""librdkafka's, as PACKAGE bundles it."""
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
# What the suite's own cluster sets: its scenarios "default" and "noautocreate".
BROKER_CONFIGS = {"auto.create.topics.enable": "true", "num.partitions": "4"}
NO_AUTO_CREATE = BROKER_CONFIGS | {"auto.create.topics.enable": "false"}
# The level of the protocol that the runner may count on; it skips cases of later ones.
KAFKA_LEVEL = "4.0.0"
# No number takes longer against a broker that answers as it should.
LIMIT_S = 120


def install() -> None:
    source_folder()


def source_folder() -> Path:
    """librdkafka's source, with its libraries and the suite's runner built."""

    def build(folder: Path) -> None:
        need("npm", "tar", "make", "gcc", "g++")
        build_step(["npm", "pack", PACKAGE, "--silent"], cwd=folder)
        (archive,) = folder.glob("*.tgz")
        build_step(["tar", "xzf", archive], cwd=folder)
        archive.unlink()
        source = folder / "package" / "deps" / "librdkafka"
        # Plain connections need none of these, and without them every build is the same.
        without = ["--disable-ssl", "--disable-gssapi", "--disable-curl", "--disable-zstd"]
        build_step(["./configure", *without], cwd=source)
        build_step(["nice", "make", "-j2", "libs"], cwd=source)
        build_step(["nice", "make", "-j2", "-C", "tests", "test-runner"], cwd=source)

    return prepared(f"librdkafka-{VERSION}", build) / "package" / "deps" / "librdkafka"


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the cases of these names, or all that talk to a broker."""
    declared = declared_cases((source_folder() / "tests" / "test.c").read_text())
    wanted = [case for case in declared if names is None or case.name in names]
    wanted.sort(key=lambda case: (case.number, case.scenario))
    waits_for = read_needs(HERE / "needs.txt")
    cases: list[Case] = []
    with ExitStack() as started:
        bootstraps: dict[str, str | None] = {"default": broker.bootstrap}
        for (number, scenario), group in groupby(wanted, lambda case: (case.number, case.scenario)):
            if scenario not in bootstraps:
                bootstraps[scenario] = _start_another(broker, work / scenario, started)
            bootstrap = bootstraps[scenario]
            if bootstrap is None:
                detail = f"needs a broker of its own, scenario {scenario}"
                cases += [Case(name=c.name, outcome="skipped", detail=detail) for c in group]
                continue
            printed = run_number(number, scenario, bootstrap, work / f"{number}-{scenario}")
            cases += [read_case(case.name, printed) for case in group]
    if isinstance(broker, ApacheKafka):
        return cases
    return [
        replace(case, needs=waits_for.get(case.name, "")) if case.outcome == "failed" else case
        for case in cases
    ]


def run_number(number: str, scenario: str, bootstrap: str, scratch: Path) -> Printed:
    """Runs all cases of a number in one process of the suite's runner."""
    source = source_folder()
    scratch.mkdir(parents=True)
    conf = scratch / "test.conf"
    conf.write_text(f"metadata.broker.list={bootstrap}\n")
    began = time.monotonic()
    done = workshop.run(
        [source / "tests" / "test-runner", "-Q", "-L", "-s", scenario],
        cwd=scratch,
        env={
            "TESTS": number,
            "TEST_KAFKA_VERSION": KAFKA_LEVEL,
            "RDKAFKA_TEST_CONF": str(conf),
            "LD_LIBRARY_PATH": f"{source / 'src'}:{source / 'src-cpp'}",
        },
        timeout_s=LIMIT_S,
        log=scratch / "runner.log",
    )
    return Printed(text=done.stdout, code=done.returncode, seconds=time.monotonic() - began)


def read_needs(path: Path) -> dict[str, str]:
    """Case to the API that it waits for: `CASE: API` a line; `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): api.strip() for name, _, api in pairs}


def _start_another(broker: Broker, folder: Path, started: ExitStack) -> str | None:
    """A second broker of the same kind, without auto creation; None if it was started elsewhere."""
    if isinstance(broker, SprawlBroker):
        return started.enter_context(SprawlBroker(folder, NO_AUTO_CREATE)).bootstrap
    if isinstance(broker, ApacheKafka):
        return started.enter_context(ApacheKafka(folder, NO_AUTO_CREATE)).bootstrap
    return None
