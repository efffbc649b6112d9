"""Hand-written histories: clean ones pass, and each anomaly is caught under its own name."""

from __future__ import annotations

import pytest

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.kafka import check
from tests.sim.checkers.ledger import HistoryError
from tests.sim.history import History, Kind, Sent


class Script(History):
    """A history in few words; all in partition t-0 unless told otherwise."""

    def send(
        self,
        text: str,
        offset: int | None = None,
        *,
        process: int = 1,
        kind: Kind = "ok",
        partition: int = 0,
    ) -> None:
        self.add(process, "invoke", "send", ("t", partition, None, text))
        self.end_send(text, offset, process=process, kind=kind, partition=partition)

    def end_send(
        self,
        text: str,
        offset: int | None = None,
        *,
        process: int = 1,
        kind: Kind = "ok",
        partition: int = 0,
    ) -> None:
        value: Sent = ("t", partition, offset if kind == "ok" else None, text)
        self.add(process, kind, "send", value)

    def poll(self, *records: tuple[int, str], process: int = 9, partition: int = 0) -> None:
        self.add(process, "invoke", "poll", ())
        value = tuple(("t", partition, offset, text) for offset, text in records)
        self.add(process, "ok", "poll", value)

    def do(self, op: str, value: object, *, process: int = 9, kind: Kind = "ok") -> None:
        self.add(process, "invoke", op, value)
        self.add(process, kind, op, value)

    def assign(self, *partitions: int, process: int = 9) -> None:
        self.do("assign", tuple(("t", p) for p in partitions or (0,)), process=process)

    def seek(self, offset: int, *, process: int = 9) -> None:
        self.do("seek", ("t", 0, offset), process=process)

    def commit(self, offset: int, *, process: int = 9, kind: Kind = "ok") -> None:
        self.do("commit", (("t", 0, offset),), process=process, kind=kind)

    def committed(self, offset: int | None, *, process: int = 9) -> None:
        self.add(process, "invoke", "committed", (("t", 0, None),))
        self.add(process, "ok", "committed", (("t", 0, offset),))

    def crash(self, process: int = 9) -> None:
        self.add(process, "info", "crash", None)


def names(history: History, expect: Expectations | None = None) -> set[str]:
    report = check(history, expect or Expectations())
    assert report.is_good == (not report.errors)
    for anomaly in report.errors:
        assert anomaly.events
        assert anomaly.name in report.text()
    return set(report.names)


LAST = 99
FINAL = Expectations(final=frozenset({LAST}))


def clean() -> Script:
    """Two producers, of which one loses an answer, and one consumer that reads everything."""
    h = Script()
    h.send("a", 0)
    h.send("b", 1, process=2)
    h.send("lost answer", kind="info")
    h.send("refused", kind="fail")
    h.assign()
    h.seek(0)
    h.poll((0, "a"), (1, "b"))
    h.send("c", 3)
    h.poll((2, "lost answer"), (3, "c"))
    return h


def read_finally(h: Script, *texts: str, process: int = LAST) -> Script:
    """A process that was never there reads everything."""
    h.assign(process=process)
    h.seek(0, process=process)
    h.poll(*enumerate(texts), process=process)
    return h


ALL = ("a", "b", "lost answer", "c")


def test_a_clean_history_passes() -> None:
    report = check(read_finally(clean(), *ALL), FINAL)
    assert report.is_good
    assert report.figures["acknowledged"] == 3
    assert report.figures["failed"] == 1
    assert report.figures["records_read"] == 8
    assert report.text().startswith("good")


def test_an_empty_history_passes() -> None:
    assert check([]).is_good


def test_an_unread_send_of_unknown_outcome_is_fine() -> None:
    h = clean()
    h.send("never seen again", kind="info")
    assert names(read_finally(h, *ALL), FINAL) == set()


def test_lost_write() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", 1)
    h.send("c", 2)
    h.assign()
    h.seek(0)
    h.poll((0, "a"))
    h.poll((2, "c"), process=8)
    assert names(h) == {"lost_write"}


def test_lost_write_in_the_way_of_a_consumer_is_also_a_skip() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", 1)
    h.assign()
    h.seek(0)
    h.poll((1, "b"))
    assert names(h) == {"lost_write", "poll_skip"}


def test_unseen_counts_only_after_a_final_phase() -> None:
    h = clean()
    h.send("d", 4)
    assert names(h) == set()
    assert check(h).figures["unseen"] == 1
    assert names(read_finally(h, *ALL), FINAL) == {"unseen"}


