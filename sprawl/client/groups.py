"""Lists, describes and changes consumer groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sprawl.client.cluster import Cluster
from sprawl.client.faults import Refused, raise_for
from sprawl.client.membership import OFFSET_COMMIT, OFFSET_FETCH, parse_assignment
from sprawl.core.errors import ErrorCode, PeerFault
from sprawl.gateway.codec._generated.k08_offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from sprawl.gateway.codec._generated.k09_offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
)
from sprawl.gateway.codec._generated.k15_describe_groups import (
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from sprawl.gateway.codec._generated.k16_list_groups import ListGroupsRequest, ListGroupsResponse
from sprawl.gateway.codec._generated.k42_delete_groups import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from sprawl.gateway.codec._generated.k47_offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)

DESCRIBE_GROUPS = 15
LIST_GROUPS = 16
DELETE_GROUPS = 42
OFFSET_DELETE = 47

DEAD: Final = "Dead"
"""State that DescribeGroups reports for a group that does not exist (below version 6)."""

TopicPartitionKey = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupListing:
    group: str
    state: str
    protocol_type: str
    group_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """A member; `assigned` is empty while the group rebalances."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    assigned: frozenset[TopicPartitionKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    group: str
    state: str
    protocol_type: str
    assignor: str
    coordinator: str
    members: tuple[MemberView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    offset: int
    metadata: str


async def list_groups(cluster: Cluster) -> list[GroupListing]:
    """Every group of every broker, by name."""
    view = await cluster.metadata([])
    groups: list[GroupListing] = []
    for node in view.nodes:
        connection = await cluster.node(node.node_id)
        answer = await connection.request(LIST_GROUPS, ListGroupsRequest(), ListGroupsResponse)
        raise_for(answer.error_code, f"groups of broker {node.node_id}")
        groups.extend(
            GroupListing(
                group=entry.group_id,
                state=entry.group_state,
                protocol_type=entry.protocol_type,
                group_type=entry.group_type,
            )
            for entry in answer.groups
        )
    return sorted(groups, key=lambda listing: listing.group)


async def describe_group(cluster: Cluster, group: str) -> GroupView:
    """Raises: Refused, GROUP_ID_NOT_FOUND when there is no such group."""
    connection = await cluster.coordinator(group)
    answer = await connection.request(
        DESCRIBE_GROUPS, DescribeGroupsRequest(groups=[group]), DescribeGroupsResponse
    )
    found = answer.groups[0]
    raise_for(found.error_code, f"group {group}", found.error_message)
    if found.group_state == DEAD:
        raise Refused(ErrorCode.GROUP_ID_NOT_FOUND, f"group {group}")
    return GroupView(
        group=group,
        state=found.group_state,
        protocol_type=found.protocol_type,
        assignor=found.protocol_data,
        coordinator=connection.address,
        members=tuple(_member_view(member) for member in found.members),
    )


async def committed_offsets(cluster: Cluster, group: str) -> dict[TopicPartitionKey, Committed]:
    """Every offset the group has committed."""
    connection = await cluster.coordinator(group)
    answer = await connection.request(
        OFFSET_FETCH,
        OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)]),
        OffsetFetchResponse,
    )
    found = answer.groups[0]
    raise_for(found.error_code, f"group {group}")
    offsets: dict[TopicPartitionKey, Committed] = {}
    for topic in found.topics:
        for partition in topic.partitions:
            raise_for(partition.error_code, f"group {group} on {topic.name}")
            if partition.committed_offset >= 0:
                offsets[topic.name, partition.partition_index] = Committed(
                    offset=partition.committed_offset, metadata=partition.metadata or ""
                )
    return offsets


async def commit_offsets(
    cluster: Cluster, group: str, offsets: Mapping[TopicPartitionKey, int]
) -> None:
    """Sets a group's offsets from outside.

    Raises:
        Refused: UNKNOWN_MEMBER_ID while the group has members.
    """
    connection = await cluster.coordinator(group)
    by_topic: dict[str, list[OffsetCommitRequestPartition]] = {}
    for (topic, partition), offset in offsets.items():
        by_topic.setdefault(topic, []).append(
            OffsetCommitRequestPartition(
                partition_index=partition, committed_offset=offset, committed_metadata=""
            )
        )
    answer = await connection.request(
        OFFSET_COMMIT,
        OffsetCommitRequest(
            group_id=group,
            topics=[
                OffsetCommitRequestTopic(name=topic, partitions=partitions)
                for topic, partitions in by_topic.items()
            ],
        ),
        OffsetCommitResponse,
    )
    for entry in answer.topics:
        for result in entry.partitions:
            raise_for(result.error_code, f"group {group} on {entry.name}-{result.partition_index}")


async def delete_offsets(
    cluster: Cluster, group: str, partitions: Sequence[TopicPartitionKey]
) -> None:
    """Forgets committed offsets.

    Raises:
        Refused: GROUP_SUBSCRIBED_TO_TOPIC while a member reads the topic.
    """
    connection = await cluster.coordinator(group)
    by_topic: dict[str, list[OffsetDeleteRequestPartition]] = {}
    for topic, partition in partitions:
        by_topic.setdefault(topic, []).append(
            OffsetDeleteRequestPartition(partition_index=partition)
        )
    answer = await connection.request(
        OFFSET_DELETE,
        OffsetDeleteRequest(
            group_id=group,
            topics=[
                OffsetDeleteRequestTopic(name=topic, partitions=entries)
                for topic, entries in by_topic.items()
            ],
        ),
        OffsetDeleteResponse,
    )
    raise_for(answer.error_code, f"group {group}")
    for entry in answer.topics:
        for result in entry.partitions:
            raise_for(result.error_code, f"group {group} on {entry.name}-{result.partition_index}")


async def delete_group(cluster: Cluster, group: str) -> None:
    """Raises: Refused, NON_EMPTY_GROUP while it has members."""
    connection = await cluster.coordinator(group)
    answer = await connection.request(
        DELETE_GROUPS, DeleteGroupsRequest(groups_names=[group]), DeleteGroupsResponse
    )
    raise_for(answer.results[0].error_code, f"group {group}")


def _member_view(member: DescribedGroupMember) -> MemberView:
    try:
        assigned = parse_assignment(bytes(member.member_assignment))
    except PeerFault:
        assigned = {}
    return MemberView(
        member_id=member.member_id,
        instance_id=member.group_instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        assigned=frozenset((topic, p) for topic, ps in assigned.items() for p in ps),
    )
