"""Calls over one connection: those made, which wait for answers, and those that are served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sprawl.core.cluster.peer_frames import (
    RESPONSE_HEAD_BYTES,
    Failure,
    Request,
    Response,
    encode_error,
    request_head,
    response_head,
)
from sprawl.core.cluster.peer_outbox import Outbox
from sprawl.core.cluster.peers import (
    PeerIdentity,
    PeerRefused,
    PeerUnreachable,
    TransportCounters,
    TransportSettings,
)
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import BrokerId

_log = logging.getLogger(__name__)

Handle = Callable[[PeerIdentity, memoryview], Awaitable[bytes]]


class Method(NamedTuple):
    """What serves calls of one name."""

    handle: Handle
    before_joining: bool


class CallsMade:
    """Our calls to one peer."""

    __slots__ = ("_answers", "_last", "_loop", "_outbox", "_peer", "_settings", "ended_at")

    def __init__(self, peer: BrokerId, outbox: Outbox, settings: TransportSettings) -> None:
        self._peer = peer
        self._outbox = outbox
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0
        self.ended_at = self._loop.time()
        """When the last one ended, in the loop's seconds."""

    def __len__(self) -> int:
        return len(self._answers)

    async def call(self, method: bytes, body: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for its answer; the caller keeps the time.

        Raises: PeerUnreachable, PeerRefused.
        """
        settings = self._settings
        if len(self._answers) >= settings.calls_max:
            text = f"{settings.calls_max} calls to it are under way"
            raise PeerUnreachable(self._peer, text, was_sent=False)
        if self._outbox.unsent_bytes >= 2 * settings.send_queue_bytes_max:
            raise PeerUnreachable(self._peer, "it reads too slowly", was_sent=False)
        self._last = call = self._last + 1
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._answers[call] = answer
        self._outbox.push(request_head(call, timeout_ms, method, len(body)), body)
        try:
            return await answer
        finally:
            self._answers.pop(call, None)
            self.ended_at = self._loop.time()

    def answered(self, event: Response | Failure) -> None:
        """An answer has arrived; perhaps its caller has given up.

        Raises: PeerFault when there was no such call.
        """
        answer = self._answers.pop(event.call, None)
        if answer is None:
            if not 0 < event.call <= self._last:
                raise PeerFault(f"an answer to call {event.call}, which was not made")
        elif answer.done():
            pass
        elif isinstance(event, Response):
            answer.set_result(bytes(event.body))
        else:
            answer.set_exception(PeerRefused(self._peer, event.code, event.text))

    def fail(self, reason: str) -> None:
        """No answer will come."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(PeerUnreachable(self._peer, reason, was_sent=True))


class CallsServed:
    """The calls of one peer.

    Args:
        peer: who calls.
        outbox: takes the answers.
        tasks: of the whole transport, for its end.
        fail: ends the connection for a request that no correct peer sends.
        done: is told when one has been served.
    """

    __slots__ = ("_counters", "_done", "_fail", "_loop", "_mine", "_outbox", "_peer", "_settings",
                 "_tasks")  # fmt: skip

    def __init__(
        self,
        *,
        peer: PeerIdentity,
        outbox: Outbox,
        settings: TransportSettings,
        counters: TransportCounters,
        tasks: dict[asyncio.Task[None], None],
        fail: Callable[[PeerFault], None],
        done: Callable[[], None],
    ) -> None:
        self._peer = peer
        self._outbox = outbox
        self._settings = settings
        self._counters = counters
        self._tasks = tasks
        self._fail = fail
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._mine: dict[asyncio.Task[None], None] = {}

    def __len__(self) -> int:
        return len(self._mine)

    def serve(self, request: Request, method: Method | None, *, is_member: bool) -> None:
        """Begin to serve a request, or refuse it."""
        settings = self._settings
        if method is None:
            self._refuse(request, ErrorCode.UNSUPPORTED_VERSION, "is not served by this node")
        elif not is_member and not method.before_joining:
            self._refuse(
                request,
                ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
                "is for members of the cluster; join first",
            )
        elif (
            len(self._mine) >= settings.served_calls_max
            or self._outbox.unsent_bytes >= 2 * settings.send_queue_bytes_max
        ):
            self._refuse(
                request, ErrorCode.THROTTLING_QUOTA_EXCEEDED, "meets too many calls under way"
            )
        else:
            task = self._loop.create_task(self._answer(request, method.handle))
            self._mine[task] = None
            self._tasks[task] = None
            task.add_done_callback(self._forget)

    def cancel(self) -> None:
        """Nobody waits for the answers any more."""
        for task in list(self._mine):
            task.cancel()

    def _refuse(self, request: Request, code: ErrorCode, why: str) -> None:
        self._outbox.push(encode_error(request.call, code, f"{request.method!r} {why}"))

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._mine.pop(task, None)
        self._tasks.pop(task, None)
        self._done()

    async def _answer(self, request: Request, handle: Handle) -> None:
        """Serve one call for as long as its caller waits."""
        self._counters.calls_served += 1
        deadline = asyncio.timeout(request.timeout_ms / 1_000)
        try:
            async with deadline:
                body = await handle(self._peer, request.body)
            if RESPONSE_HEAD_BYTES + len(body) > self._settings.frame_bytes_max:
                raise ValueError(f"an answer of {len(body)} bytes does not fit a frame")
        except (KafkaFault, PeerRefused) as fault:
            self._outbox.push(encode_error(request.call, fault.code, fault.message))
        except PeerFault as fault:
            self._fail(fault)
        except Exception as failure:  # noqa: BLE001 whatever it is, it must not end the node
            if isinstance(failure, TimeoutError) and deadline.expired():
                return
            self._counters.handler_failures += 1
            _log.exception("a fault of this node in %s; please report the trace", request.method)
            text = "the node that was asked has a fault; its log has the trace"
            self._outbox.push(encode_error(request.call, ErrorCode.UNKNOWN_SERVER_ERROR, text))
        else:
            self._outbox.push(response_head(request.call, len(body)), body)
