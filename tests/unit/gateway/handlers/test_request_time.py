"""Changes of one request have one time together, whoever asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from data_world import World

from sprawl.core.config.alteration import Operation
from sprawl.core.config.broker import BrokerConfig
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway import request_time
from sprawl.gateway.codec._generated import k19_create_topics as k19
from sprawl.gateway.codec._generated import k20_delete_topics as k20
from sprawl.gateway.codec._generated import k33_alter_configs as k33
from sprawl.gateway.codec._generated import k37_create_partitions as k37
from sprawl.gateway.codec._generated import k44_incremental_alter_configs as k44
from sprawl.gateway.codec._generated import k45_alter_partition_reassignments as k45
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.handlers import (
    k19_create_topics,
    k20_delete_topics,
    k33_alter_configs,
    k37_create_partitions,
    k44_incremental_alter_configs,
    k45_alter_partition_reassignments,
)

NAMES = ("a", "b", "c")
TOPIC = 2


class Script:
    """A controller whose commands each do what the test says for the topic they are about."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.outcomes: dict[str, KafkaFault | None] = {}
        """None: it never answers."""

    async def _command(self, name: str) -> None:
        self.begun.append(name)
        if name not in self.outcomes:
            return
        fault = self.outcomes[name]
        if fault is None:
            await asyncio.Event().wait()
        else:
            raise fault

    async def create_topic(self, spec: Any, **_: object) -> object:
        await self._command(spec.name)
        return SimpleNamespace(
            name=spec.name, id=ZERO_UUID, partition_count=1, replicas=[(1,)], configs={}
        )

    async def delete_topic(self, *, name: str, topic_id: object) -> object:
        await self._command(name)
        return name, topic_id

    async def create_partitions(self, name: str, *_: object, **__: object) -> None:
        await self._command(name)

    async def move_partition(self, name: str, *_: object) -> None:
        await self._command(name)

    async def replace_configs(self, _kind: int, name: str, *_: object, **__: object) -> None:
        await self._command(name)

    async def alter_configs(self, _kind: int, name: str, *_: object, **__: object) -> None:
        await self._command(name)


def create_topics(timeout_ms: int) -> Struct:
    return k19.CreateTopicsRequest(
        topics=[
            k19.CreatableTopic(
                name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
            )
            for name in NAMES
        ],
        timeout_ms=timeout_ms,
    )


def delete_topics(timeout_ms: int) -> Struct:
    return k20.DeleteTopicsRequest(topic_names=list(NAMES), timeout_ms=timeout_ms)


def create_partitions(timeout_ms: int) -> Struct:
    topics = [k37.CreatePartitionsTopic(name=name, count=2, assignments=None) for name in NAMES]
    return k37.CreatePartitionsRequest(topics=topics, timeout_ms=timeout_ms)


def move_partitions(timeout_ms: int) -> Struct:
    topics = [
        k45.ReassignableTopic(
            name=name, partitions=[k45.ReassignablePartition(partition_index=0, replicas=[1])]
        )
        for name in NAMES
    ]
    return k45.AlterPartitionReassignmentsRequest(topics=topics, timeout_ms=timeout_ms)


def alter_configs(_timeout_ms: int) -> Struct:
    return k33.AlterConfigsRequest(
        resources=[
            k33.AlterConfigsResource(resource_type=TOPIC, resource_name=name, configs=[])
            for name in NAMES
        ]
    )


def change_configs(_timeout_ms: int) -> Struct:
    change = k44.AlterableConfig(name="retention.ms", config_operation=Operation.SET, value="7")
    return k44.IncrementalAlterConfigsRequest(
        resources=[
            k44.AlterConfigsResource(resource_type=TOPIC, resource_name=name, configs=[change])
            for name in NAMES
        ]
    )


Case = tuple[ModuleType, Callable[[int], Struct], int, Callable[[Any], list[int]]]
CASES: dict[str, Case] = {
    "CreateTopics": (
        k19_create_topics,
        create_topics,
        7,
        lambda answer: [each.error_code for each in answer.topics],
    ),
    "DeleteTopics": (
        k20_delete_topics,
        delete_topics,
        5,
        lambda answer: [each.error_code for each in answer.responses],
    ),
    "CreatePartitions": (
        k37_create_partitions,
        create_partitions,
        3,
        lambda answer: [each.error_code for each in answer.results],
    ),
    "AlterPartitionReassignments": (
        k45_alter_partition_reassignments,
        move_partitions,
        1,
        lambda answer: [each.partitions[0].error_code for each in answer.responses],
    ),
    "AlterConfigs": (
        k33_alter_configs,
        alter_configs,
        2,
        lambda answer: [each.error_code for each in answer.responses],
    ),
    "IncrementalAlterConfigs": (
        k44_incremental_alter_configs,
        change_configs,
        1,
        lambda answer: [each.error_code for each in answer.responses],
    ),
}


@pytest.fixture
def script(world: World) -> Script:
    made = Script()
    world.broker.controller = cast("Any", made)
    world.broker.config = BrokerConfig.from_overrides({})
    return made


async def codes(world: World, case: str, *, timeout_ms: int) -> list[int]:
    handler, request, version, errors = CASES[case]
    answer = await asyncio.wait_for(world.call(handler, request(timeout_ms), version), 10)
    return errors(answer)


@pytest.mark.parametrize("case", CASES)
async def test_what_is_not_done_in_time_may_be_done_yet_and_the_rest_is_not_begun(
    world: World, script: Script, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_time, "UNASKED_TIMEOUT_S", 0.05)
    script.outcomes["b"] = None
    late = ErrorCode.REQUEST_TIMED_OUT
    assert await codes(world, case, timeout_ms=50) == [ErrorCode.NONE, late, late]
    assert script.begun == ["a", "b"]


@pytest.mark.parametrize("case", CASES)
async def test_a_controller_that_is_not_there_is_waited_for_once(
    world: World, script: Script, case: str
) -> None:
    script.outcomes["b"] = KafkaFault(ErrorCode.NOT_CONTROLLER)
    nobody = ErrorCode.NOT_CONTROLLER
    assert await codes(world, case, timeout_ms=30_000) == [ErrorCode.NONE, nobody, nobody]
    assert script.begun == ["a", "b"]


@pytest.mark.parametrize("case", CASES)
async def test_a_change_that_is_refused_spares_the_others(
    world: World, script: Script, case: str
) -> None:
    script.outcomes["b"] = KafkaFault(ErrorCode.POLICY_VIOLATION)
    refused = ErrorCode.POLICY_VIOLATION
    assert await codes(world, case, timeout_ms=30_000) == [ErrorCode.NONE, refused, ErrorCode.NONE]


@pytest.mark.parametrize("timeout_ms", [0, -1])
async def test_a_request_that_asks_not_to_wait_has_everything_begun(
    world: World, script: Script, timeout_ms: int
) -> None:
    """librdkafka's operation_timeout: what was asked for happens all the same."""
    assert await codes(world, "CreateTopics", timeout_ms=timeout_ms) == [ErrorCode.NONE] * 3
    assert script.begun == list(NAMES)
