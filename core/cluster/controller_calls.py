"""Commands to the controller, from node to node, and the line about those that are refused."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sprawl.core.cluster.peers import PeerIdentity, PeerRefused, PeerUnreachable
from sprawl.core.controller.commands import Sender
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.limits import PEER_REFUSAL_WINDOW_MS
from sprawl.core.log_limit import LogLimit

if TYPE_CHECKING:
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.controller.controller import Controller
    from sprawl.core.ids import BrokerId

_log = logging.getLogger(__name__)

CALL_TIMEOUT_MS: Final = 10_000
"""For a command to the controller of another node: longer than an election, shorter than the
patience of who asked for it."""
_COMMAND: Final = "controller/command"


def serve_controller(transport: Transport, controller: Controller) -> None:
    """Have the controller of this node execute what members of its cluster send."""
    once = LogLimit(1, PEER_REFUSAL_WINDOW_MS)

    async def execute(peer: PeerIdentity, command: memoryview) -> bytes:
        try:
            sender = Sender(peer.node_id, peer.directory_id)
            return await controller.execute(bytes(command), sender)
        except KafkaFault as fault:
            if fault.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
                now_ms = int(asyncio.get_running_loop().time() * 1_000)
                if once.admit(peer.node_id, now_ms) is not None:
                    _log.warning(
                        "refused a command to the controller: %s Next: stop that node, and withdraw"
                        " its certificate",
                        fault.message,
                    )
            raise

    transport.serve(_COMMAND, execute)


async def call_controller(transport: Transport, node: BrokerId, command: bytes) -> bytes:
    """See controller.Remote."""
    try:
        return await transport.call(node, _COMMAND, command, timeout_ms=CALL_TIMEOUT_MS)
    except PeerRefused as refused:
        raise KafkaFault(refused.code, refused.message) from refused
    except PeerUnreachable as failure:
        if failure.was_sent:
            raise KafkaFault(ErrorCode.REQUEST_TIMED_OUT, str(failure)) from failure
        raise KafkaFault(ErrorCode.NOT_CONTROLLER, str(failure)) from failure
