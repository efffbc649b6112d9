"""Starting a Java program of Apache Kafka against a broker."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compat.brokers import KAFKA_VERSION, Broker, kafka_jars
from tests.compat.workshop import maven_jars, run

STREAMS_VERSION = "4.0.2"
"""The examples were not published for every version."""
LIMIT_S = 60
WAIT_S = 60
_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_DETAIL_CHARACTERS = 300


class ToolError(AssertionError):
    """A program failed, or said something else than it should."""


class Tools:
    """Kafka's programs, pointed at one broker.

    Args:
        work: files that programs read and write.
    """

    def __init__(self, broker: Broker, work: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.work = work
        self._jars = f"{kafka_jars()}/*"

    def run(self, main: str, *words: str, feed: str = "", classpath: str = "") -> str:
        """Runs a program to its end. Returns what it printed. Raises: ToolError."""
        command = ["java", *_JVM, "-cp", classpath or self._jars, main, *words]
        done = run(command, cwd=self.work, timeout_s=LIMIT_S, feed=feed)
        said = "\n".join(line for line in done.stdout.splitlines() if not _is_noise(line))
        if done.returncode != 0:
            raise ToolError(f"{main} {' '.join(words)}: exit code {done.returncode}: {said}")
        return said

    def at(self, main: str, *words: str, feed: str = "") -> str:
        """As `run`, with --bootstrap-server."""
        return self.run(main, "--bootstrap-server", self.bootstrap, *words, feed=feed)

    @contextmanager
    def running(self, main: str, *words: str, classpath: str) -> Iterator[None]:
        """A program that runs until it is ended here."""
        with (self.work / f"{main}.log").open("w") as log:
            process = subprocess.Popen(
                ["java", *_JVM, "-cp", classpath, main, *words],
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def file(self, name: str, text: str) -> str:
        path = self.work / name
        path.write_text(text)
        return str(path)

    def topic(self, name: str, partitions: int = 1) -> str:
        self.at(
            "org.apache.kafka.tools.TopicCommand",
            *("--create", "--topic", name),
            *("--partitions", str(partitions), "--replication-factor", "1"),
        )
        return name

    def produce(self, topic: str, lines: list[str], *words: str) -> None:
        feed = "".join(f"{line}\n" for line in lines)
        self.at("org.apache.kafka.tools.ConsoleProducer", "--topic", topic, *words, feed=feed)

    def consume(self, topic: str, count: int, *words: str) -> list[str]:
        said = self.at(
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            *("--topic", topic, "--from-beginning", "--timeout-ms", "30000"),
            *("--max-messages", str(count), *words),
        )
        return [line for line in said.splitlines() if not line.startswith("Processed a total")]


def expect(said: str, *wanted: str) -> None:
    """Raises: ToolError unless each of these stands in what a program said."""
    missing = [each for each in wanted if each not in said]
    if missing:
        raise ToolError(f"missing {missing} in: {said}")


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    """Raises: ToolError when it does not come to hold in time."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise ToolError(f"{what}: not within {WAIT_S} s")
        time.sleep(0.5)


def streams_jars() -> str:
    """Class path of Kafka Streams' examples."""
    name = f"kafka-streams-examples-{STREAMS_VERSION}"
    return f"{maven_jars(name, f'org.apache.kafka:kafka-streams-examples:{STREAMS_VERSION}')}/*"


def connect_jars() -> str:
    """Class path of Kafka Connect with its file connectors."""
    artifacts = [f"org.apache.kafka:{each}:{KAFKA_VERSION}" for each in _CONNECT]
    return f"{maven_jars(f'kafka-connect-{KAFKA_VERSION}', *artifacts)}/*"


def one_line(text: str) -> str:
    """The end of what went wrong, where Java's programs put the reason."""
    return " ".join(text.split())[-_DETAIL_CHARACTERS:]


_CONNECT = ("connect-runtime", "connect-file", "connect-json")


def _is_noise(line: str) -> bool:
    return re.match(r"SLF4J|WARNING: sun|\[?\d{4}-\d\d-\d\d .*(WARN|INFO)", line) is not None
