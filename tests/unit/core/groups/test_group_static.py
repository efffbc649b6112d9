"""Static members (KIP-345): taking a place over, fencing, removal by instance id."""

from __future__ import annotations

from typing import Any

from group_world import DELAY_MS, REBALANCE_MS, SESSION_MS, Harness, subscription

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import LeavingMember, Token


def static_group(*instances: str, **fields: Any) -> tuple[Harness, dict[str, str], int]:
    """A Stable group of static members; member id by instance id; the first one leads."""
    h = Harness()
    tokens = {name: h.join(group_instance_id=name, **fields) for name in instances}
    h.advance(DELAY_MS * (len(instances) + 1))
    _, generation_id = h.sync_all(list(tokens.values()))
    ids = {name: h.answers[token].member_id for name, token in tokens.items()}
    assert h.group.leader_id == ids[instances[0]]
    return h, ids, generation_id


def rejoin(h: Harness, instance: str, **fields: Any) -> Token:
    return h.join(group_instance_id=instance, **fields)


def test_static_member_joins_in_one_step_with_its_instance_as_prefix() -> None:
    _, ids, _ = static_group("i")
    assert ids["i"].startswith("i-")


def test_restarted_follower_keeps_its_assignment_without_a_rebalance() -> None:
    h, ids, generation_id = static_group("a", "b")
    answer = h.answers[rejoin(h, "b")]
    assert answer.error is ErrorCode.NONE
    assert answer.generation_id == generation_id
    assert answer.member_id != ids["b"]
    assert (answer.leader, answer.members, answer.skip_assignment) == (ids["a"], (), False)
    assert h.state_name == "Stable"
    assert h.answers[h.sync(answer.member_id, generation_id)].assignment == ids["b"].encode()


def test_restarted_leader_is_told_to_keep_the_assignment() -> None:
    h, _, generation_id = static_group("a", "b")
    answer = h.answers[rejoin(h, "a")]
    assert answer.leader == answer.member_id
    assert answer.skip_assignment
    assert {member.group_instance_id for member in answer.members} == {"a", "b"}
    assert h.group.generation_id == generation_id


def test_restarted_leader_with_an_old_client_is_not_told_that_it_leads() -> None:
    h, ids, _ = static_group("a", "b")
    answer = h.answers[rejoin(h, "a", supports_skipping_assignment=False)]
    assert answer.leader == ids["a"] != answer.member_id
    assert (answer.members, answer.skip_assignment) == ((), False)


def test_old_member_id_is_fenced() -> None:
    h, ids, generation_id = static_group("a", "b")
    rejoin(h, "b")
    assert h.heartbeat(ids["b"], generation_id, "b") is ErrorCode.FENCED_INSTANCE_ID
    fenced = h.answers[h.join(ids["b"], group_instance_id="b")]
    assert (fenced.error, fenced.member_id) == (ErrorCode.FENCED_INSTANCE_ID, ids["b"])
    sync = h.sync(ids["b"], generation_id, group_instance_id="b")
    assert h.answers[sync].error is ErrorCode.FENCED_INSTANCE_ID
    commit = h.commit(member_id=ids["b"], generation_id=generation_id, group_instance_id="b")
    assert h.answers[commit].error is ErrorCode.FENCED_INSTANCE_ID
    left = h.leave(LeavingMember(ids["b"], "b"))
    assert left.members[0].error is ErrorCode.FENCED_INSTANCE_ID


def test_new_member_id_survives_a_restart() -> None:
    h, _, generation_id = static_group("a", "b")
    new_id = h.answers[rejoin(h, "b")].member_id
    again = h.restarted()
    assert again.heartbeat(new_id, generation_id, "b") is ErrorCode.NONE


def test_replacement_is_answered_once_it_is_committed() -> None:
    h, _, generation_id = static_group("a")
    h.hold()
    token = rejoin(h, "a")
    assert token not in h.answers
    h.release()
    assert h.answers[token].generation_id == generation_id


