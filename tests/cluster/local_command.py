"""`sprawl cluster local` in a process of its own, and a client that writes to it and reads back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Consumer, Producer

STOP_S = 60
PROGRAM = (sys.executable, "-m", "sprawl")


class LocalCommand:
    """The command, its ready line, and its nodes' process ids.

    Args:
        folder: of the cluster; its standard error goes to a file beside it.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.errors = folder.with_name(f"{folder.name}.errors")
        words = ["cluster", "local", "--data", str(folder), *options]
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*PROGRAM, *words],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"exit code {self.process.wait()}: {self.errors.read_text()}")
        self.facts: dict[str, Any] = json.loads(line)

    @property
    def bootstrap(self) -> str:
        return str(self.facts["bootstrap"])

    def http(self, node: int) -> str:
        return str(self._node(node)["http"])

    def kill(self, node: int) -> None:
        """SIGKILL to one of the nodes."""
        os.kill(self._node(node)["pid"], signal.SIGKILL)

    def await_error(self, text: str) -> str:
        """Its standard error, once it says so."""
        deadline = time.monotonic() + 10
        while text not in (found := self.errors.read_text()):
            assert time.monotonic() < deadline, f"not said: {text}; but {found}"
            time.sleep(0.05)
        return found

    def stop(self) -> int:
        """SIGINT; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=STOP_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _node(self, node: int) -> dict[str, Any]:
        return next(each for each in self.facts["nodes"] if each["node_id"] == node)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run_sprawl(
    *words: str, bootstrap: str, timeout_s: float = 100
) -> subprocess.CompletedProcess[str]:
    """Another `sprawl` command."""
    return subprocess.run(
        [*PROGRAM, *words, "-b", bootstrap],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def write(bootstrap: str, topic: str, *values: str) -> None:
    """All are acknowledged by all replicas in sync."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def read(bootstrap: str, topic: str, count: int, group: str) -> list[str]:
    """Sorted values from the beginning, `count` of them unless that takes too long."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[str] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append((message.value() or b"").decode())
    consumer.close()
    return sorted(found)
