"""A topic is unknown when the controller says so, not when the node that is asked does not know it:
it may be behind, or have been paused while its own controller led."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, cast
from uuid import UUID

import pytest
from data_world import World

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway import catching_up
from sprawl.gateway.codec._generated import k03_metadata as k03
from sprawl.gateway.codec._generated import k32_describe_configs as k32
from sprawl.gateway.codec._generated import k75_describe_topic_partitions as k75
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.handlers import (
    k03_metadata,
    k32_describe_configs,
    k75_describe_topic_partitions,
)

NO_ID = UUID(int=99)
BY_NAME, BY_ID, BY_PAGE = "Metadata by name", "Metadata by id", "DescribeTopicPartitions"
CONFIGS = "DescribeConfigs"
TOPIC = 2


class Behind:
    """A controller of which this node knows only what it has heard of so far; it leads, or so this
    node believes. `news` comes with the next barrier, or the fault does."""

    is_leader = True

    def __init__(self, world: World) -> None:
        self._state = world.state
        self.news: Callable[[], object] = lambda: None
        self.fault: KafkaFault | None = None
        self.hangs = False
        self.asked: list[str] = []

    @property
    def topics(self) -> Mapping[str, TopicInfo]:
        return self._state.topics

    @property
    def by_id(self) -> Mapping[UUID, TopicInfo]:
        return self._state.by_id

    async def barrier(self) -> None:
        self.asked.append("barrier")
        await self._answer()

    async def ensure_topic(self, spec: TopicSpec) -> None:
        self.asked.append(spec.name)
        await self._answer()

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.news()


@pytest.fixture
def controller(world: World) -> Behind:
    made = Behind(world)
    world.broker.controller = cast("Any", made)
    world.broker.config = BrokerConfig.from_overrides({"auto.create.topics.enable": "false"})
    return made


def question(
    how: str, *, name: str = "t", topic_id: UUID = NO_ID
) -> tuple[ModuleType, Struct, int]:
    if how == BY_PAGE:
        asked = k75.TopicRequest(name=name)
        request = k75.DescribeTopicPartitionsRequest(topics=[asked], cursor=None)
        return k75_describe_topic_partitions, request, 0
    if how == CONFIGS:
        resource = k32.DescribeConfigsResource(resource_type=TOPIC, resource_name=name)
        return k32_describe_configs, k32.DescribeConfigsRequest(resources=[resource]), 4
    topic = k03.MetadataRequestTopic(name=name)
    if how == BY_ID:
        topic = k03.MetadataRequestTopic(name=None, topic_id=topic_id)
    return k03_metadata, k03.MetadataRequest(topics=[topic]), 13


async def error(world: World, how: str, **asked: Any) -> ErrorCode:
    answer: Any = await world.call(*question(how, **asked))
    [topic] = answer.results if how == CONFIGS else answer.topics
    return ErrorCode(topic.error_code)


@pytest.mark.parametrize("how", [BY_NAME, BY_ID, BY_PAGE, CONFIGS])
async def test_what_the_controller_has_decided_is_found_though_this_node_did_not_know(
    world: World, controller: Behind, how: str
) -> None:
    known = world.elsewhere("first", [[1]])
    coming = UUID(int=known.int + 1)
    controller.news = lambda: world.elsewhere("t", [[1]])
    assert await error(world, how, topic_id=coming) is ErrorCode.NONE
    assert controller.asked == ["barrier"]


@pytest.mark.parametrize("how", [BY_NAME, BY_ID, BY_PAGE, CONFIGS])
async def test_a_topic_is_unknown_when_the_controller_says_so(
    world: World, controller: Behind, how: str
) -> None:
    code = ErrorCode.UNKNOWN_TOPIC_ID if how == BY_ID else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await error(world, how) is code
    assert controller.asked == ["barrier"]


@pytest.mark.parametrize("how", [BY_NAME, BY_ID, BY_PAGE, CONFIGS])
@pytest.mark.parametrize("hangs", [False, True], ids=["none found", "none answers"])
async def test_while_no_controller_answers_nothing_is_unknown(
    world: World, controller: Behind, how: str, hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching_up, "CONTROLLER_WAIT_S", 0.01)
    controller.hangs = hangs
    controller.fault = KafkaFault(ErrorCode.NOT_CONTROLLER)
    assert await error(world, how) is ErrorCode.LEADER_NOT_AVAILABLE


@pytest.mark.parametrize("how", [BY_NAME, BY_ID, BY_PAGE, CONFIGS])
async def test_nobody_is_asked_about_a_topic_that_is_known(
    world: World, controller: Behind, how: str
) -> None:
    known = world.topic()
    assert not world.must_wait(*question(how, topic_id=known))
    assert await error(world, how, topic_id=known) is ErrorCode.NONE


async def test_nobody_is_asked_about_what_cannot_be(world: World, controller: Behind) -> None:
    assert await error(world, BY_NAME, name="a/b") is ErrorCode.INVALID_TOPIC_EXCEPTION
    by_id = k03.MetadataRequestTopic(name=None, topic_id=NO_ID)
    answer: Any = await world.call(k03_metadata, k03.MetadataRequest(topics=[by_id]), 11)
    assert answer.topics[0].error_code == ErrorCode.INVALID_REQUEST
    assert controller.asked == []


async def test_known_topics_are_told_beside_one_that_nobody_can_say_of(
    world: World, controller: Behind
) -> None:
    world.topic()
    controller.fault = KafkaFault(ErrorCode.REQUEST_TIMED_OUT)
    topics = [k03.MetadataRequestTopic(name=name) for name in ("t", "u")]
    answer: Any = await world.call(k03_metadata, k03.MetadataRequest(topics=topics), 12)
    codes = {topic.name: topic.error_code for topic in answer.topics}
    assert codes == {"t": ErrorCode.NONE, "u": ErrorCode.LEADER_NOT_AVAILABLE}


async def test_topics_that_no_controller_creates_cost_one_wait(
    world: World, controller: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k03_metadata, "CREATION_MS", 10)
    world.broker.config = BrokerConfig.from_overrides({"auto.create.topics.enable": "true"})
    controller.hangs = True
    topics = [k03.MetadataRequestTopic(name=name) for name in ("t", "u", "v")]
    answer: Any = await world.call(k03_metadata, k03.MetadataRequest(topics=topics), 12)
    assert {topic.error_code for topic in answer.topics} == {ErrorCode.LEADER_NOT_AVAILABLE}
    assert controller.asked == ["t"]