def test_replacement_that_cannot_be_committed_is_undone() -> None:
    h, ids, generation_id = static_group("a", "b")
    h.append_error = ErrorCode.NOT_COORDINATOR
    answer = h.answers[rejoin(h, "b")]
    assert (answer.error, answer.member_id) == (ErrorCode.NOT_COORDINATOR, "")
    assert h.heartbeat(ids["b"], generation_id, "b") is ErrorCode.NONE
    assert h.group.members[ids["b"]].assignment == ids["b"].encode()
    assert h.group.awaiting_join_count == 0


def test_replacement_overtaken_by_a_rebalance_waits_for_the_next_generation() -> None:
    h, ids, generation_id = static_group("a", "b")
    h.hold()
    token = rejoin(h, "b")
    leader = h.join(ids["a"], group_instance_id="a")
    h.release()
    assert h.answers[leader].generation_id == h.answers[token].generation_id == generation_id + 1


def test_replacement_that_would_change_the_protocol_rebalances() -> None:
    both = (("range", subscription("t")), ("sticky", subscription("t")))
    h, _, generation_id = static_group("a", protocols=both)
    token = rejoin(h, "a", protocols=(("sticky", subscription("t")),))
    h.advance(REBALANCE_MS)
    assert h.answers[token].protocol_name == "sticky"
    assert h.answers[token].generation_id == generation_id + 1


def test_replacement_while_completing_rebalances() -> None:
    h = Harness()
    first = h.join(group_instance_id="a")
    h.advance(DELAY_MS)
    assert h.state_name == "CompletingRebalance"
    token = rejoin(h, "a")
    assert h.answers[token].generation_id == h.answers[first].generation_id + 1


def test_replacement_fences_what_the_old_member_has_waiting() -> None:
    h = Harness()
    old = h.join(group_instance_id="a")
    new = rejoin(h, "a")
    assert h.answers[old].error is ErrorCode.FENCED_INSTANCE_ID
    h.advance(DELAY_MS * 2)
    assert h.answers[new].generation_id == 1
    assert len(h.group.members) == 1


def test_static_member_that_is_away_stays_until_its_session_ends() -> None:
    h, ids, generation_id = static_group("a", "b", session_timeout_ms=REBALANCE_MS * 2)
    token = h.join(ids["a"], group_instance_id="a", session_timeout_ms=REBALANCE_MS * 2)
    h.advance(REBALANCE_MS)
    answer = h.answers[token]
    assert {member.member_id for member in answer.members} == set(ids.values())
    assert answer.generation_id == generation_id + 1


def test_join_phase_goes_on_while_no_static_member_has_rejoined() -> None:
    timeouts = {"session_timeout_ms": 200_000, "rebalance_timeout_ms": 20_000}
    h, ids, generation_id = static_group("a", "b", **timeouts)
    gone = h.join(ids["a"], group_instance_id="a", **timeouts)
    h.abandon(gone)
    h.advance(20_000)
    assert h.state_name == "PreparingRebalance"
    h.advance(60_000)
    token = h.join(ids["b"], group_instance_id="b", **timeouts)
    h.advance(20_000)
    assert h.answers[token].generation_id == generation_id + 1
    assert h.answers[token].leader == ids["b"]


def test_silent_static_member_is_removed_after_its_session() -> None:
    h, ids, generation_id = static_group("a", "b")
    h.advance(SESSION_MS - 1)
    h.heartbeat(ids["a"], generation_id, "a")
    h.advance(1)
    assert list(h.group.static_members) == ["a"]


def test_administrator_removes_a_member_by_its_instance_id() -> None:
    h, ids, _ = static_group("a", "b")
    result = h.leave(LeavingMember("", "b"))
    assert result.members[0].error is ErrorCode.NONE
    assert list(h.group.members) == [ids["a"]]


def test_member_id_without_instance_id_still_names_a_static_member() -> None:
    h, ids, generation_id = static_group("a")
    assert h.heartbeat(ids["a"], generation_id) is ErrorCode.NONE
    assert h.leave(LeavingMember(ids["a"])).members[0].error is ErrorCode.NONE
    assert h.state_name == "Empty"
