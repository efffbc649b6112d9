"""Which schemas records may name, for the brokers of a cluster: a `SchemaBook` on the registry.

    find ──> known here?  yes ──> the batch is appended, or refused, without waiting
    learn ──> next round ──> state of this node ──all fit──> known
                                    └─ some do not ─> once more, when the state is surely current:
                                                      here, if this node leads `_schemas`,
                                                      else by the node that does

Rules:

1. A use that fits is remembered. It is looked at again, beside the work, when it is used after
   `CHECK_AGAIN_MS`; so a schema that was deleted for good is refused a minute later at most.
2. A refusal is not remembered, and is given only by a state that has everything that was registered
   before the question: a client that has registered its schema is never refused for our delay.
3. One round is under way at a time, and all that is asked meanwhile goes into the next one. So a
   producer of nonsense costs a round at a time, however much it sends.
4. A node that nobody can help in `LEARN_S` answers with NOT_ENOUGH_REPLICAS, after which producers
   try again; nothing was appended.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.records.schema_ids import NameStrategy, Part, SchemaUse, Verdict
from sprawl.schema_registry.model.uses import judge_use
from sprawl.schema_registry.service import NotTheLeader, StoreFault
from sprawl.schema_registry.serving import limits

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.schema_registry.model.registry import Registry
    from sprawl.schema_registry.serving.service import TopicRegistry

_log = logging.getLogger(__name__)

CHECK_METHOD: Final = "schemas/check"
"""What a node serves for the others: `CheckedSchemas.answer`."""

Ask = Callable[[bytes], Awaitable[bytes]]


class _Round:
    """What is asked at once, and by whom it is awaited."""

    def __init__(self) -> None:
        self.uses: set[SchemaUse] = set()
        self.answer: asyncio.Future[Mapping[SchemaUse, Verdict]] = (
            asyncio.get_running_loop().create_future()
        )


class CheckedSchemas:
    """See the module.

    Args:
        registry: of this node; made when it is asked for.
        ask: takes a question to the node that leads `_schemas`, to its `answer`; raises KafkaFault
            when nobody does.
    """

    def __init__(self, registry: Callable[[], TopicRegistry], ask: Ask, clock: Clock) -> None:
        self._registry = registry
        self._ask = ask
        self._clock = clock
        self._known: dict[SchemaUse, tuple[Verdict, int]] = {}
        self._next: _Round | None = None
        self._asking: asyncio.Task[None] | None = None
        self.rounds = 0

    @property
    def known_count(self) -> int:
        return len(self._known)

    # --- SchemaBook ------------------------------------------------------------------------------

    def find(self, use: SchemaUse) -> Verdict | None:
        """See `SchemaBook`."""
        known = self._known.get(use)
        if known is None:
            return None
        verdict, since_ms = known
        if self._clock.monotonic_ms() - since_ms > limits.CHECK_AGAIN_MS and self._has_room(1):
            self._join((use,))
        return verdict

    async def learn(self, uses: Collection[SchemaUse]) -> Mapping[SchemaUse, Verdict]:
        """See `SchemaBook`."""
        if len(uses) > limits.CHECKED_USES_MAX:
            raise KafkaFault(
                ErrorCode.INVALID_RECORD,
                f"The batch names {len(uses)} schemas; it may name {limits.CHECKED_USES_MAX}.",
            )
        if not self._has_room(len(uses)):
            raise _unanswered(f"{limits.CHECKED_USES_MAX} questions wait already")
        verdicts = await asyncio.shield(self._join(uses))
        return {use: verdicts[use] for use in uses}

    async def stop(self) -> None:
        """Ask nobody any more; whoever waits is told to try again."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        if self._next is not None:
            _fail(self._next, "the node is stopping")

    # --- rounds ----------------------------------------------------------------------------------

    def _has_room(self, count: int) -> bool:
        """May so many more be asked in the next round?"""
        waiting = 0 if self._next is None else len(self._next.uses)
        return waiting + count <= limits.CHECKED_USES_MAX

    def _join(self, uses: Collection[SchemaUse]) -> asyncio.Future[Mapping[SchemaUse, Verdict]]:
        """Have something asked in the next round."""
        if self._next is None:
            self._next = _Round()
        joined = self._next
        joined.uses.update(uses)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._go_through())
        return joined.answer

    async def _go_through(self) -> None:
        while (now := self._next) is not None:
            self._next = None
            self.rounds += 1
            try:
                await self._ask_until_answered(now)
            except asyncio.CancelledError:
                _fail(now, "the node is stopping")
                raise
            except Exception:  # noqa: BLE001 who waits must hear something
                _log.exception("schemas cannot be looked up: report this")
                _fail(now, "a fault of the broker; its log says more")

    async def _ask_until_answered(self, now: _Round) -> None:
        trouble = "it takes too long"
        try:
            async with asyncio.timeout(limits.LEARN_S):
                while True:
                    try:
                        verdicts = await self._look(now.uses)
                        break
                    except KafkaFault as fault:
                        trouble = str(fault)
                    await asyncio.sleep(limits.LEARN_AGAIN_S)
        except TimeoutError:
            _fail(now, trouble)
            return
        for use, verdict in verdicts.items():
            self._remember(use, verdict)
        if not now.answer.done():
            now.answer.set_result(verdicts)

    def _remember(self, use: SchemaUse, verdict: Verdict) -> None:
        self._known.pop(use, None)
        if verdict.reason is not None:
            return
        if len(self._known) >= limits.CHECKED_KNOWN_MAX:
            del self._known[next(iter(self._known))]
        self._known[use] = (verdict, self._clock.monotonic_ms())

    async def _look(self, uses: Collection[SchemaUse]) -> Mapping[SchemaUse, Verdict]:
        try:
            return await self._look_here(uses)
        except (NotTheLeader, StoreFault):
            return parse_verdicts(uses, await self._ask(encode_uses(uses)))

    async def _look_here(self, uses: Collection[SchemaUse]) -> Mapping[SchemaUse, Verdict]:
        """Raises: NotTheLeader, StoreFault: this node cannot say it for sure."""
        registry = self._registry()
        await registry.caught_up()
        query = partial(_judge, frozenset(uses))
        verdicts = await registry.read(query)
        if any(verdict.reason is not None for verdict in verdicts.values()):
            await registry.current()
            verdicts = await registry.read(query)
        return verdicts

    # --- for other nodes -------------------------------------------------------------------------

    async def answer(self, body: bytes) -> bytes:
        """Serve `CHECK_METHOD`.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR: not here, or not now.
            PeerFault: the question is none.
        """
        uses = parse_uses(body)
        try:
            verdicts = await self._look_here(uses)
        except NotTheLeader:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER) from None
        except StoreFault as fault:
            raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, str(fault)) from None
        return json.dumps([list(verdicts[use]) for use in uses]).encode()


