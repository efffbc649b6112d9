"""The shell: futures, the order of appends, cancellation, start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from group_log import Coordination, FakeLog, StoredRecord
from group_world import CONFIG, subscription

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.model import (
    CommitRequest,
    CommitResult,
    GroupConfig,
    HeartbeatRequest,
    JoinRequest,
    JoinResult,
    LeavingMember,
    OffsetToCommit,
    SyncRequest,
)


async def started(log: FakeLog | None = None, config: GroupConfig = CONFIG) -> Coordination:
    world = Coordination(FakeLog() if log is None else log, config)
    await world.start()
    return world


def joining(member_id: str = "", **fields: Any) -> JoinRequest:
    return JoinRequest(
        **{
            "group_id": "g",
            "member_id": member_id,
            "group_instance_id": None,
            "client_id": "c",
            "client_host": "/h",
            "session_timeout_ms": 10_000,
            "rebalance_timeout_ms": 60_000,
            "protocol_type": "consumer",
            "protocols": (("range", subscription("t")),),
            "requires_known_member_id": False,
            **fields,
        }
    )


def committing(offset: int, partition: int = 0, **fields: Any) -> CommitRequest:
    return CommitRequest(
        **{"group_id": "g", "offsets": [OffsetToCommit("t", partition, offset, 0, "")], **fields}
    )


def committed(world: Coordination, partition: int = 0) -> int:
    return world.groups.fetch("g", "t", [partition], require_stable=False)[0].offset


async def answer(awaitable: object) -> Any:
    assert isinstance(awaitable, Awaitable)
    return await asyncio.wait_for(asyncio.ensure_future(awaitable), 5)


async def stable(world: Coordination) -> tuple[str, int]:
    waiting = world.groups.join(joining())
    world.pass_ms(3_000)
    result = await answer(waiting)
    sync = SyncRequest(
        group_id="g",
        generation_id=result.generation_id,
        member_id=result.member_id,
        assignments=((result.member_id, b"A"),),
    )
    synced = world.groups.sync(sync)
    if isinstance(synced, Awaitable):
        synced = await synced
    assert synced.assignment == b"A"
    return result.member_id, result.generation_id


async def test_commit_to_a_log_that_commits_at_once_is_answered_in_the_same_call() -> None:
    world = await started()
    assert world.groups.commit(committing(7)) == CommitResult(errors=[ErrorCode.NONE])
    assert committed(world) == 7
    await world.groups.close()


async def test_commit_waits_for_the_log() -> None:
    world = await started()
    world.log.gates = []
    waiting = world.groups.commit(committing(7))
    assert isinstance(waiting, Awaitable)
    assert committed(world) == -1
    world.log.gates[0].set_result(None)
    assert list((await answer(waiting)).errors) == [ErrorCode.NONE]
    assert committed(world) == 7
    await world.groups.close()


async def test_commits_take_force_in_log_order_whatever_finishes_first() -> None:
    world = await started()
    world.log.gates = []
    first = world.groups.commit(committing(1))
    second = world.groups.commit(committing(2))
    assert isinstance(first, Awaitable)
    assert isinstance(second, Awaitable)
    world.log.gates[1].set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert committed(world) == -1
    world.log.gates[0].set_result(None)
    await asyncio.gather(first, second)
    assert committed(world) == 2
    await world.groups.close()


async def test_commit_that_is_cancelled_still_takes_force() -> None:
    world = await started()
    world.log.gates = []
    waiting = asyncio.ensure_future(world.groups.commit(committing(7)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    world.log.gates[0].set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert committed(world) == 7
    await world.groups.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR), ErrorCode.NOT_COORDINATOR),
        (KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER), ErrorCode.NOT_COORDINATOR),
        (KafkaFault(ErrorCode.NOT_ENOUGH_REPLICAS), ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (KafkaFault(ErrorCode.MESSAGE_TOO_LARGE), ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
async def test_log_that_refuses(fault: KafkaFault, error: ErrorCode) -> None:
    world = await started()
    world.log.refusal = fault
    result = world.groups.commit(committing(7))
    assert result == CommitResult(errors=[error])
    assert committed(world) == -1
    world.log.refusal = None
    world.groups.commit(committing(8))
    assert committed(world) == 8
    await world.groups.close()


async def test_join_waits_for_the_join_phase() -> None:
    world = await started()
    first, second = world.groups.join(joining()), world.groups.join(joining())
    world.pass_ms(3_000)
    world.pass_ms(3_000)
    results = await asyncio.gather(answer(first), answer(second))
    assert [result.generation_id for result in results] == [1, 1]
    await world.groups.close()


async def test_timer_fires_by_itself() -> None:
    log = FakeLog()
    world = await started(log, GroupConfig(group_initial_rebalance_delay_ms=0))
    world.clock.ms = 1
    waiting = world.groups.join(joining())
    world.clock.ms = 50
    result = await answer(waiting)
    assert result.generation_id == 1
    await world.groups.close()


async def test_client_that_disconnects_while_it_waits_leaves_no_ghost() -> None:
    world = await started()
    gone = asyncio.ensure_future(world.groups.join(joining()))  # type: ignore[arg-type]
    stays = asyncio.ensure_future(world.groups.join(joining()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    world.pass_ms(3_000)
    world.pass_ms(3_000)
    assert len((await asyncio.wait_for(stays, 5)).members) == 1
    await world.groups.close()


async def test_topic_is_created_for_the_first_group() -> None:
    world = await started(FakeLog(partition_count=0))
    assert not world.groups.is_ready()
    result = await answer(world.groups.commit(committing(7)))
    assert list(result.errors) == [ErrorCode.NONE]
    assert world.created == 1
    assert isinstance(world.groups.commit(committing(8)), CommitResult)
    assert world.created == 1
    await world.groups.close()


async def test_topic_that_cannot_be_created() -> None:
    world = await started(FakeLog(partition_count=0))
    world.creation_fault = KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR)
    result = await answer(world.groups.join(joining("m")))
    assert (result.error, result.member_id) == (ErrorCode.NOT_COORDINATOR, "m")
    await world.groups.close()


async def test_requests_while_groups_load() -> None:
    world = Coordination(FakeLog(), CONFIG)
    world.lead_all()
    groups = world.groups
    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert groups.join(joining("m")) == JoinResult(error=loading, member_id="m")
    assert groups.sync(SyncRequest(group_id="g", generation_id=1, member_id="m")).error is loading  # type: ignore[union-attr]
    assert groups.heartbeat(HeartbeatRequest("g", 1, "m")) is ErrorCode.NONE
    assert groups.leave("g", (LeavingMember("m"),)).error is loading
    assert groups.commit(committing(1)) == CommitResult(error=loading)
    assert groups.delete_offsets("g", []) == CommitResult(error=loading)
    assert groups.delete_groups(["g"]) == [loading]
    assert groups.availability("g") is groups.availability_of_all() is loading


async def test_close_sends_waiting_members_away_and_refuses_what_follows() -> None:
    world = await started()
    waiting = world.groups.join(joining())
    await world.groups.close()
    assert (await answer(waiting)).error is ErrorCode.NOT_COORDINATOR
    gone = ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert world.groups.join(joining()) == JoinResult(error=gone)
    assert world.groups.heartbeat(HeartbeatRequest("g", 1, "m")) is gone
    assert world.groups.availability("g") is world.groups.availability_of_all() is gone


async def test_start_rebuilds_groups_from_the_log() -> None:
    world = await started()
    member_id, generation_id = await stable(world)
    world.groups.commit(committing(9, member_id=member_id, generation_id=generation_id))
    before = world.groups.describe("g")
    await world.groups.close()
    again = await started(world.log)
    assert committed(again) == 9
    heartbeat = HeartbeatRequest("g", generation_id, member_id)
    assert again.groups.heartbeat(heartbeat) is ErrorCode.NONE
    assert again.groups.describe("g") == before
    again.groups.leave("g", (LeavingMember(member_id),))
    assert [group.state for group in again.groups.list_groups()] == ["Empty"]
    assert again.groups.delete_groups(["g"]) == [ErrorCode.NONE]
    await again.groups.close()
    last = await started(again.log)
    assert last.groups.list_groups() == []
    await last.groups.close()


async def test_unreadable_records_are_named_and_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = await started()
    world.groups.commit(committing(9))
    await world.groups.close()
    (partition,) = world.log.partitions
    world.log.partitions[partition].insert(0, StoredRecord(77, b"\0\1bad", b""))
    world.log.commit_to(partition, len(world.log.partitions[partition]))
    again = await started(world.log)
    assert committed(again) == 9
    assert any("offset 77" in record.getMessage() for record in caplog.records)
    await again.groups.close()


async def test_deleted_topic_takes_its_offsets_along() -> None:
    world = await started()
    world.groups.commit(committing(9))
    world.groups.topics_deleted(["t"])
    assert committed(world) == -1
    await world.groups.close()


async def test_delete_offsets() -> None:
    world = await started()
    world.groups.commit(committing(9))
    assert world.groups.delete_offsets("g", [("t", 0)]) == CommitResult(errors=[ErrorCode.NONE])
    assert world.groups.fetch_all("g", require_stable=True) == []
    await world.groups.close()


async def test_settings_can_change_while_running() -> None:
    world = await started()
    world.groups.update_config(GroupConfig(offset_metadata_max_bytes=1))
    request = CommitRequest(group_id="g", offsets=[OffsetToCommit("t", 0, 1, 0, "xx")])
    result = world.groups.commit(request)
    assert result == CommitResult(errors=[ErrorCode.OFFSET_METADATA_TOO_LARGE])
    await world.groups.close()
