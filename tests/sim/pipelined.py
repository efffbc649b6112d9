"""A producer that does not wait: several batches of a partition are under way at once, as
librdkafka and the Java client have them.

    sent          up to five, on one connection to the leader, in the order of their sequences
    answered      the batch is acknowledged, and so is all before it, whatever was said of that
    refused, lost nothing more is sent before all that is under way was answered; then the first
                  that is not acknowledged and all behind it are sent again, to whoever leads now
    out of order  behind a batch that failed: likewise; first in line: given up
    given up      nobody knows what became of what is not acknowledged; a new producer begins

That an answer counts for all before it is librdkafka's rule (implicit acknowledgement): a partition
takes a producer's batches in order, so one that was taken shows that those before it were. What was
acknowledged so has no offset. A broker that lets a batch overtake a refused one loses records.

Source: KIP-98; librdkafka's handling of Produce answers (drain before retrying, implicit
acknowledgement).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.clients import IdempotentProducer

from sprawl.client.connection import Connection
from sprawl.client.faults import Refused
from sprawl.core.errors import ERRORS
from sprawl.faults import CommandFault

UNDER_WAY_MAX = 5
"""Of one partition; brokers know a repeat among a producer's last five batches."""
NEW_PRODUCER_ODDS = 0.5
"""How often a producer begins anew though nothing went wrong, as when its application starts."""
TOGETHER_ODDS = 0.7
"""How often a batch is sent right behind the one before. Otherwise there is a moment between them,
in which no answer is heard, as if it were on a slow link."""
MOMENT_S = 0.1
RETRY_S = 0.05
"""Mean time before what failed is sent again."""


@dataclass(slots=True, eq=False)
class _Batch:
    """Some texts under sequences of their own."""

    texts: Sequence[str]
    data: bytearray
    attempts: int = 0


class PipelinedProducer(IdempotentProducer):
    """See the module. It fills one partition after the other."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.implied = 0
        """Batches that were acknowledged by a later one."""
        self.followers = 0
        """Batches that were refused behind another one."""
        self._place = ("", 0)
        # In the order of their sequences; the first is the first that is not acknowledged.
        self._waiting: deque[_Batch] = deque()

    async def _step(self) -> None:
        if self.rng.random() < NEW_PRODUCER_ODDS:
            self._producer = None
        if self._producer is None and not await self._begin():
            return
        topic = self.rng.choice(list(self._topics))
        self._place = topic, self.rng.randrange(self._topics[topic])
        for _ in range(self.rng.choice((1, 3, 5, 8))):
            self._add([self._text() for _ in range(self.rng.choice((1, 1, 2)))])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.DELIVERY_S
        while self._waiting and loop.time() < deadline:
            try:
                fault = await self._send_waiting(await self._leader(*self._place))
            except CommandFault as nobody:
                fault = nobody
            if fault is not None:
                self._went_wrong(fault)
                if isinstance(fault, Refused) and not ERRORS[fault.code].retriable:
                    break
                await asyncio.sleep(self.rng.expovariate(1.0) * RETRY_S)
        if self._waiting:
            self._give_up()

    def _add(self, texts: Sequence[str]) -> None:
        sequence = self._sequences.get(self._place, 0)
        self._sequences[self._place] = sequence + len(texts)
        self._waiting.append(_Batch(texts, self._encode(texts, sequence)))
        self._invoke(*self._place, texts)

    def _give_up(self) -> None:
        self._producer = None
        for batch in self._waiting:
            self._settle("info", *self._place, batch.texts)
        self._waiting.clear()

    async def _send_waiting(self, connection: Connection) -> CommandFault | None:
        """Send all that waits, until something goes wrong; nothing is under way any more then.

        Returns: what went wrong first.
        """
        unsent = deque(self._waiting)
        under_way: deque[tuple[_Batch, asyncio.Task[tuple[int, int]]]] = deque()
        first_fault: CommandFault | None = None
        while under_way or unsent:
            while unsent and len(under_way) < UNDER_WAY_MAX:
                batch = unsent.popleft()
                batch.attempts += 1
                sending = self._produce(connection, *self._place, batch.data)
                under_way.append((batch, asyncio.create_task(sending)))
                if self.rng.random() >= TOGETHER_ODDS:
                    await asyncio.sleep(self.rng.expovariate(1.0) * MOMENT_S)
            batch, answer = under_way.popleft()
            await asyncio.wait([answer])
            fault = self._take(batch, answer)
            if fault is not None:
                self.followers += first_fault is not None and isinstance(fault, Refused)
                first_fault = first_fault or fault
                unsent.clear()
        return first_fault

    def _take(self, batch: _Batch, answer: asyncio.Task[tuple[int, int]]) -> CommandFault | None:
        """Hear what became of a batch. Returns: what went wrong."""
        try:
            base, code = answer.result()
        except CommandFault as fault:
            return fault
        if code:
            return Refused(code, "-".join(map(str, self._place)))
        while (before := self._waiting.popleft()) is not batch:
            self.implied += 1
            self._settle("ok", *self._place, before.texts)
        self.resent += batch.attempts > 1
        self._settle("ok", *self._place, batch.texts, base)
        return None
