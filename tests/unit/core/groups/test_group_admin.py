"""DescribeGroups, ListGroups, DeleteGroups, and what survives a restart."""

from __future__ import annotations

from dataclasses import replace

from group_world import CONFIG, DELAY_MS, SESSION_MS, Harness, subscription

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import GroupConfig, LeavingMember, OffsetToCommit
from sprawl.core.groups.records import encode_offset_key


def test_describe_a_stable_group() -> None:
    h = Harness()
    (member,), _ = h.stable()
    group = h.state.describe("g")
    assert (group.state, group.protocol_type, group.protocol_name) == (
        "Stable",
        "consumer",
        "range",
    )
    assert [tuple(row) for row in group.members] == [
        (member, None, "c", "/127.0.0.1", subscription("t"), member.encode())
    ]


def test_describe_hides_metadata_and_assignment_while_they_are_in_motion() -> None:
    h = Harness()
    h.stable()
    h.join()
    (member,) = h.state.describe("g").members
    h.join(member.member_id)
    group = h.state.describe("g")
    assert group.state == "PreparingRebalance"
    assert group.protocol_name == ""
    assert (group.members[0].metadata, group.members[0].assignment) == (b"", b"")


def test_describe_a_missing_group() -> None:
    group = Harness().state.describe("g")
    assert (group.state, group.error) == ("Dead", ErrorCode.GROUP_ID_NOT_FOUND)


def test_list_with_filters() -> None:
    h = Harness()
    h.stable()
    h.commit(OffsetToCommit("t", 0, 1, -1, ""), group_id="simple")
    listed = {group.group_id: tuple(group)[1:] for group in h.state.list_groups()}
    assert listed == {
        "g": ("consumer", "Stable", "classic"),
        "simple": ("", "Empty", "classic"),
    }
    assert [g.group_id for g in h.state.list_groups(["stable", "Dead"])] == ["g"]
    assert [g.group_id for g in h.state.list_groups([], ["Classic"])] == ["g", "simple"]
    assert h.state.list_groups([], ["consumer"]) == []
    assert h.state.list_groups(["Nonsense"]) == []


def test_delete_groups_answers_each() -> None:
    h = Harness()
    h.stable()
    h.commit(OffsetToCommit("t", 0, 1, -1, ""), group_id="simple")
    token = h.delete_groups("g", "simple", "other")
    assert h.answers[token] == [
        ErrorCode.NON_EMPTY_GROUP,
        ErrorCode.NONE,
        ErrorCode.GROUP_ID_NOT_FOUND,
    ]
    assert set(h.state.groups) == {"g"}
    assert set(h.restarted().state.groups) == {"g"}


def test_delete_is_answered_once_it_is_committed() -> None:
    h = Harness()
    h.commit(OffsetToCommit("t", 0, 1, -1, ""))
    h.hold()
    token = h.delete_groups("g")
    assert token not in h.answers
    h.release()
    assert h.answers[token] == [ErrorCode.NONE]


def test_delete_that_fails_leaves_the_group() -> None:
    h = Harness()
    h.commit(OffsetToCommit("t", 0, 1, -1, ""))
    h.append_error = ErrorCode.NOT_COORDINATOR
    token = h.delete_groups("g")
    assert h.answers[token] == [ErrorCode.NOT_COORDINATOR]
    assert (h.state_name, h.offset("t", 0).offset) == ("Empty", 1)


def test_member_id_handed_out_before_a_deletion_is_void() -> None:
    h = Harness()
    pending = h.answers[h.join()].member_id
    h.delete_groups("g")
    assert h.answers[h.join(pending)].error is ErrorCode.UNKNOWN_MEMBER_ID


# --- restart --------------------------------------------------------------------------------------


