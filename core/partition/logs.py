"""The logs of a node's partitions on its disk: opened and deleted, in any thread."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from sprawl.core.ids import LogKey, PartitionId, TopicPartition
from sprawl.core.limits import INDEX_CACHE_BYTES_MAX
from sprawl.core.log.index import IndexCache
from sprawl.core.log.opening import owner_of
from sprawl.core.log.state import LogState
from sprawl.core.replication.damaged import open_replica

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from sprawl.core.clock import Clock
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.partition.departures import Departures
    from sprawl.core.partition.hosted_topic import HostedTopic
    from sprawl.core.partition.partition import Partition
    from sprawl.core.storage.port import KeyValueStore, LogStore

_log = logging.getLogger(__name__)


class Logs:
    """See the module; all logs share a cache of indexes.

    Args:
        was_clean: whether the node was stopped in good order.
    """

    def __init__(
        self,
        store: LogStore,
        kv: KeyValueStore,
        clock: Clock,
        departures: Departures,
        *,
        was_clean: bool,
    ) -> None:
        self._store = store
        self._kv = kv
        self._clock = clock
        self._departures = departures
        self._was_clean = was_clean
        self._indexes = IndexCache(INDEX_CACHE_BYTES_MAX)

    def open(
        self, topic: HostedTopic, index: int, before: Callable[[], None] | None = None
    ) -> PartitionLog:
        """Open the log of a partition, or begin it.

        Args:
            before: what has to be done first.

        Raises:
            OSError, ValueError: see open_replica.
        """
        if before is not None:
            before()
        tp = TopicPartition(topic.name, PartitionId(index))
        key = LogKey(topic.topic_id, index)
        if key in self._departures:
            self.delete(topic, index, None)
            self._departures.clear(key)
        return open_replica(
            tp=tp,
            key=key,
            config=topic.config,
            directory=self._store.directory(str(tp)),
            kv=self._kv,
            now_ms=self._clock.now_ms(),
            clean_shutdown=self._was_clean,
            indexes=self._indexes,
        )

    def delete(self, topic: HostedTopic, index: int, log: PartitionLog | None) -> None:
        """Delete the data of a partition, open or not; what cannot be is reported."""
        tp = TopicPartition(topic.name, PartitionId(index))
        try:
            if log is not None:
                log.delete()
            else:
                LogState(self._kv, topic.topic_id, index).delete_all()
                directory = self._store.directory(str(tp))
                # A topic of this name that was created since may have its log there.
                if owner_of(directory) in (None, topic.topic_id):
                    directory.discard(topic.config.file_delete_delay_ms)
        except OSError as failure:
            _log.error("%s: the data of the deleted partition is still there: %s", tp, failure)


def log_of(opened: Partition | None, opening: Future[PartitionLog] | None) -> PartitionLog | None:
    """The log of a partition that is open, or is being opened by an earlier job of the pool."""
    if opened is not None:
        return opened.log
    if opening is not None:
        with contextlib.suppress(Exception):  # what cannot be opened is deleted as it lies
            return opening.result()
    return None
