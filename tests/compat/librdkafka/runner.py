"""Builds the suite's runner and starts it: once for a test number, or once for each subtest."""

from __future__ import annotations

import time
from pathlib import Path

from tests.compat import workshop
from tests.compat.brokers import kafka_jars
from tests.compat.librdkafka.outcome import Printed
from tests.compat.workshop import build_step, need, prepared

VERSION = "2.15.1"
"""librdkafka's, as PACKAGE bundles it."""
PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
KAFKA_LEVEL = "4.0.0"
"""The level of the protocol that cases may count on; those of later ones are skipped."""
LIMIT_S = 120
"""No number takes longer against a broker that answers as it should."""
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
}
"""Scripts of a Kafka distribution that cases call, and what they start of Kafka's jars."""


def source_folder() -> Path:
    """librdkafka's source, with its libraries and the suite's runner built."""

    def build(folder: Path) -> None:
        need("npm", "tar", "make", "gcc", "g++")
        build_step(["npm", "pack", PACKAGE, "--silent"], cwd=folder)
        (archive,) = folder.glob("*.tgz")
        build_step(["tar", "xzf", archive], cwd=folder)
        archive.unlink()
        source = folder / "package" / "deps" / "librdkafka"
        # OpenSSL is used where it is installed: a case about interceptors sets up TLS.
        without = ["--disable-gssapi", "--disable-curl", "--disable-zstd"]
        build_step(["./configure", *without], cwd=source)
        build_step(["nice", "make", "-j2", "libs"], cwd=source)
        build_step(["nice", "make", "-j2", "-C", "tests", "test-runner"], cwd=source)

    return prepared(f"librdkafka-{VERSION}", build) / "package" / "deps" / "librdkafka"


def write_tools(kafka: Path) -> None:
    """A folder like a Kafka distribution's, with the scripts that cases call."""
    folder = kafka / "bin"
    folder.mkdir(parents=True)
    for name, java_class in TOOLS.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec java -cp '{kafka_jars()}/*' {java_class} \"$@\"\n")
        script.chmod(0o755)


class Runner:
    """Starts the suite's runner in scratch folders of its own below `work`."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._source = source_folder()
        self._kafka = work / "kafka"
        write_tools(self._kafka)

    @property
    def tests(self) -> Path:
        """Where the suite's source is."""
        return self._source / "tests"

    def start(self, number: str, scenario: str, bootstrap: str, subtest: str = "") -> Printed:
        """Runs all cases of a number in one process.

        Args:
            subtest: run only this function of the case.
        """
        scratch = self._work / "-".join(word for word in (number, scenario, subtest) if word)
        scratch.mkdir()
        conf = scratch / "test.conf"
        conf.write_text(f"metadata.broker.list={bootstrap}\n")
        environment = {
            "TESTS": number,
            "TEST_KAFKA_VERSION": KAFKA_LEVEL,
            "RDKAFKA_TEST_CONF": str(conf),
            "LD_LIBRARY_PATH": f"{self._source / 'src'}:{self._source / 'src-cpp'}",
            "KAFKA_PATH": str(self._kafka),
            "BROKERS": bootstrap,
        }
        if subtest:
            # The runner looks for this text in "function:line: description".
            environment["SUBTESTS"] = f"{subtest}:"
        began = time.monotonic()
        done = workshop.run(
            [self.tests / "test-runner", "-Q", "-L", "-s", scenario],
            cwd=scratch,
            env=environment,
            timeout_s=LIMIT_S,
            log=scratch / "runner.log",
        )
        return Printed(text=done.stdout, code=done.returncode, seconds=time.monotonic() - began)
