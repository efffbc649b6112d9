"""A history written by many threads at once, and as a file of JSON lines."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from tests.sim.history import Event, History, Kind


class Recorder:
    """The history of a run: calls are written down before they are made, answers afterwards."""

    def __init__(self) -> None:
        start_ns = time.monotonic_ns()
        self.history = History(lambda: (time.monotonic_ns() - start_ns) // 1000)
        self.problems: list[str] = []
        self.skipping: set[int] = set()
        """Processes whose library left sequence numbers out; see `ProducerPort.skips`."""
        self._lock = threading.Lock()

    def add(self, process: int, kind: Kind, op: str, value: object) -> Event:
        """Write an event down; from any thread."""
        with self._lock:
            return self.history.add(process, kind, op, value)

    def do(self, process: int, op: str, value: object) -> None:
        """An operation that the client library does at once and by itself."""
        with self._lock:
            self.history.add(process, "invoke", op, value)
            self.history.add(process, "ok", op, value)

    def problem(self, what: str) -> None:
        """Something that is wrong and is no event: a client that stopped for good."""
        with self._lock:
            self.problems.append(what)

    def skips(self, process: int) -> None:
        """A producer's own library left sequence numbers out."""
        with self._lock:
            self.skipping.add(process)


def save_history(path: Path, events: Iterable[Event]) -> None:
    """One line of JSON for each event."""
    with path.open("w") as file:
        for event in events:
            fields = (event.index, event.at_us, event.process, event.kind, event.op, event.value)
            file.write(json.dumps(fields) + "\n")


def load_history(path: Path) -> list[Event]:
    """The events of a saved history, equal to those that were saved."""
    with path.open() as file:
        return [_event(json.loads(line)) for line in file]


def _event(fields: list[Any]) -> Event:
    index, at_us, process, kind, op, value = fields
    return Event(index, at_us, process, cast("Kind", kind), op, _tuples(value))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
