"""InitProducerId while the controller is away: producers are told what they retry on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k22_init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from sprawl.gateway.handlers import k22_init_producer_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sprawl.gateway.dispatch import RequestContext


async def ask(next_producer_id: Callable[[], Awaitable[int]]) -> InitProducerIdResponse:
    """What a new producer is told by a node with such a controller."""
    controller = SimpleNamespace(next_producer_id=next_producer_id)
    ctx = SimpleNamespace(broker=SimpleNamespace(controller=controller))
    request = InitProducerIdRequest(transactional_id=None, producer_id=-1, producer_epoch=-1)
    return await k22_init_producer_id.handle(cast("RequestContext", ctx), request)


async def test_a_producer_gets_an_id_with_epoch_0() -> None:
    async def give() -> int:
        return 7

    answer = await ask(give)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (0, 7, 0)


@pytest.mark.parametrize("code", [ErrorCode.NOT_CONTROLLER, ErrorCode.REQUEST_TIMED_OUT])
async def test_without_a_controller_a_producer_is_told_to_try_again(code: ErrorCode) -> None:
    async def fail() -> int:
        raise KafkaFault(code)

    answer = await ask(fail)
    # aiokafka ends on the other two codes, and so do older clients of Kafka.
    assert answer.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert answer.producer_id == -1


async def test_a_producer_is_answered_long_before_it_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(k22_init_producer_id, "CONTROLLER_WAIT_S", 0.01)

    async def wait() -> int:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    answer = await ask(wait)
    assert answer.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


async def test_what_is_wrong_with_the_disk_is_told_as_it_is() -> None:
    async def fail() -> int:
        raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR)

    assert (await ask(fail)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
