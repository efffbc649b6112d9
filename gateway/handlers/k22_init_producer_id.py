"""InitProducerId (key 22) v0-5

Behaviour:
- A producer without transactional id gets a new producer id with epoch 0. Ids come from blocks that
  are durable before the first of them is given: none is ever given twice.
- A producer that asks anew with the id it has (KIP-360) gets a new id too, as in Kafka: without a
  transactional id nobody else can hold the old one.
- While no controller answers, a node whose block is used up says COORDINATOR_LOAD_IN_PROGRESS, and
  says so soon, as Kafka's does: clients try again then, and some end on a REQUEST_TIMED_OUT.

Version notes:
- 3: `producer_id` and `producer_epoch` of the producer so far.

Not implemented: transactional ids. Transactions are not served yet, so such a request is
INVALID_REQUEST, an error on which producers fail at once.

Source: KIP-98, KIP-360; Kafka's RPCProducerIdManager.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.catching_up import UNANSWERED
from sprawl.gateway.codec._generated.k22_init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

CONTROLLER_WAIT_S: Final = 3.0
"""Longer than the controller's election takes as a rule, and well below the 10 s and more after
which clients give a request up: kafka-python's producer ends when this one is not answered."""


async def handle(ctx: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse:
    """Answer when the id is durable."""
    if request.transactional_id is not None:
        return _failed(ErrorCode.INVALID_REQUEST)
    if (request.producer_id < 0) != (request.producer_epoch < 0):
        return _failed(ErrorCode.INVALID_REQUEST)
    try:
        async with asyncio.timeout(CONTROLLER_WAIT_S):
            producer_id = await ctx.broker.controller.next_producer_id()
    except TimeoutError:
        return _failed(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    except KafkaFault as fault:
        if fault.code in UNANSWERED:
            return _failed(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        return _failed(fault.code)
    return InitProducerIdResponse(
        error_code=ErrorCode.NONE, producer_id=producer_id, producer_epoch=0
    )


def _failed(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)


HANDLER = HandlerSpec(22, 0, 5, handle)
