"""The node's key-value store: one RocksDB, through rocksdict.

A torn end of its own log after a power loss is cut off (`tolerate_corrupted_tail_records`); any
other damage makes it refuse to open, where the default would drop later synced writes in silence.
The binding raises bare `Exception`s; they become `OSError`s here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rocksdict import DBCompressionType, DBRecoveryMode, Options, Rdict, WriteBatch, WriteOptions

_WRITE_BUFFER_BYTES: Final = 8 * 1_048_576
_BLOB_BYTES_MIN: Final = 16_384
_OPEN_FILES_MAX: Final = 128


class RocksKeyValueStore:
    """See port.KeyValueStore.

    Args:
        path: its directory; created when it is not there.

    Raises:
        OSError: it cannot be opened: another process has it, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._synced = WriteOptions()
        self._synced.sync = True
        try:
            self._db = Rdict(str(path), _options())
        except Exception as failure:
            raise OSError(errno.EIO, f"RocksDB cannot open {path}: {failure}") from failure

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as failure:
            raise _fault(failure) from failure
        return value

    def put(self, key: bytes, value: bytes, *, sync: bool = False) -> None:
        self.write_batch(puts=((key, value),), sync=sync)

    def delete(self, key: bytes, *, sync: bool = False) -> None:
        self.write_batch(deletes=(key,), sync=sync)

    def write_batch(
        self,
        *,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        sync: bool = False,
    ) -> None:
        batch = WriteBatch(raw_mode=True)
        for key in deletes:
            batch.delete(key)
        for key, value in puts:
            batch.put(key, value)
        try:
            self._db.write(batch, self._synced if sync else None)
        except Exception as failure:
            raise _fault(failure) from failure

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        try:
            for key, value in self._db.items(from_key=prefix):
                assert isinstance(key, bytes)
                if not key.startswith(prefix):
                    return
                yield key, value
        except Exception as failure:
            raise _fault(failure) from failure

    def close(self) -> None:
        self._db.close()


def _fault(failure: Exception) -> OSError:
    return OSError(errno.EIO, f"RocksDB: {failure}")


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_max_total_wal_size(4 * _WRITE_BUFFER_BYTES)
    options.set_max_open_files(_OPEN_FILES_MAX)
    options.set_max_background_jobs(2)
    options.set_compression_type(DBCompressionType.lz4())
    # Index blobs of segments would be rewritten with every compaction of the tree.
    options.set_enable_blob_files(True)
    options.set_min_blob_size(_BLOB_BYTES_MIN)
    options.set_enable_blob_gc(True)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1_048_576)
    options.set_stats_dump_period_sec(0)
    return options
