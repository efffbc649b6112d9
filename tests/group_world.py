"""Drives the pure coordinator: a clock to turn, a log in memory, the answers by token."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from sprawl.core.clock import Instant
from sprawl.core.errors import ErrorCode
from sprawl.core.groups.coordinator import CoordinatorState
from sprawl.core.groups.model import (
    Append,
    CommitRequest,
    Effect,
    GroupConfig,
    HeartbeatRequest,
    JoinRequest,
    LeavingMember,
    OffsetToCommit,
    Reply,
    SyncRequest,
    Token,
)

DELAY_MS = 3_000
SESSION_MS = 10_000
REBALANCE_MS = 60_000
CONFIG = GroupConfig(group_initial_rebalance_delay_ms=DELAY_MS)


def subscription(*topics: str) -> bytes:
    """ConsumerProtocolSubscription version 0 by hand."""
    out = b"\x00\x00" + len(topics).to_bytes(4, "big")
    for topic in topics:
        out += len(topic).to_bytes(2, "big") + topic.encode()
    return out + b"\xff\xff\xff\xff"


class Harness:
    """`answers[token]` is what a request got; a token without an answer still waits."""

    def __init__(self, config: GroupConfig = CONFIG) -> None:
        self.state = CoordinatorState(config, rng=Random(7))
        self.now = Instant(1_700_000_000_000, 5_000)
        self.answers: dict[int, Any] = {}
        self.log: list[tuple[bytes, bytes | None]] = []
        self.held: list[Append] | None = None
        self.append_error = ErrorCode.NONE
        self._token = 0
        self.perform(self.state.loaded(self.now))

    def perform(self, effects: list[Effect]) -> None:
        queue = list(effects)
        while queue:
            effect = queue.pop(0)
            if isinstance(effect, Reply):
                assert effect.token not in self.answers, "answered twice"
                self.answers[effect.token] = effect.result
            elif self.held is not None:
                self.held.append(effect)
            else:
                queue += self.settle(effect)

    def settle(self, effect: Append) -> list[Effect]:
        if not self.append_error:
            self.log += effect.records
        return self.state.appended(effect.op, self.append_error, self.now)

    def hold(self) -> None:
        """From now on appends wait for `release`."""
        self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        for effect in held:
            self.perform(self.settle(effect))

    def advance(self, ms: int) -> None:
        """Let time pass, firing every timer at its own time."""
        end = self.now.monotonic_ms + ms
        while True:
            deadline = self.state.next_deadline_ms()
            if deadline is None or deadline > end:
                break
            self._move(max(deadline, self.now.monotonic_ms))
            self.perform(self.state.tick(self.now))
        self._move(end)

    def _move(self, monotonic_ms: int) -> None:
        passed = monotonic_ms - self.now.monotonic_ms
        self.now = Instant(self.now.wall_ms + passed, monotonic_ms)

    def token(self) -> Token:
        self._token += 1
        return Token(self._token)

    # --- requests --------------------------------------------------------------------------------

    def join(self, member_id: str = "", **fields: Any) -> Token:
        request = JoinRequest(
            group_id="g",
            member_id=member_id,
            group_instance_id=None,
            client_id="c",
            client_host="/127.0.0.1",
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            protocol_type="consumer",
            protocols=(("range", subscription("t")),),
        )
        token = self.token()
        self.perform(self.state.join(token, replace(request, **fields), self.now))
        return token

    def join_new(self, **fields: Any) -> tuple[str, Token]:
        """The two steps of a dynamic member: get an id, then join with it."""
        answer = self.answers[self.join(**fields)]
        assert answer.error is ErrorCode.MEMBER_ID_REQUIRED
        return answer.member_id, self.join(answer.member_id, **fields)

    def sync(self, member_id: str, generation_id: int, **fields: Any) -> Token:
        token = self.token()
        request = SyncRequest(
            **{
                "group_id": "g",
                "generation_id": generation_id,
                "member_id": member_id,
                **fields,
            }
        )
        self.perform(self.state.sync(token, request, self.now))
        return token

    def heartbeat(
        self, member_id: str, generation_id: int, instance: str | None = None
    ) -> ErrorCode:
        token = self.token()
        request = HeartbeatRequest("g", generation_id, member_id, instance)
        self.perform(self.state.heartbeat(token, request, self.now))
        return self.answers[token]

    def leave(self, *members: LeavingMember, group_id: str = "g") -> Any:
        token = self.token()
        self.perform(self.state.leave(token, group_id, members, self.now))
        return self.answers[token]

    def commit(self, *offsets: OffsetToCommit, **fields: Any) -> Token:
        token = self.token()
        request = CommitRequest(**{"group_id": "g", "offsets": offsets, **fields})
        self.perform(self.state.commit(token, request, self.now))
        return token

    def delete_groups(self, *group_ids: str) -> Token:
        token = self.token()
        self.perform(self.state.delete_groups(token, group_ids, self.now))
        return token

    def delete_offsets(self, *partitions: tuple[str, int], group_id: str = "g") -> Token:
        token = self.token()
        self.perform(self.state.delete_offsets(token, group_id, partitions, self.now))
        return token

    def abandon(self, token: Token) -> None:
        self.perform(self.state.abandon(token, "g", self.now))

    # --- views -----------------------------------------------------------------------------------

    @property
    def group(self) -> Any:
        return self.state.groups["g"]

    @property
    def state_name(self) -> str:
        return self.state.describe("g").state

    def offset(self, topic: str, partition: int, *, require_stable: bool = False) -> Any:
        return self.state.offset_events.fetch(
            "g", topic, [partition], require_stable=require_stable
        )[0]

    def stable(self, count: int = 1, **fields: Any) -> tuple[list[str], int]:
        """A Stable group of `count` dynamic members; its member ids (the leader first) and
        generation. Every member's assignment is its own id in bytes."""
        joins = [self.join_new(**fields) for _ in range(count)]
        self.advance(DELAY_MS * (count + 1))
        return self.sync_all([token for _, token in joins])

    def sync_all(self, tokens: list[Token]) -> tuple[list[str], int]:
        results = [self.answers[token] for token in tokens]
        assert {result.error for result in results} == {ErrorCode.NONE}
        generation_id = results[0].generation_id
        leader = results[0].leader
        ids = sorted((result.member_id for result in results), key=lambda name: name != leader)
        assignments = tuple((name, name.encode()) for name in ids)
        for name in ids[1:]:
            self.sync(name, generation_id)
        self.sync(leader, generation_id, assignments=assignments)
        return ids, generation_id

    def restarted(self) -> Harness:
        """A new coordinator that has replayed this one's log."""
        again = Harness(self.state.config)
        again.now = self.now
        for key, value in self.log:
            again.state.replay(key, value)
        again.log = list(self.log)
        again.perform(again.state.loaded(again.now))
        return again
