"""What brokers hear about schemas: at once, after a question here, or from the node that leads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from data_world import FakeClock
from schemas_topic_world import Nodes, registering, turns, until

from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.records.schema_ids import FITS, NameStrategy, Part, SchemaUse, Verdict
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.checked_schemas import (
    CheckedSchemas,
    encode_uses,
    parse_uses,
    parse_verdicts,
)
from sprawl.schema_registry.serving.topic import Place


def use(schema: int, topic: str = "t") -> SchemaUse:
    return SchemaUse(topic, Part.VALUE, NameStrategy.TOPIC, schema)


async def nobody(_question: bytes) -> bytes:
    raise KafkaFault(ErrorCode.LEADER_NOT_AVAILABLE, "nobody leads")


class Desk:
    """Nodes with a registry each, and what their brokers ask."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.clock = FakeClock()
        self.books: list[CheckedSchemas] = []

    async def open(
        self, name: str, *, leads: bool, ask: Callable[[bytes], Any] = nobody, ready: bool = True
    ) -> tuple[Any, CheckedSchemas]:
        service = await self.nodes.start(name, leads=leads, ready=ready)
        book = CheckedSchemas(lambda: service, ask, self.clock)
        self.books.append(book)
        return service, book


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with Nodes() as nodes:
        made = Desk(nodes)
        try:
            yield made
        finally:
            for book in made.books:
                await book.stop()


async def test_what_fits_is_known_from_then_on(desk: Desk) -> None:
    service, book = await desk.open("a", leads=True)
    stored = await service.write(registering("t-value", "a"))
    assert book.find(use(stored.id)) is None
    assert await book.learn({use(stored.id)}) == {use(stored.id): FITS}
    assert book.find(use(stored.id)) == FITS
    assert book.rounds == 1


async def test_a_refusal_is_not_remembered(desk: Desk) -> None:
    service, book = await desk.open("a", leads=True)
    assert (await book.learn({use(1)}))[use(1)].reason is not None
    assert book.find(use(1)) is None
    await service.write(registering("t-value", "a"))
    assert (await book.learn({use(1)}))[use(1)] == FITS


async def test_a_follower_that_is_behind_asks_the_leader_before_it_refuses(desk: Desk) -> None:
    leader, leaders_book = await desk.open("a", leads=True)
    _, book = await desk.open("b", leads=False, ask=leaders_book.answer)
    topic = desk.nodes.topics["b"]
    reads = topic.read

    async def nothing_new(offset: int | None) -> Any:
        return (
            await reads(0) if offset is None else (await reads(10**9))._replace(next_offset=offset)
        )

    topic.read = nothing_new  # type: ignore[method-assign]
    stored = await leader.write(registering("t-value", "a"))
    learned = await book.learn({use(stored.id), use(99)})
    assert learned[use(stored.id)] == FITS
    assert learned[use(99)].reason is not None


async def test_a_node_without_a_replica_asks_the_leader(desk: Desk) -> None:
    leader, leaders_book = await desk.open("a", leads=True)
    stored = await leader.write(registering("t-value", "a"))
    _, book = await desk.open("b", leads=False, ask=leaders_book.answer, ready=False)
    desk.nodes.topics["b"].place = Place.ELSEWHERE
    desk.nodes.log.wake()
    assert await book.learn({use(stored.id)}) == {use(stored.id): FITS}


async def test_a_leader_refuses_only_once_it_surely_leads(desk: Desk) -> None:
    _, book = await desk.open("a", leads=True)
    desk.nodes.log.hold()
    asked = asyncio.ensure_future(book.learn({use(1)}))
    await turns()
    assert not asked.done()
    desk.nodes.log.commit()
    assert (await asked)[use(1)].reason is not None


async def test_when_nobody_can_be_asked_producers_are_told_to_try_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEARN_S", 0.05)
    monkeypatch.setattr(limits, "LEARN_AGAIN_S", 0.001)
    _, book = await desk.open("a", leads=False)
    desk.nodes.log.elect(None)
    with pytest.raises(KafkaFault, match="nobody leads") as raised:
        await book.learn({use(1)})
    assert raised.value.code is ErrorCode.NOT_ENOUGH_REPLICAS


async def test_what_is_asked_during_a_round_shares_the_next_one(desk: Desk) -> None:
    service, book = await desk.open("a", leads=True)
    stored = await service.write(registering("t-value", "a"))
    desk.nodes.log.hold()
    first = asyncio.ensure_future(book.learn({use(99)}))
    await turns()
    others = [asyncio.ensure_future(book.learn({use(stored.id), use(n)})) for n in range(100, 120)]
    await turns()
    desk.nodes.log.commit()
    await asyncio.gather(first, *others)
    assert book.rounds == 2


async def test_one_who_gives_up_takes_nothing_from_the_others(desk: Desk) -> None:
    service, book = await desk.open("a", leads=True)
    stored = await service.write(registering("t-value", "a"))
    asked = [asyncio.ensure_future(book.learn({use(stored.id)})) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    assert await asked[1] == await asked[2] == {use(stored.id): FITS}


async def test_a_schema_that_is_gone_is_noticed_when_it_is_used_later(desk: Desk) -> None:
    service, book = await desk.open("a", leads=True)
    stored = await service.write(registering("t-value", "a"))
    await book.learn({use(stored.id)})
    log = desk.nodes.log
    log.produce((log.records[-1][0], None))
    assert book.find(use(stored.id)) == FITS
    desk.clock.advance(limits.CHECK_AGAIN_MS + 1)
    assert book.find(use(stored.id)) == FITS  # this time still
    await until(lambda: book.find(use(stored.id)) is None)


async def test_too_many_questions_are_refused(desk: Desk) -> None:
    _, book = await desk.open("a", leads=True)
    with pytest.raises(KafkaFault) as raised:
        await book.learn({use(n) for n in range(limits.CHECKED_USES_MAX + 1)})
    assert raised.value.code is ErrorCode.INVALID_RECORD


def test_questions_and_answers_cross_the_wire() -> None:
    uses = [use(1), use(2)._replace(message=(1, 2), part=Part.KEY)]
    assert parse_uses(encode_uses(uses)) == uses
    assert parse_uses(b"[" + ASKED % b"1,null" + b"]") == [use(1)]
    assert parse_verdicts(uses, b'[[null, true], ["no", false]]') == {
        uses[0]: Verdict(by_message=True),
        uses[1]: Verdict("no"),
    }


ASKED = b'["t","value","io.confluent.kafka.serializers.subject.TopicNameStrategy",%s]'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"7",
        b"[7]",
        b'[["t"]]',
        b'[["t","no","no",1,null]]',
        b"\xff",
        b"[" + ASKED % b"1.5,null" + b"]",
        b"[" + ASKED % b"[],null" + b"]",
        b"[" + ASKED % b'"no GUID",null' + b"]",
        b"[" + ASKED % b'1,["x"]' + b"]",
        b"[" + ASKED % b"1,1" + b"]",
        b"[" + b",".join([ASKED % b"1,null"] * (limits.CHECKED_USES_MAX + 1)) + b"]",
    ],
)
def test_what_is_no_question_is_refused(body: bytes) -> None:
    with pytest.raises(PeerFault):
        parse_uses(body)


@pytest.mark.parametrize("body", [b"", b"7", b"[7]", b"[[7, false]]", b"[]", b'[["no", 1, 2]]'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(KafkaFault):
        parse_verdicts([use(1)], body)
