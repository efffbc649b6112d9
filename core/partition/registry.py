"""All partitions of this node: opened when first used, looked after in the background, closed once.

Rules:

1. The controller decides which topics exist; `add_topic`, `update_config` and `remove_topic` carry
   its decisions out. A topic that was not added is unknown here, whatever lies on the disk.
2. A log that is alone is opened by the first request for it. After an unclean stop all logs are
   opened, and so recovered, before the node serves: in the thread pool, so that the event loop
   lives meanwhile. The logs of replicated partitions are opened at once: others count on them.
3. The marker of a clean stop is removed before the first log is opened for writing and put back
   after the last one was closed. While it is absent the next start treats the stop as unclean.
4. What may block runs in one thread pool of a few threads, shared by all partitions.

Runs in the event loop's thread; `run_blocking` is the way out of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LeaderEpoch, LogKey, TopicId, TopicName, TopicPartition
from sprawl.core.partition.departures import Departures, report_strays
from sprawl.core.partition.hosted_topic import HostedTopic, Usage
from sprawl.core.partition.housekeeping import Housekeeping
from sprawl.core.partition.logs import Logs, log_of
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.placement import ELSEWHERE, Placement, Role
from sprawl.core.partition.refusals import Refusals
from sprawl.core.partition.repairs import Repairs
from sprawl.core.partition.replication import Replication, SingleReplica
from sprawl.core.partition.settings import PartitionSettings
from sprawl.core.partition.terms import Terms

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.log.config import LogConfig
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.partition.repairs import StandAside
    from sprawl.core.raft.configuration import Configuration
    from sprawl.core.storage.port import KeyValueStore, LogStore

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_STATE = b"partitions/state"
_OPEN = b"open"
_CLEAN = b"clean"


Replicate = Callable[[Partition, LogKey, Placement], Replication]
"""Makes a partition one of several replicas."""


class Partitions:
    """The partitions of one node.

    Args:
        store: where the logs' files are.
        kv: where the logs keep their facts, and terms and the marker of a clean stop are.
        clock: wall time for retention and producer expiry; monotonic for refusals.
        settings: intervals and thread count.
        replicate: makes partitions replicas; None on a node that is alone.
        stand_aside: has another replica lead; with `replicate`.
        executor: the thread pool, which `close` shuts down; one of its own by default.
    """

    def __init__(
        self,
        *,
        store: LogStore,
        kv: KeyValueStore,
        clock: Clock,
        settings: PartitionSettings,
        replicate: Replicate | None = None,
        stand_aside: StandAside | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._store = store
        self._kv = kv
        self._terms = Terms(kv)
        # A topic stands here twice: by name and by id.
        self._topics: dict[str | UUID, HostedTopic] = {}
        self._deletions: dict[TopicName, Future[None]] = {}
        self._pool = executor or ThreadPoolExecutor(
            settings.io_threads, thread_name_prefix="sprawl-io"
        )
        self.housekeeping = Housekeeping(self, clock, settings)
        self.refusals = Refusals(clock)
        # A store without the entry is a new one.
        self._was_clean = kv.get(_STATE) in (None, _CLEAN)
        self._replicate = replicate
        self._repairs: Repairs | None = None
        if stand_aside is not None:
            self._repairs = Repairs(
                kv, self.run_blocking, stand_aside=stand_aside, reopen=self._reopen
            )
        self._opening: dict[LogKey, Future[PartitionLog]] = {}
        self._departures = Departures(kv)
        self._logs = Logs(store, kv, clock, self._departures, was_clean=self._was_clean)
        self._departing: dict[LogKey, Future[None]] = {}
        self._is_started = False
        self._is_closed = False

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Recover after an unclean stop, then begin background work.

        Call it once the topics the controller knows were added, before the node serves.
        """
        self._kv.put(_STATE, _OPEN, sync=True)
        report_strays(self._store, self.topics())
        self._is_started = True
        await self._open_first()
        self._finish_departures()
        self.housekeeping.start()

    async def close(self) -> None:
        """Stop serving, close every log and leave the marker of a clean stop."""
        await self.housekeeping.stop()
        if self._repairs is not None:
            await self._repairs.stop()
        self._is_closed = True
        closings = [self._close(partition) for partition in self.opened()]
        self._topics.clear()
        all_closed = all(await asyncio.gather(*closings))
        # A compaction that is under way is waited for; it must not outlive the store.
        await asyncio.to_thread(self._pool.shutdown)
        if all_closed:
            try:
                self._kv.put(_STATE, _CLEAN, sync=True)
            except OSError as failure:
                _log.error("the next start checks every log: no mark of a clean stop: %s", failure)

    async def _open_first(self) -> None:
        """Open the logs that cannot wait; after an unclean stop these are all, and those that are
        alone begin a new term (see terms.py)."""
        places = [(topic, index) for topic in self.topics() for index in topic.here()]
        if self._was_clean:
            places = [(topic, index) for topic, index in places if topic.is_replicated(index)]
        else:
            self._terms.raise_all(
                LogKey(topic.topic_id, index)
                for topic, index in places
                if not topic.is_replicated(index)
            )
        for topic, index in places:
            self._open_soon(topic, index)
        jobs = [asyncio.wrap_future(each) for each in self._opening.values()]
        await asyncio.gather(*jobs, return_exceptions=True)  # they are reported one by one

    async def _close(self, partition: Partition) -> bool:
        """Close one log; was everything saved?"""
        saving = partition.sync()
        fault = None if saving is None else await saving
        partition.close(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "The node is stopping."))
        try:
            await self.run_blocking(partial(partition.log.close, clean=fault is None))
        except (KafkaFault, OSError) as failure:
            _log.error("%s: closing the log failed: %s", partition.tp, failure)
            return False
        return fault is None

    # --- topics, as the controller decides --------------------------------------------------------

    def add_topic(
        self,
        name: TopicName,
        topic_id: TopicId,
        config: LogConfig,
        placements: Sequence[Placement],
    ) -> None:
        """Know a topic, or what became of one that is known: more partitions, other places."""
        topic = self._topics.get(topic_id)
        if topic is None:
            deletion = self._deletions.pop(name, None)
            if deletion is not None:
                deletion.result()  # its directories have the names that are needed now
            topic = HostedTopic(name, topic_id, config)
            self._topics[name] = self._topics[topic_id] = topic
        topic.partitions.extend([None] * (len(placements) - len(topic.partitions)))
        before, topic.placements = topic.placements, placements
        for index, (old, new) in enumerate(zip(before, placements, strict=False)):
            if old.role is Role.ALONE and new.role is not Role.ALONE:
                self._end_solitude(topic, index)
        if self._is_started:
            for index in topic.here():
                if topic.is_replicated(index) and topic.partitions[index] is None:
                    self._open_soon(topic, index)

    def _end_solitude(self, topic: HostedTopic, index: int) -> None:
        """A partition that was alone gets a group: it is closed, and opened again with one."""
        partition, topic.partitions[index] = topic.partitions[index], None
        if partition is not None:
            partition.close(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "It is replicated now."))
            partition.log.close()

    # --- leaving --------------------------------------------------------------------------------

    def leaving(self) -> Iterator[tuple[LogKey, Configuration]]:
        """Replicas that are wanted elsewhere, and what their groups were founded with."""
        for topic in self.topics():
            for index, placement in enumerate(topic.placements):
                if placement.role is Role.LEAVING and placement.founding is not None:
                    yield LogKey(topic.topic_id, index), placement.founding

    def has_let_go(self, key: LogKey) -> bool:
        """Whether a group here ended for good, because its replica left it."""
        return key in self._departures

    def let_go(self, key: LogKey) -> None:
        """A replica is out of its group, which needs it no more: delete its data."""
        topic = self._topics.get(key.topic_id)
        if topic is None:
            return
        index = key.partition
        partition, topic.partitions[index] = topic.partitions[index], None
        if partition is not None:
            gone = KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "The replica has moved away.")
            partition.close(gone)
        if topic.placements[index].role is Role.LEAVING:
            placements = list(topic.placements)
            placements[index] = ELSEWHERE
            topic.placements = placements
        self._departures.add(key)
        opening = self._opening.pop(key, None)
        self._depart(topic, index, partial(self._delete_replica, topic, index, partition, opening))

    def _depart(self, topic: HostedTopic, index: int, delete: Callable[[], None]) -> None:
        """Delete a replica's data in the thread pool. Should it come back, it is opened after
        that."""
        job = self._pool.submit(delete)
        self._departing[LogKey(topic.topic_id, index)] = job
        loop = asyncio.get_running_loop()
        job.add_done_callback(
            lambda job: loop.call_soon_threadsafe(self._departed, topic, index, job)
        )

    def _delete_replica(
        self,
        topic: HostedTopic,
        index: int,
        opened: Partition | None,
        opening: Future[PartitionLog] | None,
    ) -> None:
        self._departures.mark(LogKey(topic.topic_id, index))
        self._terms.forget([LogKey(topic.topic_id, index)])
        self._logs.delete(topic, index, log_of(opened, opening))

    def _finish_departures(self) -> None:
        """Delete what a stop of the node left of replicas that were let go."""
        there = set(self._store.names())
        for topic in self.topics():
            for index in topic.elsewhere():
                is_gone = LogKey(topic.topic_id, index) in self._departures
                if is_gone and f"{topic.name}-{index}" in there:
                    self._depart(topic, index, partial(self._logs.delete, topic, index, None))

    def _departed(self, topic: HostedTopic, index: int, job: Future[None]) -> None:
        key = LogKey(topic.topic_id, index)
        del self._departing[key]
        failure = None if job.cancelled() else job.exception()
        if failure is not None:
            _log.error("%s-%d: its data is still here: %s", topic.name, index, failure)
        is_known = self._topics.get(topic.topic_id) is topic
        if is_known and not self._is_closed and topic.is_replicated(index):
            self._open_soon(topic, index)  # it came back meanwhile

    def _reopen(self, key: LogKey, log: PartitionLog, before: Callable[[], None]) -> None:
        """Close a replica, and open it again after `before`, if the log is still its."""
        topic = self._topics.get(key.topic_id)
        partition = None if topic is None else topic.partitions[key.partition]
        if topic is None or partition is None or partition.log is not log:
            return
        topic.partitions[key.partition] = None
        partition.close(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "The log is damaged."))
        self._open_soon(topic, key.partition, before)

    def _open_soon(
        self, topic: HostedTopic, index: int, before: Callable[[], None] | None = None
    ) -> None:
        """Open a replica's log in the thread pool, and let it take part then.

        Args:
            before: what has to be done there first.
        """
        key = LogKey(topic.topic_id, index)
        if key in self._opening or key in self._departing:
            return
        self._opening[key] = job = self._pool.submit(self._logs.open, topic, index, before)
        loop = asyncio.get_running_loop()
        job.add_done_callback(
            lambda job: loop.call_soon_threadsafe(self._opened_soon, topic, index, job)
        )

    def _opened_soon(self, topic: HostedTopic, index: int, job: Future[PartitionLog]) -> None:
        key = LogKey(topic.topic_id, index)
        if self._opening.get(key) is not job:
            return  # whoever deletes the partition took it over
        del self._opening[key]
        if self._is_closed or job.cancelled():
            return
        failure = job.exception()
        if failure is not None:
            _log.error(
                "%s-%d: the log cannot be opened, the partition is offline: %s",
                topic.name,
                index,
                failure,
            )
            return
        log = job.result()
        if topic.placements[index].role is Role.ELSEWHERE:
            self._depart(topic, index, partial(self._logs.delete, topic, index, log))
            return
        log.update_config(topic.config)  # it may have changed meanwhile
        self._serve(topic, index, log)

    def update_config(self, name: TopicName, config: LogConfig) -> None:
        """Apply changed topic configs from the next operation on."""
        topic = self._topics[name]
        topic.config = config
        for partition in topic.partitions:
            if partition is not None:
                partition.log.update_config(config)

    def remove_topic(self, topic_id: TopicId) -> None:
        """Stop serving a deleted topic and delete its data; its long polls learn of it at once."""
        topic = self._topics.pop(topic_id, None)
        if topic is None:
            return
        del self._topics[topic.name]
        fault = KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic was deleted.")
        for partition in topic.partitions:
            if partition is not None:
                partition.close(fault, forget=True)
        keys = [LogKey(topic.topic_id, index) for index in range(len(topic.partitions))]
        self._terms.forget(keys)
        self._departures.forget(keys)
        departing = [job for key, job in self._departing.items() if key in keys]
        opening = {key.partition: job for key in keys if (job := self._opening.pop(key, None))}
        under_way = {name: each for name, each in self._deletions.items() if not each.done()}
        deletion = self._pool.submit(self._delete, topic, departing, opening)
        self._deletions = under_way | {topic.name: deletion}

    def _delete(
        self,
        topic: HostedTopic,
        departing: Sequence[Future[None]],
        opening: Mapping[int, Future[PartitionLog]],
    ) -> None:
        """Delete a topic's data; runs in the thread pool, as it syncs for each partition.

        Args:
            departing: what of it is being deleted already, by jobs that came before this one.
            opening: its logs that such jobs open: what is deleted later than this would hit a
                topic of the same name.
        """
        for each in departing:
            with contextlib.suppress(OSError):
                each.result()
        for index in topic.here():
            log = log_of(topic.partitions[index], opening.get(index))
            self._logs.delete(topic, index, log)

    # --- finding --------------------------------------------------------------------------------

    def find(self, topic: str | UUID, index: int) -> Partition:
        """The partition a client asks for, by topic name or id; opened if it was not.

        Raises:
            KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR,
                NOT_LEADER_OR_FOLLOWER when it is elsewhere, not open yet, or the node is stopping.
        """
        hosted = self._topics.get(topic)
        if hosted is None or not 0 <= index < len(hosted.partitions):
            raise self._unknown(topic, hosted)
        found = hosted.partitions[index]
        if found is None:
            if hosted.placements[index].role is not Role.ALONE:
                raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
            found = self._open(hosted, index)
        return found

    def _unknown(self, topic: str | UUID, hosted: HostedTopic | None) -> KafkaFault:
        if self._is_closed:
            return KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "The node is stopping.")
        if hosted is None and isinstance(topic, UUID):
            return KafkaFault(ErrorCode.UNKNOWN_TOPIC_ID)
        return KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    def leader_epoch(self, tp: TopicPartition) -> LeaderEpoch:
        """A hosted partition's leader epoch, without opening its log; 0 for others."""
        hosted = self._topics.get(tp.topic)
        if hosted is None or not 0 <= tp.partition < len(hosted.partitions):
            return LeaderEpoch(0)
        opened = hosted.partitions[tp.partition]
        if opened is not None:
            return opened.leader_epoch
        return LeaderEpoch(self._terms.of(LogKey(hosted.topic_id, tp.partition)))

    def partition_count(self, name: TopicName) -> int:
        """How many partitions of a topic are hosted; 0 for an unknown one."""
        hosted = self._topics.get(name)
        return 0 if hosted is None else len(hosted.partitions)

    def opened(self) -> Iterator[Partition]:
        """The partitions whose logs are open."""
        for hosted in self.topics():
            for partition in hosted.partitions:
                if partition is not None:
                    yield partition

    def every(self, wanted: Callable[[LogConfig], bool]) -> Iterator[Partition]:
        """The partitions of topics with a wanted config; opens their logs one by one.

        A log that cannot be opened is reported and left out.
        """
        for topic in list(self.topics()):
            if not wanted(topic.config):
                continue
            for index in topic.here():
                if self._topics.get(topic.topic_id) is not topic:
                    break  # deleted since
                found = topic.partitions[index]
                if found is None and topic.is_replicated(index):
                    continue  # it is being opened, or could not be
                try:
                    yield found or self._open(topic, index)
                except KafkaFault as failure:
                    _log.error("%s-%d: left out: %s", topic.name, index, failure)

    def topics(self) -> Iterator[HostedTopic]:
        """Every hosted topic."""
        return (topic for key, topic in self._topics.items() if isinstance(key, UUID))

    def usage(self) -> list[Usage]:
        """Disk space of every hosted partition; opens their logs."""
        return [
            Usage(partition.tp, partition.log.size_bytes)
            for partition in self.every(lambda _: True)
        ]

    # --- threads --------------------------------------------------------------------------------

    def run_blocking(self, job: Callable[[], _T]) -> asyncio.Future[_T]:
        """Run `job` in the thread pool; the future completes on the event loop."""
        return asyncio.get_running_loop().run_in_executor(self._pool, job)

    # --- opening --------------------------------------------------------------------------------

    def _open(self, topic: HostedTopic, index: int) -> Partition:
        try:
            return self._serve(topic, index, self._logs.open(topic, index))
        except OSError as failure:
            _log.error("%s-%d: the log cannot be opened: %s", topic.name, index, failure)
            raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, f"Cannot open: {failure}") from failure

    def _serve(self, topic: HostedTopic, index: int, log: PartitionLog) -> Partition:
        key = LogKey(topic.topic_id, index)
        placement = topic.placements[index]
        if placement.role.has_group:
            partition = self._serve_replica(topic, key, placement, log)
        else:
            self._terms.raise_to(key, log.last_term)
            partition = Partition(
                log,
                topic_id=topic.topic_id,
                term=self._terms.of(key),
                high_watermark=log.log_end_offset,
                replicate=lambda made: SingleReplica(log, made.commit_to, self.run_blocking),
                refusals=self.refusals,
            )
        topic.partitions[index] = partition
        return partition

    def _serve_replica(
        self, topic: HostedTopic, key: LogKey, placement: Placement, log: PartitionLog
    ) -> Partition:
        replicate = self._replicate
        assert replicate is not None, "a node that is alone has no replicated partitions"
        partition = Partition(
            log,
            topic_id=topic.topic_id,
            term=self._terms.of(key),
            high_watermark=log.log_start_offset,
            replicate=lambda made: replicate(made, key, placement),
            refusals=self.refusals,
        )
        if self._repairs is not None:
            self._repairs.watch(key, log)
        return partition
