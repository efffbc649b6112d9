"""Each invariant of replicated logs: kept it passes, broken it is caught under its own name."""

from __future__ import annotations

import pytest

from tests.sim.checkers import observations as seen
from tests.sim.checkers.raft import InvariantBroken, ObservationError
from tests.unit.sim_checkers.raft_script import RaftScript, assert_good, assert_names, led


def led_by_another() -> RaftScript:
    """Node 2 leads term 2 and has committed its first entry, where node 1 has two of its own."""
    script = led()
    script.append(1)
    script.append(1)
    script.flush(1)
    script.elect(2, 2, 3)
    script.append(2, count=0)
    script.flush(2)
    script.replicate(2, 3)
    script.commit(2)
    return script


def test_a_replicated_log_that_keeps_the_rules() -> None:
    script = led()
    assert_good(script)
    assert script.checker.committed_index("g") == 3
    assert script.checker.committed_offset("g") == 6


def test_a_leader_change_that_cuts_an_uncommitted_tail() -> None:
    script = led_by_another()
    script.replicate(2, 1)
    script.commit(1)
    assert_good(script)
    assert script.checker.committed_index("g") == 4


def test_of_a_deleted_topic_nothing_is_said() -> None:
    script = led()
    script.emit(seen.Forgotten, 1)
    script.terms[1] = 0
    script.restart(1, vote=None)
    assert_good(script)


def test_two_leaders_of_one_term() -> None:
    script = RaftScript()
    script.elect(1, 1, 2)
    script.emit(seen.TermChanged, 3, term=1)
    script.emit(seen.LeaderElected, 3, term=1)
    assert_names(script, "two_leaders", "elected_without_majority")


def test_a_leader_elected_twice_in_one_term_in_two_lives() -> None:
    script = RaftScript()
    script.elect(1, 1, 2)
    script.restart(1, vote=1)
    script.emit(seen.LeaderElected, 1, term=1)
    assert_names(script, "two_leaders")


def test_elected_without_majority() -> None:
    script = RaftScript()
    script.elect(1, 1)
    assert_names(script, "elected_without_majority")


def test_a_joint_configuration_needs_both_majorities() -> None:
    script = RaftScript(nodes=(1, 2, 3, 4, 5, 6))
    for node in (1, 2, 3):
        script.configure(node, 4, 5, 6, index=1, outgoing=(1, 2, 3))
    script.elect(1, 1, 2, 4)
    assert_names(script, "configuration_jump", "elected_without_majority")


def test_log_mismatch() -> None:
    script = led()
    script.append(1, crc=7)
    script.follow(2, 1)
    script.append(2, crc=8)
    assert_names(script, "log_mismatch")


def test_an_entry_that_no_leader_made() -> None:
    script = led()
    script.append(2)
    assert_names(script, "entry_without_leader")


def test_an_entry_of_a_lower_term_than_the_one_before() -> None:
    script = led()
    script.elect(2, 2, 3)
    script.append(2)
    script.append(2, term=1)
    assert "entry_of_wrong_term" in script.checker.names


def test_leader_lacks_committed() -> None:
    script = RaftScript()
    script.elect(1, 1, 2)
    script.append(1)
    script.flush(1)
    script.replicate(1, 2)
    script.commit(1)
    script.elect(3, 2, 2)
    assert_names(script, "leader_lacks_committed")


def test_a_leader_whose_votes_came_late_lacks_what_a_later_one_committed() -> None:
    script = RaftScript()
    script.vote(1, 1, 1)
    script.vote(2, 1, 1)
    script.elect(2, 2, 3)
    script.append(2)
    script.flush(2)
    script.replicate(2, 3)
    script.commit(2)
    script.emit(seen.LeaderElected, 1, term=1)
    assert_good(script)


def test_a_leader_that_changes_its_own_log() -> None:
    script = led()
    script.append(1)
    script.truncate(1, 4)
    assert_names(script, "leader_changed_own_log")


