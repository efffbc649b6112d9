"""Random lives of one group: whatever its members do, the promises of the coordinator hold.

1. A request is answered at most once, and at once or within the time it may wait.
2. Of one generation there is one leader, and only the leader sees the member list, which names
   exactly the members that were told this generation (static ones that were away apart).
3. Generations only grow.
4. Every member of a generation gets the assignment its leader made for it, or is told an error.
5. Counts agree with the lists they count, and a restart rebuilds what was completed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from group_world import CONFIG, Harness
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.classic import ClassicGroup, GroupState
from sprawl.core.groups.model import (
    JoinResult,
    LeavingMember,
    OffsetToCommit,
    SyncResult,
    Token,
)

SESSION_MS = 10_000
REBALANCE_MS = 20_000
JOIN_WAIT_MAX_MS = 330_000
"""A new member waits at most group.new.member.join.timeout, others as many rebalance timeouts as
static members' sessions allow; five minutes and a half cover both here."""


class Client:
    """A consumer as the coordinator sees it: it does what answers tell it, or does not."""

    def __init__(self, name: str, instance: str | None) -> None:
        self.name = name
        self.instance = instance
        self.member_id = ""
        self.generation_id = -1
        self.leads = False
        self.members: tuple[str, ...] = ()
        self.joining: Token | None = None
        self.syncing: Token | None = None
        self.protocols = (("range", b"1"), ("sticky", b"1"))


class GroupLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.h = Harness(
            replace(CONFIG, group_max_size=6, offsets_retention_check_interval_ms=10**12)
        )
        self.clients: list[Client] = []
        self.asked_at: dict[Token, int] = {}
        self.told: dict[int, dict[str, JoinResult]] = {}
        self.made: dict[int, dict[str, set[bytes]]] = {}
        self.abandoned: set[Token] = set()
        self.seen = 0
        self.highest_generation = 0

    @initialize(static=st.lists(st.booleans(), min_size=2, max_size=7))
    def clients_exist(self, static: list[bool]) -> None:
        for number, is_static in enumerate(static):
            name = f"client{number}"
            self.clients.append(Client(name, f"i{number}" if is_static else None))

    def client(self, number: int) -> Client:
        return self.clients[number % len(self.clients)]

    # --- what clients do -------------------------------------------------------------------------

    @rule(number=st.integers(0, 6), known_id=st.booleans())
    def join(self, number: int, known_id: bool) -> None:
        client = self.client(number)
        if client.joining is not None:
            self.h.abandon(client.joining)
            self.abandoned.add(client.joining)
        client.joining = self.h.join(
            client.member_id,
            group_instance_id=client.instance,
            client_id=client.name,
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            protocols=client.protocols,
            requires_known_member_id=known_id,
        )
        client.syncing = None
        self.asked_at[client.joining] = self.h.now.monotonic_ms
        self.read_answers()

    @rule(number=st.integers(0, 6), generous=st.booleans())
    def sync(self, number: int, generous: bool) -> None:
        client = self.client(number)
        if client.generation_id < 0 or client.syncing is not None:
            return
        assignments: tuple[tuple[str, bytes], ...] = ()
        if client.leads:
            made = self.made.setdefault(client.generation_id, {})
            for member_id in client.members:
                made.setdefault(member_id, set()).add(member_id.encode() if generous else b"")
            if generous:
                assignments = tuple((name, name.encode()) for name in client.members)
        client.syncing = self.h.sync(
            client.member_id,
            client.generation_id,
            group_instance_id=client.instance,
            assignments=assignments,
        )
        self.asked_at[client.syncing] = self.h.now.monotonic_ms
        self.read_answers()

    @rule(generous=st.booleans())
    def everyone_behaves(self, generous: bool) -> None:
        """All join and sync as their answers tell them: the way into a stable generation."""
        for number in range(len(self.clients)):
            self.join(number, known_id=True)
            if self.clients[number].joining is None and self.clients[number].generation_id < 0:
                self.join(number, known_id=True)
        for _ in range(20):
            if all(client.joining is None for client in self.clients):
                break
            self.time_passes(1_000)
        for number in range(len(self.clients)):
            self.sync(number, generous)

    @rule(number=st.integers(0, 6))
    def heartbeat(self, number: int) -> None:
        client = self.client(number)
        error = self.h.heartbeat(client.member_id, client.generation_id, client.instance)
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            client.member_id, client.generation_id = "", -1

    @rule(number=st.integers(0, 6))
    def commit(self, number: int) -> None:
        client = self.client(number)
        token = self.h.commit(
            OffsetToCommit("t", number, self.h.now.wall_ms, 0, ""),
            member_id=client.member_id,
            generation_id=client.generation_id,
            group_instance_id=client.instance,
        )
        if self.h.held is None:
            assert token in self.h.answers

    @rule(number=st.integers(0, 6))
    def leave(self, number: int) -> None:
        client = self.client(number)
        if client.member_id:
            self.h.leave(LeavingMember(client.member_id, client.instance))
            client.member_id, client.generation_id = "", -1
        self.read_answers()

    @rule(number=st.integers(0, 6))
    def crash(self, number: int) -> None:
        """The process dies: what waits is abandoned, and it starts again without a member id."""
        client = self.client(number)
        for token in (client.joining, client.syncing):
            if token is not None and token not in self.h.answers:
                self.h.abandon(token)
                self.abandoned.add(token)
        fresh = Client(client.name, client.instance)
        self.clients[self.clients.index(client)] = fresh
        self.read_answers()

    @rule(number=st.integers(0, 6), version=st.sampled_from([b"1", b"2"]))
    def change_metadata(self, number: int, version: bytes) -> None:
        self.client(number).protocols = (("range", version), ("sticky", version))

    # --- what happens around them ----------------------------------------------------------------

    @rule(ms=st.sampled_from([1, 500, 3_000, 9_999, 20_000]))
    def time_passes(self, ms: int) -> None:
        self.h.advance(ms)
        self.read_answers()

    @precondition(lambda self: self.h.held is None)
    @rule()
    def log_slows_down(self) -> None:
        self.h.hold()

    @precondition(lambda self: self.h.held is not None)
    @rule(error=st.sampled_from([ErrorCode.NONE, ErrorCode.NONE, ErrorCode.NOT_COORDINATOR]))
    def log_catches_up(self, error: ErrorCode) -> None:
        self.h.append_error = error
        self.h.release()
        self.h.append_error = ErrorCode.NONE
        self.read_answers()

    # --- what must hold --------------------------------------------------------------------------

    def read_answers(self) -> None:
        for client in self.clients:
            if client.joining is not None and client.joining in self.h.answers:
                answer = self.h.answers[client.joining]
                client.joining = None
                self.take_join(client, answer)
            if client.syncing is not None and client.syncing in self.h.answers:
                answer = self.h.answers[client.syncing]
                client.syncing = None
                self.take_sync(client, answer)

    def take_join(self, client: Client, answer: JoinResult) -> None:
        if answer.error is ErrorCode.MEMBER_ID_REQUIRED:
            client.member_id = answer.member_id
        elif answer.error is ErrorCode.NONE:
            client.member_id = answer.member_id
            client.generation_id = answer.generation_id
            client.leads = answer.leader == answer.member_id and not answer.skip_assignment
            client.members = tuple(member.member_id for member in answer.members)
            assert bool(answer.members) == (answer.leader == answer.member_id)
            self.told.setdefault(answer.generation_id, {})[answer.member_id] = answer
        elif answer.error is not ErrorCode.REBALANCE_IN_PROGRESS:
            client.member_id, client.generation_id = "", -1

    def take_sync(self, client: Client, answer: SyncResult) -> None:
        if answer.error:
            assert answer.assignment == b""
            client.generation_id = -1
            return
        made = self.made.get(client.generation_id, {})
        if client.instance is None:
            assert answer.assignment in made.get(client.member_id, set()) | {b""}

    @invariant()
    def no_answer_is_overdue(self) -> None:
        now_ms = self.h.now.monotonic_ms
        for token, asked_ms in list(self.asked_at.items()):
            if token in self.h.answers or token in self.abandoned:
                del self.asked_at[token]
            else:
                assert now_ms - asked_ms <= JOIN_WAIT_MAX_MS, f"request {token} waits forever"

    @invariant()
    def one_leader_a_generation(self) -> None:
        for generation_id, answers in self.told.items():
            dynamic = [a for name, a in answers.items() if not name.startswith("i")]
            leaders = {a.leader for a in dynamic if not a.leader.startswith("i")}
            assert len(leaders) <= 1, f"generation {generation_id} has leaders {leaders}"
            lists = [
                {m.member_id for m in a.members if m.group_instance_id is None}
                for a in dynamic
                if a.members
            ]
            for names in lists:
                assert {a.member_id for a in dynamic} <= names

    @invariant()
    def generations_only_grow(self) -> None:
        group = self.h.state.groups.get("g")
        if group is not None:
            assert group.generation_id >= self.highest_generation
            self.highest_generation = group.generation_id

    @invariant()
    def counts_agree(self) -> None:
        group = self.h.state.groups.get("g")
        if group is None:
            return
        assert_counts(group)
        assert group.awaiting_join_count <= 6
        waiting = {m.join_token for m in group.members.values() if m.join_token is not None}
        assert group.state is GroupState.PREPARING_REBALANCE or not waiting or self.h.held
        self.every_member_has_a_future(group)

    def every_member_has_a_future(self, group: ClassicGroup) -> None:
        """A member either waits for an answer or has a session that will end."""
        timers = self.h.state._timers
        for member in group.members.values():
            if member.join_token is None and member.sync_token is None:
                assert timers.deadline_ms(("session", "g", member.member_id)) is not None
        if group.state is GroupState.PREPARING_REBALANCE:
            assert timers.deadline_ms(("join", "g", "")) is not None
        if group.pending_sync:
            assert timers.deadline_ms(("sync", "g", "")) is not None

    @rule()
    def restart_rebuilds_completed_state(self) -> None:
        group = self.h.state.groups.get("g")
        if group is None or self.h.held is not None:
            return
        again: Any = self.h.restarted()
        assert again.state.offsets.get("g") is None or (
            again.state.offsets["g"].by_topic == self.h.state.offsets["g"].by_topic
        )
        copy = again.state.groups.get("g")
        if copy is None:  # what it wrote has failed, so it has no completed generation
            assert group.state is not GroupState.STABLE
            return
        assert_counts(copy)
        if group.state is GroupState.STABLE and self.told.get(group.generation_id):
            assert again.state.describe("g") == self.h.state.describe("g")
            assert copy.leader_id == group.leader_id
            assert copy.generation_id == group.generation_id
        else:
            assert copy.generation_id <= group.generation_id


def assert_counts(group: ClassicGroup) -> None:
    members = group.members.values()
    assert group.awaiting_join_count == sum(m.join_token is not None for m in members)
    assert group.static_members == {
        m.group_instance_id: m.member_id for m in members if m.group_instance_id is not None
    }
    for name, count in group.supported.items():
        assert count == sum(name in dict(m.protocols) for m in members) > 0
    assert (group.leader_id is None) == (not group.members)
    assert group.leader_id is None or group.leader_id in group.members
    assert set(group.pending_sync) <= set(group.members)
    assert not group.pending_join & set(group.members)


TestGroupLife = GroupLife.TestCase
TestGroupLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
