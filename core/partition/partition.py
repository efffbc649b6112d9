"""One partition as this node has it: appends, reads and look-ups over a `PartitionLog`.

A partition serves while its `Replication` says that this replica leads; everything else is answered
with NOT_LEADER_OR_FOLLOWER. Consumers may also read from a replica that follows a leader (KIP-392).

Rules:

1. The event loop owns a partition: every change happens there. What may block (a sync, a read of
   cold data, a compaction) runs in the thread pool and reports back.
2. `log_start_offset <= last_stable_offset <= high_watermark <= log_end_offset`, and none of them
   moves back while the partition is open. Consumers see nothing at or beyond the high watermark.
3. A batch is checked completely (format, producer state) before a byte of it is written.
4. A duplicate of a batch that is not committed yet waits for the original's commit: answering
   sooner would promise an offset that may still be lost.
5. A batch that overtook one of the same producer that was refused is refused for the same reason
   (refusals.py).
6. `leader_epoch` is the term of the log's owner; it is stamped into every batch.

Source: KIP-98 (idempotence), KIP-101/320 (epochs), KIP-107 (delete records), KIP-207, KIP-392.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ERRORS, ErrorCode, KafkaFault
from sprawl.core.ids import LeaderEpoch, Offset
from sprawl.core.partition import lookups
from sprawl.core.partition.refusals import Refusals
from sprawl.core.partition.replication import ACKS_ALL
from sprawl.core.records.batch import parse_header
from sprawl.core.records.schema_ids import check_schemas, no_registry
from sprawl.core.records.validation import conform_to_topic, validate_produced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sprawl.core.ids import ReplicaId, Term, TopicId, TopicPartition
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.log.reading import LogRead
    from sprawl.core.partition.lookups import ListedOffset
    from sprawl.core.partition.replication import Commit, Replication
    from sprawl.core.partition.waiters import FetchWaiter
    from sprawl.core.records.producers import Duplicate
    from sprawl.core.records.schema_ids import FindSchema


class Isolation(enum.IntEnum):
    """How far a reader may see. The first two are the protocol's `isolation_level`."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1
    LOG_END = 2


class ProduceOutcome(NamedTuple):
    """What became of one produced batch.

    `log_append_time_ms` is -1 unless the topic stamps records itself. `commit` is None when the
    producer may be answered already: the batch is as safe as its `acks` asks for.
    """

    base_offset: Offset
    log_append_time_ms: int
    log_start_offset: Offset
    commit: Commit | None


