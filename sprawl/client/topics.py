"""Creates, changes and deletes topics, and reads and changes configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from sprawl.client.cluster import Cluster
from sprawl.client.connection import ResponseType
from sprawl.client.faults import raise_for
from sprawl.gateway.codec._generated.k19_create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from sprawl.gateway.codec._generated.k20_delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from sprawl.gateway.codec._generated.k32_describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from sprawl.gateway.codec._generated.k37_create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from sprawl.gateway.codec._generated.k44_incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from sprawl.gateway.codec.message import Struct

CREATE_TOPICS = 19
DELETE_TOPICS = 20
DESCRIBE_CONFIGS = 32
CREATE_PARTITIONS = 37
INCREMENTAL_ALTER_CONFIGS = 44
TIMEOUT_MS = 30_000


class ResourceType(IntEnum):
    """What a config belongs to, with Kafka's numbers."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    GROUP = 32


CONFIG_SOURCES: Final[Mapping[int, str]] = {
    1: "topic",
    2: "dynamic broker",
    3: "dynamic default broker",
    4: "static broker",
    5: "default",
    6: "dynamic broker logger",
    7: "client metrics",
    8: "group",
}
"""Where a config's value comes from, by the number in DescribeConfigs."""

TOPIC_SOURCE = 1
DEFAULT_SOURCE = 5

_SET = 0
_DELETE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """One config as the broker reports it; a sensitive value is None."""

    name: str
    value: str | None
    source: int
    read_only: bool
    sensitive: bool
    documentation: str | None


async def create_topic(
    cluster: Cluster,
    name: str,
    *,
    partitions: int = -1,
    replication: int = -1,
    configs: Mapping[str, str] | None = None,
    validate_only: bool = False,
) -> int:
    """Creates a topic; -1 leaves a number to the broker's default.

    Returns: the number of partitions.

    Raises:
        Refused: TOPIC_ALREADY_EXISTS, INVALID_CONFIG, INVALID_PARTITIONS and others.
    """
    request = CreateTopicsRequest(
        topics=[
            CreatableTopic(
                name=name,
                num_partitions=partitions,
                replication_factor=replication,
                configs=[
                    CreatableTopicConfig(name=key, value=value)
                    for key, value in (configs or {}).items()
                ],
            )
        ],
        timeout_ms=TIMEOUT_MS,
        validate_only=validate_only,
    )
    answer = await ask_controller(cluster, CREATE_TOPICS, request, CreateTopicsResponse)
    result = answer.topics[0]
    raise_for(result.error_code, f"topic {name}", result.error_message)
    return result.num_partitions


async def delete_topics(cluster: Cluster, names: Sequence[str]) -> None:
    """Raises: Refused for the first topic that could not be deleted."""
    answer = await ask_controller(
        cluster,
        DELETE_TOPICS,
        DeleteTopicsRequest(topic_names=list(names), timeout_ms=TIMEOUT_MS),
        DeleteTopicsResponse,
    )
    for result in answer.responses:
        raise_for(result.error_code, f"topic {result.name}", result.error_message)


async def add_partitions(cluster: Cluster, name: str, *, total: int) -> None:
    """Grows a topic to `total` partitions.

    Raises:
        Refused: INVALID_PARTITIONS when the topic has as many already.
    """
    answer = await ask_controller(
        cluster,
        CREATE_PARTITIONS,
        CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=name, count=total, assignments=None)],
            timeout_ms=TIMEOUT_MS,
        ),
        CreatePartitionsResponse,
    )
    result = answer.results[0]
    raise_for(result.error_code, f"topic {name}", result.error_message)


async def describe_configs(cluster: Cluster, kind: ResourceType, name: str) -> list[ConfigView]:
    """Raises: Refused, UNKNOWN_TOPIC_OR_PARTITION for example."""
    request = DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(
                resource_type=int(kind), resource_name=name, configuration_keys=None
            )
        ],
        include_documentation=True,
    )
    if kind is ResourceType.BROKER and name:
        await cluster.metadata([])
        connection = await cluster.node(int(name))
        answer = await connection.request(DESCRIBE_CONFIGS, request, DescribeConfigsResponse)
    else:
        answer = await cluster.request(DESCRIBE_CONFIGS, request, DescribeConfigsResponse)
    result = answer.results[0]
    raise_for(result.error_code, f"{kind.name.lower()} {name}", result.error_message)
    return [
        ConfigView(
            name=config.name,
            value=config.value,
            source=config.config_source,
            read_only=config.read_only,
            sensitive=config.is_sensitive,
            documentation=config.documentation,
        )
        for config in result.configs
    ]


async def alter_configs(
    cluster: Cluster,
    kind: ResourceType,
    name: str,
    *,
    set_values: Mapping[str, str],
    delete: Sequence[str] = (),
    validate_only: bool = False,
) -> None:
    """Sets some configs and returns others to their defaults; the rest stay.

    Raises:
        Refused: INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION and others.
    """
    changes = [
        AlterableConfig(name=key, config_operation=_SET, value=value)
        for key, value in set_values.items()
    ]
    changes += [AlterableConfig(name=key, config_operation=_DELETE, value=None) for key in delete]
    answer = await ask_controller(
        cluster,
        INCREMENTAL_ALTER_CONFIGS,
        IncrementalAlterConfigsRequest(
            resources=[
                AlterConfigsResource(resource_type=int(kind), resource_name=name, configs=changes)
            ],
            validate_only=validate_only,
        ),
        IncrementalAlterConfigsResponse,
    )
    result = answer.responses[0]
    raise_for(result.error_code, f"{kind.name.lower()} {name}", result.error_message)


async def ask_controller(
    cluster: Cluster, api_key: int, request: Struct, response: type[ResponseType]
) -> ResponseType:
    """Asks the broker that Metadata names as the controller, or any when it names none."""
    view = await cluster.metadata([])
    if view.controller_id < 0:
        return await cluster.request(api_key, request, response)
    connection = await cluster.node(view.controller_id)
    return await connection.request(api_key, request, response)
