"""Correct histories by chance: model partitions, with clients that retry, crash and lose answers.

dense topic "t"     producers: one send at a time, pipelined in order, at least once
sparse topic "x"    transactions, each with a marker; aborted ones are stored and never read
consumers           assign and seek, or a group of two that commits what it read
at the end          process FINAL reads every partition from the start
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.sim.checkers.expectations import Expectations
from tests.sim.history import Event, History, Kind

PLAIN, ORDERED, REPEATING, TRANSACTIONAL = 1, 2, 3, 4
READERS = (10, 11)
MEMBERS = (20, 21)
WATCHER = 22
"""Reads the group's committed offsets and sometimes sets them."""
FINAL = 30
PARTITIONS = (("t", 0), ("t", 1), ("x", 0))

EXPECT = Expectations(
    sparse_topics=frozenset({"x"}),
    at_least_once=frozenset({REPEATING}),
    ordered=frozenset({ORDERED}),
    final=frozenset({FINAL}),
    judge_subscribers=True,
    groups=dict.fromkeys((*MEMBERS, WATCHER), "g"),
)


@dataclass(slots=True)
class Client:
    """A consumer: where it stands."""

    process: int
    positions: dict[tuple[str, int], int] = field(default_factory=dict)


class ModelWorld:
    """One run. `events` is a correct history; every choice comes from the seed."""

    def __init__(self, seed: int, *, steps: int = 300) -> None:
        self.rng = Random(seed)
        self.history = History()
        self.logs: dict[tuple[str, int], list[str | None]] = {place: [] for place in PARTITIONS}
        """offset -> text; None for a marker and for what was aborted."""
        self.committed: dict[tuple[str, int], int] = {}
        self._texts = 0
        self._busy: set[tuple[int, str]] = set()
        self._pipeline: deque[Callable[[], None]] = deque()
        """What the ordered producer has under way; brokers take it in this order."""
        self._soon: list[Callable[[], None]] = []
        """What happens at some later moment, in any order."""
        self._readers = [Client(process) for process in READERS]
        self._members = [Client(process) for process in MEMBERS]
        for reader in self._readers:
            self._assign(reader, PARTITIONS)
        self._rebalance()
        for _ in range(steps):
            self._step()
        while self._soon or self._pipeline:
            self._happen()
        self._read_all()
        self.events: list[Event] = self.history.events

    def _step(self) -> None:
        for _ in range(self.rng.randrange(3)):
            self._happen()
        actions: tuple[tuple[int, Callable[[], None]], ...] = (
            (8, lambda: self._send(PLAIN)),
            (8, self._send_ordered),
            (4, lambda: self._send(REPEATING)),
            (3, self._transaction),
            (10, self._poll_reader),
            (10, self._poll_member),
            (3, self._commit),
            (3, self._read_committed),
            (1, self._move_reader),
            (1, self._rebalance),
            (1, self._crash_member),
        )
        [action] = self.rng.choices([a for _, a in actions], [weight for weight, _ in actions])
        action()

    def _happen(self) -> None:
        """Something that is under way goes on."""
        if self._pipeline and (not self._soon or self.rng.random() < 0.5):
            self._pipeline.popleft()()
        elif self._soon:
            self._soon.pop(self.rng.randrange(len(self._soon)))()

    # --- producers --------------------------------------------------------------------------------

    def _text(self, process: int) -> str:
        self._texts += 1
        return f"p{process}/{self._texts}"

    def _send(self, process: int) -> None:
        if (process, "send") in self._busy:
            return
        self._busy.add((process, "send"))
        place = self.rng.choice(PARTITIONS[:2])
        text = self._text(process)
        self.history.add(process, "invoke", "send", (*place, None, text))
        repeats = process == REPEATING and self.rng.random() < 0.3

        def store(text: str) -> None:
            self._store(place, text)

        def arrive() -> None:
            fate = self.rng.random()
            if fate < 0.7:
                offset = self._store(place, text)
                if repeats:
                    self._soon.append(lambda: store(text))
                self._soon.append(lambda: end("ok", offset))
            elif fate < 0.8:
                self._store(place, text)
                end("info", None)
            elif fate < 0.85:
                self._soon.append(lambda: store(text))
                end("info", None)
            elif fate < 0.9:
                end("info", None)
            else:
                end("fail", None)

        def end(kind: Kind, offset: int | None) -> None:
            self.history.add(process, kind, "send", (*place, offset, text))
            self._busy.discard((process, "send"))

        self._soon.append(arrive)

    def _send_ordered(self) -> None:
        if len(self._pipeline) >= 5:
            return
        place = self.rng.choice(PARTITIONS[:2])
        text = self._text(ORDERED)
        self.history.add(ORDERED, "invoke", "send", (*place, None, text))

        def end(kind: Kind, offset: int | None) -> None:
            self.history.add(ORDERED, kind, "send", (*place, offset, text))

        def arrive() -> None:
            fate = self.rng.random()
            if fate < 0.8:
                offset = self._store(place, text)
                self._soon.append(lambda: end("ok", offset))
            elif fate < 0.9:
                self._store(place, text)
                self._soon.append(lambda: end("info", None))
            else:
                self._soon.append(lambda: end("fail", None))

        self._pipeline.append(arrive)

    def _transaction(self) -> None:
        if (TRANSACTIONAL, "txn") in self._busy:
            return
        self._busy.add((TRANSACTIONAL, "txn"))
        place = PARTITIONS[2]
        texts = [self._text(TRANSACTIONAL) for _ in range(self.rng.randint(1, 3))]
        asked = tuple(("send", (*place, None, text)) for text in texts)
        self.history.add(TRANSACTIONAL, "invoke", "txn", asked)

        def arrive() -> None:
            fate = self.rng.random()
            offsets = [self._store(place, text if fate < 0.7 else None) for text in texts]
            self._store(place, None)
            done = zip(texts, offsets, strict=True)
            value = tuple(("send", (*place, offset, text)) for text, offset in done)
            kind: Kind = "ok" if fate < 0.5 else "info" if fate < 0.8 else "fail"
            self._soon.append(lambda: end(kind, value if kind == "ok" else asked))

        def end(kind: Kind, value: object) -> None:
            self.history.add(TRANSACTIONAL, kind, "txn", value)
            self._busy.discard((TRANSACTIONAL, "txn"))

        self._soon.append(arrive)

    def _store(self, place: tuple[str, int], text: str | None) -> int:
        self.logs[place].append(text)
        return len(self.logs[place]) - 1

    # --- consumers --------------------------------------------------------------------------------

    def _assign(self, client: Client, places: tuple[tuple[str, int], ...]) -> None:
        kept = {place: at for place, at in client.positions.items() if place in places}
        self.history.add(client.process, "invoke", "assign", places)
        self.history.add(client.process, "ok", "assign", places)
        client.positions = {place: kept.get(place, 0) for place in places}
        for place in places:
            if place not in kept:
                self._seek(client, place, self.rng.randint(0, len(self.logs[place])))

    def _seek(self, client: Client, place: tuple[str, int], offset: int) -> None:
        self.history.add(client.process, "invoke", "seek", (*place, offset))
        self.history.add(client.process, "ok", "seek", (*place, offset))
        client.positions[place] = offset

    def _poll(self, client: Client, *, most: int = 12) -> int:
        self.history.add(client.process, "invoke", "poll", ())
        if client.process != FINAL and self.rng.random() < 0.05:
            self.history.add(client.process, self.rng.choice(("fail", "info")), "poll", ())
            return 0
        found: list[tuple[str, int, int, str]] = []
        for place in self.rng.sample(sorted(client.positions), len(client.positions)):
            for _ in range(self.rng.randint(0, 5) if client.process != FINAL else 9):
                offset = client.positions[place]
                if offset >= len(self.logs[place]) or len(found) >= most:
                    break
                text = self.logs[place][offset]
                client.positions[place] = offset + 1
                if text is not None:
                    found.append((*place, offset, text))
        self.history.add(client.process, "ok", "poll", tuple(found))
        return len(found)

    def _poll_reader(self) -> None:
        self._poll(self.rng.choice(self._readers))

    def _move_reader(self) -> None:
        reader = self.rng.choice(self._readers)
        if self.rng.random() < 0.3:
            self.history.add(reader.process, "info", "crash", None)
            reader.positions.clear()
            self._assign(reader, PARTITIONS)
        elif self.rng.random() < 0.5:
            self._assign(reader, tuple(self.rng.sample(PARTITIONS, 2)))
        elif reader.positions:
            place = self.rng.choice(sorted(reader.positions))
            self._seek(reader, place, self.rng.randint(0, len(self.logs[place])))

    # --- the group --------------------------------------------------------------------------------

    def _poll_member(self) -> None:
        self._poll(self.rng.choice(self._members))

    def _rebalance(self) -> None:
        split = self.rng.randint(0, len(PARTITIONS))
        places = self.rng.sample(PARTITIONS, len(PARTITIONS))
        for member, mine in zip(self._members, (places[:split], places[split:]), strict=True):
            if not member.positions and len(self.history) < 40:
                self.history.add(member.process, "invoke", "subscribe", ("t", "x"))
                self.history.add(member.process, "ok", "subscribe", ("t", "x"))
            self.history.add(member.process, "ok", "assign", tuple(mine))
            member.positions = {place: self.committed.get(place, 0) for place in mine}

    def _crash_member(self) -> None:
        member = self.rng.choice(self._members)
        if (member.process, "commit") in self._busy:
            return
        self.history.add(member.process, "info", "crash", None)
        self.history.add(member.process, "invoke", "subscribe", ("t", "x"))
        self.history.add(member.process, "ok", "subscribe", ("t", "x"))
        self._rebalance()

    def _commit(self) -> None:
        member = self.rng.choice(self._members)
        if not member.positions or (member.process, "commit") in self._busy:
            return
        offsets = tuple((*place, offset) for place, offset in sorted(member.positions.items()))
        self._busy.add((member.process, "commit"))
        self.history.add(member.process, "invoke", "commit", offsets)

        def end(kind: Kind) -> None:
            self.history.add(member.process, kind, "commit", offsets)
            self._busy.discard((member.process, "commit"))

        def apply() -> None:
            for topic, partition, offset in offsets:
                self.committed[topic, partition] = offset

        def arrive() -> None:
            fate = self.rng.random()
            if fate < 0.7:
                apply()
                self._soon.append(lambda: end("ok" if fate < 0.6 else "info"))
            elif fate < 0.8:
                end("info")
                self._soon.append(apply)
            else:
                end("info" if fate < 0.9 else "fail")

        self._soon.append(arrive)

    def _read_committed(self) -> None:
        asked = tuple((*place, None) for place in PARTITIONS)
        if (WATCHER, "committed") in self._busy:
            return
        self._busy.add((WATCHER, "committed"))
        self.history.add(WATCHER, "invoke", "committed", asked)

        def arrive() -> None:
            seen = tuple((*place, self.committed.get(place)) for place in PARTITIONS)
            self._soon.append(lambda: end(seen))

        def end(seen: object) -> None:
            self.history.add(WATCHER, "ok", "committed", seen)
            self._busy.discard((WATCHER, "committed"))

        self._soon.append(arrive)

    def _read_all(self) -> None:
        reader = Client(FINAL)
        self.history.add(FINAL, "invoke", "assign", PARTITIONS)
        self.history.add(FINAL, "ok", "assign", PARTITIONS)
        for place in PARTITIONS:
            self._seek(reader, place, 0)
        while any(at < len(self.logs[place]) for place, at in reader.positions.items()):
            self._poll(reader)
