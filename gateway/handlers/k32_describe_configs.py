"""DescribeConfigs (key 32) v1-4

Behaviour:
- A topic shows every topic config, a broker every broker config that is known; only the requested
  names where names are given (unknown ones are left out, as Kafka does). The broker "" shows the
  dynamic defaults of the cluster, another broker only what was set for it dynamically (Kafka: an
  error).
- Sources and synonyms tell which layer a value comes from, the strongest first.
- A topic is UNKNOWN_TOPIC_OR_PARTITION when the controller says so; while none answers,
  LEADER_NOT_AVAILABLE.
- Groups and client metrics have no configs of their own yet: an empty list.

Version notes:
- 1: synonyms. 3: types and documentation. 4: flexible.

Not implemented: broker loggers (INVALID_REQUEST).

Source: KIP-133, KIP-226, KIP-569.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.definition import ConfigKey, ConfigSource, Synonym
from sprawl.core.config.topic import TOPIC_CONFIGS, effective_value, topic_synonyms
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.catching_up import catch_up
from sprawl.gateway.codec._generated.k32_describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from sprawl.gateway.config_resources import ConfigResource, ResourceType
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping

    from sprawl.core.broker import Broker
    from sprawl.gateway.dispatch import RequestContext

_WITHOUT_CONFIGS = frozenset({ResourceType.CLIENT_METRICS, ResourceType.GROUP})


def handle(
    ctx: RequestContext, request: DescribeConfigsRequest
) -> DescribeConfigsResponse | Awaitable[DescribeConfigsResponse]:
    """Answer at once, unless a topic is not known here."""
    topics = ctx.broker.controller.topics
    if any(
        each.resource_type == ResourceType.TOPIC and each.resource_name not in topics
        for each in request.resources
    ):
        return _catch_up_first(ctx, request)
    return _response(ctx, request)


async def _catch_up_first(
    ctx: RequestContext, request: DescribeConfigsRequest
) -> DescribeConfigsResponse:
    is_certain = await catch_up(ctx.broker)
    response = _response(ctx, request)
    if not is_certain:
        for result in response.results:
            if result.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                result.error_code = ErrorCode.LEADER_NOT_AVAILABLE
    return response


def _response(ctx: RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(
        results=[_describe(ctx.broker, resource, request) for resource in request.resources]
    )


def topic_entries(
    overrides: Mapping[str, str], broker: Broker
) -> Iterator[DescribeConfigsResourceResult]:
    """Every topic config, for a topic with these overrides."""
    for name, key in TOPIC_CONFIGS.items():
        synonyms = topic_synonyms(name, overrides, broker.config)
        yield _entry(key, effective_value(name, overrides, broker.config), synonyms)


def _describe(
    broker: Broker, resource: DescribeConfigsResource, request: DescribeConfigsRequest
) -> DescribeConfigsResult:
    result = DescribeConfigsResult(
        error_code=ErrorCode.NONE,
        error_message=None,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
    if resource.resource_type in _WITHOUT_CONFIGS:
        return result
    try:
        described = ConfigResource(broker, resource.resource_type, resource.resource_name)
    except KafkaFault as fault:
        result.error_code, result.error_message = fault.code, fault.message
        return result
    wanted = resource.configuration_keys
    for entry in _entries(broker, described):
        if wanted is None or entry.name in wanted:
            if not request.include_synonyms:
                entry.synonyms = []
            if not request.include_documentation:
                entry.documentation = None
            result.configs.append(entry)
    return result


def _entries(broker: Broker, resource: ConfigResource) -> Iterator[DescribeConfigsResourceResult]:
    if resource.kind is ResourceType.TOPIC:
        yield from topic_entries(resource.overrides, broker)
        return
    if resource.is_elsewhere:
        for name, value in resource.overrides.items():
            synonym = Synonym(name, value, ConfigSource.DYNAMIC_BROKER_CONFIG)
            yield _entry(BROKER_CONFIGS[name], value, [synonym])
        return
    for name, key in BROKER_CONFIGS.items():
        if not resource.name and name not in resource.overrides:
            continue
        synonyms = broker.config.synonyms(name)
        if not resource.name:
            own = ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
            synonyms = [synonym for synonym in synonyms if synonym.source >= own]
        own_values = [synonym.value for synonym in synonyms if synonym.name == name]
        yield _entry(key, own_values[0] if own_values else key.default, synonyms)


def _entry(
    key: ConfigKey, value: str | None, synonyms: list[Synonym]
) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=key.name,
        value=None if key.sensitive else value,
        read_only=not key.dynamic,
        config_source=synonyms[0].source,
        is_sensitive=key.sensitive,
        synonyms=[
            DescribeConfigsSynonym(
                name=synonym.name,
                value=None if key.sensitive else synonym.value,
                source=synonym.source,
            )
            for synonym in synonyms
        ],
        config_type=key.type,
        documentation=key.doc,
    )


HANDLER = HandlerSpec(32, 1, 4, handle)
