"""One log over a storage of any kind, and the handful of things that tests do with it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from sprawl.core.ids import PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.log.partition_log import AppendResult, PartitionLog
from sprawl.core.records.batch import iter_batches, parse_header
from sprawl.core.records.record import Record, decode_records, encode_batch
from sprawl.core.storage.disk import DiskStore
from sprawl.core.storage.memory import MemoryKeyValueStore, MemoryStore
from sprawl.core.storage.port import Buffer
from sprawl.core.storage.rocksdb import RocksKeyValueStore

TOPIC_ID = TopicId(UUID(int=11))


class LogWorld:
    """A node's storage, with one log in it; `path` None keeps all in memory."""

    def __init__(self, path: Path | None, *, tail_bytes_max: int = 1 << 20) -> None:
        self.path = path
        if path is None:
            self.store: MemoryStore | DiskStore = MemoryStore()
            self.kv: MemoryKeyValueStore | RocksKeyValueStore = MemoryKeyValueStore()
        else:
            self.store = DiskStore(path / "logs", tail_bytes_max=tail_bytes_max)
            self.kv = RocksKeyValueStore(path / "kv")
        self.config = LogConfig(index_interval_bytes=200)
        self.tp = TopicPartition(TopicName("t"), PartitionId(0))
        self.now_ms = 1_000_000
        self._log: PartitionLog | None = None

    @property
    def log(self) -> PartitionLog:
        if self._log is None:
            self._log = self.open()
        return self._log

    def configure(self, **config: object) -> None:
        self.config = LogConfig(**{"index_interval_bytes": 200, **config})  # type: ignore[arg-type]
        if self._log is not None:
            self._log.update_config(self.config)

    def open(self, *, clean: bool = True) -> PartitionLog:
        return PartitionLog.open(
            tp=self.tp,
            topic_id=TOPIC_ID,
            config=self.config,
            directory=self.store.directory(str(self.tp)),
            kv=self.kv,
            now_ms=self.now_ms,
            clean_shutdown=clean,
        )

    def reopen(self, *, clean: bool = True) -> PartitionLog:
        self.log.close(clean=clean)
        self._log = self.open(clean=clean)
        return self._log

    def append(
        self,
        *values: str,
        key: str | None = None,
        timestamps_ms: list[int] | None = None,
        term: int = 0,
        **fields: int,
    ) -> AppendResult:
        stamps = timestamps_ms or [self.now_ms] * len(values)
        name = None if key is None else key.encode()
        buf = encode_batch(
            [(at, name, value.encode(), []) for at, value in zip(stamps, values, strict=True)],
            **fields,  # type: ignore[arg-type]
        )
        return self.append_raw(buf, term=term)

    def append_raw(self, buf: bytearray, *, term: int = 0) -> AppendResult:
        return self.log.append_batch(
            memoryview(buf), parse_header(buf), term=term, now_ms=self.now_ms
        )

    def fill(self, batches: int, *, size: int = 50) -> None:
        """Batches of one record each, whose value is its offset."""
        for _ in range(batches):
            self.append(f"{self.log.log_end_offset:.>{size}}")

    def read(self, offset: int, max_bytes: int, **bounds: int | bool) -> tuple[list[int], int]:
        """(offsets of the records that a read returns, its next offset)."""
        up_to = int(bounds.pop("up_to", self.log.log_end_offset))
        min_one = bool(bounds.pop("min_one", True))
        read = self.log.read(offset, max_bytes, up_to_offset=up_to, min_one=min_one)
        if read is None:
            read = self.log.read_blocking(offset, max_bytes, up_to_offset=up_to, min_one=min_one)
        return [record.offset for record in records_of(read.buffers)], read.next_offset

    def records(self) -> list[Record]:
        """Everything from the log start on."""
        found: list[Record] = []
        offset, end = self.log.log_start_offset, self.log.log_end_offset
        while offset < end:
            read = self.log.read_blocking(offset, 1 << 20, up_to_offset=end)
            found += [r for r in records_of(read.buffers) if r.offset >= self.log.log_start_offset]
            assert read.next_offset > offset
            offset = read.next_offset
        return found

    def offsets(self) -> list[int]:
        return [record.offset for record in self.records()]

    def close(self) -> None:
        if self._log is not None:
            self._log.close(clean=False)
        self.kv.close()
        self.store.close()


def records_of(buffers: list[Buffer]) -> list[Record]:
    """The records of a read, which must be whole batches."""
    run = b"".join(buffers)
    batches = list(iter_batches(run))
    assert sum(header.size_bytes for _, header in batches) == len(run)
    return [record for pos, _ in batches for record in decode_records(run, pos)]
