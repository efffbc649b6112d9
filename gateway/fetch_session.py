"""Incremental fetch sessions (KIP-227), pure: which partitions a Fetch reads, and what it answers.

A session remembers what a consumer asked for, so that the next request lists only what changed and
the answer lists only partitions with something new. Rules:

1. Epoch 0 or -1 is a full request: it closes the session it names, if any. 0 asks for a new one
   (epoch 1 follows), -1 wants none.
2. Any other epoch is incremental. The session must exist (`FETCH_SESSION_ID_NOT_FOUND`), be at that
   epoch (`INVALID_FETCH_SESSION_EPOCH`) and name topics the same way, by name or by id
   (`FETCH_SESSION_TOPIC_ID_ERROR`). The epoch then moves on, 2^31-1 being followed by 1.
3. A session whose last partition was forgotten is closed; that request is served without one.
4. A full cache makes room for a new session by dropping one unused for `eviction_ms`, else one that
   was in use for longer than that and has fewer partitions than the newcomer, else not at all: the
   answer then carries session id 0 and the client goes on with full requests.
5. A partition that returned records moves to the end of its session's order, so that a small
   `max_bytes` starves no partition.

    full(epoch 0) ──answer──> [session, epoch 1] ──incremental(1)──> [epoch 2] ── ...
         ^                            │ full request, eviction, last partition forgotten
         └────────────────────────────┴──> closed

Source: KIP-227, KIP-516 (topic ids in sessions), Kafka's FetchSession cache defaults.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random
    from uuid import UUID

    from sprawl.gateway.codec._generated.k01_fetch import PartitionData

INITIAL_EPOCH = 0
FINAL_EPOCH = -1
NO_SESSION = 0
_EPOCH_MAX = 2**31 - 1

SESSIONS_MAX = 1_000
"""Kafka's max.incremental.fetch.session.cache.slots default."""
EVICTION_MS = 120_000
"""Kafka's smallest age of a session that may be dropped for another one."""


class FetchKey(NamedTuple):
    """A partition as the request names it: by topic name up to version 12, by topic id after."""

    topic: str | UUID
    partition: int


class PartitionFetch(NamedTuple):
    """What one request wants of one partition. -1 in an epoch means "not given"."""

    fetch_offset: int
    partition_max_bytes: int
    current_leader_epoch: int
    last_fetched_epoch: int


class Answer(NamedTuple):
    """One partition's part of the response, with the size of its records."""

    key: FetchKey
    data: PartitionData
    records_bytes: int


class Selection(NamedTuple):
    """What goes into the response: top-level error, session id and the partitions to list."""

    error_code: ErrorCode
    session_id: int
    answers: Sequence[Answer]


class FetchContext(Protocol):
    """How one request is to be served."""

    @property
    def wanted(self) -> Sequence[tuple[FetchKey, PartitionFetch]]:
        """The partitions to read, in the order in which they share `max_bytes`."""
        ...

    def select(self, answers: Sequence[Answer], *, now_ms: int, rng: Random) -> Selection:
        """Choose what the response lists, once every wanted partition has an answer.

        Args:
            answers: one for each of `wanted`, in that order.
            now_ms: monotonic time.
        """
        ...


class _CachedPartition:
    """A session's memory of one partition: the latest wish, and what the client was told."""

    __slots__ = ("high_watermark", "log_start_offset", "wish")

    def __init__(self, wish: PartitionFetch) -> None:
        self.wish = wish
        self.high_watermark = -1
        self.log_start_offset = -1

    def remember(self, data: PartitionData) -> None:
        # An error is always repeated, and so is the first answer after it.
        failed = data.error_code != ErrorCode.NONE
        self.high_watermark = -1 if failed else data.high_watermark
        self.log_start_offset = data.log_start_offset

    def is_news(self, answer: Answer) -> bool:
        data = answer.data
        return (
            answer.records_bytes > 0
            or data.error_code != ErrorCode.NONE
            or data.high_watermark != self.high_watermark
            or data.log_start_offset != self.log_start_offset
            or data.preferred_read_replica >= 0
            or data.diverging_epoch.epoch >= 0
        )


class _Session:
    __slots__ = (
        "created_ms",
        "epoch",
        "last_used_ms",
        "partitions",
        "session_id",
        "uses_topic_ids",
    )

    def __init__(self, session_id: int, *, uses_topic_ids: bool, now_ms: int) -> None:
        self.session_id = session_id
        self.uses_topic_ids = uses_topic_ids
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.epoch = next_epoch(INITIAL_EPOCH)
        self.partitions: dict[FetchKey, _CachedPartition] = {}

    def update(
        self, wanted: Iterable[tuple[FetchKey, PartitionFetch]], forgotten: Iterable[FetchKey]
    ) -> None:
        for key, wish in wanted:
            cached = self.partitions.get(key)
            if cached is None:
                self.partitions[key] = _CachedPartition(wish)
            else:
                cached.wish = wish
        for key in forgotten:
            self.partitions.pop(key, None)


class _Sessionless:
    """A request outside any session: every partition is answered."""

    __slots__ = ("wanted",)

    def __init__(self, wanted: Sequence[tuple[FetchKey, PartitionFetch]]) -> None:
        self.wanted = wanted

    def select(
        self,
        answers: Sequence[Answer],
        *,
        now_ms: int,
        rng: Random,
    ) -> Selection:
        return Selection(ErrorCode.NONE, NO_SESSION, answers)


