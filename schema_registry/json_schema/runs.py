"""How two schemas are gone through: what is left to compare, what is found and settled. Pure.

1. A run has pairs (writer's schema, reader's schema) to compare. All of them must be compatible for
   the run to be, so they wait in a queue: a schema of any depth needs no deeper calls.
2. Alternatives need an answer at once: a *trial* is a run inside a run, with only yes or no for its
   result. It ends at the first incompatibility.
3. A pair that was met before in the run, or in the runs around it, is taken for compatible: if it
   is not, the run that met it fails anyway. This is what ends recursive schemas: the rules ask for
   the greatest fixed point.
4. What a trial that succeeded took for compatible, the run around it takes too. A trial that failed
   leaves one thing behind: its pair is incompatible. That holds everywhere, since it was found
   under the friendliest assumptions.
5. Past `limits.COMPARED_PAIRS_MAX` or `TRIALS_NESTED_MAX` the answer is no: incompatible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from sprawl.schema_registry.json_schema import json_text, limits
from sprawl.schema_registry.json_schema.kinds import SENTENCES, Kind
from sprawl.schema_registry.json_schema.model import Key, Node
from sprawl.schema_registry.schemas import Policy


class Difference(NamedTuple):
    """One difference, compatible or not; `path` is spelled as the anchor registry does."""

    kind: Kind
    path: str
    message: str


class Path(NamedTuple):
    """Keywords and names from the root, unescaped: `#/properties/x`; the root is `#/`."""

    steps: tuple[str, ...] = ()

    def to(self, *steps: str) -> Path:
        return Path(self.steps + steps)

    def __str__(self) -> str:
        return "#/" + "/".join(self.steps)


Pair: TypeAlias = "tuple[Key, Key]"
Compare: TypeAlias = "Callable[[Run, Node, Node, Path], None]"


class Comparison:
    """What all runs of one comparison share."""

    def __init__(self, compare: Compare, policy: Policy) -> None:
        self.compare = compare
        self.policy = policy
        self.incompatible: set[Pair] = set()
        self.pairs_left = limits.COMPARED_PAIRS_MAX
        self.too_large = False


class Run:
    """Pairs to compare, with what they showed."""

    def __init__(self, comparison: Comparison, around: Run | None = None) -> None:
        self._comparison = comparison
        self._around = around
        self._depth: int = 0 if around is None else around._depth + 1
        self._taken: set[Pair] = set()
        self._waiting: deque[tuple[Node, Node, Path]] = deque()
        self.found: list[Difference] = []
        self.incompatibilities = 0

    def add(self, kind: Kind, path: Path, *, writer: object = None, reader: object = None) -> None:
        """Note a difference.

        Args:
            writer, reader: what the two say, for the message; None where a side says nothing.
        """
        sentence = SENTENCES.get(kind, "")
        if not kind.compatible(self._comparison.policy):
            self.incompatibilities += 1
            if self._around is not None or self.incompatibilities > limits.DIFFERENCES_MAX:
                return
        if self._around is None:
            self.found.append(Difference(kind, str(path), _message(path, sentence, writer, reader)))

    def later(self, writer: Node, reader: Node, path: Path) -> None:
        """Have a pair compared: the run is compatible only if it is."""
        self._waiting.append((writer, reader, path))

    def later_if_any(self, writer: Node | None, reader: Node | None, path: Path) -> None:
        """The same for a keyword that one side may not have."""
        if writer is not None and reader is not None:
            self.later(writer, reader, path)
        elif reader is not None and not reader.accepts_all:
            self.add(Kind.SCHEMA_ADDED, path, reader=reader.value)
        elif writer is not None and not writer.accepts_all:
            self.add(Kind.SCHEMA_REMOVED, path)

    def reads(self, writer: Node, reader: Node) -> bool:
        """Try whether all that is valid for one schema is valid for the other; note nothing."""
        pair = _pair(writer, reader)
        if pair in self._comparison.incompatible:
            return False
        if self._takes(pair):
            return True
        if self._depth >= limits.TRIALS_NESTED_MAX:
            self._comparison.too_large = True
            return False
        trial = Run(self._comparison, around=self)
        trial.later(writer, reader, Path())
        trial.finish()
        if trial.incompatibilities:
            self._comparison.incompatible.add(pair)
            return False
        self._taken |= trial._taken
        return True

    def finish(self) -> None:
        """Compare what waits, and what comes up meanwhile; a trial ends when it has failed."""
        while self._waiting and not self._over():
            writer, reader, path = self._waiting.popleft()
            pair = _pair(writer, reader)
            if self._takes(pair):
                continue
            self._taken.add(pair)
            if self._comparison.pairs_left == 0:
                self._comparison.too_large = True
                self.incompatibilities += 1
                return
            self._comparison.pairs_left -= 1
            self._comparison.compare(self, writer.settled, reader.settled, path)

    def _over(self) -> bool:
        most = 1 if self._around is not None else limits.DIFFERENCES_MAX
        return self.incompatibilities >= most

    def _takes(self, pair: Pair) -> bool:
        run: Run | None = self
        while run is not None:
            if pair in run._taken:
                return True
            run = run._around
        return False


def _pair(writer: Node, reader: Node) -> Pair:
    return (writer.settled.key, reader.settled.key)


def _message(path: Path, sentence: str, writer: object, reader: object) -> str:
    said = [
        f"{side} {json_text.shown(value)}"
        for side, value in (("writer:", writer), ("reader:", reader))
        if value is not None
    ]
    shown = f" ({', '.join(said)})" if said else ""
    return f"{path}: {sentence}{shown}" if sentence else f"{path}{shown}"
