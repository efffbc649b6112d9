"""CreateTopics (key 19) v2-7

Behaviour:
- Each topic succeeds or fails alone and is durable when answered; with `validate_only` nothing is
  created and the same errors are found.
- -1 partitions or replicas mean the broker's defaults. A replication factor above the number of
  registered brokers is INVALID_REPLICATION_FACTOR.
- A name that stands twice in the request is INVALID_REQUEST.
- All of them together take `timeout_ms` at most: what is not known to be done by then is
  REQUEST_TIMED_OUT and may be done yet. Where no controller answers: NOT_CONTROLLER.

Version notes:
- 5: the configs in force come back. 7: the topic id.

Not implemented: nothing.

Source: KIP-4, KIP-525.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k19_create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from sprawl.gateway.config_resources import topic_config_values
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.gateway.dispatch import RequestContext


async def handle(ctx: RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse:
    """Answer when every topic is durable, or the time is up."""
    time = RequestTime(request.timeout_ms)
    named = Counter(topic.name for topic in request.topics)
    return CreateTopicsResponse(
        topics=[
            await _create(
                ctx.broker,
                topic,
                time,
                validate_only=request.validate_only,
                is_named_twice=named[topic.name] > 1,
            )
            for topic in request.topics
        ]
    )


async def _create(
    broker: Broker,
    asked: CreatableTopic,
    time: RequestTime,
    *,
    validate_only: bool,
    is_named_twice: bool,
) -> CreatableTopicResult:
    try:
        if is_named_twice:
            raise KafkaFault(ErrorCode.INVALID_REQUEST, "Duplicate topic in request.")
        create = broker.controller.create_topic
        topic = await time.take(partial(create, _spec(asked), validate_only=validate_only))
    except KafkaFault as fault:
        return CreatableTopicResult(
            name=asked.name,
            error_code=fault.code,
            error_message=fault.message,
            num_partitions=-1,
            replication_factor=-1,
            configs=[],
        )
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.id,
        error_code=ErrorCode.NONE,
        error_message=None,
        num_partitions=topic.partition_count,
        replication_factor=len(topic.replicas[0]),
        configs=[
            CreatableTopicConfigs(
                name=name, value=value, read_only=False, config_source=source, is_sensitive=False
            )
            for name, value, source in topic_config_values(topic.configs, broker)
        ],
    )


def _spec(asked: CreatableTopic) -> TopicSpec:
    assignments = {each.partition_index: each.broker_ids for each in asked.assignments}
    if len(assignments) < len(asked.assignments):
        raise KafkaFault(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "A partition is assigned more than once."
        )
    configs: dict[str, str] = {}
    for config in asked.configs:
        if config.value is None:
            raise KafkaFault(
                ErrorCode.INVALID_CONFIG,
                f"Null value not supported for topic configs: {config.name}",
            )
        configs[config.name] = config.value
    return TopicSpec(
        name=asked.name,
        partition_count=asked.num_partitions,
        replication_factor=asked.replication_factor,
        assignments=assignments,
        configs=configs,
    )


HANDLER = HandlerSpec(19, 2, 7, handle)
