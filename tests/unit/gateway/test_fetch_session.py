"""KIP-227 sessions: what a broker reads and answers for full and incremental fetches."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k01_fetch import EpochEndOffset, PartitionData
from sprawl.gateway.fetch_session import (
    Answer,
    FetchContext,
    FetchKey,
    FetchSessions,
    PartitionFetch,
    Selection,
    next_epoch,
)

RNG = Random(1)


def wish(offset: int = 0) -> PartitionFetch:
    return PartitionFetch(offset, 1 << 20, -1, -1)


def keys(*partitions: int, topic: str | UUID = "t") -> list[tuple[FetchKey, PartitionFetch]]:
    return [(FetchKey(topic, partition), wish()) for partition in partitions]


def open_context(
    sessions: FetchSessions,
    session_id: int,
    epoch: int,
    wanted: list[tuple[FetchKey, PartitionFetch]],
    forgotten: tuple[FetchKey, ...] = (),
    *,
    ids: bool = False,
    now_ms: int = 0,
) -> FetchContext:
    return sessions.open_context(
        session_id=session_id,
        session_epoch=epoch,
        uses_topic_ids=ids,
        wanted=wanted,
        forgotten=forgotten,
        now_ms=now_ms,
    )


def answer(
    context: FetchContext, *, records: tuple[int, ...] = (), now_ms: int = 0, **fields: int
) -> Selection:
    """Answer every wanted partition alike; those in `records` return 10 bytes."""
    answers = []
    for key, _ in context.wanted:
        data = PartitionData(partition_index=key.partition)
        data.high_watermark = fields.get("high_watermark", 5)
        data.log_start_offset = fields.get("log_start_offset", 0)
        data.error_code = fields.get("error_code", 0)
        data.preferred_read_replica = fields.get("preferred_read_replica", -1)
        if "diverging" in fields:
            data.diverging_epoch = EpochEndOffset(epoch=fields["diverging"], end_offset=1)
        answers.append(Answer(key, data, 10 if key.partition in records else 0))
    return context.select(answers, now_ms=now_ms, rng=RNG)


def new_session(
    sessions: FetchSessions,
    wanted: list[tuple[FetchKey, PartitionFetch]],
    *,
    ids: bool = False,
    now_ms: int = 0,
) -> int:
    context = open_context(sessions, 0, 0, wanted, ids=ids, now_ms=now_ms)
    return answer(context, now_ms=now_ms).session_id


def listed(selection: Selection) -> list[int]:
    return [item.key.partition for item in selection.answers]


def test_final_epoch_reads_without_a_session() -> None:
    sessions = FetchSessions()
    selection = answer(open_context(sessions, 0, -1, keys(2, 0, 1)))
    assert (selection.session_id, listed(selection)) == (0, [2, 0, 1])
    assert len(sessions) == 0


def test_full_request_opens_a_session_and_answers_every_partition() -> None:
    sessions = FetchSessions()
    selection = answer(open_context(sessions, 0, 0, keys(0, 1)))
    assert selection.session_id in sessions
    assert listed(selection) == [0, 1]


def test_incremental_request_reads_all_and_answers_only_news() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0, 1, 2))
    context = open_context(sessions, session_id, 1, [])
    assert [key.partition for key, _ in context.wanted] == [0, 1, 2]
    selection = answer(context, records=(1,))
    assert (selection.session_id, listed(selection)) == (session_id, [1])


@pytest.mark.parametrize(
    "change",
    [
        {"high_watermark": 6},
        {"log_start_offset": 1},
        {"error_code": 3},
        {"preferred_read_replica": 2},
        {"diverging": 0},
    ],
)
def test_a_change_without_records_is_news(change: dict[str, int]) -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0))
    assert listed(answer(open_context(sessions, session_id, 1, []), **change)) == [0]


def test_news_told_once_is_not_repeated() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0))
    answer(open_context(sessions, session_id, 1, []), high_watermark=6)
    assert listed(answer(open_context(sessions, session_id, 2, []), high_watermark=6)) == []


def test_an_error_is_repeated_and_so_is_the_recovery_from_it() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0))
    assert listed(answer(open_context(sessions, session_id, 1, []), error_code=56)) == [0]
    assert listed(answer(open_context(sessions, session_id, 2, []), error_code=56)) == [0]
    assert listed(answer(open_context(sessions, session_id, 3, []))) == [0]
    assert listed(answer(open_context(sessions, session_id, 4, []))) == []


def test_incremental_request_adds_changes_and_forgets_partitions() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0, 1))
    changed = [(FetchKey("t", 1), wish(7)), (FetchKey("u", 0), wish(9))]
    context = open_context(sessions, session_id, 1, changed, (FetchKey("t", 0),))
    assert list(context.wanted) == changed
    assert listed(answer(context)) == [0], "only the added partition is new to the client"


def test_forgetting_the_last_partition_closes_the_session() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0))
    selection = answer(open_context(sessions, session_id, 1, [], (FetchKey("t", 0),)))
    assert selection.session_id == 0
    assert session_id not in sessions


@pytest.mark.parametrize("epoch", [0, -1])
def test_a_full_request_closes_the_session_it_names(epoch: int) -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0))
    open_context(sessions, session_id, epoch, keys(0))
    assert session_id not in sessions


@pytest.mark.parametrize("epoch", [2, 7, -2])
def test_wrong_epoch_is_refused_and_leaves_the_session_usable(epoch: int) -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0))
    with pytest.raises(KafkaFault) as raised:
        open_context(sessions, session_id, epoch, keys(5))
    assert raised.value.code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert [k.partition for k, _ in open_context(sessions, session_id, 1, []).wanted] == [0]


@pytest.mark.parametrize("session_id", [0, 123])
def test_unknown_session_is_refused(session_id: int) -> None:
    with pytest.raises(KafkaFault) as raised:
        open_context(FetchSessions(), session_id, 1, keys(0))
    assert raised.value.code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.parametrize("ids", [True, False])
def test_a_session_keeps_to_names_or_to_ids(ids: bool) -> None:
    sessions = FetchSessions()
    topic = UUID(int=1) if ids else "t"
    session_id = new_session(sessions, keys(0, topic=topic), ids=ids)
    with pytest.raises(KafkaFault) as raised:
        open_context(sessions, session_id, 1, [], ids=not ids)
    assert raised.value.code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_a_request_overtaken_within_its_session_gets_the_epoch_error() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0, 1))
    waiting = open_context(sessions, session_id, 1, [])
    open_context(sessions, session_id, 2, [], (FetchKey("t", 1),))
    selection = answer(waiting, records=(0, 1))
    assert selection.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert listed(selection) == []


def test_partitions_that_returned_records_go_to_the_end_of_the_order() -> None:
    sessions = FetchSessions()
    session_id = new_session(sessions, keys(0, 1, 2))
    orders = []
    for epoch in range(1, 4):
        context = open_context(sessions, session_id, epoch, [])
        orders.append([key.partition for key, _ in context.wanted])
        answer(context, records=(orders[-1][0],))
    assert orders == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]


def test_epochs_wrap_to_one() -> None:
    assert (next_epoch(0), next_epoch(2**31 - 2), next_epoch(2**31 - 1)) == (1, 2**31 - 1, 1)


def test_no_slots_means_no_sessions() -> None:
    assert new_session(FetchSessions(sessions_max=0), keys(0)) == 0


def test_a_full_cache_answers_without_a_session_while_all_are_young() -> None:
    sessions = FetchSessions(sessions_max=1, eviction_ms=100)
    first = new_session(sessions, keys(0))
    assert new_session(sessions, keys(0, 1, 2), now_ms=100) == 0
    assert first in sessions


def test_an_unused_session_makes_room() -> None:
    sessions = FetchSessions(sessions_max=2, eviction_ms=100)
    unused = new_session(sessions, keys(0, 1, 2))
    used = new_session(sessions, keys(0))
    open_context(sessions, used, 1, [], now_ms=90)
    newcomer = new_session(sessions, keys(0), now_ms=101)
    assert newcomer in sessions
    assert unused not in sessions
    assert used in sessions


def test_a_settled_session_yields_only_to_a_larger_one() -> None:
    sessions = FetchSessions(sessions_max=2, eviction_ms=100)
    large = new_session(sessions, keys(0, 1, 2, 3))
    small = new_session(sessions, keys(0, 1))
    for session_id in (large, small):
        open_context(sessions, session_id, 1, [], now_ms=150)
    assert new_session(sessions, keys(0, 1), now_ms=160) == 0
    newcomer = new_session(sessions, keys(0, 1, 2), now_ms=170)
    assert newcomer in sessions
    assert large in sessions
    assert small not in sessions


def test_a_flood_of_one_shot_sessions_stays_within_the_slots() -> None:
    sessions = FetchSessions(sessions_max=10, eviction_ms=100)
    for now_ms in range(1_000):
        new_session(sessions, keys(0), now_ms=now_ms)
    assert len(sessions) == 10
