"""The two ends of a copy: it arrives, or is overtaken and leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from copy_world import TOPIC_ID, Replica, lagging, leader

from sprawl.core.cluster.peers import PeerIdentity, PeerRefused, PeerUnreachable
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term
from sprawl.core.log.copies import COPY_SUFFIX
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import Heartbeat
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.replication import copying
from sprawl.core.replication.copy_manifest import Ask, Piece
from sprawl.core.replication.copying import Copies, Throttle
from sprawl.core.replication.log_starts import GroupLog

KEY = LogKey(TOPIC_ID, 0)
TERM = Term(3)
MEMBERS = Configuration.of([1, 2, 3])
STATE_KEY = b"raft/of-the-group"


class FakeHost:
    def __init__(self, replica_id: int, group: Any) -> None:
        self.replica_id = ReplicaId(replica_id)
        self.only: Any = group
        self.touched = 0
        self.failed: list[str] = []

    def group(self, key: LogKey) -> Any:
        return self.only if key == KEY else None

    def put_hard_state(self, key: LogKey, state: HardState) -> tuple[bytes, bytes]:
        return STATE_KEY, state.encode()

    def touch(self, group: Any) -> None:
        self.touched += 1

    def fail(self, group: Any, reason: str) -> None:
        group.is_over = True
        self.failed.append(reason)


class Clock:
    def now_ms(self) -> int:
        return 1_000

    def monotonic_ms(self) -> int:
        return 1_000


def identity(node: int) -> PeerIdentity:
    return PeerIdentity(node_id=BrokerId(node), directory_id=UUID(int=node), incarnation=1)


class CopyPair:
    """Node 1 leads, node 2 lags behind; what they say to each other can be tampered with."""

    def __init__(self, source: Replica, follower: Replica) -> None:
        self.source, self.follower = source, follower
        self.sent: list[tuple[int, bool, int]] = []
        self.before: dict[str, Callable[[int], object]] = {}
        self.after: Callable[[str, bytes], bytes] = lambda method, answer: answer
        self.counts: dict[str, int] = {}
        self.leading = SimpleNamespace(
            term=TERM,
            is_leader=True,
            is_serving=True,
            configuration=MEMBERS,
            commit_index=source.log.last_index,
            log=GroupLog(source.log, KEY, source.kv),
            snapshot_sent=lambda *told: self.sent.append(told),
        )
        self.node = RaftNode(
            ReplicaId(2),
            GroupLog(follower.log, KEY, follower.kv),
            HardState(TERM, None, MEMBERS),
            RaftSettings(),
            Random(1),
        )
        self.hear(leader=1, term=TERM)
        self.hosts = {
            1: FakeHost(1, self._group(source, self.leading)),
            2: FakeHost(2, self._group(follower, self.node)),
        }
        self.copies = {number: self._copies(number) for number in (1, 2)}

    def _group(self, replica: Replica, node: Any) -> Any:
        return SimpleNamespace(node=node, log=replica.log, is_over=False, is_storing=False)

    def _copies(self, number: int) -> Copies:
        loop = asyncio.get_running_loop()
        return Copies(
            host=self.hosts[number],  # type: ignore[arg-type]
            calls=SimpleNamespace(call=lambda *to, **_: self.call(number, *to)),  # type: ignore[arg-type]
            node_of=lambda replica: BrokerId(replica),
            run_blocking=lambda job: loop.run_in_executor(None, job),
            clock=Clock(),
        )

    async def call(self, caller: int, to: int, method: str, body: bytes) -> bytes:
        count = self.counts[method] = self.counts.get(method, 0) + 1
        if method in self.before:
            self.before[method](count)
        copies = self.copies[to]
        handle = {
            copying.OFFER: copies.take_offer,
            copying.MANIFEST: copies.give_manifest,
            copying.READ: copies.give_piece,
        }[method]
        try:
            answer = await handle(identity(caller), memoryview(body))
        except KafkaFault as fault:
            raise PeerRefused(BrokerId(to), fault.code, fault.message) from fault
        except PeerFault as fault:
            raise PeerUnreachable(BrokerId(to), str(fault), was_sent=True) from fault
        return self.after(method, answer)

    def hear(self, *, leader: int, term: int, commit_index: int = 0) -> None:
        self.node.step(
            Heartbeat(ReplicaId(leader), ReplicaId(2), Term(term), LogIndex(commit_index), 0), 1
        )

    async def offer(self) -> None:
        """Until the leader has heard of the end of it."""
        self.copies[1].offer(KEY, ReplicaId(2))
        self.copies[1].offer(KEY, ReplicaId(2))
        async with asyncio.timeout(10):
            while not self.sent:
                await asyncio.sleep(0)

    def leftovers(self) -> list[str]:
        return [n.name for n in self.follower.directory.list() if n.name.endswith(COPY_SUFFIX)]


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_PIECE_BYTES", 150)
    monkeypatch.setattr(copying, "COPY_RETRY_MS_MIN", 1)


@pytest.fixture
async def pair() -> CopyPair:
    return CopyPair(leader(), lagging())


async def assert_given_up(pair: CopyPair) -> None:
    old = pair.follower.facts()
    await pair.offer()
    assert pair.sent == [(2, False, 0)]
    assert pair.follower.facts() == old
    assert pair.leftovers() == []
    assert pair.follower.kv.get(STATE_KEY) == b"old"
    assert pair.hosts[2].failed == []


# --- it arrives ----------------------------------------------------------------------------------


async def test_a_follower_gets_the_log_and_goes_on(pair: CopyPair) -> None:
    end = pair.source.log.last_index
    await pair.offer()
    assert pair.sent == [(2, True, end)]
    assert pair.follower.facts() == pair.source.facts()
    assert (pair.node.commit_index, pair.node.durable_index) == (end, end)
    state = HardState.parse(pair.follower.kv.get(STATE_KEY) or b"")
    assert (state.configuration_index, state.term) == (end, TERM)
    ready = pair.node.ready()
    assert ready is not None
    [*_, answer] = ready.messages
    assert (answer.index, answer.is_rejected) == (end, False)  # type: ignore[union-attr]
    assert pair.hosts[2].touched == 1


async def test_nothing_uncommitted_is_copied(pair: CopyPair) -> None:
    for at in range(5):
        pair.source.append("k0", f"uncommitted {at}", term=3)
    pair.leading.commit_index = committed = LogIndex(pair.source.log.last_index - 3)
    await pair.offer()
    assert pair.sent == [(2, True, committed)]
    assert pair.follower.log.last_index == committed
    assert pair.follower.records() == pair.source.records()[:-3]


async def test_a_log_that_holds_the_end_is_left_alone() -> None:
    pair = CopyPair(leader(compacted=False), lagging())
    pair.leading.commit_index = LogIndex(1)
    old = pair.follower.facts()
    await pair.offer()
    assert pair.sent == [(2, True, 1)]
    assert pair.follower.facts() == old
    assert copying.READ not in pair.counts


async def test_compaction_at_the_leader_does_not_disturb_a_copy() -> None:
    pair = CopyPair(leader(compacted=False), lagging())
    expected = pair.source.records()

    def compact(count: int) -> None:
        if count == 3:
            pair.source.log.roll()
            assert pair.source.log.compact(2_000) is not None

    pair.before[copying.READ] = compact
    await pair.offer()
    assert pair.sent[0][1]
    assert pair.follower.records() == expected
    assert pair.follower.records() != pair.source.records()


# --- it is overtaken -----------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 4, 9])
async def test_another_leader_overtakes_a_copy(pair: CopyPair, at: int) -> None:
    pair.before[copying.READ] = lambda count: count == at and pair.hear(leader=3, term=4)
    await assert_given_up(pair)


async def test_a_leader_that_was_deposed_gives_no_manifest(pair: CopyPair) -> None:
    pair.leading.is_leader = False
    await assert_given_up(pair)


async def test_a_leader_that_does_not_serve_yet_gives_what_is_committed(pair: CopyPair) -> None:
    """To serve it may need the very follower that needs a copy."""
    pair.leading.is_serving = False
    end = pair.source.log.last_index
    await pair.offer()
    assert pair.sent == [(2, True, end)]


async def test_a_deleted_topic_ends_its_copy(pair: CopyPair) -> None:
    def delete(count: int) -> None:
        if count == 3:
            pair.hosts[2].only.is_over = True
            pair.follower.log.delete()

    pair.before[copying.READ] = delete
    await pair.offer()
    assert pair.sent == [(2, False, 0)]
    assert pair.leftovers() == []
    assert pair.follower.directory.list() == []


async def test_a_leader_that_deleted_the_topic_ends_the_copy(pair: CopyPair) -> None:
    pair.before[copying.READ] = lambda count: count == 3 and pair.source.log.delete()
    await assert_given_up(pair)


async def test_files_that_are_gone_end_a_copy(
    pair: CopyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(count: int) -> None:
        if count == 3:
            for session in pair.copies[1]._sessions.values():
                for file in session.files:
                    monkeypatch.setattr(file, "read", gone)

    def gone(*_: int) -> bytes:
        raise FileNotFoundError("deleted meanwhile")

    pair.before[copying.READ] = lose
    await assert_given_up(pair)


async def test_a_log_that_caught_up_meanwhile_is_left_alone(pair: CopyPair) -> None:
    """The follower's log got the entries otherwise: the swap would bring nothing."""
    pair.before[copying.READ] = lambda count: setattr(
        pair.node, "commit_index", pair.leading.commit_index
    )
    old = pair.follower.facts()
    await pair.offer()
    assert pair.sent == [(2, True, pair.leading.commit_index)]
    assert pair.follower.facts() == old
    assert pair.leftovers() == []


