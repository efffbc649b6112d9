"""Coordination by partition: leading, resigning, handing over, and appends in doubt."""

from __future__ import annotations

import asyncio

import pytest
from coordinating import (
    HOME,
    LOADING,
    NOT_HERE,
    OTHER,
    OTHER_HOME,
    begin,
    commit,
    committed,
    follower,
    joining,
    leader,
    member,
    turns,
    until_served,
)
from group_log import Coordination, FakeLog, StoredRecord
from group_world import CONFIG

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups import coordinators, shell
from sprawl.core.groups.model import (
    CommitRequest,
    CommitResult,
    GroupConfig,
    HeartbeatRequest,
    LeavingMember,
    OffsetToCommit,
    SyncRequest,
)
from sprawl.core.groups.placement import partition_for

# --- where a group is coordinated -----------------------------------------------------------------


async def test_a_partition_led_elsewhere_is_coordinated_elsewhere() -> None:
    node = await follower(FakeLog())
    groups = node.groups
    assert groups.join(joining(member_id="m")).error is NOT_HERE  # type: ignore[union-attr]
    assert groups.sync(SyncRequest(group_id="g", generation_id=1, member_id="m")).error is NOT_HERE  # type: ignore[union-attr]
    assert groups.heartbeat(HeartbeatRequest("g", 1, "m")) is NOT_HERE
    assert groups.leave("g", (LeavingMember("m"),)).error is NOT_HERE
    assert commit(node, 1) == CommitResult(error=NOT_HERE)
    assert groups.delete_offsets("g", [("t", 0)]) == CommitResult(error=NOT_HERE)
    assert groups.delete_groups(["g"]) == [NOT_HERE]
    assert groups.availability("g") is NOT_HERE
    assert groups.availability_of_all() is ErrorCode.NONE
    assert groups.list_groups() == []


async def test_before_the_topic_exists_nothing_can_be_read() -> None:
    node = await follower(FakeLog(partition_count=0))
    assert node.groups.availability("g") is NOT_HERE
    assert node.groups.heartbeat(HeartbeatRequest("g", 1, "m")) is NOT_HERE


async def test_an_empty_partition_costs_a_look_and_no_coordinator() -> None:
    node = Coordination(FakeLog(), CONFIG)
    node.log.append(HOME, []).close()
    await node.start()
    assert sorted(node.log.looks) == list(range(50))
    assert node.log.reads == []
    assert list(node.groups._coordinators()) == []
    assert commit(node, 3) == CommitResult(errors=[ErrorCode.NONE])
    assert [each.partition for each in node.groups._coordinators()] == [HOME]
    await node.groups.close()


async def test_partition_that_is_asked_for_is_looked_at_first() -> None:
    node = await follower(FakeLog())
    for partition in range(50):
        node.groups.lead(partition, 1)
    assert commit(node, 3) == CommitResult(errors=[ErrorCode.NONE])
    assert node.log.looks == [HOME]
    assert [group.group_id for group in node.groups.list_groups()] == ["g"]
    await turns(100)
    assert sorted(node.log.looks) == list(range(50))
    await node.groups.close()


async def test_groups_of_all_led_partitions_are_listed_described_and_deleted() -> None:
    log = FakeLog()
    here, there = await leader(log), await follower(log)
    there.groups.lead(OTHER_HOME, 1)
    commit(here, 1)
    commit(there, 2, OTHER)
    assert [group.group_id for group in here.groups.list_groups()] == ["g"]
    assert [group.group_id for group in there.groups.list_groups()] == [OTHER]
    assert here.groups.describe("g").state == there.groups.describe(OTHER).state == "Empty"
    here.groups.lead(OTHER_HOME, 2)
    there.groups.resign(OTHER_HOME)
    await until_served(here, OTHER)
    assert {group.group_id for group in here.groups.list_groups()} == {"g", OTHER}
    assert here.groups.list_groups(["stable"]) == []
    missing = ErrorCode.GROUP_ID_NOT_FOUND
    led_nowhere = next(f"x{n}" for n in range(99) if partition_for(f"x{n}", 50) == 0)
    wanted = [OTHER, led_nowhere, "g", OTHER]
    assert here.groups.delete_groups(wanted) == [ErrorCode.NONE, NOT_HERE, ErrorCode.NONE, missing]
    assert here.groups.list_groups() == []
    for node in (here, there):
        await node.groups.close()


