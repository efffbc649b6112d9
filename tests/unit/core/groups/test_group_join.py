"""The join phase: who may join, how long it lasts, who leads, which protocol wins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from group_world import CONFIG, DELAY_MS, REBALANCE_MS, SESSION_MS, Harness, subscription

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import LeavingMember


def test_first_join_gets_a_member_id_to_come_back_with() -> None:
    h = Harness()
    answer = h.answers[h.join()]
    assert answer.error is ErrorCode.MEMBER_ID_REQUIRED
    prefix, _, uuid = answer.member_id.partition("-")
    assert prefix == "c"
    assert len(uuid) == 36


def test_old_client_joins_without_a_second_request() -> None:
    h = Harness()
    token = h.join(requires_known_member_id=False)
    assert token not in h.answers
    h.advance(DELAY_MS)
    assert h.answers[token].generation_id == 1


def test_pending_member_that_never_comes_back_is_forgotten() -> None:
    h = Harness()
    member_id = h.answers[h.join()].member_id
    h.advance(SESSION_MS)
    assert h.answers[h.join(member_id)].error is ErrorCode.UNKNOWN_MEMBER_ID


def test_initial_delay_then_the_leader_alone_gets_the_members() -> None:
    h = Harness()
    first, first_token = h.join_new()
    second, second_token = h.join_new()
    h.advance(DELAY_MS - 1)
    assert first_token not in h.answers
    h.advance(DELAY_MS + 1)
    leader, follower = h.answers[first_token], h.answers[second_token]
    assert leader.leader == follower.leader == first
    assert leader.generation_id == follower.generation_id == 1
    assert [member.member_id for member in leader.members] == [first, second]
    assert [member.metadata for member in leader.members] == [subscription("t")] * 2
    assert follower.members == ()
    assert (leader.protocol_type, leader.protocol_name) == ("consumer", "range")


def test_initial_delay_is_extended_only_by_periods_in_which_someone_joined() -> None:
    h = Harness()
    _, token = h.join_new()
    h.advance(DELAY_MS - 1)
    h.join_new()
    h.advance(DELAY_MS)  # the second period passes without a newcomer
    assert token not in h.answers
    h.advance(1)
    assert h.answers[token].error is ErrorCode.NONE


def test_initial_delay_is_bounded_by_the_rebalance_timeout() -> None:
    h = Harness()
    _, token = h.join_new(rebalance_timeout_ms=7_000)
    for _ in range(6):
        h.advance(1_000)
        h.join_new(rebalance_timeout_ms=7_000)
    assert token not in h.answers
    h.advance(1_000)
    assert h.answers[token].error is ErrorCode.NONE


def test_empty_group_id_is_invalid() -> None:
    h = Harness()
    assert h.answers[h.join(group_id="")].error is ErrorCode.INVALID_GROUP_ID


@pytest.mark.parametrize("session_timeout_ms", [5_999, 1_800_001])
def test_session_timeout_outside_the_configured_range(session_timeout_ms: int) -> None:
    h = Harness()
    answer = h.answers[h.join(session_timeout_ms=session_timeout_ms)]
    assert answer.error is ErrorCode.INVALID_SESSION_TIMEOUT
    assert h.state_name == "Dead"


def test_unknown_member_id_is_refused_and_creates_no_group() -> None:
    h = Harness()
    answer = h.answers[h.join("nobody")]
    assert (answer.error, answer.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "nobody")
    assert h.state_name == "Dead"


@pytest.mark.parametrize(
    "fields", [{"protocol_type": ""}, {"protocols": ()}], ids=["no type", "no protocols"]
)
def test_a_group_needs_a_protocol(fields: dict[str, object]) -> None:
    h = Harness()
    assert h.answers[h.join(**fields)].error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert h.state_name == "Dead"


@pytest.mark.parametrize(
    "fields", [{"protocol_type": "connect"}, {"protocols": (("sticky", b""),)}]
)
def test_a_member_must_share_the_groups_protocols(fields: dict[str, object]) -> None:
    h = Harness()
    h.stable()
    assert h.answers[h.join(**fields)].error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_most_votes_win_among_the_protocols_all_support() -> None:
    h = Harness()
    wishes = ["roundrobin range sticky", "range roundrobin", "sticky range roundrobin"]
    tokens = []
    for wish in wishes:
        protocols = tuple((name, name.encode()) for name in wish.split())
        tokens.append(h.join_new(protocols=protocols)[1])
    h.advance(DELAY_MS * 2)
    # sticky is not everyone's; votes: roundrobin 1, range 2
    assert {h.answers[token].protocol_name for token in tokens} == {"range"}
    assert [m.metadata for m in h.answers[tokens[0]].members] == [b"range"] * 3


def test_follower_rejoining_unchanged_keeps_the_generation() -> None:
    h = Harness()
    (_leader, follower), generation_id = h.stable(2)
    answer = h.answers[h.join(follower)]
    assert (answer.error, answer.generation_id) == (ErrorCode.NONE, generation_id)
    assert answer.members == ()
    assert h.state_name == "Stable"


def test_leader_rejoining_unchanged_starts_a_rebalance() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    token = h.join(leader)
    assert h.heartbeat(follower, generation_id) is ErrorCode.REBALANCE_IN_PROGRESS
    assert token not in h.answers
    h.join(follower)
    assert h.answers[token].generation_id == generation_id + 1


def test_changed_metadata_starts_a_rebalance() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    changed = (("range", subscription("t", "u")),)
    token = h.join(follower, protocols=changed)
    h.join(leader)
    assert h.answers[token].generation_id == generation_id + 1
    assert h.group.subscribed_topics == {"t", "u"}


def test_rejoin_while_completing_repeats_the_lost_answer() -> None:
    h = Harness()
    leader, token = h.join_new()
    h.advance(DELAY_MS)
    first = h.answers[token]
    assert h.answers[h.join(leader)] == first
    assert h.state_name == "CompletingRebalance"


def test_changed_metadata_while_completing_sends_waiting_members_back() -> None:
    h = Harness()
    leader, _ = h.join_new()
    follower, _ = h.join_new()
    h.advance(DELAY_MS * 2)
    waiting = h.sync(follower, 1)
    h.join(leader, protocols=(("range", subscription("u")),))
    assert h.answers[waiting].error is ErrorCode.REBALANCE_IN_PROGRESS
    assert h.state_name == "PreparingRebalance"


def test_members_that_do_not_rejoin_in_time_are_removed() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    token = h.join(leader)
    for _ in range(REBALANCE_MS // 5_000):
        h.advance(5_000)
        h.heartbeat(follower, generation_id)  # it lives, but does not join
    answer = h.answers[token]
    assert [member.member_id for member in answer.members] == [leader]
    assert h.heartbeat(follower, generation_id + 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_another_member_leads_when_the_leader_does_not_rejoin() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    token = h.join(follower, protocols=(("range", subscription("u")),))
    for _ in range(REBALANCE_MS // 5_000):
        h.advance(5_000)
        h.heartbeat(leader, generation_id)
    assert h.answers[token].leader == follower


def test_rebalance_timeout_is_the_longest_of_the_members() -> None:
    h = Harness()
    first, _ = h.join_new(rebalance_timeout_ms=10_000)
    second, _ = h.join_new(rebalance_timeout_ms=90_000)
    h.advance(DELAY_MS * 2)
    token = h.join(first, protocols=(("range", b"x"),), rebalance_timeout_ms=10_000)
    for _ in range(17):
        h.advance(5_000)
        h.heartbeat(second, 1)
    assert token not in h.answers
    h.advance(5_000)
    assert h.answers[token].generation_id == 2


def test_outstanding_member_id_holds_a_rebalance_up_until_it_is_used() -> None:
    h = Harness()
    (leader,), _ = h.stable()
    pending = h.answers[h.join()].member_id
    token = h.join(leader)
    assert token not in h.answers
    joined = h.join(pending)
    assert h.answers[token].generation_id == h.answers[joined].generation_id == 2


def test_outstanding_member_id_that_expires_lets_the_rebalance_go_on() -> None:
    h = Harness()
    (leader,), _ = h.stable()
    h.join()
    token = h.join(leader)
    h.advance(SESSION_MS)
    assert h.answers[token].generation_id == 2


def test_group_max_size_turns_new_members_away() -> None:
    h = Harness(replace(CONFIG, group_max_size=2))
    h.stable(2)
    token = h.join()
    assert h.answers[token].error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert h.answers[token].member_id == ""
    assert h.state_name == "Stable"


def test_group_max_size_during_a_rebalance_turns_the_last_away() -> None:
    h = Harness(replace(CONFIG, group_max_size=2))
    tokens = []
    for _ in range(2):
        tokens.append(h.join_new()[1])
    assert h.answers[h.join()].error is ErrorCode.GROUP_MAX_SIZE_REACHED
    h.advance(DELAY_MS * 2)
    assert len(h.answers[tokens[0]].members) == 2


def test_second_join_of_a_waiting_member_answers_the_first() -> None:
    h = Harness()
    member_id, first = h.join_new()
    second = h.join(member_id)
    assert h.answers[first].error is ErrorCode.REBALANCE_IN_PROGRESS
    h.advance(DELAY_MS)
    assert h.answers[second].generation_id == 1
    assert h.group.awaiting_join_count == 0


def test_waiting_member_that_leaves_is_answered() -> None:
    h = Harness()
    member_id, token = h.join_new()
    h.join_new()
    h.leave(LeavingMember(member_id))
    answer = h.answers[token]
    assert (answer.error, answer.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "")


def test_new_member_is_not_kept_forever_in_a_join_phase_that_never_ends() -> None:
    h = Harness()
    (leader,), generation_id = h.stable(rebalance_timeout_ms=3_600_000)
    token = h.join(rebalance_timeout_ms=3_600_000, requires_known_member_id=False)
    for _ in range(300_000 // 5_000):
        assert token not in h.answers
        h.advance(5_000)
        h.heartbeat(leader, generation_id)
    assert h.answers[token].error is ErrorCode.UNKNOWN_MEMBER_ID


def test_group_of_500_members_joins() -> None:
    h = Harness()
    tokens = [h.join_new()[1] for _ in range(500)]
    h.advance(REBALANCE_MS)
    assert len(h.answers[tokens[0]].members) == 500
    assert {h.answers[token].generation_id for token in tokens} == {1}
