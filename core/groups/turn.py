"""One event's way through the coordinator: the instant, the randomness, and the effects so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from uuid import UUID

from sprawl.core.clock import Instant
from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import Append, Effect, LogRecord, OpId, Reply, Token

Done = Callable[["Turn", ErrorCode], None]
"""What follows an append: called in a later turn with NONE once it is committed, or its error."""


class AppendLedger:
    """The appends whose outcome is still open."""

    __slots__ = ("_next", "_open")

    def __init__(self) -> None:
        self._next = 0
        self._open: dict[OpId, Done] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, done: Done) -> OpId:
        self._next += 1
        op = OpId(self._next)
        self._open[op] = done
        return op

    def settle(self, op: OpId) -> Done:
        return self._open.pop(op)


class Turn:
    """Collects the effects of one event, in the order they must be carried out."""

    __slots__ = ("_ledger", "effects", "now", "rng")

    def __init__(self, ledger: AppendLedger, now: Instant, rng: Random) -> None:
        self._ledger = ledger
        self.now = now
        self.rng = rng
        self.effects: list[Effect] = []

    def reply(self, token: Token, result: object) -> None:
        self.effects.append(Reply(token, result))

    def append(self, records: Sequence[LogRecord], done: Done) -> None:
        """Append records; `done` runs when they are committed or have failed."""
        self.effects.append(Append(self._ledger.enter(done), records))

    def new_member_id(self, prefix: str) -> str:
        """`prefix-uuid`: Kafka's form, prefix being the instance id or else the client id."""
        return f"{prefix}-{UUID(int=self.rng.getrandbits(128), version=4)}"
