"""Asks the controller before a topic is called unknown: this node may only be behind.

Clients forget a topic that is unknown, and administrators believe it. So that is said only after a
read that the controller confirmed, on the node whose controller leads too: it may have been paused,
and another one may lead by now.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from sprawl.core.broker import Broker

CONTROLLER_WAIT_S: Final = 3.0
"""Longer than the controller's election takes as a rule. A client asks for the topics it works with
and a missing one together, and waits for all of them."""
UNANSWERED: Final = frozenset(
    {
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""How a wish ends that the controller has not answered: none was found, it may be granted yet, or
this node was removed and is not listened to any more. Nothing that a client gives up for."""


async def catch_up(broker: Broker) -> bool:
    """Whether everything that the controller had decided before the call is known here now."""
    try:
        async with asyncio.timeout(CONTROLLER_WAIT_S):
            await broker.controller.barrier()
    except (KafkaFault, TimeoutError):
        return False
    return True