async def test_deletion_of_groups_in_several_partitions_waits_for_all_of_them() -> None:
    node = Coordination(FakeLog(), CONFIG)
    await node.start()
    commit(node, 1)
    commit(node, 1, OTHER)
    node.log.gates = []
    deleting = begin(node.groups.delete_groups([OTHER, "none", "g"]))
    await turns()
    first, second = node.log.gates
    second.set_result(None)
    await turns()
    assert not deleting.done()
    first.set_result(None)
    assert await deleting == [ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.NONE]
    await node.groups.close()


# --- handing over ---------------------------------------------------------------------------------


async def test_offsets_and_members_survive_being_handed_to_and_fro() -> None:
    log = FakeLog()
    nodes = [await leader(log), await follower(log, seed=2)]
    member_id, generation_id = await member(nodes[0])
    for term in range(2, 8):
        old, new = nodes[term % 2], nodes[(term + 1) % 2]
        beat = HeartbeatRequest("g", generation_id, member_id)
        assert old.groups.heartbeat(beat) is ErrorCode.NONE
        request = CommitRequest(
            group_id="g",
            member_id=member_id,
            generation_id=generation_id,
            offsets=[OffsetToCommit("t", 0, 100 + term, 0, "")],
        )
        assert old.groups.commit(request) == CommitResult(errors=[ErrorCode.NONE])
        before = old.groups.describe("g")
        old.groups.resign(HOME)
        assert commit(old, 1) == CommitResult(error=NOT_HERE)
        new.groups.lead(HOME, term)
        assert new.groups.heartbeat(beat) is ErrorCode.NONE
        await until_served(new)
        assert committed(new) == 100 + term
        assert new.groups.describe("g") == before
    for node in nodes:
        await node.groups.close()


async def test_a_newer_term_loads_again_and_an_older_one_changes_nothing() -> None:
    node = await leader()
    commit(node, 5)
    node.groups.lead(HOME, 1)
    node.groups.lead(HOME, 0)
    assert committed(node) == 5
    node.groups.lead(HOME, 2)
    assert node.groups.availability("g") is LOADING
    assert node.groups.availability_of_all() is LOADING
    await until_served(node)
    assert committed(node) == 5
    await node.groups.close()


async def test_load_that_is_overtaken_by_resign_never_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "_REPLAY_SLICE", 1)
    node = await leader()
    for offset in range(20):
        commit(node, offset)
    node.groups.lead(HOME, 2)
    assert node.groups.availability("g") is LOADING
    (loading,) = node.groups._coordinators()
    await turns(5)
    assert node.log.reads == [HOME]
    node.groups.resign(HOME)
    await turns(40)
    assert loading.availability() is NOT_HERE
    assert node.groups.availability("g") is NOT_HERE
    assert not node.groups._loads
    node.groups.lead(HOME, 3)
    await until_served(node)
    assert committed(node) == 19
    await node.groups.close()


async def test_load_waits_until_everything_in_the_log_is_committed() -> None:
    node = await leader()
    node.log.gates = []
    begin(commit(node, 7)).cancel()
    node.groups.lead(HOME, 2)
    await turns(30)
    assert node.groups.availability("g") is LOADING
    node.log.gates[0].set_result(None)
    await until_served(node)
    assert committed(node) == 7
    await node.groups.close()


async def test_member_that_waits_in_join_is_sent_away_by_resign() -> None:
    node = await leader()
    waiting = begin(node.groups.join(joining()))
    await turns()
    node.groups.resign(HOME)
    assert (await waiting).error is NOT_HERE
    node.pass_ms(60_000)
    assert node.groups.list_groups() == []
    await node.groups.close()