def test_restart_keeps_members_generation_assignment_and_offsets() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    h.commit(OffsetToCommit("t", 0, 42, 7, "m"), member_id=follower, generation_id=generation_id)
    again = h.restarted()
    assert again.state.describe("g") == h.state.describe("g")
    assert again.group.leader_id == leader
    assert again.heartbeat(follower, generation_id) is ErrorCode.NONE
    assert again.offset("t", 0) == h.offset("t", 0)
    assert again.answers[again.sync(follower, generation_id)].assignment == follower.encode()
    again.commit(OffsetToCommit("t", 0, 43, 7, ""), member_id=leader, generation_id=generation_id)
    assert again.offset("t", 0).offset == 43


def test_sessions_start_anew_after_a_restart() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.advance(SESSION_MS - 1)
    again = h.restarted()
    again.advance(SESSION_MS - 1)
    assert again.heartbeat(member, generation_id) is ErrorCode.NONE
    again.advance(SESSION_MS)
    assert again.state_name == "Empty"


def test_emptied_group_is_empty_after_a_restart_and_counts_on() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.leave(LeavingMember(member))
    again = h.restarted()
    assert (again.state_name, again.group.generation_id) == ("Empty", generation_id + 1)
    assert again.group.state_since_ms == h.group.state_since_ms
    _, token = again.join_new()
    again.advance(DELAY_MS)
    assert again.answers[token].generation_id == generation_id + 2


def test_generation_that_was_not_completed_is_gone_after_a_restart() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.join(member)  # the leader rejoins: a new generation begins
    assert h.group.generation_id == generation_id + 1
    again = h.restarted()
    assert (again.state_name, again.group.generation_id) == ("Stable", generation_id)
    rejected = again.heartbeat(member, generation_id + 1)
    assert rejected is ErrorCode.ILLEGAL_GENERATION


def test_group_over_a_lowered_size_limit_rebalances_after_a_restart() -> None:
    h = Harness()
    ids, generation_id = h.stable(3)
    h.state.config = replace(CONFIG, group_max_size=2)
    again = h.restarted()
    assert again.heartbeat(ids[0], generation_id) is ErrorCode.REBALANCE_IN_PROGRESS
    tokens = [again.join(member) for member in ids]
    assert again.answers[tokens[2]].error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert again.answers[tokens[0]].generation_id == generation_id + 1


def test_offsets_without_group_metadata_make_a_simple_group() -> None:
    h = Harness()
    h.commit(OffsetToCommit("t", 0, 1, -1, ""))
    assert h.restarted().state.describe("g") == h.state.describe("g")


def test_tombstone_for_an_offset_that_was_compacted_away() -> None:
    h = Harness()
    h.state.replay(encode_offset_key("g", "t", 0), None)
    h.perform(h.state.loaded(h.now))
    assert (h.state.groups, h.state.offsets) == ({}, {})


def test_records_of_other_group_types_are_left_alone() -> None:
    h = Harness()
    h.state.replay(b"\x00\x05\x00\x01g", b"whatever")
    assert h.state.groups == {}


def test_unload_sends_waiting_members_to_another_coordinator() -> None:
    h = Harness()
    _, join = h.join_new()
    h.perform(h.state.unload(h.now))
    assert h.answers[join].error is ErrorCode.NOT_COORDINATOR


def test_new_settings_apply_to_what_happens_next() -> None:
    h = Harness()
    h.state.update_config(replace(CONFIG, group_initial_rebalance_delay_ms=0))
    _, token = h.join_new()
    h.advance(0)
    assert h.answers[token].generation_id == 1


def test_settings_come_from_the_broker_configs() -> None:
    class Settings:
        group_min_session_timeout_ms = 1
        group_max_session_timeout_ms = 2
        group_initial_rebalance_delay_ms = 3
        group_max_size = 4
        offsets_retention_minutes = 5
        offsets_retention_check_interval_ms = 6
        offset_metadata_max_bytes = 7

    assert GroupConfig.from_broker(Settings()) == GroupConfig(
        group_min_session_timeout_ms=1,
        group_max_session_timeout_ms=2,
        group_initial_rebalance_delay_ms=3,
        group_max_size=4,
        offsets_retention_ms=300_000,
        offsets_retention_check_interval_ms=6,
        offset_metadata_max_bytes=7,
    )