def test_each_final_reader_has_to_find_what_was_known_before_it_began() -> None:
    both = Expectations(final=frozenset({LAST, LAST + 1}))
    h = clean()
    h.send("d", kind="info")
    read_finally(h, *ALL)
    assert names(read_finally(h, *ALL, "d", process=LAST + 1), both) == set()
    h = clean()
    h.send("d", 4)
    read_finally(h, *ALL)
    assert names(read_finally(h, *ALL, "d", process=LAST + 1), both) == {"unseen"}
    h = clean()
    h.send("d", 4)
    read_finally(h, *ALL, "d")
    assert names(read_finally(h, *ALL, process=LAST + 1), both) == {"vanished_read"}


def test_an_acknowledged_send_whose_offset_nobody_told_must_be_seen() -> None:
    h = clean()
    h.send("d", None)
    assert names(read_finally(h, *ALL), FINAL) == {"unseen"}
    h = clean()
    h.send("d", None)
    assert names(read_finally(h, *ALL, "d"), FINAL) == set()


def test_a_topic_that_loses_its_end_with_the_power() -> None:
    lossy = Expectations(final=frozenset({LAST}), lossy_topics=frozenset({"t"}))
    h = clean()
    h.send("d", 4)
    h.poll((4, "d"))
    h.send("again", 2, process=2)
    read_finally(h, "a", "b", "again", "lost answer")
    assert names(h, FINAL) >= {"inconsistent_offsets", "duplicate", "vanished_read"}
    assert names(h, lossy) == set()
    h.poll((6, "again"))
    assert names(h, lossy) == {"gap"}
    h.poll((7, "nobody wrote this"))
    assert names(h, lossy) == {"gap", "unwritten_read"}


def test_a_producer_id_is_given_once() -> None:
    h = clean()
    h.add(1, "ok", "producer_id", (7, 0))
    h.add(2, "ok", "producer_id", (8, 0))
    h.add(1, "ok", "producer_id", (7, 1))
    assert names(h) == set()
    h.add(3, "ok", "producer_id", (7, 0))
    assert names(h) == {"producer_id_twice"}


def test_aborted_read() -> None:
    h = clean()
    h.send("e", kind="fail")
    h.poll((4, "e"))
    assert names(h) == {"aborted_read"}


def test_inconsistent_offsets_between_an_answer_and_a_read() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", kind="info")
    h.poll((0, "b"))
    assert "inconsistent_offsets" in names(h)


def test_inconsistent_offsets_between_two_reads() -> None:
    h = Script()
    h.send("a", kind="info")
    h.send("b", kind="info")
    h.poll((0, "a"), process=8)
    h.poll((0, "b"))
    assert names(h) == {"inconsistent_offsets"}


def test_duplicate() -> None:
    h = clean()
    h.poll((4, "c"))
    assert names(h) == {"duplicate"}
    assert names(h, Expectations(at_least_once=frozenset({1}))) == set()


def test_a_record_elsewhere_than_acknowledged_is_a_duplicate() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", kind="info")
    h.poll((0, "b"), (1, "a"))
    assert "duplicate" in names(h)


def test_unwritten_and_misplaced_reads() -> None:
    h = clean()
    h.poll((4, "nobody wrote this"))
    assert names(h) == {"unwritten_read"}
    h = clean()
    h.poll((0, "lost answer"), partition=1)
    assert "misplaced_read" in names(h)


def test_a_read_before_the_send_began_is_unwritten() -> None:
    h = Script()
    h.poll((0, "a"))
    h.send("a", 0)
    assert "unwritten_read" in names(h)


def test_vanished_read() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", kind="info")
    h.poll((0, "a"), (1, "b"), process=8)
    read_finally(h, "a")
    assert names(h) == set()
    assert names(h, FINAL) == {"vanished_read"}


def test_poll_skip() -> None:
    h = Script()
    for offset in range(4):
        h.send(f"v{offset}", offset)
    h.poll(*((offset, f"v{offset}") for offset in range(4)), process=8)
    h.assign()
    h.poll((0, "v0"))
    h.poll((2, "v2"))
    assert names(h) == {"poll_skip"}


def test_gap_in_a_dense_topic_only() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", 5)
    h.assign()
    h.poll((0, "a"), (5, "b"))
    assert names(h) == {"gap"}
    assert names(h, Expectations(sparse_topics=frozenset({"t"}))) == set()


