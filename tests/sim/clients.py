"""Clients of a world: each a process of its own that does one thing at a time and writes it down.

They are made of our own client library. A client that was told nothing for certain writes `info`;
see history.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from sim.history import History
from sim.processes import PROCESS

from sprawl.client.cluster import Cluster, TopicView
from sprawl.client.connection import Connection
from sprawl.client.faults import Refused
from sprawl.client.fetching import Fetched, Reader
from sprawl.client.membership import Member
from sprawl.client.nearest import NearReplicas
from sprawl.client.producing import NewRecord, Producer
from sprawl.core.errors import ErrorCode
from sprawl.core.records.record import encode_batch
from sprawl.faults import CommandFault
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from sprawl.gateway.codec._generated.k22_init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)

PRODUCE = 0
INIT_PRODUCER_ID = 22
CLIENT_TIMEOUT_MS = 4_000
POLL_BYTES_MAX = 100_000
SESSION_TIMEOUT_MS = 8_000
REBALANCE_TIMEOUT_MS = 10_000
"""Shorter than Kafka's, so that less of a world is waiting for members that are gone."""

_NOT_APPENDED = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.INVALID_RECORD,
    }
)
"""Answers after which a batch is certainly not in the log."""
_WORTH_ANOTHER_TRY = _NOT_APPENDED | {ErrorCode.KAFKA_STORAGE_ERROR}


def now_ms() -> int:
    """What the acting process's wall clock shows."""
    process = PROCESS.get()
    assert process is not None
    return process.clock.now_ms()


class Client:
    """What all clients have.

    Args:
        number: the process of the history.
        bootstrap: where the cluster is found.
        rng: pauses and choices.
        pause_s: mean time between two operations.
    """

    def __init__(
        self, number: int, bootstrap: str, history: History, rng: Random, *, pause_s: float
    ) -> None:
        self.number = number
        self.history = history
        self.rng = rng
        self.pause_s = pause_s
        self.is_wanted = True
        """False asks the client to end after its current operation."""
        self.succeeded_us = -1
        """When an operation last ended well."""
        self.faults: dict[str, int] = {}
        """What went wrong, by the fault's words, for whoever looks into a run."""
        self._views: dict[str, TopicView] = {}
        self._bootstrap = bootstrap
        self.cluster = self._new_cluster()

    def _new_cluster(self) -> Cluster:
        name = f"sim-{self.number}"
        return Cluster(self._bootstrap, client_id=name, timeout_ms=CLIENT_TIMEOUT_MS)

    async def run(self) -> None:
        """Work until nobody wants it any more."""
        try:
            while self.is_wanted:
                await self._step()
                await asyncio.sleep(self.rng.expovariate(1.0) * self.pause_s)
        finally:
            await self.cluster.close()

    async def _step(self) -> None:
        raise NotImplementedError

    def _went_wrong(self, fault: CommandFault) -> None:
        text = fault.code.name if isinstance(fault, Refused) else type(fault).__name__
        self.faults[text] = self.faults.get(text, 0) + 1
        self._views.clear()

    def _succeeded(self) -> None:
        self.succeeded_us = self.history.now_us()

    async def _view(self, topic: str) -> TopicView | None:
        """The topic as it was known since something last went wrong, or None after a pause.

        Raises:
            AssertionError: a node says that there is no such topic; all of these are there to stay.
        """
        view = self._views.get(topic)
        if view is None:
            try:
                view = self._views[topic] = await self.cluster.topic(topic)
            except CommandFault as fault:
                code = fault.code if isinstance(fault, Refused) else None
                if code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                    raise AssertionError(f"client {self.number} was told: {fault}") from fault
                self._went_wrong(fault)
                await asyncio.sleep(0.2)
        return view