async def test_timers_end_with_the_tenure() -> None:
    node = await follower(FakeLog())
    node.groups.update_config(GroupConfig(group_initial_rebalance_delay_ms=0))
    node.groups.lead(HOME, 1)
    waiting = begin(node.groups.join(joining()))
    await turns()
    (coordinator,) = node.groups._coordinators()
    assert coordinator._timer is not None
    written = len(node.log.partitions[HOME])
    node.groups.resign(HOME)
    assert coordinator._timer is None
    await waiting
    node.clock.ms = 1_000_000
    coordinator._tick()
    assert len(node.log.partitions[HOME]) == written
    await node.groups.close()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (None, ErrorCode.NONE),
        (KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER), ErrorCode.NOT_COORDINATOR),
    ],
)
async def test_commit_in_flight_during_resign_is_answered_as_it_ends(
    fault: KafkaFault | None, told: ErrorCode
) -> None:
    log = FakeLog()
    node, next_node = await leader(log), await follower(log)
    commit(node, 1)
    log.gates = []
    waiting = begin(commit(node, 2))
    await turns()
    node.groups.resign(HOME)
    await turns()
    assert not waiting.done()
    (gate,) = log.gates
    log.gates = None
    if fault is None:
        gate.set_result(None)
    else:
        gate.set_exception(fault)
        log.truncate(HOME)
    assert list((await waiting).errors) == [told]
    assert node.groups.availability("g") is NOT_HERE
    next_node.groups.lead(HOME, 2)
    await until_served(next_node)
    assert committed(next_node) == (2 if fault is None else 1)
    for each in (node, next_node):
        await each.groups.close()


async def test_append_of_an_ended_tenure_does_not_touch_its_successor() -> None:
    node = await leader()
    node.log.gates = []
    old = begin(commit(node, 1))
    await turns()
    node.groups.resign(HOME)
    node.log.truncate(HOME)
    node.groups.lead(HOME, 2)
    await until_served(node)
    new = begin(commit(node, 2))
    await turns()
    node.log.gates[1].set_result(None)
    assert list((await new).errors) == [ErrorCode.NONE]
    node.log.gates[0].set_exception(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER))
    assert list((await old).errors) == [NOT_HERE]
    assert committed(node) == 2
    await node.groups.close()


# --- appends in doubt -----------------------------------------------------------------------------

DOUBTS = [
    (KafkaFault(ErrorCode.REQUEST_TIMED_OUT), ErrorCode.COORDINATOR_NOT_AVAILABLE),
    (
        KafkaFault(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ),
    (KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER), ErrorCode.NOT_COORDINATOR),
    (RuntimeError("a bug"), ErrorCode.COORDINATOR_NOT_AVAILABLE),
]


@pytest.mark.parametrize(("fault", "told"), DOUBTS)
@pytest.mark.parametrize("stays", [True, False])
async def test_after_an_append_in_doubt_the_log_is_the_truth(
    fault: Exception, told: ErrorCode, stays: bool
) -> None:
    node = await leader()
    commit(node, 1)
    node.log.gates = []
    doubtful, parked = begin(commit(node, 2)), begin(node.groups.join(joining()))
    await turns()
    node.log.gates[0].set_exception(fault)
    assert list((await doubtful).errors) == [told]
    assert (await parked).error is NOT_HERE
    # Whether the append counts is not known yet, so nothing is said about the group.
    await turns(30)
    assert node.groups.availability("g") is LOADING
    assert commit(node, 9) == CommitResult(error=LOADING)
    if stays:
        node.log.commit_to(HOME, len(node.log.partitions[HOME]))
    else:
        node.log.truncate(HOME)
    node.log.gates = None
    if not stays:
        node.groups.resign(HOME)
        node.groups.lead(HOME, 2)
    await until_served(node)
    assert committed(node) == (2 if stays else 1)
    assert commit(node, 3) == CommitResult(errors=[ErrorCode.NONE])
    assert committed(node) == 3
    await node.groups.close()


async def test_commit_behind_one_in_doubt_is_answered_as_it_ends() -> None:
    node = await leader()
    node.log.gates = []
    first, second = begin(commit(node, 1)), begin(commit(node, 2))
    await turns()
    node.log.gates[0].set_exception(KafkaFault(ErrorCode.REQUEST_TIMED_OUT))
    node.log.gates[1].set_result(None)
    assert list((await first).errors) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]
    assert list((await second).errors) == [ErrorCode.NONE]
    await until_served(node)
    assert committed(node) == 2
    await node.groups.close()