def test_a_seek_says_where_reading_begins() -> None:
    h = clean()
    h.seek(1)
    h.poll((2, "lost answer"))
    assert names(h) == {"poll_skip"}
    h = clean()
    h.seek(2)
    h.poll((1, "b"))
    assert names(h) == {"nonmonotonic_poll"}
    h = clean()
    h.seek(1)
    h.poll((1, "b"))
    assert names(h) == set()


def test_nonmonotonic_poll() -> None:
    h = clean()
    h.poll((3, "c"))
    assert names(h) == {"nonmonotonic_poll"}


def test_steps_inside_of_one_poll() -> None:
    h = clean()
    h.seek(0)
    h.poll((0, "a"), (2, "lost answer"))
    assert names(h) == {"int_poll_skip"}
    h = clean()
    h.seek(0)
    h.poll((0, "a"), (1, "b"), (1, "b"))
    assert names(h) == {"int_nonmonotonic_poll"}


def test_partitions_in_one_poll_are_judged_apart() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", 0, partition=1)
    h.send("c", 1)
    h.send("d", 1, partition=1)
    h.assign(0, 1)
    both = (("t", 0, 0, "a"), ("t", 1, 0, "b"), ("t", 0, 1, "c"), ("t", 1, 1, "d"))
    h.add(9, "ok", "poll", both)
    assert names(h, FINAL) == set()


def subscribed() -> Script:
    h = clean()
    h.do("subscribe", ("t",), process=7)
    h.add(7, "ok", "assign", (("t", 0),))
    h.poll((0, "a"), process=7)
    h.poll((2, "lost answer"), process=7)
    h.poll((1, "b"), process=7)
    return h


def test_under_subscribe_steps_between_polls_are_allowed() -> None:
    report = check(subscribed())
    assert report.is_good
    assert {anomaly.name for anomaly in report.allowed} == {"poll_skip", "nonmonotonic_poll"}
    assert report.counts == {"poll_skip (allowed)": 1, "nonmonotonic_poll (allowed)": 1}
    assert "allowed: poll_skip" in report.text()


def test_under_subscribe_steps_are_judged_when_the_history_has_the_rebalances() -> None:
    expect = Expectations(judge_subscribers=True)
    assert names(subscribed(), expect) == {"poll_skip", "nonmonotonic_poll"}
    h = clean()
    h.do("subscribe", ("t",), process=7)
    h.poll((1, "b"), process=7)
    h.add(7, "ok", "assign", (("t", 0),))
    h.poll((0, "a"), process=7)
    assert names(h, expect) == set()


def test_under_subscribe_steps_inside_of_one_poll_are_errors() -> None:
    h = clean()
    h.do("subscribe", ("t",), process=7)
    h.poll((0, "a"), (2, "lost answer"), process=7)
    assert names(h) == {"int_poll_skip"}


def test_a_crash_forgets_the_position() -> None:
    h = clean()
    h.crash()
    h.assign()
    h.poll((0, "a"))
    assert names(h) == set()


def test_an_assignment_that_keeps_a_partition_keeps_its_position() -> None:
    h = clean()
    h.assign(0, 1)
    h.poll((0, "a"))
    assert names(h) == {"nonmonotonic_poll"}
    h = clean()
    h.assign(1)
    h.assign(0)
    h.poll((0, "a"))
    assert names(h) == set()


def test_nonmonotonic_send() -> None:
    h = Script()
    h.send("a", 5)
    h.send("b", 3)
    assert names(h) == {"nonmonotonic_send"}


def test_realtime_send() -> None:
    h = Script()
    h.send("a", 5)
    h.send("b", 3, process=2)
    assert names(h) == {"realtime_send"}
    h = clean()
    h.send("late", 1, process=3)
    assert names(h) >= {"realtime_send", "inconsistent_offsets"}


def test_sends_under_way_together_have_no_order_unless_the_client_keeps_one() -> None:
    h = Script()
    h.add(1, "invoke", "send", ("t", 0, None, "a"))
    h.add(1, "invoke", "send", ("t", 0, None, "b"))
    h.end_send("b", 0)
    h.end_send("a", 1)
    assert names(h) == set()
    assert names(h, Expectations(ordered=frozenset({1}))) == {"nonmonotonic_send"}


def transaction(*offsets: int) -> Script:
    h = Script()
    h.send("between", 1, process=2)
    inner = tuple(("send", ("t", 0, None, f"x{place}")) for place in range(len(offsets)))
    done = tuple(("send", ("t", 0, at, f"x{place}")) for place, at in enumerate(offsets))
    h.add(1, "invoke", "txn", inner)
    h.add(1, "ok", "txn", done)
    return h