async def test_the_swap_waits_for_a_hard_state_on_its_way(pair: CopyPair) -> None:
    group = pair.hosts[2].only
    group.is_storing = True
    pair.copies[1].offer(KEY, ReplicaId(2))
    for _ in range(200):
        await asyncio.sleep(0.002)
        if pair.leftovers() and pair.counts.get(copying.READ, 0) > 5:
            break
    await asyncio.sleep(0.05)
    assert not pair.sent
    assert pair.follower.log.last_index < pair.source.log.last_index
    group.is_storing = False
    await pair.offer()
    assert pair.sent[0][1]


async def test_a_cancelled_copy_leaves_nothing(pair: CopyPair) -> None:
    stuck = asyncio.Event()

    def hold(count: int) -> None:
        if count == 4:
            stuck.set()

    pair.before[copying.READ] = hold
    ask = Ask(KEY, ReplicaId(1), ReplicaId(2), TERM).encode()
    running = asyncio.create_task(pair.copies[2].take_offer(identity(1), memoryview(ask)))
    await stuck.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert pair.leftovers() == []
    await pair.offer()
    assert pair.sent[0][1]


# --- it is refused -------------------------------------------------------------------------------


async def test_a_damaged_piece_is_refused(pair: CopyPair) -> None:
    def flip(method: str, answer: bytes) -> bytes:
        if method == copying.READ and pair.counts[method] == 5:
            return answer[:-1] + bytes([answer[-1] ^ 1])
        return answer

    pair.after = flip
    await assert_given_up(pair)


