"""The group APIs as clients see them: every version through the codec, real coordinator behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from group_api_world import NO_ID, T_ID, World, join_request
from group_log import FakeLog
from group_world import subscription

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.placement import partition_for
from sprawl.gateway.codec._generated import (
    k08_offset_commit as k08,
)
from sprawl.gateway.codec._generated import (
    k09_offset_fetch as k09,
)
from sprawl.gateway.codec._generated import (
    k10_find_coordinator as k10,
)
from sprawl.gateway.codec._generated import (
    k12_heartbeat as k12,
)
from sprawl.gateway.codec._generated import (
    k13_leave_group as k13,
)
from sprawl.gateway.codec._generated import (
    k14_sync_group as k14,
)
from sprawl.gateway.codec._generated import (
    k15_describe_groups as k15,
)
from sprawl.gateway.codec._generated import (
    k16_list_groups as k16,
)
from sprawl.gateway.codec._generated import (
    k42_delete_groups as k42,
)
from sprawl.gateway.codec._generated import (
    k47_offset_delete as k47,
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start()
    yield made
    await made.groups.close()


# --- OffsetCommit ---------------------------------------------------------------------------------


def commit_request(version: int, *rows: tuple[str, UUID, int], **fields: Any) -> Any:
    return k08.OffsetCommitRequest(
        group_id="g",
        topics=[
            k08.OffsetCommitRequestTopic(
                name=name if version < 10 else "",
                topic_id=topic_id if version >= 10 else UUID(int=0),
                partitions=[
                    k08.OffsetCommitRequestPartition(
                        partition_index=partition,
                        committed_offset=50,
                        committed_leader_epoch=3,
                        committed_metadata=None,
                    )
                ],
            )
            for name, topic_id, partition in rows
        ],
        **fields,
    )


@pytest.mark.parametrize("version", range(2, 11))
async def test_offset_commit(world: World, version: int) -> None:
    rows = [("t", T_ID, 0), ("t", T_ID, 2), ("gone", NO_ID, 0)]
    response = await world.ask(8, version, commit_request(version, *rows))
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if version < 10 else ErrorCode.UNKNOWN_TOPIC_ID
    assert [topic.partitions[0].error_code for topic in response.topics] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        unknown,
    ]
    if version < 10:
        assert [topic.name for topic in response.topics] == ["t", "t", "gone"]
    else:
        assert [topic.topic_id for topic in response.topics] == [T_ID, T_ID, NO_ID]
    assert world.committed() == (50, 3 if version >= 6 else -1, "")


@pytest.mark.parametrize(
    ("version", "error"), [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)]
)
async def test_offset_commit_of_a_missing_group(
    world: World, version: int, error: ErrorCode
) -> None:
    request = commit_request(
        version, ("t", T_ID, 0), generation_id_or_member_epoch=4, member_id="m"
    )
    response = await world.ask(8, version, request)
    assert response.topics[0].partitions[0].error_code == error


async def test_offset_commit_to_nothing_that_exists_creates_no_group(world: World) -> None:
    await world.ask(8, 9, commit_request(9, ("gone", NO_ID, 0)))
    assert world.groups.list_groups() == []


# --- OffsetFetch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(1, 8))
async def test_offset_fetch_of_one_group(world: World, version: int) -> None:
    world.commit()
    topics = [k09.OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])]
    request = k09.OffsetFetchRequest(group_id="g", topics=topics, require_stable=version >= 7)
    response = await world.ask(9, version, request)
    first, second = response.topics[0].partitions
    epoch = 3 if version >= 5 else -1
    assert (first.committed_offset, first.committed_leader_epoch, first.metadata) == (7, epoch, "m")
    assert (second.committed_offset, second.metadata, second.error_code) == (-1, "", 0)
    if version >= 2:
        everything = await world.ask(9, version, k09.OffsetFetchRequest(group_id="g", topics=None))
        assert [
            (topic.name, [row.partition_index for row in topic.partitions])
            for topic in everything.topics
        ] == [("t", [0])]


@pytest.mark.parametrize("version", range(8, 11))
async def test_offset_fetch_of_many_groups(world: World, version: int) -> None:
    world.commit()
    world.commit("deleted")
    wish = k09.OffsetFetchRequestTopics(
        name="t" if version < 10 else "",
        topic_id=T_ID if version >= 10 else UUID(int=0),
        partition_indexes=[0],
    )
    request = k09.OffsetFetchRequest(
        groups=[
            k09.OffsetFetchRequestGroup(group_id="g", topics=[wish]),
            k09.OffsetFetchRequestGroup(group_id="g", topics=None),
            k09.OffsetFetchRequestGroup(group_id="other", topics=[wish]),
        ]
    )
    named, everything, other = (await world.ask(9, version, request)).groups
    assert named.topics[0].partitions[0].committed_offset == 7
    assert named.topics[0].partitions[0].committed_leader_epoch == 3
    assert other.topics[0].partitions[0].committed_offset == -1
    assert (other.group_id, other.error_code) == ("other", 0)
    if version < 10:
        assert {topic.name for topic in everything.topics} == {"t", "deleted"}
    else:
        assert [topic.topic_id for topic in everything.topics] == [T_ID]


async def test_offset_fetch_by_an_unknown_topic_id(world: World) -> None:
    wish = k09.OffsetFetchRequestTopics(topic_id=NO_ID, partition_indexes=[0])
    group = k09.OffsetFetchRequestGroup(group_id="g", topics=[wish])
    response = await world.ask(9, 10, k09.OffsetFetchRequest(groups=[group]))
    row = response.groups[0].topics[0].partitions[0]
    assert (row.committed_offset, row.error_code) == (-1, ErrorCode.UNKNOWN_TOPIC_ID)


async def test_reads_while_groups_load() -> None:
    world = World()
    world.lead_all()
    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    topics = [k09.OffsetFetchRequestTopic(name="t", partition_indexes=[0])]
    request = k09.OffsetFetchRequest(group_id="g", topics=topics)
    assert (await world.ask(9, 1, request)).topics[0].partitions[0].error_code == loading
    for version in (2, 3, 7):
        answer = await world.ask(9, version, request)
        assert answer.error_code == loading
        # aiokafka (0.14) looks at the partitions only: without them, nothing would be committed.
        assert answer.topics[0].partitions[0].error_code == loading
    everything = await world.ask(9, 3, k09.OffsetFetchRequest(group_id="g", topics=None))
    assert (everything.error_code, everything.topics) == (loading, [])
    group = k09.OffsetFetchRequestGroup(group_id="g", topics=None)
    batch = await world.ask(9, 8, k09.OffsetFetchRequest(groups=[group]))
    assert batch.groups[0].error_code == loading
    assert (await world.ask(16, 0, k16.ListGroupsRequest())).error_code == loading
    described = await world.ask(15, 6, k15.DescribeGroupsRequest(groups=["g"]))
    assert described.groups[0].error_code == loading


# --- FindCoordinator ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(7))
async def test_find_coordinator(world: World, version: int) -> None:
    request = k10.FindCoordinatorRequest()
    if version < 4:
        request.key = "g"
        found = [await world.ask(10, version, request)]
    else:
        request.coordinator_keys = ["g", "h"]
        found = (await world.ask(10, version, request)).coordinators
        assert [row.key for row in found] == ["g", "h"]
    for row in found:
        assert (row.error_code, row.node_id, row.host, row.port) == (0, 5, "broker.example", 9092)


@pytest.mark.parametrize("version", [0, 1, 3, 4, 6])
async def test_find_coordinator_on_another_node(world: World, version: int) -> None:
    world.cluster.leaders = {partition_for("g", 50): 6, partition_for("h", 50): -1}
    not_available = ErrorCode.COORDINATOR_NOT_AVAILABLE
    expected = {
        "g": (0, 6, "other.example", 9093),
        "h": (not_available, -1, "", -1),
        "i": (0, 5, "broker.example", 9092),
    }
    if version >= 4:
        request = k10.FindCoordinatorRequest(coordinator_keys=list(expected))
        rows = (await world.ask(10, version, request)).coordinators
        assert [row.key for row in rows] == list(expected)
    else:
        rows = [
            await world.ask(10, version, k10.FindCoordinatorRequest(key=key)) for key in expected
        ]
    found = [(row.error_code, row.node_id, row.host, row.port) for row in rows]
    assert found == list(expected.values())
    if version:
        assert rows[1].error_message
        assert not rows[0].error_message


async def test_find_coordinator_whose_leader_has_no_address_here(world: World) -> None:
    del world.cluster.addresses[5]
    row = await world.ask(10, 2, k10.FindCoordinatorRequest(key="g"))
    assert (row.error_code, row.node_id) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1)


async def test_find_coordinator_creates_the_offsets_topic_first() -> None:
    world = World(FakeLog(partition_count=0))
    await world.start()
    response = await world.ask(10, 0, k10.FindCoordinatorRequest(key="g"))
    assert (response.error_code, response.node_id) == (0, 5)
    assert world.log.partition_count == 50
    await world.groups.close()


async def test_find_coordinator_while_the_offsets_topic_cannot_be_created() -> None:
    world = World(FakeLog(partition_count=0))
    world.creation_fault = KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, "disk full")
    response = await world.ask(10, 1, k10.FindCoordinatorRequest(key="g"))
    assert response.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert response.error_message == "disk full"
    assert (response.node_id, response.host, response.port) == (-1, "", -1)


@pytest.mark.parametrize(
    ("version", "key_type", "error"),
    [
        (2, 1, ErrorCode.UNSUPPORTED_VERSION),
        (4, 1, ErrorCode.UNSUPPORTED_VERSION),
        (6, 2, ErrorCode.UNSUPPORTED_VERSION),
        (5, 2, ErrorCode.INVALID_REQUEST),
        (6, 9, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_find_coordinator_of_what_is_not_served(
    world: World, version: int, key_type: int, error: ErrorCode
) -> None:
    request = k10.FindCoordinatorRequest(key_type=key_type)
    if version < 4:
        request.key = "x"
        row = await world.ask(10, version, request)
    else:
        request.coordinator_keys = ["x"]
        (row,) = (await world.ask(10, version, request)).coordinators
    assert (row.error_code, row.node_id) == (error, -1)
    assert row.error_message


# --- JoinGroup, SyncGroup, Heartbeat, LeaveGroup --------------------------------------------------


@pytest.mark.parametrize("version", range(10))
async def test_life_of_a_member(world: World, version: int) -> None:
    request = join_request()
    joined = await world.ask(11, version, request)
    if version >= 4:
        assert joined.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert joined.protocol_name == (None if version >= 7 else "")
        request.member_id = joined.member_id
        joined = await world.ask(11, version, request)
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (0, 1, "range")
    assert joined.protocol_type == ("consumer" if version >= 7 else None)
    assert joined.leader == joined.member_id
    assert joined.member_id.startswith("app-")
    assert [member.metadata for member in joined.members] == [subscription("t")]

    sync = k14.SyncGroupRequest(
        group_id="g",
        generation_id=1,
        member_id=joined.member_id,
        assignments=[k14.SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"A")],
    )
    synced = await world.ask(14, min(version, 5), sync)
    assert (synced.error_code, synced.assignment) == (0, b"A")
    assert synced.protocol_name == ("range" if version >= 5 else None)

    beat = k12.HeartbeatRequest(group_id="g", generation_id=1, member_id=joined.member_id)
    assert (await world.ask(12, min(version, 4), beat)).error_code == 0

    leave_version = min(version, 5)
    leave = k13.LeaveGroupRequest(group_id="g")
    if leave_version < 3:
        leave.member_id = joined.member_id
    else:
        leave.members = [k13.MemberIdentity(member_id=joined.member_id)]
    left = await world.ask(13, leave_version, leave)
    assert left.error_code == 0
    assert [(row.member_id, row.error_code) for row in left.members] == (
        [(joined.member_id, 0)] if leave_version >= 3 else []
    )
    assert world.groups.describe("g").state == "Empty"


async def test_first_version_of_join_uses_the_session_timeout_for_both(world: World) -> None:
    joined = await world.ask(11, 0, join_request(session_timeout_ms=12_000))
    member = next(world.groups._coordinators())._state.groups["g"].members[joined.member_id]
    assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (12_000, 12_000)


async def test_static_leader_that_returns_skips_the_assignment(world: World) -> None:
    first = await world.ask(11, 9, join_request(group_instance_id="i"))
    sync = k14.SyncGroupRequest(group_id="g", generation_id=1, member_id=first.member_id)
    await world.ask(14, 5, sync)
    back = await world.ask(11, 9, join_request(group_instance_id="i"))
    assert back.skip_assignment
    assert back.generation_id == 1
    assert back.members[0].group_instance_id == "i"
    old = await world.ask(11, 8, join_request(group_instance_id="i"))
    assert old.leader == back.member_id != old.member_id


async def test_leave_of_an_unknown_member(world: World) -> None:
    await world.member()
    old = await world.ask(13, 2, k13.LeaveGroupRequest(group_id="g", member_id="nobody"))
    assert old.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    members = [k13.MemberIdentity(member_id="nobody", group_instance_id="i")]
    new = await world.ask(13, 5, k13.LeaveGroupRequest(group_id="g", members=members))
    assert new.error_code == 0
    assert new.members[0].error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert new.members[0].group_instance_id == "i"


# --- administration -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(7))
async def test_describe_groups(world: World, version: int) -> None:
    member_id, _ = await world.member()
    request = k15.DescribeGroupsRequest(groups=["g", "other"])
    if version >= 3:
        request.include_authorized_operations = True
    group, other = (await world.ask(15, version, request)).groups
    assert (group.group_state, group.protocol_type, group.protocol_data) == (
        "Stable",
        "consumer",
        "range",
    )
    (member,) = group.members
    assert (member.member_id, member.client_id, member.client_host) == (
        member_id,
        "app",
        "/10.0.0.9",
    )
    assert (member.member_metadata, member.member_assignment) == (subscription("t"), b"A")
    assert (other.group_id, other.group_state) == ("other", "Dead")
    assert other.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else 0)
    assert group.authorized_operations == (3400 if version >= 3 else -2147483648)


@pytest.mark.parametrize("version", range(6))
async def test_list_groups(world: World, version: int) -> None:
    await world.member()
    request = k16.ListGroupsRequest()
    if version >= 4:
        request.states_filter = ["STABLE"]
    if version >= 5:
        request.types_filter = ["classic"]
    (group,) = (await world.ask(16, version, request)).groups
    assert (group.group_id, group.protocol_type) == ("g", "consumer")
    assert group.group_state == ("Stable" if version >= 4 else "")
    assert group.group_type == ("classic" if version >= 5 else "")
    if version >= 4:
        request.states_filter = ["Empty"]
        assert (await world.ask(16, version, request)).groups == []


@pytest.mark.parametrize("version", range(3))
async def test_delete_groups(world: World, version: int) -> None:
    world.commit()
    request = k42.DeleteGroupsRequest(groups_names=["g", "other", "g"])
    response = await world.ask(42, version, request)
    assert [(row.group_id, row.error_code) for row in response.results] == [
        ("g", 0),
        ("other", ErrorCode.GROUP_ID_NOT_FOUND),
    ]
    assert world.committed()[0] == -1


async def test_delete_of_a_live_group(world: World) -> None:
    await world.member()
    response = await world.ask(42, 2, k42.DeleteGroupsRequest(groups_names=["g"]))
    assert response.results[0].error_code == ErrorCode.NON_EMPTY_GROUP


def delete_request(*rows: tuple[str, int]) -> k47.OffsetDeleteRequest:
    return k47.OffsetDeleteRequest(
        group_id="g",
        topics=[
            k47.OffsetDeleteRequestTopic(
                name=name,
                partitions=[k47.OffsetDeleteRequestPartition(partition_index=partition)],
            )
            for name, partition in rows
        ],
    )


async def test_offset_delete(world: World) -> None:
    world.commit()
    response = await world.ask(47, 0, delete_request(("t", 0), ("gone", 0), ("t", 2)))
    assert [
        (topic.name, topic.partitions[0].partition_index, topic.partitions[0].error_code)
        for topic in response.topics
    ] == [
        ("t", 0, 0),
        ("gone", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("t", 2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert world.committed()[0] == -1


async def test_offset_delete_of_a_subscribed_topic(world: World) -> None:
    await world.member()
    response = await world.ask(47, 0, delete_request(("t", 0)))
    assert response.topics[0].partitions[0].error_code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC


async def test_offset_delete_of_a_missing_group(world: World) -> None:
    response = await world.ask(47, 0, delete_request(("t", 0)))
    assert (response.error_code, response.topics) == (ErrorCode.GROUP_ID_NOT_FOUND, [])