async def test_assignment_in_doubt_starts_no_rebalance_in_the_log() -> None:
    node = await leader()
    waiting = node.groups.join(joining())
    node.pass_ms(3_000)
    joined = await begin(waiting)
    node.log.gates = []
    sync = SyncRequest(
        group_id="g",
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        assignments=((joined.member_id, b"A"),),
    )
    syncing = begin(node.groups.sync(sync))
    await turns()
    (gate,) = node.log.gates
    gate.set_exception(KafkaFault(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND))
    assert (await syncing).error is NOT_HERE
    assert len(node.log.gates) == 1
    node.log.commit_to(HOME, len(node.log.partitions[HOME]))
    await until_served(node)
    group = node.groups.describe("g")
    assert (group.state, group.members[0].assignment) == ("Stable", b"A")
    await node.groups.close()


async def test_an_append_that_breaks_before_it_began_is_in_doubt_too() -> None:
    node = await leader()
    commit(node, 1)
    node.log.refusal = RuntimeError("a bug")
    assert list(commit(node, 2).errors) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]
    assert node.groups.availability("g") is LOADING
    node.log.refusal = None
    await until_served(node)
    assert committed(node) == 1
    await node.groups.close()


# --- loads that fail, and what follows a load -----------------------------------------------------


@pytest.mark.parametrize(
    "failure", [KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR), RuntimeError("a bug")]
)
async def test_partition_that_cannot_be_read_is_tried_again(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(coordinators, "RETRY_S", 0.001)
    node = await leader()
    commit(node, 4)
    node.log.unreadable = failure
    node.groups.lead(HOME, 2)
    await node.groups.start()
    assert node.groups.availability("g") is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert node.groups.heartbeat(HeartbeatRequest("g", 1, "m"))
    assert "cannot be loaded" in caplog.text
    node.log.unreadable = None
    await until_served(node)
    assert committed(node) == 4
    await node.groups.close()


async def test_resign_ends_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinators, "RETRY_S", 0.001)
    node = await leader()
    commit(node, 4)
    node.log.unreadable = KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR)
    node.groups.lead(HOME, 2)
    await node.groups.start()
    node.groups.resign(HOME)
    await asyncio.sleep(0.005)
    assert node.groups.availability("g") is NOT_HERE
    await node.groups.close()


async def test_a_load_forgets_offsets_of_topics_that_are_gone() -> None:
    log = FakeLog()
    node, next_node = await leader(log), await follower(log)
    commit(node, 1)
    node.groups.resign(HOME)
    next_node.deleted_topics = {"t", "never heard of"}
    next_node.groups.lead(HOME, 2)
    await until_served(next_node)
    await turns()
    assert committed(next_node) == -1
    assert log.partitions[HOME][-1].value is None
    await next_node.groups.close()


async def test_a_load_keeps_offsets_when_the_controller_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = await leader()
    commit(node, 1)

    async def silent(names: object) -> set[str]:
        raise KafkaFault(ErrorCode.NOT_CONTROLLER)

    monkeypatch.setattr(node.groups, "_find_deleted", silent)
    node.groups.lead(HOME, 2)
    await node.groups.start()
    assert committed(node) == 1
    await node.groups.close()


async def test_few_partitions_load_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_REPLAY_SLICE", 1)
    log = FakeLog()
    node = await follower(log)
    for partition in range(20):
        log.partitions[partition] = [StoredRecord(n, None, None) for n in range(5)]
        node.groups.lead(partition, 1)
    await turns(60)
    assert log.reads == []  # nothing is committed yet
    for partition in range(19):
        log.commit_to(partition, 5)
    await turns(200)
    assert sorted(log.reads) == list(range(19))
    assert log.readers_max == coordinators.LOADS_MAX
    log.commit_to(19, 5)
    async with asyncio.timeout(5):
        while node.groups.availability_of_all():
            await asyncio.sleep(0.001)
    assert sorted(log.reads) == list(range(20))
    await node.groups.close()


async def test_close_while_loading_and_appending() -> None:
    node = await leader()
    node.log.gates = []
    waiting = begin(commit(node, 1))
    await turns()
    node.groups.lead(OTHER_HOME, 1)
    closing = asyncio.ensure_future(node.groups.close())
    await turns()
    assert not closing.done()
    assert node.groups.availability("g") is ErrorCode.COORDINATOR_NOT_AVAILABLE
    node.groups.lead(HOME, 9)
    node.log.gates[0].set_result(None)
    await closing
    assert list((await waiting).errors) == [ErrorCode.NONE]
    assert list(node.groups._coordinators()) == []