@pytest.mark.parametrize("size_bytes", [0, 149, 151])
async def test_a_piece_of_another_size_is_refused(pair: CopyPair, size_bytes: int) -> None:
    def cut(method: str, answer: bytes) -> bytes:
        return (answer * 2)[:size_bytes] if method == copying.READ else answer

    pair.after = cut
    await assert_given_up(pair)


async def test_no_manifest_is_refused(pair: CopyPair) -> None:
    pair.after = lambda method, answer: b"{}" if method == copying.MANIFEST else answer
    await assert_given_up(pair)


async def test_a_full_disk_ends_a_copy(pair: CopyPair) -> None:
    pair.follower.directory.room_bytes = 0
    await assert_given_up(pair)


async def test_a_sync_that_fails_before_the_swap_ends_a_copy(pair: CopyPair) -> None:
    def fail(count: int) -> None:
        pair.follower.directory.sync_fails = True

    pair.before[copying.READ] = fail
    await assert_given_up(pair)


async def test_a_swap_that_fails_ends_the_group(
    pair: CopyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise OSError("the store is broken")

    monkeypatch.setattr(pair.follower.kv, "write_batch", fail)
    await pair.offer()
    assert pair.sent == [(2, False, 0)]
    assert len(pair.hosts[2].failed) == 1
    with pytest.raises(KafkaFault):
        pair.follower.append("k0", "x", term=3)
    monkeypatch.undo()
    old = lagging().facts()
    pair.follower.open()
    assert pair.follower.facts() == old


async def test_offers_beyond_the_bound_wait(
    pair: CopyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "COPIES_MAX", 0)
    await assert_given_up(pair)


async def test_strangers_get_nothing(pair: CopyPair) -> None:
    ask = memoryview(Ask(KEY, ReplicaId(1), ReplicaId(2), TERM).encode())
    for answer in (pair.copies[1].give_manifest, pair.copies[2].take_offer):
        with pytest.raises(KafkaFault) as raised:
            await answer(identity(3), ask)
        assert raised.value.code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        with pytest.raises(PeerFault):
            await answer(identity(2), memoryview(b"?"))
    await pair.copies[1].give_manifest(identity(2), ask)
    with pytest.raises(KafkaFault):
        await pair.copies[1].give_piece(identity(3), memoryview(Piece(1, 0, 0, 64).encode()))
    for piece in (Piece(1, 99, 0, 64), Piece(1, 0, 10**9, 64), Piece(1, 0, 0, 10**6)):
        with pytest.raises(PeerFault):
            await pair.copies[1].give_piece(identity(2), memoryview(piece.encode()))


async def test_bytes_pass_at_a_rate() -> None:
    throttle = Throttle(10_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(throttle.take(500) for _ in range(3)))
    assert loop.time() - began >= 0.099
