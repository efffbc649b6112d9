"""Signs of life: heartbeats, sessions that end, members that leave, clients that vanish."""

from __future__ import annotations

import pytest
from group_world import DELAY_MS, SESSION_MS, Harness

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import LeavingMember


def test_heartbeat_keeps_a_session_alive() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    for _ in range(5):
        h.advance(SESSION_MS - 1)
        assert h.heartbeat(member, generation_id) is ErrorCode.NONE


def test_silent_member_is_removed_and_the_group_empties() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.advance(SESSION_MS)
    assert h.state_name == "Empty"
    assert h.group.generation_id == generation_id + 1
    assert h.heartbeat(member, generation_id) is ErrorCode.UNKNOWN_MEMBER_ID


def test_silent_follower_makes_the_others_rebalance() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    h.advance(SESSION_MS - 1)
    h.heartbeat(leader, generation_id)
    h.advance(1)
    assert h.heartbeat(leader, generation_id) is ErrorCode.REBALANCE_IN_PROGRESS
    token = h.join(leader)
    assert [m.member_id for m in h.answers[token].members] == [leader]
    assert h.heartbeat(follower, generation_id) is ErrorCode.UNKNOWN_MEMBER_ID


def test_member_that_waits_in_join_or_sync_does_not_time_out() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    token = h.join(leader)
    for _ in range(4):  # longer than a session, shorter than the rebalance timeout
        h.advance(SESSION_MS - 1)
        h.heartbeat(follower, generation_id)
    assert token not in h.answers
    h.join(follower)
    waiting = h.sync(follower, generation_id + 1)
    for _ in range(4):
        h.advance(SESSION_MS - 1)
        assert h.heartbeat(leader, generation_id + 1) is ErrorCode.NONE
    h.sync(leader, generation_id + 1, assignments=((follower, b"F"),))
    assert h.answers[waiting].assignment == b"F"


def test_session_starts_anew_with_the_generation_and_with_the_assignment() -> None:
    h = Harness()
    leader, _ = h.join_new()
    h.advance(DELAY_MS)
    h.advance(SESSION_MS - 1)
    h.sync(leader, 1, assignments=((leader, b"L"),))
    h.advance(SESSION_MS - 1)
    assert h.heartbeat(leader, 1) is ErrorCode.NONE


@pytest.mark.parametrize(
    ("member", "generation_id", "instance", "error"),
    [
        ("nobody", 1, None, ErrorCode.UNKNOWN_MEMBER_ID),
        (None, 0, None, ErrorCode.ILLEGAL_GENERATION),
        (None, 2, None, ErrorCode.ILLEGAL_GENERATION),
        (None, 1, "i", ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_heartbeat_is_refused(
    member: str | None, generation_id: int, instance: str | None, error: ErrorCode
) -> None:
    h = Harness()
    (own,), _ = h.stable()
    assert h.heartbeat(member or own, generation_id, instance) is error


def test_heartbeat_to_a_group_that_does_not_exist() -> None:
    assert Harness().heartbeat("m", 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_leave_makes_the_others_rebalance_at_once() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    result = h.leave(LeavingMember(leader, None, "done"))
    assert [(m.member_id, m.error) for m in result.members] == [(leader, ErrorCode.NONE)]
    token = h.join(follower)
    assert h.answers[token].leader == follower
    assert h.answers[token].generation_id == generation_id + 1


def test_last_member_leaves() -> None:
    h = Harness()
    (member,), _ = h.stable()
    h.leave(LeavingMember(member))
    assert h.state_name == "Empty"


def test_leave_during_the_join_phase_lets_it_end() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    token = h.join(leader)
    h.leave(LeavingMember(follower))
    assert h.answers[token].generation_id == generation_id + 1


def test_pending_member_leaves_without_disturbing_a_stable_group() -> None:
    h = Harness()
    h.stable()
    pending = h.answers[h.join()].member_id
    result = h.leave(LeavingMember(pending))
    assert result.members[0].error is ErrorCode.NONE
    assert h.state_name == "Stable"
    assert h.answers[h.join(pending)].error is ErrorCode.UNKNOWN_MEMBER_ID


def test_leave_answers_each_member_of_a_batch() -> None:
    h = Harness()
    (leader, follower), _ = h.stable(2)
    result = h.leave(LeavingMember("nobody"), LeavingMember(follower), LeavingMember("", "i"))
    assert [member.error for member in result.members] == [
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]
    assert list(h.group.members) == [leader]


def test_leave_of_nobody_does_not_rebalance() -> None:
    h = Harness()
    h.stable()
    h.leave(LeavingMember("nobody"))
    assert h.state_name == "Stable"


def test_leave_of_missing_and_of_empty_group() -> None:
    h = Harness()
    result = h.leave(LeavingMember("m", "i"))
    assert result.error is ErrorCode.NONE
    assert [tuple(member) for member in result.members] == [("m", "i", ErrorCode.UNKNOWN_MEMBER_ID)]
    assert h.leave(LeavingMember("m"), group_id="").error is ErrorCode.INVALID_GROUP_ID


# --- the client disconnects while its request waits -----------------------------------------------


def test_vanished_client_without_member_id_leaves_no_ghost() -> None:
    h = Harness()
    (leader,), generation_id = h.stable()
    ghost = h.join(requires_known_member_id=False)
    assert h.state_name == "PreparingRebalance"
    h.abandon(ghost)
    assert list(h.group.members) == [leader]
    token = h.join(leader)
    assert h.answers[token].generation_id == generation_id + 1


def test_vanished_client_may_come_back_under_its_member_id() -> None:
    h = Harness()
    member_id, token = h.join_new()
    h.abandon(token)
    assert h.group.awaiting_join_count == 0
    back = h.join(member_id)
    h.advance(DELAY_MS)
    assert h.answers[back].generation_id == 1


def test_vanished_client_that_stays_away_is_removed_after_its_session() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    gone = h.join(follower, protocols=(("range", b"new"),))
    h.abandon(gone)
    token = h.join(leader)
    assert token not in h.answers
    h.advance(SESSION_MS)
    assert [m.member_id for m in h.answers[token].members] == [leader]
    assert gone not in h.answers
    assert h.group.generation_id == generation_id + 1


def test_vanished_client_that_waited_for_its_assignment_keeps_its_session() -> None:
    h = Harness()
    leader, _ = h.join_new()
    follower, _ = h.join_new()
    h.advance(DELAY_MS * 2)
    waiting = h.sync(follower, 1)
    h.abandon(waiting)
    h.sync(leader, 1, assignments=((follower, b"F"),))
    assert waiting not in h.answers
    assert h.answers[h.sync(follower, 1)].assignment == b"F"


def test_abandoning_an_answered_request_changes_nothing() -> None:
    h = Harness()
    _, token = h.join_new()
    h.advance(DELAY_MS)
    h.abandon(token)
    assert h.state_name == "CompletingRebalance"
    assert len(h.group.members) == 1
