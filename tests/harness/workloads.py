"""What clients do during a run, whichever library they use: workers, each a thread of its own.

    Producer   texts that nobody else sends, to partitions in turn, with acks=all
    Reader     assign and seek; reads, goes back a little now and then, is thrown away now and then
    Member     one of a group: subscribes, commits what it read, reads the committed offsets back

The library itself is behind two small classes (see `ClientKit`), so that the rules of what is
`fail` and what is `info` stand in one place:

1. `fail` only where the library says that the record never left it: a full queue, no metadata.
2. Everything else that is no answer is `info`, refusals by the broker included: what is refused may
   be the retry of a request that was carried out.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tests.harness.recorder import Recorder

TOPIC = "harness"
PARTITION_COUNT = 3
PLACES = tuple((TOPIC, partition) for partition in range(PARTITION_COUNT))

Place = tuple[str, int]
Record = tuple[str, int, int, str]
"""(topic, partition, offset, text)."""
Delivered = Callable[[int | None, Exception | None], None]
"""Called with the offset, or with what went wrong; from any thread."""


class NeverSent(Exception):
    """The library refused a record before anything left this process."""


class NoAnswer(Exception):
    """The library gave up on something; nobody knows what came of it."""


class ProducerPort(Protocol):
    """A producer of one library."""

    def send(self, place: Place, text: str, delivered: Delivered) -> None:
        """Raises: NeverSent."""

    def serve(self, seconds: float) -> None:
        """Let the library work and call back."""

    def close(self, seconds: float) -> None:
        """Wait for what is under way, for so long."""

    @property
    def skips(self) -> bool:
        """Whether the library itself left sequence numbers out: it begins a new epoch then, and
        what the old one has under way may be stored as well."""


class ConsumerPort(Protocol):
    """A consumer of one library."""

    def assign(self, starts: dict[Place, int]) -> None:
        """Read these partitions from these offsets."""

    def subscribe(self, on_assigned: Callable[[Sequence[Place]], None]) -> None:
        """Join the group; `on_assigned` is called whenever it gives out partitions."""

    def seek(self, place: Place, offset: int) -> None:
        """Go on from there. Raises: NoAnswer."""

    def poll(self, seconds: float) -> list[list[Record]]:
        """Records, in the order they came; several lists where the assignment changed between.

        Raises: NoAnswer.
        """

    def commit(self, offsets: dict[Place, int]) -> None:
        """Raises: NoAnswer."""

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """Raises: NoAnswer."""

    def close(self) -> None:
        """Leave. Does not raise."""


PATIENCE_S = 30.0
"""How long a producer waits before it gives a record up, unless a run says otherwise."""


class ClientKit(Protocol):
    """A client library. Its producers have a patience, as `PATIENCE_S`."""

    name: str

    def producer(self, bootstrap: str) -> ProducerPort:
        """With acks=all, and idempotent."""

    def consumer(self, bootstrap: str, group: str | None) -> ConsumerPort:
        """Without auto commit; a group without an offset starts at the beginning.

        Raises: NoAnswer.
        """


class Worker(threading.Thread):
    """Runs until `stop` is set; `progress` counts what the broker answered."""

    places: Sequence[Place] = PLACES
    """The partitions that there are."""

    def __init__(
        self, name: str, process: int, kit: ClientKit, bootstrap: str, recorder: Recorder, seed: int
    ) -> None:
        super().__init__(name=f"{kit.name} {name}", daemon=True)
        self.process = process
        self.kit = kit
        self.bootstrap = bootstrap
        self.recorder = recorder
        self.rng = random.Random(f"{seed}/{process}")
        self.progress = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 a worker that ends early is a finding
            self.recorder.problem(f"{self.name} ended with {error!r}")

    def work(self) -> None:
        """What it does until it is told to stop."""
        raise NotImplementedError


class Producer(Worker):
    """Sends `rate` texts a second. Its sends are stored in the order it made them."""

    rate = 200.0

    def work(self) -> None:
        port = self.kit.producer(self.bootstrap)
        started = time.monotonic()
        number = 0
        while not self.stopping.is_set():
            due = int((time.monotonic() - started) * self.rate)
            # After a long wait it goes on from there and does not make up for everything.
            number = max(number, due - int(self.rate))
            while number < due and not self.stopping.is_set():
                self._send(port, number)
                number += 1
            port.serve(0.01)
        port.close(60)
        if port.skips:
            self.recorder.skips(self.process)

    def _send(self, port: ProducerPort, number: int) -> None:
        place = self.places[number % len(self.places)]
        text = f"{self.process}/{number}"
        self.recorder.add(self.process, "invoke", "send", (*place, None, text))

        def delivered(offset: int | None, error: Exception | None) -> None:
            if error is None:
                self.progress += 1
                self.recorder.add(self.process, "ok", "send", (*place, offset, text))
            else:
                self.recorder.add(self.process, "info", "send", (*place, None, text))

        try:
            port.send(place, text, delivered)
        except NeverSent:
            self.recorder.add(self.process, "fail", "send", (*place, None, text))
            port.serve(0.1)


class Consumer(Worker):
    """What readers and members share: a life after another, and polls."""

    life_s = (4.0, 15.0)
    """How long a client lives before it is thrown away, from and to."""

    def work(self) -> None:
        while not self.stopping.is_set():
            ends = time.monotonic() + self.rng.uniform(*self.life_s)
            try:
                port = self.open()
            except NoAnswer:
                time.sleep(0.2)
                continue
            try:
                while not self.stopping.is_set() and time.monotonic() < ends:
                    self.act(port)
            finally:
                port.close()
                self.recorder.add(self.process, "info", "crash", None)

    def open(self) -> ConsumerPort:
        """A new client."""
        raise NotImplementedError

    def act(self, port: ConsumerPort) -> None:
        """One thing that it does."""
        raise NotImplementedError

    def between_parts(self) -> None:
        """The assignment changed at some time in a poll, between these parts or not."""

    def poll(self, port: ConsumerPort, seconds: float = 0.2) -> list[Record]:
        """Poll and write it down."""
        self.recorder.add(self.process, "invoke", "poll", ())
        try:
            parts = port.poll(seconds)
        except NoAnswer:
            self.recorder.add(self.process, "info", "poll", ())
            return []
        self.recorder.add(self.process, "ok", "poll", tuple(parts[0]) if parts else ())
        for part in parts[1:]:
            self.between_parts()
            self.recorder.do(self.process, "poll", tuple(part))
        found = [record for part in parts for record in part]
        self.progress += len(found)
        return found


class Reader(Consumer):
    """Reads by assignment, from the end of what it read in its life before."""

    def __init__(self, *args: object, **fields: object) -> None:
        super().__init__(*args, **fields)  # type: ignore[arg-type]
        self._next: dict[Place, int] = {}

    def open(self) -> ConsumerPort:
        self._next = self._next or dict.fromkeys(self.places, 0)
        port = self.kit.consumer(self.bootstrap, None)
        port.assign(self._next)
        self.recorder.do(self.process, "assign", tuple(self.places))
        for (topic, partition), offset in self._next.items():
            self.recorder.do(self.process, "seek", (topic, partition, offset))
        return port

    def act(self, port: ConsumerPort) -> None:
        for topic, partition, offset, _ in self.poll(port):
            self._next[topic, partition] = offset + 1
        if self.rng.random() < 0.02:
            self._go_back(port)

    def _go_back(self, port: ConsumerPort) -> None:
        place = self.rng.choice(self.places)
        sought = (*place, max(0, self._next[place] - self.rng.randint(1, 200)))
        self.recorder.add(self.process, "invoke", "seek", sought)
        try:
            port.seek(place, sought[2])
        except NoAnswer:
            self.recorder.add(self.process, "info", "seek", sought)
        else:
            self.recorder.add(self.process, "ok", "seek", sought)
            self._next[place] = sought[2]


class Member(Consumer):
    """Reads as one of a group and commits what it has read."""

    def __init__(self, *args: object, group: str, **fields: object) -> None:
        super().__init__(*args, **fields)  # type: ignore[arg-type]
        self.group = group
        self._read: dict[Place, int] = {}
        self._mine: list[Place] = []

    def open(self) -> ConsumerPort:
        port = self.kit.consumer(self.bootstrap, self.group)
        self._read, self._mine = {}, []
        self.recorder.add(self.process, "invoke", "subscribe", (TOPIC,))
        port.subscribe(self._assigned)
        self.recorder.add(self.process, "ok", "subscribe", (TOPIC,))
        return port

    def _assigned(self, places: Sequence[Place]) -> None:
        self._read, self._mine = {}, list(places)
        self._note_assigned()

    def _note_assigned(self) -> None:
        self.recorder.add(self.process, "ok", "assign", tuple(self._mine))

    def between_parts(self) -> None:
        """Nothing is known of the position here."""
        self._note_assigned()

    def act(self, port: ConsumerPort) -> None:
        mine = self._mine
        found = self.poll(port)
        if mine is self._mine:
            for topic, partition, offset, _ in found:
                self._read[topic, partition] = offset + 1
        else:
            # What came may have been read before the change, which is written down already.
            self._note_assigned()
        if self._read and self.rng.random() < 0.3:
            self._commit(port)
        if self._mine and self.rng.random() < 0.1:
            self._committed(port)

    def _commit(self, port: ConsumerPort) -> None:
        offsets, self._read = self._read, {}
        value = tuple((*place, offset) for place, offset in offsets.items())
        self.recorder.add(self.process, "invoke", "commit", value)
        try:
            port.commit(offsets)
        except NoAnswer:
            self.recorder.add(self.process, "info", "commit", value)
        else:
            self.recorder.add(self.process, "ok", "commit", value)

    def _committed(self, port: ConsumerPort) -> None:
        asked = tuple((*place, None) for place in self._mine)
        self.recorder.add(self.process, "invoke", "committed", asked)
        try:
            found = port.committed(self._mine)
        except NoAnswer:
            self.recorder.add(self.process, "info", "committed", asked)
        else:
            value = tuple((*place, offset) for place, offset in found.items())
            self.recorder.add(self.process, "ok", "committed", value)