class PlainProducer(Client):
    """Sends each text once, with acks=all; what was not answered is not sent again.

    Args:
        topics: partition count by topic.
        size_bytes: of the largest text.
    """

    acks = -1

    def __init__(
        self, *args: Any, topics: Mapping[str, int], size_bytes: int = 100, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._topics = dict(topics)
        self._size_bytes = size_bytes
        self._count = 0

    async def _step(self) -> None:
        topic = self.rng.choice(list(self._topics))
        partition = self.rng.randrange(self._topics[topic])
        texts = [self._text() for _ in range(self.rng.choice((1, 1, 1, 2, 5)))]
        await self._send(topic, partition, texts)

    def _text(self) -> str:
        self._count += 1
        text = f"{self.number}.{self._count}"
        return text + "." * self.rng.randrange(self._size_bytes)

    async def _send(self, topic: str, partition: int, texts: list[str]) -> None:
        view = await self._view(topic)
        if view is None:
            return
        self._invoke(topic, partition, texts)
        records = [
            NewRecord(timestamp_ms=now_ms(), key=None, value=text.encode()) for text in texts
        ]
        try:
            producer = Producer(self.cluster, view, acks=self.acks, partition=partition)
            written = await producer.send(records)
        except CommandFault as fault:
            self._went_wrong(fault)
            certain = isinstance(fault, Refused) and fault.code in _NOT_APPENDED
            self._settle("fail" if certain else "info", topic, partition, texts)
        else:
            self._settle("ok", topic, partition, texts, written[0].base_offset)

    def _invoke(self, topic: str, partition: int, texts: Sequence[str]) -> None:
        for text in texts:
            self.history.add(self.number, "invoke", "send", (topic, partition, None, text))

    def _settle(
        self, kind: Any, topic: str, partition: int, texts: Sequence[str], base: int | None = None
    ) -> None:
        for at, text in enumerate(texts):
            offset = None if base is None else base + at
            self.history.add(self.number, kind, "send", (topic, partition, offset, text))
        if kind == "ok":
            self._succeeded()


class IdempotentProducer(PlainProducer):
    """Sends each batch again, under the same sequence number, until it is answered or its time is
    over; then it goes on as a new producer, because nobody knows what became of the batch."""

    DELIVERY_S = 20.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._producer: tuple[int, int] | None = None
        self._sequences: dict[tuple[str, int], int] = {}
        self.resent = 0
        """Batches that were answered after more than one attempt."""

    async def _send(self, topic: str, partition: int, texts: list[str]) -> None:
        if self._producer is None and not await self._begin():
            return
        sequence = self._sequences.get((topic, partition), 0)
        batch = self._encode(texts, sequence)
        self._invoke(topic, partition, texts)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.DELIVERY_S
        attempts = 0
        while loop.time() < deadline:
            attempts += 1
            try:
                base, code = await self._attempt(topic, partition, batch)
            except CommandFault as fault:
                self._went_wrong(fault)
            else:
                if code == 0:
                    self._sequences[topic, partition] = sequence + len(texts)
                    self.resent += attempts > 1
                    self._settle("ok", topic, partition, texts, base)
                    return
                refusal = Refused(code, f"{topic}-{partition}")
                self._went_wrong(refusal)
                if refusal.code not in _WORTH_ANOTHER_TRY:
                    break
            await asyncio.sleep(0.1 + self.rng.random())
        self._producer = None
        self._settle("info", topic, partition, texts)

    async def _begin(self) -> bool:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        try:
            view = await self.cluster.metadata([])
            connection = await self.cluster.node(view.nodes[0].node_id)
            answer = await connection._exchange(
                INIT_PRODUCER_ID, 1, request, InitProducerIdResponse, None
            )
        except CommandFault as fault:
            self._went_wrong(fault)
            return False
        if answer.error_code:
            self._went_wrong(Refused(answer.error_code, "producer id"))
            return False
        self._producer = (answer.producer_id, answer.producer_epoch)
        self.history.add(self.number, "ok", "producer_id", self._producer)
        self._sequences.clear()
        return True

    def _encode(self, texts: Sequence[str], sequence: int) -> bytearray:
        assert self._producer is not None
        return encode_batch(
            [(now_ms(), None, text.encode(), []) for text in texts],
            producer_id=self._producer[0],
            producer_epoch=self._producer[1],
            base_sequence=sequence,
        )

    async def _attempt(self, topic: str, partition: int, batch: bytearray) -> tuple[int, int]:
        """Returns: (base offset, error code)."""
        connection = await self._leader(topic, partition)
        return await self._produce(connection, topic, partition, batch)

    async def _leader(self, topic: str, partition: int) -> Connection:
        """To whoever led a partition when something last went wrong."""
        view = self._views.get(topic)
        if view is None:
            view = self._views[topic] = await self.cluster.topic(topic)
        leader = next(p.leader for p in view.partitions if p.partition == partition)
        return await self.cluster.node(leader)

    async def _produce(
        self, connection: Connection, topic: str, partition: int, batch: bytearray
    ) -> tuple[int, int]:
        """Returns: (base offset, error code)."""
        data = PartitionProduceData(index=partition, records=batch)
        answer = await connection.request(
            PRODUCE,
            ProduceRequest(
                acks=-1,
                timeout_ms=CLIENT_TIMEOUT_MS,
                topic_data=[TopicProduceData(name=topic, partition_data=[data])],
            ),
            ProduceResponse,
        )
        result = answer.responses[0].partition_responses[0]
        return result.base_offset, result.error_code


class AssignedConsumer(Client):
    """Reads fixed partitions of one topic from their beginnings, for ever.

    Args:
        rack: where it stands; empty: it reads from leaders.
    """

    def __init__(
        self,
        *args: Any,
        topic: str,
        partitions: Sequence[int],
        max_wait_ms: int = 300,
        rack: str = "",
        **rest: Any,
    ) -> None:
        super().__init__(*args, **rest)
        self.near = NearReplicas(rack)
        self._reader: Reader | None = None
        self.topic = topic
        self.partitions = list(partitions)
        self.positions: dict[int, int] = {}
        self._max_wait_ms = max_wait_ms

    async def run(self) -> None:
        assigned = tuple((self.topic, partition) for partition in self.partitions)
        self.history.add(self.number, "invoke", "assign", assigned)
        self.history.add(self.number, "ok", "assign", assigned)
        for partition in self.partitions:
            self._seek(partition, 0)
        await super().run()

    def _seek(self, partition: int, offset: int) -> None:
        value = (self.topic, partition, offset)
        self.history.add(self.number, "invoke", "seek", value)
        self.positions[partition] = offset
        self._reader = None
        self.history.add(self.number, "ok", "seek", value)

    async def _step(self) -> None:
        view = await self._view(self.topic)
        if view is not None:
            await self._poll(view)

    async def _poll(self, view: TopicView) -> bool:
        """One poll; was it answered?"""
        reader = self._reader = self._reader or Reader(
            self.cluster,
            view,
            self.positions,
            max_wait_ms=self._max_wait_ms,
            max_bytes=POLL_BYTES_MAX,
            near=self.near,
        )
        self.history.add(self.number, "invoke", "poll", ())
        try:
            fetched = await reader.poll()
        except CommandFault as fault:
            self._went_wrong(fault)
            self._reader = None
            self.history.add(self.number, "fail", "poll", ())
            if isinstance(fault, Refused) and fault.code is ErrorCode.OFFSET_OUT_OF_RANGE:
                self._start_over()
            else:
                await asyncio.sleep(0.2)
            return False
        self.positions = reader.positions
        self.history.add(self.number, "ok", "poll", self._polled(fetched))
        self._succeeded()
        return True

    def _polled(self, fetched: Sequence[Fetched]) -> tuple[tuple[str, int, int, str], ...]:
        return tuple(
            (self.topic, each.partition, each.record.offset, (each.record.value or b"").decode())
            for each in fetched
        )

    def _start_over(self) -> None:
        """The log ends before a position: it lost its tail. Read it again."""
        for partition in list(self.positions):
            self._seek(partition, 0)


class GroupConsumer(AssignedConsumer):
    """A member of a group: joins, polls, commits, joins again when the group wants it.

    Args:
        group: its name.
    """

    def __init__(self, *args: Any, group: str, **options: Any) -> None:
        super().__init__(*args, partitions=(), **options)
        self.group = group
        self.joins = 0
        self._member: Member | None = None

    async def run(self) -> None:
        self.history.add(self.number, "invoke", "subscribe", (self.topic,))
        self.history.add(self.number, "ok", "subscribe", (self.topic,))
        try:
            await Client.run(self)
        finally:
            if self._member is not None:
                await self._member._stop_heartbeats()

    async def _step(self) -> None:
        view = await self._view(self.topic)
        if view is None:
            return
        if self._member is None:
            self._member = Member(
                self.cluster,
                self.group,
                view,
                session_timeout_ms=SESSION_TIMEOUT_MS,
                rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            )
            self._member.rebalance.set()
        member = self._member
        try:
            if member.rebalance.is_set():
                await self._join(member)
            if not self.positions:
                self._succeeded()  # a member without partitions has nothing else to do
            elif await self._poll(view):
                await self._commit(member)
        except CommandFault as fault:
            self._went_wrong(fault)
            member.rebalance.set()
            await asyncio.sleep(0.2)

    async def _join(self, member: Member) -> None:
        partitions = await member.join()
        self.joins += 1
        committed = await self._resume(member, partitions)
        self.positions = {}
        assigned = tuple((self.topic, partition) for partition in partitions)
        self.history.add(self.number, "ok", "assign", assigned)
        for partition in partitions:
            self._seek(partition, committed.get(partition, 0))

    async def _resume(self, member: Member, partitions: Sequence[int]) -> dict[int, int]:
        """Where the group stands, by what it committed."""
        generation = member._generation
        asked = tuple((self.topic, partition, None) for partition in partitions)
        self.history.add(self.number, "invoke", "resume", (generation, asked))
        try:
            found = await member.committed(partitions)
        except CommandFault:
            self.history.add(self.number, "fail", "resume", (generation, asked))
            raise
        told = tuple((self.topic, partition, found.get(partition)) for partition in partitions)
        self.history.add(self.number, "ok", "resume", (generation, told))
        return found

    async def _commit(self, member: Member) -> None:
        offsets = tuple((self.topic, p, offset) for p, offset in sorted(self.positions.items()))
        self.history.add(self.number, "invoke", "commit", offsets)
        # It is set by a refusal too, which a member that slept for long must not get by.
        was_to_join = member.rebalance.is_set()
        member.rebalance.clear()
        try:
            await member.commit(self.positions)
        except CommandFault:
            self.history.add(self.number, "info", "commit", offsets)
            raise
        kind: Any = "info" if member.rebalance.is_set() else "ok"
        self.history.add(self.number, kind, "commit", offsets)
        if was_to_join:
            member.rebalance.set()
