"""The sync phase: assignments, their commit, and who is told to join again."""

from __future__ import annotations

import pytest
from group_world import DELAY_MS, REBALANCE_MS, Harness, subscription

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import LeavingMember


def completing(count: int = 2) -> tuple[Harness, list[str]]:
    """A group of `count` members that waits for its leader; the leader first."""
    h = Harness()
    ids = [h.join_new()[0] for _ in range(count)]
    h.advance(DELAY_MS * 2)
    assert h.state_name == "CompletingRebalance"
    return h, ids


def test_followers_wait_for_the_leaders_assignment() -> None:
    h, (leader, follower) = completing()
    waiting = h.sync(follower, 1)
    assert waiting not in h.answers
    own = h.sync(leader, 1, assignments=((leader, b"L"), (follower, b"F")))
    assert h.answers[waiting].assignment == b"F"
    assert h.answers[own].assignment == b"L"
    assert h.answers[own].protocol_type == "consumer"
    assert h.answers[own].protocol_name == "range"
    assert h.state_name == "Stable"


def test_assignment_takes_force_only_when_it_is_committed() -> None:
    h, (leader, follower) = completing()
    waiting = h.sync(follower, 1)
    h.hold()
    own = h.sync(leader, 1, assignments=((leader, b"L"), (follower, b"F")))
    assert waiting not in h.answers
    assert own not in h.answers
    assert h.state_name == "CompletingRebalance"
    h.release()
    assert h.answers[waiting].assignment == b"F"
    assert h.state_name == "Stable"


def test_what_is_in_force_is_what_a_restart_finds_when_the_leader_syncs_twice() -> None:
    h, (leader, follower) = completing()
    h.hold()
    h.sync(leader, 1, assignments=((leader, b"L"), (follower, b"F")))
    again = h.sync(leader, 1, assignments=((leader, b"other"),))
    h.release()
    assert h.answers[again].assignment == b"L"
    assert h.restarted().state.describe("g") == h.state.describe("g")


def test_assignment_that_cannot_be_committed_sends_everyone_back() -> None:
    h, (leader, follower) = completing()
    waiting = h.sync(follower, 1)
    h.append_error = ErrorCode.NOT_COORDINATOR
    own = h.sync(leader, 1, assignments=((leader, b"L"),))
    assert h.answers[waiting].error is h.answers[own].error is ErrorCode.NOT_COORDINATOR
    assert h.answers[own].assignment == b""
    assert h.state_name == "PreparingRebalance"


def test_rebalance_that_begins_while_the_assignment_is_written_wins() -> None:
    h, (leader, follower) = completing()
    h.hold()
    own = h.sync(leader, 1, assignments=((leader, b"L"), (follower, b"F")))
    h.join(follower, protocols=(("range", subscription("u")),))
    assert h.answers[own].error is ErrorCode.REBALANCE_IN_PROGRESS
    h.release()
    assert h.state_name == "PreparingRebalance"
    assert h.group.members[follower].assignment == b""


def test_member_the_leader_left_out_gets_an_empty_assignment() -> None:
    h, (leader, follower) = completing()
    waiting = h.sync(follower, 1)
    h.sync(leader, 1, assignments=((leader, b"L"),))
    assert (h.answers[waiting].error, h.answers[waiting].assignment) == (ErrorCode.NONE, b"")


def test_latecomer_gets_its_assignment_in_a_stable_group() -> None:
    h, (leader, follower) = completing()
    h.sync(leader, 1, assignments=((follower, b"F"),))
    assert h.answers[h.sync(follower, 1)].assignment == b"F"


def test_second_sync_of_a_waiting_member_answers_the_first() -> None:
    h, (leader, follower) = completing()
    first, second = h.sync(follower, 1), h.sync(follower, 1)
    assert h.answers[first].error is ErrorCode.REBALANCE_IN_PROGRESS
    h.sync(leader, 1, assignments=((follower, b"F"),))
    assert h.answers[second].assignment == b"F"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"group_id": "other"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"group_instance_id": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation_id": 0}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation_id": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_sync_is_refused(fields: dict[str, object], error: ErrorCode) -> None:
    h, (_leader, follower) = completing()
    fields = {"member_id": follower, "generation_id": 1, **fields}
    assert h.answers[h.sync(**fields)].error is error  # type: ignore[arg-type]


def test_matching_protocol_type_and_name_pass() -> None:
    h, (_leader, follower) = completing()
    token = h.sync(follower, 1, protocol_type="consumer", protocol_name="range")
    assert token not in h.answers


def test_sync_during_the_join_phase_means_join_again() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    h.join(leader)
    answer = h.answers[h.sync(follower, generation_id)]
    assert answer.error is ErrorCode.REBALANCE_IN_PROGRESS


def test_sync_in_an_emptied_group() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.leave(LeavingMember(member))
    answer = h.answers[h.sync(member, generation_id)]
    assert answer.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_members_that_never_sync_are_removed() -> None:
    h, (leader, follower) = completing()
    h.sync(leader, 1, assignments=())
    for _ in range(REBALANCE_MS // 5_000):
        assert h.state_name == "Stable"
        h.heartbeat(leader, 1)
        h.heartbeat(follower, 1)
        h.advance(5_000)
    assert h.state_name == "PreparingRebalance"
    assert list(h.group.members) == [leader]


def test_everyone_having_synced_ends_the_sync_timer() -> None:
    h = Harness()
    ids, generation_id = h.stable(2)
    for _ in range(2 * REBALANCE_MS // 5_000):
        for member in ids:
            assert h.heartbeat(member, generation_id) is ErrorCode.NONE
        h.advance(5_000)
    assert h.state_name == "Stable"


def test_waiting_member_that_is_removed_is_answered() -> None:
    h, (_leader, follower) = completing()
    waiting = h.sync(follower, 1)
    h.leave(LeavingMember(follower))
    assert h.answers[waiting].error is ErrorCode.UNKNOWN_MEMBER_ID