class Partition:
    """See the module.

    Args:
        log: the partition's open log; the partition owns it.
        topic_id: of the topic the log belongs to.
        term: the newest term known; Kafka's leader epoch.
        high_watermark: what is known to be committed.
        replicate: makes the partition's `Replication`.
        refusals: of this node.
    """

    __slots__ = (
        "_refusals",
        "_replication",
        "_uncommitted",
        "_waiters",
        "high_watermark",
        "is_closed",
        "log",
        "term",
        "topic_id",
        "tp",
    )

    def __init__(
        self,
        log: PartitionLog,
        *,
        topic_id: TopicId,
        term: Term,
        high_watermark: Offset,
        replicate: Callable[[Partition], Replication],
        refusals: Refusals,
    ) -> None:
        self.log = log
        self.tp: TopicPartition = log.tp
        self.topic_id = topic_id
        self.term = term
        self.high_watermark = high_watermark
        self.is_closed = False
        self._refusals = refusals
        # (end offset, size) of what was appended here and is not committed, in order.
        self._uncommitted: list[tuple[Offset, int]] = []
        self._waiters: dict[FetchWaiter, None] = {}  # in the order in which they came
        self._replication = replicate(self)

    # --- where things stand ---------------------------------------------------------------------

    @property
    def leader_epoch(self) -> LeaderEpoch:
        return LeaderEpoch(self.term)

    @property
    def log_start_offset(self) -> Offset:
        return self.log.log_start_offset

    @property
    def log_end_offset(self) -> Offset:
        return self.log.log_end_offset

    @property
    def last_stable_offset(self) -> Offset:
        """The offset below which every transaction is decided, at most the high watermark."""
        high_watermark = self.high_watermark
        unstable = self.log.producers.first_unstable_offset(high_watermark)
        return high_watermark if unstable is None else Offset(min(unstable, high_watermark))

    def end_offset(self, isolation: Isolation) -> Offset:
        """The offset at which a reader of this isolation must stop."""
        match isolation:
            case Isolation.READ_UNCOMMITTED:
                return self.high_watermark
            case Isolation.READ_COMMITTED:
                return self.last_stable_offset
            case Isolation.LOG_END:
                return self.log.log_end_offset

    def check_leader_epoch(self, claimed: int, *, may_follow: bool = False) -> None:
        """Compare the leader epoch a client knows with ours (KIP-320), then whether we lead.

        Args:
            claimed: the client's; -1 when it does not know one.
            may_follow: a replica that follows a leader will do.

        Raises:
            KafkaFault: FENCED_LEADER_EPOCH when the client is behind, UNKNOWN_LEADER_EPOCH when
                we are, NOT_LEADER_OR_FOLLOWER when neither is.
        """
        if claimed < 0 or claimed == self.leader_epoch:
            self._replication.check_readable(may_follow=may_follow)
            return
        if claimed < self.leader_epoch:
            raise KafkaFault(
                ErrorCode.FENCED_LEADER_EPOCH,
                f"Leader epoch {claimed} is older than the current one, {self.leader_epoch}.",
            )
        raise KafkaFault(
            ErrorCode.UNKNOWN_LEADER_EPOCH,
            f"Leader epoch {claimed} is newer than the one known here, {self.leader_epoch}.",
        )

    # --- appending ------------------------------------------------------------------------------

    def append_produced(
        self,
        buf: memoryview,
        *,
        produce_version: int,
        acks: int = ACKS_ALL,
        now_ms: int,
        find_schema: FindSchema = no_registry,
    ) -> ProduceOutcome:
        """Check and append one batch of a producer.

        Args:
            buf: the batch, writable; base offset and leader epoch are written into it.
            produce_version: of the request, on which some rules depend.
            acks: of the request: whether `commit` stands for the leader's own copy (0 and 1) or for
                enough replicas (-1).
            now_ms: wall time.
            find_schema: what is known of the schemas that a topic may ask its records for.

        Raises:
            SchemasUnknown: ask again when they are known; nothing was appended.
            KafkaFault: INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_TIMESTAMP,
                UNSUPPORTED_COMPRESSION_TYPE, OUT_OF_ORDER_SEQUENCE_NUMBER,
                INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, KAFKA_STORAGE_ERROR,
                NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS; nothing was appended then.
        """
        log = self.log
        try:
            self._replication.check_writable(len(buf), acks=acks)
            header = validate_produced(
                buf, config=log.config, now_ms=now_ms, produce_version=produce_version
            )
            if header.is_transactional:
                raise KafkaFault(
                    ErrorCode.INVALID_TXN_STATE, "The producer has no transaction in progress."
                )
            if header.producer_id >= 0:
                duplicate = self._refusals.check(self.tp, log.producers, header)
                if duplicate is not None:
                    return self._duplicate(duplicate, acks)
            config = log.config
            if config.confluent_value_schema_validation or config.confluent_key_schema_validation:
                check_schemas(buf, header, topic=self.tp.topic, rules=config, find=find_schema)
            buf, header = conform_to_topic(buf, header, config=log.config, now_ms=now_ms)
            result = log.append_batch(buf, header, term=self.term, now_ms=now_ms)
        except KafkaFault as fault:
            if ERRORS[fault.code].retriable:
                self._refusals.note(self.tp, buf, fault)
            raise
        self._refusals.appended(self.tp, header)
        return ProduceOutcome(
            result.first_offset,
            self._append_time(header.max_timestamp),
            log.log_start_offset,
            self._appended(header.size_bytes, acks),
        )

    def append_internal(self, batch: bytearray, *, now_ms: int) -> ProduceOutcome:
        """Append a batch that the broker itself made, such as a coordinator's records.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; nothing was appended then.
        """
        buf = memoryview(batch)
        self._replication.check_writable(len(buf), acks=ACKS_ALL)
        header = parse_header(buf)
        result = self.log.append_batch(buf, header, term=self.term, now_ms=now_ms)
        return ProduceOutcome(
            result.first_offset,
            lookups.NO_TIMESTAMP,
            self.log.log_start_offset,
            self._appended(header.size_bytes, ACKS_ALL),
        )

    def _appended(self, size_bytes: int, acks: int) -> Commit | None:
        self._uncommitted.append((self.log.log_end_offset, size_bytes))
        return self._replication.appended(acks=acks)

    def _duplicate(self, original: Duplicate, acks: int) -> ProduceOutcome:
        end_offset = Offset(original.last_offset + 1)
        committed = end_offset <= self.high_watermark
        if committed and acks == ACKS_ALL:
            committed = self._replication.is_kept(end_offset)
        return ProduceOutcome(
            Offset(original.first_offset),
            self._append_time(original.timestamp_ms),
            self.log.log_start_offset,
            None if committed else self._replication.wait_for(end_offset),
        )

    def _append_time(self, timestamp_ms: int) -> int:
        """What a producer is told: the broker's stamp, or -1 where producers stamp records."""
        stamps = self.log.config.message_timestamp_type == "LogAppendTime"
        return timestamp_ms if stamps else lookups.NO_TIMESTAMP

    def commit_to(self, end_offset: Offset) -> None:
        """Raise the high watermark and tell those who wait for data. For the replication."""
        if end_offset <= self.high_watermark:
            return
        self.high_watermark = end_offset
        if not self.is_leader:
            # What its leader appended is not counted.
            self.wake_waiters()
            return
        added_bytes = count = 0
        for append_end, size_bytes in self._uncommitted:
            if append_end > end_offset:
                break
            added_bytes += size_bytes
            count += 1
        del self._uncommitted[:count]
        for waiter in self._waiters:
            waiter.committed(added_bytes)

    def check_leader(self) -> None:
        """Raises: KafkaFault NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR: not served here now."""
        self._replication.check_readable()

    @property
    def is_leader(self) -> bool:
        """Whether this replica serves clients."""
        return self._replication.is_leader

    def followers_at(self, offset: int) -> list[ReplicaId]:
        """For a leader: the followers from which a consumer could read at an offset, the most
        caught up first (KIP-392)."""
        if not self.log.log_start_offset <= offset <= self.high_watermark:
            return []
        return self._replication.followers_at(Offset(offset))

    def role_changed(self, term: Term) -> None:
        """Who leads, or the term, is another one. For the replication."""
        self.term = term
        self._uncommitted.clear()
        self.wake_waiters()

    def wake_waiters(self) -> None:
        """Something besides the high watermark changed: long polls had better look again."""
        for waiter in self._waiters:
            waiter.wake()

    # --- reading --------------------------------------------------------------------------------

    def check_fetch(
        self,
        offset: int,
        *,
        current_leader_epoch: int,
        last_fetched_epoch: int,
        may_follow: bool = False,
    ) -> tuple[int, int] | None:
        """Decide whether a fetch at `offset` makes sense.

        Args:
            offset: the first one wanted.
            current_leader_epoch: what the client takes for the leader epoch, or -1.
            last_fetched_epoch: epoch of the record before `offset` in the client's copy, or -1.
            may_follow: a replica that follows a leader will do.

        Returns:
            None, or (epoch, end offset) from where the client's copy differs from this log.

        Raises:
            KafkaFault: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER,
                OFFSET_OUT_OF_RANGE; OFFSET_NOT_AVAILABLE from a follower that does not know of so
                much yet.
        """
        self.check_leader_epoch(current_leader_epoch, may_follow=may_follow)
        log = self.log
        if offset > self.high_watermark and not self.is_leader:
            # What this log has from there on may be cut off, or is on its way.
            raise KafkaFault(
                ErrorCode.OFFSET_NOT_AVAILABLE,
                f"Offset {offset} of {self.tp} is above {self.high_watermark}, the high watermark"
                " of this follower.",
            )
        diverging = lookups.diverging(log, offset, last_fetched_epoch, self.leader_epoch)
        in_range = log.log_start_offset <= offset <= log.log_end_offset
        if offset < log.log_start_offset or not (in_range or diverging):
            raise KafkaFault(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Offset {offset} is not within"
                f" [{log.log_start_offset}, {log.log_end_offset}] of {self.tp}.",
            )
        return diverging

    def read(
        self,
        offset: Offset,
        max_bytes: int,
        *,
        up_to_offset: Offset,
        min_one: bool,
        verify: bool = False,
    ) -> LogRead | None:
        """Whole batches from the one that holds `offset`, as the buffers the log keeps.

        Args:
            max_bytes: bound of the total size.
            up_to_offset: batches that reach beyond it are left out; see `end_offset`.
            min_one: return the first batch even when it is larger than `max_bytes` (KIP-74).
            verify: check the checksums too, which is left to consumers.

        Returns:
            The batches, or None when they have to be read from disk: use `read_blocking`.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE.
        """
        return self.log.read(
            offset, max_bytes, up_to_offset=up_to_offset, min_one=min_one, verify=verify
        )

    def read_blocking(
        self,
        offset: Offset,
        max_bytes: int,
        *,
        up_to_offset: Offset,
        min_one: bool,
        verify: bool = False,
    ) -> LogRead:
        """The same, from disk. Runs in the thread pool."""
        return self.log.read_blocking(
            offset, max_bytes, up_to_offset=up_to_offset, min_one=min_one, verify=verify
        )

    def aborted_transactions(self, offset: Offset, end_offset: Offset) -> list[tuple[int, int]]:
        """(producer id, first offset) of the aborted transactions that touch a range."""
        return [
            (aborted.producer_id, aborted.first_offset)
            for aborted in self.log.producers.aborted_transactions(offset, end_offset)
        ]

    # --- look-ups -------------------------------------------------------------------------------

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """Where the largest epoch that is at most `epoch` ends (KIP-101).

        Returns:
            (epoch, end offset); (-1, -1) when `epoch` is newer than any this log knows.
        """
        return lookups.end_offset_for_epoch(self.log, epoch, self.leader_epoch)

    def list_offset(self, timestamp: int, isolation: Isolation) -> ListedOffset:
        """Find an offset by time; a special timestamp is answered without touching the disk.

        Args:
            timestamp: milliseconds since the epoch, or one of lookups.py's special values.
        """
        end_offset = self.end_offset(isolation)
        return lookups.list_offset(self.log, timestamp, end_offset, self.leader_epoch)

    # --- changes besides appends ----------------------------------------------------------------

    def delete_records(self, offset: int) -> Commit | None:
        """Hide everything below `offset`; -1 stands for the high watermark.

        Returns:
            What to wait for, before the log start offset is where it should be; None: it is.

        Raises:
            KafkaFault: POLICY_VIOLATION, OFFSET_OUT_OF_RANGE, KAFKA_STORAGE_ERROR,
                NOT_LEADER_OR_FOLLOWER.
        """
        self._replication.check_readable()
        log = self.log
        if "delete" not in log.config.cleanup_policy:
            raise KafkaFault(
                ErrorCode.POLICY_VIOLATION,
                f"The cleanup policy of {self.tp.topic} does not allow deleting records.",
            )
        wanted = self.high_watermark if offset == -1 else offset
        if not 0 <= wanted <= self.high_watermark:
            raise KafkaFault(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Offset {offset} is not within [0, {self.high_watermark}] of {self.tp}.",
            )
        return self.advance_log_start(Offset(wanted))

    def advance_log_start(self, offset: Offset) -> Commit | None:
        """Hide everything below `offset` on every replica.

        Returns:
            What to wait for; None when it is done.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER.
        """
        if offset <= self.log.log_start_offset:
            return None
        return self._replication.advance_log_start(offset)

    def retain(self, now_ms: int) -> None:
        """Delete what the topic's retention leaves no use for. Replicas follow their leader.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR.
        """
        self._replication.retain(now_ms, self.high_watermark)

    def wait_committed(self) -> Commit | None:
        """What to wait for until everything appended so far is committed; None: it is.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR.
        """
        self._replication.check_readable()
        end_offset = self.log.log_end_offset
        if end_offset <= self.high_watermark:
            return None
        return self._replication.wait_for(end_offset)

    def confirm(self) -> Awaitable[object] | None:
        """What to wait for until the high watermark covers everything that was committed anywhere
        before the call; None: it does. The wait fails with KafkaFault NOT_LEADER_OR_FOLLOWER when
        this replica leads no more."""
        return self._replication.confirm()

    def sync(self) -> Commit | None:
        """Bring everything appended so far to disk; None when it is there."""
        return self._replication.sync()

    # --- waiting --------------------------------------------------------------------------------

    def add_waiter(self, waiter: FetchWaiter) -> None:
        """Have a long poll count what is committed from now on."""
        if self.is_closed:
            waiter.wake()
        else:
            self._waiters[waiter] = None
            self._replication.commits_awaited()

    @property
    def waiter_count(self) -> int:
        """How many long polls wait for this partition."""
        return len(self._waiters)

    def remove_waiter(self, waiter: FetchWaiter) -> None:
        """Forget a long poll; nothing happens when it is not here."""
        self._waiters.pop(waiter, None)

    def close(self, fault: KafkaFault, *, forget: bool = False) -> None:
        """Stop serving: appends that wait get `fault`, long polls look again and find nothing.

        The log itself is closed or deleted by whoever owns the registry.

        Args:
            forget: this replica is gone for good, its vote too.
        """
        self.is_closed = True
        self._replication.close(fault, forget=forget)
        self.wake_waiters()
        self._waiters.clear()
