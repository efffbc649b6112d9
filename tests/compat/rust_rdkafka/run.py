"""rust-rdkafka's own integration tests, which its crate ships, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tests.compat import workshop
from tests.compat.brokers import Broker
from tests.compat.needs import mark_waiting
from tests.compat.report import Case
from tests.compat.rust_rdkafka.outcome import listed_tests, read_case
from tests.compat.workshop import build_step, need, prepared

HERE = Path(__file__).parent
VERSION = "0.39.0"
KAFKA_LEVEL = "4.0.0"
"""The version that the tests take the broker for."""
BROKER_CONFIGS = {"auto.create.topics.enable": "true", "num.partitions": "3", "node.id": "0"}
"""What the suite's own broker sets; its tests name the broker 0."""
CASE_LIMIT_S = 60
# Say nothing about a broker: the one connects nowhere on purpose, the other needs no client.
LOCAL = {"test_admin::test_event_errors", "test_topic_partition_list"}


def install() -> None:
    _programs()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names (`file::test`), or all."""
    environment = {
        "KAFKA_HOST": broker.bootstrap,
        "KAFKA_VERSION": KAFKA_LEVEL,
        "RUST_LOG": "off",
        "RUST_BACKTRACE": "0",
    }
    cases: list[Case] = []
    for program in sorted(_programs().iterdir()):
        for test in listed_tests(workshop.run([program, "--list"], timeout_s=30).stdout):
            name = f"{program.name}::{test}"
            # Each file of tests compiles the common part in, with its own test.
            repeated = test.startswith("utils::")
            if (
                repeated
                or LOCAL & {name, program.name}
                or (names is not None and name not in names)
            ):
                continue
            began = time.monotonic()
            done = workshop.run(
                [program, "--exact", test, "--nocapture"],
                cwd=work,
                env=environment,
                timeout_s=CASE_LIMIT_S,
                log=work / f"{program.name}-{test.replace('::', '-')}.log",
            )
            seconds = time.monotonic() - began
            cases.append(read_case(name, done.stdout, done.returncode, seconds))
    return mark_waiting(cases, broker, HERE / "needs.txt")


def _programs() -> Path:
    """The folder of the test programs, one for each file of tests."""

    def build(folder: Path) -> None:
        need("cargo", "make", "gcc", "g++", "nice")
        shutil.copy(HERE / "Cargo.toml", folder)
        (folder / "nothing.rs").touch()
        build_step(["cargo", "vendor", "--quiet", "vendor"], cwd=folder)
        source = folder / "rdkafka"
        (folder / "vendor" / "rdkafka").rename(source)
        # The crate's own lock file pins what its tests use. Debug information would be most of
        # what is written.
        built = workshop.run(
            [
                "nice",
                "cargo",
                "test",
                "--no-run",
                "--quiet",
                "--locked",
                "--message-format=json",
                "--test=*",
            ],
            cwd=source,
            env={
                "CARGO_BUILD_JOBS": "2",
                "CARGO_INCREMENTAL": "0",
                "CARGO_PROFILE_DEV_DEBUG": "0",
                "CARGO_PROFILE_TEST_DEBUG": "0",
                "CARGO_TARGET_DIR": str(folder / "target"),
            },
            timeout_s=1_800,
        )
        if built.returncode != 0:
            raise RuntimeError(f"cargo: exit code {built.returncode}\n{built.stdout[-2_000:]}")
        programs = folder / "programs"
        programs.mkdir()
        for line in built.stdout.splitlines():
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("executable") and message["target"]["kind"] == ["test"]:
                shutil.copy(message["executable"], programs / message["target"]["name"])
        for left in ("target", "vendor"):
            shutil.rmtree(folder / left)

    return prepared(f"rust-rdkafka-{VERSION}", build) / "programs"