def test_committed_differs() -> None:
    script = RaftScript()
    script.elect(1, 1, 2)
    script.append(1)
    script.flush(1)
    script.elect(3, 2, 2)
    script.append(3)
    script.flush(3)
    script.replicate(3, 2)
    script.commit(3)
    script.commit(1)
    assert_names(script, "committed_differs")


def test_commit_without_majority() -> None:
    script = led()
    script.append(1)
    script.flush(1)
    script.replicate(1, 2, flush=False)
    script.commit(1)
    assert_names(script, "commit_without_majority")


def test_commit_before_the_leader_flushed_is_fine_with_a_majority_of_others() -> None:
    script = led()
    script.append(1)
    script.replicate(1, 2, 3)
    script.commit(1)
    assert_good(script)


def test_a_flush_of_entries_cut_off_meanwhile_counts_for_nothing() -> None:
    script = led()
    script.append(1)
    script.emit(seen.Flushed, 1, index=4, term=7)
    script.replicate(1, 2)
    script.commit(1)
    assert_names(script, "commit_without_majority")


def test_commit_of_an_old_term_by_counting() -> None:
    script = led()
    script.append(1)
    script.replicate(1, 2)
    script.elect(2, 2, 3)
    script.replicate(2, 3)
    script.commit(2)
    assert_names(script, "commit_of_old_term")


def test_a_follower_that_commits_more_than_the_leader() -> None:
    script = led()
    script.append(1)
    script.flush(1)
    script.replicate(1, 2)
    script.commit(2)
    assert_names(script, "commit_without_leader")
    script = led()
    script.commit(2, 9)
    assert_names(script, "commit_beyond_log")
    script = led()
    script.commit(2, 1)
    assert_names(script, "commit_went_back")


def test_cut_below_commit() -> None:
    script = led()
    script.truncate(2, 3)
    assert_names(script, "cut_below_commit")


def test_cut_of_an_entry_that_others_know_to_be_committed() -> None:
    script = led()
    script.append(1)
    script.flush(1)
    script.replicate(1, 2, 3)
    script.commit(1)
    script.truncate(3, 4)
    assert_names(script, "cut_below_commit")


def test_an_entry_that_leaves_a_hole() -> None:
    script = led()
    script.emit(seen.Appended, 1, index=9, term=1, crc=0)
    assert_names(script, "index_gap")


def test_vote_twice() -> None:
    script = RaftScript()
    script.vote(2, 1, 1)
    script.vote(2, 1, 3)
    assert_names(script, "vote_twice")


def test_a_vote_forgotten_in_a_crash() -> None:
    script = RaftScript()
    script.vote(2, 1, 1)
    script.restart(2, vote=None)
    script.vote(2, 1, 3)
    assert_names(script, "vote_lost", "vote_twice")


def test_a_vote_answered_before_it_is_on_the_disk() -> None:
    script = RaftScript()
    script.vote(2, 1, 1, flush=False)
    assert_names(script, "vote_answered_before_flush")


def test_a_vote_of_a_term_that_is_over_may_leave_late() -> None:
    script = RaftScript()
    script.follow(2, 1)
    script.emit(seen.Voted, 2, term=1, candidate=1)
    script.follow(2, 2)
    script.emit(seen.VoteAnswered, 2, term=1, candidate=1)
    assert_good(script)
    script.emit(seen.VoteAnswered, 2, term=1, candidate=3)
    assert_names(script, "vote_twice")


def test_a_vote_that_never_left_may_be_forgotten() -> None:
    script = RaftScript()
    script.emit(seen.TermChanged, 2, term=1)
    script.emit(seen.Voted, 2, term=1, candidate=1)
    script.restart(2)
    script.vote(2, 1, 3)
    assert_good(script)


