"""The nodes of a cluster: who there is, who takes no more replicas, and who is taken out."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass

from sprawl.client.cluster import RETRIES_MAX, RETRY_WAIT_S, Cluster
from sprawl.client.faults import raise_for
from sprawl.client.topics import DESCRIBE_CONFIGS, ResourceType, alter_configs, ask_controller
from sprawl.gateway.codec._generated.k32_describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from sprawl.gateway.codec._generated.k60_describe_cluster import (
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from sprawl.gateway.codec._generated.k64_unregister_broker import (
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)

DESCRIBE_CLUSTER = 60
UNREGISTER_BROKER = 64
_FENCED_FROM_VERSION = 2
CORDON = "cordoned.log.dirs"
"""Set, the node gets no new replicas (KIP-1066)."""
ALL_DIRECTORIES = "*"


class State(enum.StrEnum):
    """How a node is, as the one sees it that was asked."""

    ALIVE = "alive"
    LEAVING = "leaving"
    """It takes no new replicas."""
    UNREACHABLE = "unreachable"
    GONE = "unreachable, leaving"

    @property
    def is_alive(self) -> bool:
        return self in (State.ALIVE, State.LEAVING)

    @property
    def is_leaving(self) -> bool:
        return self in (State.LEAVING, State.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A registered node."""

    node_id: int
    host: str
    port: int
    rack: str | None
    state: State


async def read_nodes(cluster: Cluster) -> list[Member]:
    """All registered nodes in order of their ids. Raises: Refused."""
    knows_fenced = await cluster.version_for(DESCRIBE_CLUSTER) >= _FENCED_FROM_VERSION
    answer = await cluster.request(
        DESCRIBE_CLUSTER,
        DescribeClusterRequest(include_fenced_brokers=knows_fenced),
        DescribeClusterResponse,
    )
    raise_for(answer.error_code, "the cluster", answer.error_message)
    leaving = await _cordoned(cluster, [each.broker_id for each in answer.brokers])
    return sorted(
        (
            Member(
                node_id=each.broker_id,
                host=each.host,
                port=each.port,
                rack=each.rack,
                state=_state(is_fenced=each.is_fenced, is_leaving=each.broker_id in leaving),
            )
            for each in answer.brokers
        ),
        key=lambda member: member.node_id,
    )


async def cordon(cluster: Cluster, node: int, *, is_on: bool) -> None:
    """Let a node have no new replicas, or have some again. Raises: Refused."""
    await alter_configs(
        cluster,
        ResourceType.BROKER,
        str(node),
        set_values={CORDON: ALL_DIRECTORIES} if is_on else {},
        delete=() if is_on else (CORDON,),
    )


async def unregister(cluster: Cluster, node: int) -> None:
    """Take a node out of the cluster, and wait until the node that was asked first knows.

    Raises: Refused while it holds replicas.
    """
    answer = await ask_controller(
        cluster,
        UNREGISTER_BROKER,
        UnregisterBrokerRequest(broker_id=node),
        UnregisterBrokerResponse,
    )
    raise_for(answer.error_code, f"node {node}", answer.error_message)
    for _ in range(RETRIES_MAX):
        if all(each.node_id != node for each in await read_nodes(cluster)):
            return
        await asyncio.sleep(RETRY_WAIT_S)


async def _cordoned(cluster: Cluster, nodes: list[int]) -> set[int]:
    answer = await cluster.request(
        DESCRIBE_CONFIGS,
        DescribeConfigsRequest(
            resources=[
                DescribeConfigsResource(
                    resource_type=ResourceType.BROKER,
                    resource_name=str(node),
                    configuration_keys=[CORDON],
                )
                for node in nodes
            ]
        ),
        DescribeConfigsResponse,
    )
    return {
        int(each.resource_name)
        for each in answer.results
        if any(config.name == CORDON and config.value for config in each.configs)
    }


def _state(*, is_fenced: bool, is_leaving: bool) -> State:
    if is_fenced:
        return State.GONE if is_leaving else State.UNREACHABLE
    return State.LEAVING if is_leaving else State.ALIVE