def _judge(uses: Collection[SchemaUse], registry: Registry) -> dict[SchemaUse, Verdict]:
    return {use: judge_use(registry, use) for use in uses}


def _fail(now: _Round, why: str) -> None:
    if not now.answer.done():
        now.answer.set_exception(_unanswered(why))
        now.answer.exception()  # nobody may be waiting: a use that is looked at again


def _unanswered(why: str) -> KafkaFault:
    return KafkaFault(
        ErrorCode.NOT_ENOUGH_REPLICAS,
        f"The schema registry cannot be asked, so nothing was appended: {why}",
    )


# --- questions and answers between nodes ---------------------------------------------------------


def encode_uses(uses: Collection[SchemaUse]) -> bytes:
    """A list of [topic, part, strategy, id or GUID, way to the message]; JSON."""
    return json.dumps(
        [
            [
                use.topic,
                use.part,
                use.strategy,
                use.schema if isinstance(use.schema, int) else str(use.schema),
                use.message,
            ]
            for use in uses
        ]
    ).encode()


def parse_uses(body: bytes) -> list[SchemaUse]:
    """Raises: PeerFault."""
    try:
        uses = [_parse_use(*entry) for entry in json.loads(body)]
    except (ValueError, TypeError) as fault:
        raise PeerFault(f"a malformed question about schemas: {fault}") from None
    if len(uses) > limits.CHECKED_USES_MAX:
        raise PeerFault(f"a question about {len(uses)} schemas")
    return uses


def _parse_use(
    topic: str, part: str, strategy: str, schema: object, message: list[object] | None
) -> SchemaUse:
    if isinstance(schema, str):
        schema = UUID(schema)
    if not isinstance(schema, int | UUID):
        raise TypeError(f"{schema} is no id")
    way = None if message is None else tuple(each for each in message if isinstance(each, int))
    if message is not None and way is not None and len(way) < len(message):
        raise TypeError(f"{message} leads to no message")
    return SchemaUse(str(topic), Part(part), NameStrategy(strategy), schema, way)


def parse_verdicts(uses: Collection[SchemaUse], body: bytes) -> dict[SchemaUse, Verdict]:
    """Raises: KafkaFault: it is no answer to this question."""
    try:
        verdicts = [_parse_verdict(*entry) for entry in json.loads(body)]
        return dict(zip(uses, verdicts, strict=True))
    except (ValueError, TypeError) as fault:
        raise KafkaFault(
            ErrorCode.KAFKA_STORAGE_ERROR, f"no answer about schemas: {fault}"
        ) from None


def _parse_verdict(reason: str | None, by_message: object) -> Verdict:
    if not isinstance(reason, str | None):
        raise TypeError(f"{reason} is no reason")
    return Verdict(reason, bool(by_message))