def test_terms() -> None:
    script = RaftScript()
    script.follow(1, 5)
    script.emit(seen.TermChanged, 1, term=4)
    assert_names(script, "term_went_back")
    script = RaftScript()
    script.follow(1, 5)
    script.terms[1] = 3
    script.restart(1)
    assert_names(script, "term_lost")
    script = RaftScript()
    script.emit(seen.Voted, 1, term=5, candidate=2)
    assert_names(script, "vote_in_other_term")
    script = RaftScript()
    script.emit(seen.HardStateFlushed, 1, term=5, vote=None)
    script.emit(seen.HardStateFlushed, 1, term=4, vote=None)
    assert_names(script, "term_went_back")
    script = RaftScript()
    for voter in (1, 2):
        script.vote(voter, 5, 1)
    script.follow(1, 6)
    script.emit(seen.LeaderElected, 1, term=5)
    assert_names(script, "leader_of_other_term")


def test_an_answer_before_the_flush() -> None:
    script = led()
    script.append(1)
    script.replicate(1, 2, flush=False)
    script.emit(seen.AppendAnswered, 2, index=4, term=1)
    assert_names(script, "answered_before_flush")
    script = led()
    script.emit(seen.TermChanged, 2, term=2)
    script.emit(seen.AppendAnswered, 2, index=3, term=2)
    assert_names(script, "answered_before_flush")


def test_an_answer_of_an_earlier_term_may_be_about_what_is_cut_off_since() -> None:
    script = led()
    script.append(1)
    script.replicate(1, 2)
    script.follow(2, 2)
    script.truncate(2, 4)
    script.emit(seen.AppendAnswered, 2, index=4, term=1)
    assert_good(script)
    script.emit(seen.AppendAnswered, 2, index=4, term=2)
    assert_names(script, "answered_before_flush")


def test_a_crash_may_take_what_was_not_flushed_and_nothing_else() -> None:
    script = led()
    script.append(1)
    script.restart(1, last_index=3, last_term=1, vote=1)
    assert_good(script)
    script.restart(1, last_index=2, last_term=1, vote=1)
    assert_names(script, "lost_flushed_entries")


def test_an_old_tail_may_come_back_when_its_cut_was_not_flushed() -> None:
    script = led()
    script.append(1)
    script.append(1)
    script.flush(1)
    script.elect(2, 2, 3)
    script.append(2, count=0)
    script.follow(1, 2)
    old = list(script.logs[1])
    script.replicate(2, 1, flush=False)
    script.logs[1] = old
    script.restart(1)
    script.replicate(2, 1, 3)
    script.flush(2)
    script.commit(2)
    script.commit(1)
    assert_good(script)


def test_a_disk_with_a_log_that_nobody_wrote() -> None:
    script = led()
    script.restart(1, last_index=9, last_term=1, vote=1)
    assert_names(script, "log_invented")


def test_a_node_that_comes_back_without_its_disk() -> None:
    script = led()
    script.terms[3] = 0
    script.logs[3].clear()
    script.restart(3)
    assert_names(script, "lost_flushed_entries", "term_lost")


def test_a_crash_in_the_middle_of_a_cut() -> None:
    script = led()
    script.append(1)
    script.append(1)
    script.replicate(1, 3)
    script.emit(seen.Cutting, 3, from_index=5)
    script.restart(3, last_index=4, last_term=1, vote=1)
    assert_good(script)
    script.restart(3, last_index=3, last_term=1, vote=1)
    assert_names(script, "lost_flushed_entries")


def test_a_crash_right_after_a_copy_took_the_place_of_a_log() -> None:
    script = led_by_another()
    script.follow(1, 2)
    script.restart(1, last_index=4, last_term=2)
    assert_good(script)


def test_a_log_that_is_said_to_be_lost_counts_for_what_was_acknowledged() -> None:
    script = led()
    script.append(1)
    script.replicate(1, 3)
    script.logs[3].clear()
    script.follow(3, 2)
    script.restart(3, is_lost=True)
    script.configure(3, 1, 2, 3)
    script.flush(1)
    script.commit(1)
    assert_good(script)
    script.append(1)
    script.flush(1)
    script.commit(1)
    assert_names(script, "commit_without_majority")


