"""A broker's data path without a network: real logs, real handlers, messages through the codec."""

from __future__ import annotations

import asyncio
import inspect
import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sprawl.core.broker import Broker, Endpoint
from sprawl.core.cluster.hints import LeaderHint, LeaderHints
from sprawl.core.cluster.view import ClusterView, Quorum
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.state import ControllerState, node_record, topic_record
from sprawl.core.controller.topics import Replicas, TopicInfo
from sprawl.core.ids import BrokerId, LogKey, ReplicaId, Term, TopicId, TopicName
from sprawl.core.log.config import LogConfig
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.placement import ALONE
from sprawl.core.partition.registry import Partitions
from sprawl.core.partition.settings import PartitionSettings
from sprawl.core.records.batch import iter_batches
from sprawl.core.records.record import decode_records, encode_batch
from sprawl.core.storage.disk import DiskStore
from sprawl.core.storage.memory import MemoryKeyValueStore, MemoryStore
from sprawl.core.storage.rocksdb import RocksKeyValueStore
from sprawl.gateway.codec import (
    RequestHeader,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from sprawl.gateway.dispatch import ConnectionInfo, RequestContext
from sprawl.gateway.metrics import GatewayMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    import pytest

    from sprawl.core.partition.partition import Partition
    from sprawl.core.records.record import Record
    from sprawl.core.storage.port import Buffer, KeyValueStore, LogStore
    from sprawl.gateway.codec.message import Records, Struct

NODE = NodeInfo(
    node_id=BrokerId(1),
    replica_id=ReplicaId(1),
    directory_id=UUID(int=1),
    endpoints={"PLAINTEXT": Endpoint("here", 9092)},
)
START_MS = 1_700_000_000_000
TRANSACTIONAL = 0x10


@dataclass
class FakeClock:
    """Time that moves when a test says so."""

    wall_ms: int = START_MS
    running_ms: int = 0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ms(self) -> int:
        return self.running_ms

    def advance(self, ms: int) -> None:
        self.wall_ms += ms
        self.running_ms += ms


@dataclass
class FakeConfig:
    """The broker configs that the data handlers look at."""

    fetch_max_bytes: int = 57_671_680
    replica_selector_class: str = ""


class Gate:
    """Threads wait here until they are let through, one at a time or for good."""

    def __init__(self) -> None:
        self._passes = threading.Semaphore(0)
        self._is_open = False

    def let_one(self) -> None:
        self._passes.release()

    def open(self) -> None:
        self._is_open = True
        self._passes.release()

    def pass_through(self) -> None:
        assert self._passes.acquire(timeout=10)
        if self._is_open:
            self._passes.release()


def batch(
    *values: str,
    key: str | None = None,
    timestamp_ms: int = START_MS,
    timestamps_ms: list[int] | None = None,
    is_transactional: bool = False,
    **fields: int,
) -> bytes:
    """One batch of these values, as a producer sends it."""
    stamps = timestamps_ms or [timestamp_ms] * len(values)
    name = None if key is None else key.encode()
    records = [(at, name, value.encode(), []) for at, value in zip(stamps, values, strict=True)]
    attributes = TRANSACTIONAL if is_transactional else 0
    return bytes(encode_batch(records, attributes=attributes, **fields))


def records_of(records: Records) -> list[Record]:
    """The records in a field of a response."""
    data = b"".join(records) if isinstance(records, list) else bytes(records or b"")
    return [record for pos, _ in iter_batches(data) for record in decode_records(data, pos)]


def values_of(records: Records) -> list[str]:
    return [(record.value or b"").decode() for record in records_of(records)]


class World:
    """One broker; `data_dir` None keeps everything in memory."""

    def __init__(self, data_dir: Path | None = None) -> None:
        self.clock = FakeClock()
        self.config = FakeConfig()
        self.metrics = GatewayMetrics()
        self.connection = ConnectionInfo(id=1, listener_name="PLAINTEXT")
        """That all requests come by."""
        self._data_dir = data_dir
        self._topics: dict[str, tuple[TopicId, int, LogConfig]] = {}
        self._topic_ids = 0
        self.alive: set[BrokerId] = set()
        self._store: LogStore = MemoryStore()
        self._kv: KeyValueStore = MemoryKeyValueStore()
        self._build()

    def _build(self) -> None:
        if self._data_dir is not None:
            self._store = DiskStore(self._data_dir / "logs")
            self._kv = RocksKeyValueStore(self._data_dir / "kv")
        self.partitions = Partitions(
            store=self._store, kv=self._kv, clock=self.clock, settings=PartitionSettings()
        )
        self.state = state = ControllerState()
        state.apply(node_record(NODE))
        self.hints = LeaderHints()
        self.broker = Broker(
            cluster=ClusterView(
                node_id=NODE.node_id,
                state=state,
                hints=self.hints,
                partitions=self.partitions,
                endpoints=NODE.endpoints,
                rack=None,
                is_alive=lambda node: node in self.alive,
                controller=lambda: NODE.node_id,
                quorum=lambda: Quorum(1, 0, 0, [], []),
            ),
            node_id=NODE.node_id,
            cluster_id="test",
            rack=None,
            clock=self.clock,
            rng=Random(1),
            config=cast("Any", self.config),
            controller=cast("Any", state),  # read only, and that is the same
            partitions=self.partitions,
            groups=cast("Any", None),
            elections=cast("Any", None),
            endpoints=NODE.endpoints,
        )

    async def start(self) -> None:
        for name, (topic_id, count, config) in self._topics.items():
            self._know(name, topic_id, [(NODE.replica_id,)] * count)
            self.partitions.add_topic(TopicName(name), topic_id, config, [ALONE] * count)
        await self.partitions.start()

    async def stop(self) -> None:
        await self.partitions.close()
        self._store.close()
        self._kv.close()

    def reopen(self) -> None:
        """After a stop: the same storage, no topics yet."""
        self._store.close()
        self._kv.close()
        self._build()

    async def restart(self, *, clean: bool = True) -> None:
        """Stop and start; not cleanly means: as after a crash of the process."""
        if clean:
            await self.partitions.close()
        else:
            await self.partitions.housekeeping.stop()
        self.reopen()
        await self.start()

    # --- topics -----------------------------------------------------------------------------------

    def topic(
        self, name: str = "t", *, partitions: int = 1, term: int = 0, **config: object
    ) -> TopicId:
        """Create a topic whose partitions are led in `term`."""
        self._topic_ids += 1
        topic_id = TopicId(UUID(int=self._topic_ids))
        log_config = LogConfig(**config)  # type: ignore[arg-type]
        self._topics[name] = (topic_id, partitions, log_config)
        self._know(name, topic_id, [(NODE.replica_id,)] * partitions)
        self.partitions.add_topic(TopicName(name), topic_id, log_config, [ALONE] * partitions)
        if term:
            self.new_term(term, name)
        return topic_id

    def elsewhere(self, name: str, replicas: Sequence[Sequence[int]]) -> TopicId:
        """A topic that the controller knows and this broker has nothing of."""
        self._topic_ids += 1
        topic_id = TopicId(UUID(int=self._topic_ids))
        self._know(name, topic_id, [tuple(map(ReplicaId, each)) for each in replicas])
        return topic_id

    def _know(self, name: str, topic_id: TopicId, replicas: Sequence[Replicas]) -> None:
        placed = tuple(replicas)
        info = TopicInfo(
            name=TopicName(name), id=topic_id, replicas=placed, founding=placed, configs={}
        )
        self.state.apply(topic_record(info))

    def delete(self, topic_id: TopicId) -> None:
        """Delete a topic, as the controller's decision reaches this broker."""
        self.state.apply({"type": "remove", "id": str(topic_id)})
        self.partitions.remove_topic(topic_id)

    def other_broker(self, node: int, *, host: str = "there") -> None:
        """Another broker that can be reached; its replica has its number."""
        other = NodeInfo(
            node_id=BrokerId(node),
            replica_id=ReplicaId(node),
            directory_id=UUID(int=node),
            endpoints={"PLAINTEXT": Endpoint(host, 9000 + node)},
            rack=f"r{node}",
        )
        self.state.apply(node_record(other))
        self.alive.add(other.node_id)

    def hint(self, topic_id: TopicId, index: int, *, leader: int, term: int) -> None:
        """What another broker says of itself: it leads."""
        replica = ReplicaId(leader)
        self.hints.merge(LogKey(topic_id, index), LeaderHint(Term(term), 1, replica, (replica,)))

    def partition(self, index: int = 0, topic: str = "t") -> Partition:
        return self.partitions.find(topic, index)

    def new_term(self, term: int, topic: str = "t") -> None:
        """What an election would do: partition 0 of the topic is led in a new term."""
        self.partition(0, topic).term = Term(term)

    def append(self, *values: str, partition: int = 0, topic: str = "t", **fields: Any) -> None:
        self.partition(partition, topic).append_produced(
            memoryview(bytearray(batch(*values, **fields))),
            produce_version=12,
            now_ms=self.clock.now_ms(),
        )

    def records(self, *, partition: int = 0, topic: str = "t") -> list[Record]:
        """What a consumer that starts at the beginning sees."""
        source = self.partition(partition, topic)
        start = source.log_start_offset
        return [
            record
            for buf in self._buffers(source, start)
            for record in records_of(bytes(buf))
            if record.offset >= start
        ]

    def values(self, *, partition: int = 0, topic: str = "t") -> list[str]:
        found = self.records(partition=partition, topic=topic)
        return [(record.value or b"").decode() for record in found]

    def codecs(self) -> list[int]:
        """The compression of every batch of t-0."""
        buffers = self._buffers(self.partition(), 0)
        return [header.compression for buf in buffers for _, header in iter_batches(buf)]

    def _buffers(self, source: Partition, offset: int) -> list[Buffer]:
        """Every committed batch from an offset on, read by read as a consumer would."""
        found: list[Buffer] = []
        while True:
            read = source.log.read_blocking(offset, 1 << 20, up_to_offset=source.high_watermark)
            if not read.buffers:
                return found
            found += read.buffers
            offset = read.next_offset

    # --- requests ---------------------------------------------------------------------------------

    def handle(self, handler: ModuleType, request: Struct, version: int) -> Any:
        """Give a request, as decoded from its frame, to its handler."""
        spec = handler.HANDLER
        assert spec.min_version <= version <= spec.max_version
        head = RequestHeader(spec.api_key, version, 1, "test")
        frame = bytearray(b"".join(encode_request(head, request)))
        _, decoded = decode_request(memoryview(frame)[4:])
        ctx = RequestContext(
            api_key=spec.api_key,
            api_version=version,
            correlation_id=1,
            client_id="test",
            connection=self.connection,
            broker=self.broker,
            metrics=self.metrics,
        )
        return spec.handle(ctx, decoded)

    async def call(self, handler: ModuleType, request: Struct, version: int) -> Struct | None:
        """The response to a request, as its client decodes it."""
        return await self._answer(handler, version, self.handle(handler, request, version))

    def start_call(
        self, handler: ModuleType, request: Struct, version: int
    ) -> asyncio.Task[Struct | None]:
        """The same, going on in the background; the handler has run to its first wait."""
        answer = self.handle(handler, request, version)
        return asyncio.ensure_future(self._answer(handler, version, answer))

    def must_wait(self, handler: ModuleType, request: Struct, version: int) -> bool:
        """Does the handler need the event loop to answer?"""
        answer = self.handle(handler, request, version)
        if inspect.iscoroutine(answer):
            answer.close()
            return True
        return False

    async def _answer(self, handler: ModuleType, version: int, answer: Any) -> Struct | None:
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None:
            return None
        key = handler.HANDLER.api_key
        frame = b"".join(encode_response(key, version, 1, answer))
        return decode_response(key, version, memoryview(frame)[4:])[1]

    # --- the disk ---------------------------------------------------------------------------------

    def count_syncs(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """A list that grows by one with every sync of a log."""
        syncs: list[str] = []
        sync = PartitionLog.flush

        def counted(log: PartitionLog) -> object:
            syncs.append(str(log.tp))
            return sync(log)

        monkeypatch.setattr(PartitionLog, "flush", counted)
        return syncs

    def hold_syncs(self, monkeypatch: pytest.MonkeyPatch, *, at_end: bool = False) -> Gate:
        """Let no sync begin, or let none return, until the gate lets it."""
        gate = Gate()
        sync = PartitionLog.flush

        def held(log: PartitionLog) -> object:
            if not at_end:
                gate.pass_through()
            synced = sync(log)
            if at_end:
                gate.pass_through()
            return synced

        monkeypatch.setattr(PartitionLog, "flush", held)
        return gate

    def fail_syncs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every sync fail as a broken disk does."""

        def failing(log: PartitionLog) -> object:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(PartitionLog, "flush", failing)

    def hold_cold_reads(self, monkeypatch: pytest.MonkeyPatch) -> Gate:
        """Let reads from disk wait until the gate lets them."""
        gate = Gate()
        read = PartitionLog.read_blocking

        def held(log: PartitionLog, *args: Any, **fields: Any) -> Any:
            gate.pass_through()
            return read(log, *args, **fields)

        monkeypatch.setattr(PartitionLog, "read_blocking", held)
        return gate

    def damage(self, topic: str, old: bytes, new: bytes) -> PartitionLog:
        """Seal what is in partition 0, and have its file say something else. Returns: its log."""
        assert self._data_dir is not None
        log = self.partition(topic=topic).log
        log.roll()
        log.flush()
        [file] = self._data_dir.rglob(f"{topic}-0/{log.segments[0].file.name}")
        file.write_bytes(file.read_bytes().replace(old, new))
        return log

    def chill(self, monkeypatch: pytest.MonkeyPatch, *, partition: int) -> None:
        """Pretend that a partition's data has left memory and page cache."""
        read = PartitionLog.read

        def cold(log: PartitionLog, *args: Any, **fields: Any) -> Any:
            return None if log.tp.partition == partition else read(log, *args, **fields)

        monkeypatch.setattr(PartitionLog, "read", cold)
