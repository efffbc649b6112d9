"""Offsets: who may commit, when a commit is visible, deletion and expiry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from group_world import CONFIG, DELAY_MS, SESSION_MS, Harness, subscription

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import FetchedOffset, LeavingMember, OffsetToCommit
from sprawl.core.groups.records import OffsetKey, parse_key

HOUR_MS = 3_600_000
RETENTION = replace(
    CONFIG, offsets_retention_ms=HOUR_MS, offsets_retention_check_interval_ms=60_000
)


def at(offset: int, topic: str = "t", partition: int = 0, metadata: str = "") -> OffsetToCommit:
    return OffsetToCommit(topic, partition, offset, 4, metadata)


def test_simple_consumer_commits_and_creates_its_group() -> None:
    h = Harness()
    result = h.answers[h.commit(at(10, metadata="m"), at(20, partition=1))]
    assert (result.error, list(result.errors)) == (ErrorCode.NONE, [ErrorCode.NONE] * 2)
    assert h.offset("t", 0) == FetchedOffset(0, 10, 4, "m")
    assert h.offset("t", 1) == FetchedOffset(1, 20, 4, "")
    assert h.state_name == "Empty"


def test_nothing_committed_is_offset_minus_one_without_an_error() -> None:
    h = Harness()
    assert h.offset("t", 0) == FetchedOffset(0, -1, -1, "", ErrorCode.NONE)
    h.commit(at(10))
    assert h.offset("t", 1).offset == h.offset("u", 0).offset == -1


def test_commit_is_answered_and_visible_once_it_is_in_the_log() -> None:
    h = Harness()
    h.commit(at(10))
    h.hold()
    token = h.commit(at(20))
    assert token not in h.answers
    assert h.offset("t", 0).offset == 10
    unstable = h.offset("t", 0, require_stable=True)
    assert (unstable.offset, unstable.error) == (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT)
    h.release()
    assert h.answers[token].error is ErrorCode.NONE
    assert h.offset("t", 0, require_stable=True).offset == 20


def test_commit_that_fails_leaves_the_old_offset() -> None:
    h = Harness()
    h.commit(at(10))
    h.append_error = ErrorCode.NOT_COORDINATOR
    result = h.answers[h.commit(at(20), at(5, metadata="x" * 5_000))]
    assert list(result.errors) == [ErrorCode.NOT_COORDINATOR, ErrorCode.OFFSET_METADATA_TOO_LARGE]
    assert h.offset("t", 0, require_stable=True).offset == 10


def test_metadata_that_is_too_large_spares_the_other_partitions() -> None:
    h = Harness()
    result = h.answers[h.commit(at(1, metadata="x" * 4_097), at(2, "u", 0, "x" * 4_096))]
    assert list(result.errors) == [ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.NONE]
    assert (h.offset("t", 0).offset, h.offset("u", 0).offset) == (-1, 2)


def test_a_deletion_that_comes_late_does_not_take_a_new_commit_along() -> None:
    """The group is new each time, and deleted before the one before is gone from the log."""
    h = Harness()
    h.hold()
    h.commit(at(1, metadata="x" * 5_000))
    h.delete_groups("g")
    h.commit(at(2, metadata="x" * 5_000))
    h.delete_groups("g")
    assert h.held is not None
    first, second = h.held
    h.held = None
    h.perform(h.settle(first))
    h.hold()
    committed = h.commit(at(42))
    h.held.insert(0, second)
    h.release()
    assert h.answers[committed].error is ErrorCode.NONE
    assert h.offset("t", 0).offset == 42


def test_member_commits_with_its_generation() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.commit(at(10), member_id=member, generation_id=generation_id)
    assert h.offset("t", 0).offset == 10


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"member_id": "nobody", "generation_id": 1}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation_id": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation_id": 0}, ErrorCode.ILLEGAL_GENERATION),
        ({"group_instance_id": "i", "generation_id": 1}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "", "generation_id": -1}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "", "generation_id": 1}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_commit_to_a_live_group_is_refused(fields: dict[str, object], error: ErrorCode) -> None:
    h = Harness()
    (member,), _ = h.stable()
    result = h.answers[h.commit(at(10), **{"member_id": member, **fields})]
    assert result.error is error
    assert h.offset("t", 0).offset == -1


def test_commit_while_the_group_waits_for_its_leader() -> None:
    h = Harness()
    member, _ = h.join_new()
    h.advance(DELAY_MS)
    result = h.answers[h.commit(at(10), member_id=member, generation_id=1)]
    assert result.error is ErrorCode.REBALANCE_IN_PROGRESS


def test_commit_during_the_join_phase_is_the_last_chance_of_the_old_generation() -> None:
    h = Harness()
    (leader, follower), generation_id = h.stable(2)
    h.join(leader)
    h.commit(at(10), member_id=follower, generation_id=generation_id)
    assert h.offset("t", 0).offset == 10


def test_commit_renews_the_session() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.advance(SESSION_MS - 1)
    h.commit(at(10), member_id=member, generation_id=generation_id)
    h.advance(SESSION_MS - 1)
    assert h.heartbeat(member, generation_id) is ErrorCode.NONE


@pytest.mark.parametrize(
    ("reports_missing_group", "error"),
    [(True, ErrorCode.GROUP_ID_NOT_FOUND), (False, ErrorCode.ILLEGAL_GENERATION)],
)
def test_commit_of_a_generation_to_a_missing_group(
    reports_missing_group: bool, error: ErrorCode
) -> None:
    h = Harness()
    token = h.commit(
        at(10), member_id="m", generation_id=1, reports_missing_group=reports_missing_group
    )
    assert h.answers[token].error is error
    assert h.state_name == "Dead"


def test_fetch_all() -> None:
    h = Harness()
    h.commit(at(1), at(2, partition=3), at(3, "u"))
    found = dict(h.state.offset_events.fetch_all("g", require_stable=False))
    assert {topic: [f.partition for f in rows] for topic, rows in found.items()} == {
        "t": [0, 3],
        "u": [0],
    }
    assert h.state.offset_events.fetch_all("other", require_stable=False) == []


# --- deletion ------------------------------------------------------------------------------------


def tombstones(h: Harness) -> list[object]:
    return [parse_key(key) for key, value in h.log if value is None]


def test_delete_offsets_of_an_empty_group() -> None:
    h = Harness()
    h.commit(at(1), at(2, partition=1))
    result = h.answers[h.delete_offsets(("t", 0), ("t", 9))]
    assert list(result.errors) == [ErrorCode.NONE] * 2
    assert (h.offset("t", 0).offset, h.offset("t", 1).offset) == (-1, 2)
    assert tombstones(h) == [OffsetKey("g", "t", 0)]


def test_delete_offsets_of_a_subscribed_topic_is_refused() -> None:
    h = Harness()
    (member,), generation_id = h.stable()
    h.commit(at(1), at(2, "old"), member_id=member, generation_id=generation_id)
    result = h.answers[h.delete_offsets(("t", 0), ("old", 0))]
    assert list(result.errors) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE]
    assert (h.offset("t", 0).offset, h.offset("old", 0).offset) == (1, -1)


def test_consumers_whose_subscription_is_unreadable_count_as_subscribed() -> None:
    h = Harness()
    (member,), generation_id = h.stable(protocols=(("range", b"?"),))
    h.commit(at(1), member_id=member, generation_id=generation_id)
    result = h.answers[h.delete_offsets(("t", 0))]
    assert list(result.errors) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]


def test_delete_offsets_of_groups_that_refuse_it() -> None:
    h = Harness()
    missing = h.answers[h.delete_offsets(("t", 0), group_id="other")]
    assert missing.error is ErrorCode.GROUP_ID_NOT_FOUND
    assert h.answers[h.delete_offsets(group_id="")].error is ErrorCode.INVALID_GROUP_ID
    h.stable(protocol_type="connect")
    assert h.answers[h.delete_offsets(("t", 0))].error is ErrorCode.NON_EMPTY_GROUP


def test_deleted_topic_takes_its_offsets_along() -> None:
    h = Harness()
    h.commit(at(1), at(2, partition=1), at(3, "u"))
    h.perform(h.state.topics_deleted(["t"], h.now))
    assert h.offset("t", 0).offset == h.offset("t", 1).offset == -1
    assert h.offset("u", 0).offset == 3
    assert set(tombstones(h)) == {OffsetKey("g", "t", 0), OffsetKey("g", "t", 1)}


def test_deleting_a_group_takes_a_commit_that_is_still_on_its_way_along() -> None:
    h = Harness()
    h.commit(at(1))
    h.hold()
    h.commit(at(2, partition=1))
    h.delete_groups("g")
    h.release()
    assert h.offset("t", 0).offset == h.offset("t", 1).offset == -1
    assert h.restarted().state.offsets == h.state.offsets == {}


# --- expiry (KIP-211) ----------------------------------------------------------------------------


def test_offsets_of_a_simple_group_expire_one_by_one_from_their_commit() -> None:
    h = Harness(RETENTION)
    h.commit(at(1))
    h.advance(HOUR_MS // 2)
    h.commit(at(2, partition=1))
    h.advance(HOUR_MS // 2 + 60_000)
    assert (h.offset("t", 0).offset, h.offset("t", 1).offset) == (-1, 2)
    h.advance(HOUR_MS // 2 + 60_000)
    assert h.state_name == "Dead"
    assert h.restarted().state.groups == {}


def test_offsets_of_an_emptied_group_age_from_the_moment_it_became_empty() -> None:
    h = Harness(RETENTION)
    (member,), generation_id = h.stable()
    h.commit(at(1), member_id=member, generation_id=generation_id)
    for _ in range(2 * HOUR_MS // 5_000):
        h.advance(5_000)
        h.heartbeat(member, generation_id)
    h.leave(LeavingMember(member))
    h.advance(HOUR_MS - 60_000)
    assert h.offset("t", 0).offset == 1
    h.advance(120_000)
    assert h.offset("t", 0).offset == -1
    assert h.state_name == "Dead"


def test_live_group_keeps_offsets_of_its_topics_and_forgets_the_others() -> None:
    h = Harness(RETENTION)
    (member,), generation_id = h.stable()
    h.commit(at(1), at(2, "old"), member_id=member, generation_id=generation_id)
    for _ in range(2 * HOUR_MS // 5_000):
        h.advance(5_000)
        h.heartbeat(member, generation_id)
    assert (h.offset("t", 0).offset, h.offset("old", 0).offset) == (1, -1)
    assert h.state_name == "Stable"


def test_nothing_expires_while_a_group_rebalances() -> None:
    h = Harness(RETENTION)
    timeouts = {"session_timeout_ms": 1_800_000, "rebalance_timeout_ms": 2 * HOUR_MS}
    (leader, follower), generation_id = h.stable(2, **timeouts)
    h.commit(at(1, "old"), member_id=leader, generation_id=generation_id)
    h.join(leader, protocols=(("range", subscription("u")),), **timeouts)
    for _ in range(5):
        h.advance(HOUR_MS // 4)
        h.heartbeat(follower, generation_id)
    assert h.state_name == "PreparingRebalance"
    assert h.offset("old", 0).offset == 1


def test_retention_of_the_commit_itself_wins() -> None:
    h = Harness(RETENTION)
    h.commit(at(1), retention_time_ms=2 * HOUR_MS)
    h.commit(at(2, partition=1), retention_time_ms=60_000)
    h.advance(HOUR_MS)
    assert (h.offset("t", 0).offset, h.offset("t", 1).offset) == (1, -1)
    h.advance(HOUR_MS + 60_000)
    assert h.offset("t", 0).offset == -1


def test_expiry_that_cannot_be_written_is_tried_again() -> None:
    h = Harness(RETENTION)
    h.commit(at(1))
    h.append_error = ErrorCode.NOT_COORDINATOR
    h.advance(HOUR_MS + 60_000)
    assert (h.state_name, h.offset("t", 0).offset) == ("Empty", 1)
    h.append_error = ErrorCode.NONE
    h.advance(60_000)
    assert h.state_name == "Dead"


def test_group_that_only_handed_out_a_member_id_goes_with_the_next_pass() -> None:
    h = Harness(RETENTION)
    h.join()
    h.advance(60_000)
    assert h.state_name == "Dead"