def test_a_damaged_disk_that_is_taken_for_sound_ends_the_judgement_of_its_group() -> None:
    for facts in ({"last_index": 2, "last_term": 1}, {"last_index": 3, "last_term": 9}):
        script = led()
        script.restart(3, is_damaged=True, vote=1, **facts)
        script.commit(3, 99)
        assert_good(script)
    script = led()
    script.restart(3, is_damaged=True, vote=1)
    script.commit(3, 99)
    assert_names(script, "commit_beyond_log")


def test_snapshots() -> None:
    script = RaftScript()
    script.elect(1, 1, 2)
    for _ in range(5):
        script.append(1)
    script.flush(1)
    script.replicate(1, 2)
    script.commit(1)
    script.follow(3, 1)
    script.emit(seen.SnapshotInstalled, 3, index=5, term=1, next_offset=5)
    script.emit(seen.Flushed, 3, index=5, term=1)
    script.logs[3] = list(script.logs[1])
    script.configure(3, 1, 2, 3)
    script.append(1)
    script.replicate(1, 3)
    script.flush(1)
    script.commit(1)
    script.commit(3)
    script.restart(3, first_index=6, commit_index=6)
    script.configure(3, 1, 2, 3)
    script.elect(3, 2, 2)
    script.append(3, count=0)
    script.replicate(3, 1)
    script.flush(3)
    script.commit(3)
    assert_good(script)


def test_bad_snapshots() -> None:
    script = led()
    script.emit(seen.SnapshotInstalled, 2, index=2, term=1, next_offset=1)
    assert_names(script, "snapshot_behind_commit")
    script = led()
    script.append(1)
    script.emit(seen.SnapshotInstalled, 2, index=4, term=1, next_offset=7)
    assert "snapshot_of_uncommitted" in script.checker.names
    script = led()
    script.emit(seen.SnapshotInstalled, 2, index=3, term=1, next_offset=9)
    assert_names(script, "offset_gap")
    script = led()
    script.emit(seen.SnapshotInstalled, 1, index=3, term=1, next_offset=6)
    assert_names(script, "leader_changed_own_log")


def test_configurations_change_by_joint_steps() -> None:
    script = led()
    script.append(1, count=0)
    script.configure(1, 2, 3, index=4, outgoing=(1, 2, 3))
    script.append(1, count=0)
    script.configure(1, 2, 3, index=5)
    assert_good(script)
    script.configure(1, 1, 2, index=6)
    assert_names(script, "configuration_jump")


def test_one_entry_says_one_configuration() -> None:
    script = led()
    script.configure(1, 2, 3, index=3, outgoing=(1, 2, 3))
    script.configure(2, 1, 2, index=3, term=-1, outgoing=(1, 2, 3))
    assert_good(script)
    script.configure(3, 1, 2, index=3, outgoing=(1, 2, 3))
    assert_names(script, "configuration_differs")


def test_a_simulator_stops_at_the_first_violation() -> None:
    script = led(stop_at_first=True)
    script.append(1)
    with pytest.raises(InvariantBroken, match="commit_without_majority"):
        script.commit(1)


def test_a_wrong_feed_is_refused() -> None:
    script = RaftScript()
    with pytest.raises(ObservationError, match="has not begun"):
        script.emit(seen.Committed, 1, index=0, life=5)
    with pytest.raises(ObservationError, match="came before"):
        script.emit(seen.Started, 1)
    other = RaftScript()
    other.lives[9] = 0
    other.emit(seen.Started, 9)
    with pytest.raises(ObservationError, match="without ConfigurationApplied"):
        other.emit(seen.LeaderElected, 9, term=0)


def test_violations_are_counted_and_the_first_are_kept() -> None:
    script = led()
    for _ in range(150):
        script.emit(seen.ProduceAnswered, 1, index=9, term=1)
    assert len(script.checker.violations) == 100
    assert script.checker.violation_count == 150
