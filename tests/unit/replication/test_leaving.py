"""Who is wanted elsewhere leaves its group, and its data, only when the group has let it go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from sprawl.core.cluster.hints import LeaderHint, LeaderHints
from sprawl.core.cluster.peers import PeerIdentity
from sprawl.core.controller.topics import TopicInfo
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId, TopicName
from sprawl.core.partition.placement import Role, placements_of
from sprawl.core.raft.configuration import Configuration
from sprawl.core.replication import leaving
from sprawl.core.replication.leaving import Leaving

TOPIC = TopicId(UUID(int=7))
KEY = LogKey(TOPIC, 0)
FOUNDING = Configuration.of([1, 2])


def group(
    *, membership_index: int | None, configuration: Configuration, index: int, **facts: Any
) -> Any:
    """A replica of a group whose log has term 3 everywhere."""

    async def confirm() -> None:
        """It leads."""

    node = SimpleNamespace(
        membership_index=membership_index,
        configuration=configuration,
        configuration_index=LogIndex(index),
        pending=(),
        is_leader=False,
        is_serving=False,
    )
    vars(node).update(facts)
    return SimpleNamespace(
        node=node,
        log=SimpleNamespace(term_at=lambda index: Term(3)),
        owner=SimpleNamespace(confirm=confirm),
    )


class Pair:
    """Replica 1 is wanted elsewhere, replica 2 leads."""

    def __init__(self, own: Any, leaders: Any) -> None:
        self.own, self.leaders = own, leaders
        self.gone: list[LogKey] = []
        hints = LeaderHints()
        hints.merge(KEY, LeaderHint(Term(3), 1, ReplicaId(2), (ReplicaId(2),)))
        self.first = self._leaving(1, own, hints)
        self.second = self._leaving(2, leaders, hints)

    def _leaving(self, number: int, found: Any, hints: LeaderHints) -> Leaving:
        async def let_go(key: LogKey, founding: Configuration) -> bool:
            assert founding == FOUNDING
            return True

        host = SimpleNamespace(replica_id=ReplicaId(number), group=lambda key: found, let_go=let_go)
        calls = SimpleNamespace(call=self._call)
        return Leaving(
            host=host,  # type: ignore[arg-type]
            calls=calls,  # type: ignore[arg-type]
            hints=hints,
            node_of=lambda replica: BrokerId(replica),
        )

    async def _call(self, to: int, method: str, body: bytes, *, timeout_ms: int) -> bytes:
        assert (to, method) == (2, leaving.OUT)
        peer = PeerIdentity(node_id=BrokerId(1), directory_id=UUID(int=1), incarnation=1)
        return await self.second.answer(peer, memoryview(body))

    async def look(self) -> bool:
        """Look once: was the replica let go?"""
        is_seen = asyncio.Event()
        replicas = SimpleNamespace(leaving=self._once(is_seen), on_let_go=self.gone.append)
        task = asyncio.ensure_future(self.first.watch(replicas))  # type: ignore[arg-type]
        await is_seen.wait()
        await asyncio.sleep(0)
        task.cancel()
        return self.gone == [KEY]

    @staticmethod
    def _once(is_seen: asyncio.Event) -> Callable[[], list[Any]]:
        looks = iter([[(KEY, FOUNDING)], []])

        def listed() -> list[Any]:
            found = next(looks)
            if not found:
                is_seen.set()
            return found

        return listed


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "LOOK_S", 0.0)


def leader(*voters: int, index: int = 9, **facts: Any) -> Any:
    configuration = Configuration.of(voters)
    return group(
        membership_index=index,
        configuration=configuration,
        index=index,
        **{"is_leader": True, "is_serving": True} | facts,
    )


def member(index: int | None, **facts: Any) -> Any:
    return group(membership_index=index, configuration=FOUNDING, index=0, **facts)


async def test_who_is_out_by_its_own_log_goes() -> None:
    assert await Pair(member(None), leader(1, 2)).look()


async def test_a_member_stays_whatever_the_controller_wants() -> None:
    assert not await Pair(member(0), leader(1, 2)).look()


async def test_a_leader_tells_who_missed_that_it_is_out() -> None:
    assert await Pair(member(4), leader(2, 3, index=9)).look()


async def test_the_word_of_an_older_configuration_does_not_count() -> None:
    assert not await Pair(member(12), leader(2, 3, index=9)).look()


async def test_nobody_is_let_go_while_a_change_is_under_way() -> None:
    changing = leader(2, 3, pending=((LogIndex(10), FOUNDING),))
    assert not await Pair(member(4), changing).look()


async def test_a_leader_does_not_leave_before_it_has_stepped_down() -> None:
    assert not await Pair(member(None, is_leader=True), leader(2, 3)).look()


async def test_only_a_leader_answers_and_only_about_the_peers_own_replica() -> None:
    pair = Pair(member(4), leader(2, 3, is_serving=False))
    peer = PeerIdentity(node_id=BrokerId(3), directory_id=UUID(int=3), incarnation=1)
    ask = memoryview(leaving._ASK.pack(KEY.topic_id.bytes, KEY.partition, 1))
    with pytest.raises(PeerFault):
        await pair.second.answer(peer, ask)
    with pytest.raises(PeerFault):
        await pair.second.answer(peer, ask[:-1])
    ask = memoryview(leaving._ASK.pack(KEY.topic_id.bytes, KEY.partition, 3))
    with pytest.raises(KafkaFault) as raised:
        await pair.second.answer(peer, ask)
    assert raised.value.code is ErrorCode.NOT_LEADER_OR_FOLLOWER


@pytest.mark.parametrize(
    ("replicas", "moving", "ran_before", "role"),
    [
        ((1, 2), None, False, Role.REPLICATED),
        ((2, 3), (1, 2), False, Role.REPLICATED),
        ((2, 3), None, True, Role.LEAVING),
        ((2, 3), None, False, Role.ELSEWHERE),
        ((1,), None, False, Role.ALONE),
        ((1,), None, True, Role.REPLICATED),
    ],
)
def test_what_a_node_holds(
    replicas: tuple[int, ...], moving: tuple[int, ...] | None, ran_before: bool, role: Role
) -> None:
    topic = TopicInfo(
        name=TopicName("t"),
        id=TOPIC,
        replicas=(tuple(map(ReplicaId, replicas)),),
        founding=((ReplicaId(1), ReplicaId(2)),),
        configs={},
        moving={} if moving is None else {0: tuple(map(ReplicaId, moving))},
    )
    [placement] = placements_of(topic, ReplicaId(1), lambda key: ran_before)
    assert placement.role is role