class _Full:
    """The first request of a session: every partition is answered, then the session exists."""

    __slots__ = ("_sessions", "_uses_topic_ids", "wanted")

    def __init__(
        self,
        sessions: FetchSessions,
        wanted: Sequence[tuple[FetchKey, PartitionFetch]],
        *,
        uses_topic_ids: bool,
    ) -> None:
        self._sessions = sessions
        self._uses_topic_ids = uses_topic_ids
        self.wanted = wanted

    def select(self, answers: Sequence[Answer], *, now_ms: int, rng: Random) -> Selection:
        session = self._sessions.create(
            size=len(self.wanted), uses_topic_ids=self._uses_topic_ids, now_ms=now_ms, rng=rng
        )
        if session is None:
            return Selection(ErrorCode.NONE, NO_SESSION, answers)
        session.update(self.wanted, ())
        for answer in answers:
            session.partitions[answer.key].remember(answer.data)
        return Selection(ErrorCode.NONE, session.session_id, answers)


class _Incremental:
    """A later request of a session: only news is answered."""

    __slots__ = ("_expected_epoch", "_session", "wanted")

    def __init__(self, session: _Session) -> None:
        self._session = session
        self._expected_epoch = session.epoch
        self.wanted = [(key, cached.wish) for key, cached in session.partitions.items()]

    def select(
        self,
        answers: Sequence[Answer],
        *,
        now_ms: int,
        rng: Random,
    ) -> Selection:
        session = self._session
        if session.epoch != self._expected_epoch:
            # Another request of the same session overtook this one while it waited for data.
            return Selection(ErrorCode.INVALID_FETCH_SESSION_EPOCH, NO_SESSION, ())
        news = []
        for answer in answers:
            cached = session.partitions[answer.key]
            if not cached.is_news(answer):
                continue
            cached.remember(answer.data)
            news.append(answer)
            if answer.records_bytes > 0:
                session.partitions[answer.key] = session.partitions.pop(answer.key)
        return Selection(ErrorCode.NONE, session.session_id, news)


class FetchSessions:
    """All sessions of one broker.

    Args:
        sessions_max: how many sessions are kept; 0 turns sessions off.
        eviction_ms: see rule 4.
    """

    def __init__(self, *, sessions_max: int = SESSIONS_MAX, eviction_ms: int = EVICTION_MS) -> None:
        self._sessions_max = sessions_max
        self._eviction_ms = eviction_ms
        # Least recently used first.
        self._sessions: OrderedDict[int, _Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: int) -> bool:
        return session_id in self._sessions

    def open_context(
        self,
        *,
        session_id: int,
        session_epoch: int,
        uses_topic_ids: bool,
        wanted: Sequence[tuple[FetchKey, PartitionFetch]],
        forgotten: Iterable[FetchKey],
        now_ms: int,
    ) -> FetchContext:
        """Decide how a request is served, and move its session on.

        Args:
            uses_topic_ids: the request names topics by id (version 13 and later).
            wanted: the partitions the request lists.
            forgotten: the partitions an incremental request drops.
            now_ms: monotonic time.

        Raises:
            KafkaFault: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH,
                FETCH_SESSION_TOPIC_ID_ERROR.
        """
        if session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._sessions.pop(session_id, None)
            if session_epoch == FINAL_EPOCH:
                return _Sessionless(wanted)
            return _Full(self, wanted, uses_topic_ids=uses_topic_ids)

        session = self._sessions.get(session_id)
        if session is None:
            raise KafkaFault(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != session_epoch:
            raise KafkaFault(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            raise KafkaFault(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        session.update(wanted, forgotten)
        if not session.partitions:
            del self._sessions[session_id]
            return _Sessionless(wanted)
        session.last_used_ms = now_ms
        self._sessions.move_to_end(session_id)
        session.epoch = next_epoch(session.epoch)
        return _Incremental(session)

    def create(
        self, *, size: int, uses_topic_ids: bool, now_ms: int, rng: Random
    ) -> _Session | None:
        """Make a session for `size` partitions, or None when the cache has no room for it."""
        if len(self._sessions) >= self._sessions_max and not self._evict_for(size, now_ms):
            return None
        session_id = rng.randint(1, _EPOCH_MAX)
        while session_id in self._sessions:
            session_id = rng.randint(1, _EPOCH_MAX)
        session = _Session(session_id, uses_topic_ids=uses_topic_ids, now_ms=now_ms)
        self._sessions[session_id] = session
        return session

    def _evict_for(self, size: int, now_ms: int) -> bool:
        """Drop one session in favour of a newcomer; a scan of the full cache at worst."""
        if not self._sessions:
            return False
        oldest = next(iter(self._sessions.values()))
        if now_ms - oldest.last_used_ms > self._eviction_ms:
            del self._sessions[oldest.session_id]
            return True
        settled = (
            session
            for session in self._sessions.values()
            if session.last_used_ms - session.created_ms > self._eviction_ms
        )
        smallest = min(settled, key=lambda session: len(session.partitions), default=None)
        if smallest is None or len(smallest.partitions) >= size:
            return False
        del self._sessions[smallest.session_id]
        return True


def next_epoch(epoch: int) -> int:
    """The epoch that follows within a session: never 0 or -1, which mean a full request."""
    return 1 if epoch >= _EPOCH_MAX else epoch + 1