def test_sends_inside_of_a_transaction() -> None:
    assert names(transaction(2, 3)) == set()
    assert names(transaction(4, 3)) == {"int_nonmonotonic_send"}
    h = transaction(2, 4)
    h.poll((3, "between"), process=8)
    assert "int_send_skip" not in names(h)
    assert "int_send_skip" in names(h, Expectations(allowed=frozenset()))


def test_records_of_an_aborted_transaction_must_not_be_read() -> None:
    h = Script()
    inner = (("send", ("t", 0, None, "x")),)
    h.add(1, "invoke", "txn", inner)
    h.add(1, "fail", "txn", inner)
    h.poll((0, "x"))
    assert names(h) == {"aborted_read"}


def test_a_committed_offset_is_what_was_committed_last() -> None:
    h = Script()
    h.committed(None)
    h.commit(5)
    h.commit(3)
    h.committed(3)
    h.commit(9, kind="info")
    h.commit(8, kind="fail")
    h.committed(3)
    h.committed(9)
    assert names(h) == set()


@pytest.mark.parametrize("seen", [None, 3, 8, 77])
def test_a_committed_offset_that_goes_back_or_comes_from_nowhere(seen: int | None) -> None:
    h = Script()
    h.commit(3)
    h.commit(8, kind="fail")
    h.commit(5)
    h.committed(seen)
    assert names(h) == {"inconsistent_commit"}


def test_groups_have_offsets_of_their_own() -> None:
    h = Script()
    h.commit(5)
    h.committed(None, process=8)
    assert names(h) == {"inconsistent_commit"}
    assert names(h, Expectations(groups={9: "g", 8: "other"})) == set()


def test_a_search_without_end_has_no_verdict() -> None:
    h = Script()
    h.commit(5)
    h.committed(5)
    report = check(h, Expectations(search_steps=1))
    assert report.is_good
    assert len(report.unknown) == 1
    assert "no verdict" in report.text()


def test_a_group_must_not_skip_what_it_commits() -> None:
    h = clean()
    groups = {5: "g", 6: "g"}
    h.poll((0, "a"), process=5)
    h.poll((2, "lost answer"), process=6)
    h.commit(3, process=6)
    expect = Expectations(groups=groups, commits_follow_reads=True)
    assert names(h, expect) == {"group_skip"}
    h.poll((1, "b"), process=5)
    assert names(h, expect) == set()


def test_topics_that_delete_may_forget() -> None:
    h = Script()
    h.send("a", 0)
    h.send("b", 1)
    h.assign()
    h.seek(0)
    h.poll((1, "b"))
    assert names(h, Expectations(deleting_topics=frozenset({"t"}), final=frozenset({9}))) == set()


def test_lag_is_measured_from_the_answer_to_the_poll() -> None:
    now = [0]
    h = Script(lambda: now[0])
    h.send("a", 0)
    h.assign()
    h.seek(0)
    h.poll((0, "a"))
    now[0] = 1_000_000
    h.send("b", 1)
    now[0] = 3_500_000
    h.poll()
    assert check(h).figures["lag_max_s"] == pytest.approx(2.5)


def test_many_anomalies_of_one_name_are_counted_and_some_are_shown() -> None:
    h = Script()
    for place in range(30):
        h.poll((place, f"nobody wrote {place}"))
    report = check(h)
    assert report.counts == {"unwritten_read": 30}
    assert len(report.errors) == 8
    assert "30 in all, 8 shown" in report.text()


def test_a_history_that_breaks_its_own_format_is_refused() -> None:
    twice = Script()
    twice.send("a", 0)
    twice.send("a", 1)
    with pytest.raises(HistoryError, match="sent twice"):
        check(twice)
    ended = Script()
    ended.send("a", 0)
    ended.end_send("a", 0)
    with pytest.raises(HistoryError, match="second time"):
        check(ended)
    stray = Script()
    stray.end_send("a", 0)
    with pytest.raises(HistoryError, match="never made"):
        check(stray)


def test_many_commits_without_an_answer_do_not_make_the_search_long() -> None:
    h = Script()
    for process in range(100, 130):
        h.commit(5, process=process, kind="info")
    h.commit(4)
    h.committed(5)
    h.committed(9)
    report = check(h, Expectations(search_steps=1_000))
    assert report.names == {"inconsistent_commit"}
    assert report.unknown == ()
