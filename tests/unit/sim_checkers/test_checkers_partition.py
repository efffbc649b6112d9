"""What the checker of replicated logs knows of partitions: offsets, sequences, answers."""

from __future__ import annotations

from tests.sim.checkers import observations as seen
from tests.unit.sim_checkers.raft_script import RaftScript, assert_good, assert_names, led


def test_offsets_are_dense() -> None:
    script = led()
    script.append(1, base_offset=7)
    assert_names(script, "offset_gap")


def test_a_sequence_is_committed_once() -> None:
    script = led()
    for first in (0, 2):
        script.append(1, count=2, producer=(77, 0, first))
    script.append(1, count=1, producer=(77, 1, 0))
    script.append(1, count=1, producer=(77, 1, 1))
    script.flush(1)
    assert_good(script)
    for name, producer in (
        ("duplicate_sequence", (77, 1, 1)),
        ("sequence_gap", (77, 1, 9)),
        ("fenced_producer", (77, 0, 4)),
    ):
        other = led()
        other.append(1, producer=(77, 1, 0))
        other.append(1, producer=(77, 1, 1))
        other.append(1, producer=producer)
        other.flush(1)
        for node in (2, 3):
            for index, (term, offset, count) in enumerate(other.logs[1][3:6], 4):
                sent = [(77, 1, 0), (77, 1, 1), producer][index - 4]
                other.emit(
                    seen.Appended,
                    node,
                    index=index,
                    term=term,
                    crc=0,
                    base_offset=offset,
                    count=count,
                    producer=sent,
                )
            other.logs[node] = list(other.logs[1])
            other.flush(node)
        other.commit(1)
        assert_names(other, name)


def test_sequences_begin_again_after_the_last_number() -> None:
    script = RaftScript(nodes=(1,))
    script.elect(1, 1)
    script.append(1, count=1, producer=(5, 0, 2**31 - 1))
    script.append(1, count=1, producer=(5, 0, 0))
    script.flush(1)
    script.commit(1)
    assert_good(script)


def test_an_answer_to_a_producer_before_the_commit() -> None:
    script = led()
    script.append(1)
    script.emit(seen.ProduceAnswered, 1, index=3, term=1)
    assert_good(script)
    script.emit(seen.ProduceAnswered, 1, index=4, term=1)
    assert_names(script, "answered_before_commit")


def test_high_watermarks() -> None:
    script = led()
    script.emit(seen.HighWatermarkMoved, 1, offset=6, term=1)
    script.emit(seen.HighWatermarkMoved, 2, offset=1)
    script.restart(2, vote=1)
    script.emit(seen.HighWatermarkMoved, 2, offset=0)
    assert_good(script)
    script.emit(seen.HighWatermarkMoved, 1, offset=7, term=1)
    assert_names(script, "high_watermark_uncommitted")
    script = led()
    script.emit(seen.HighWatermarkMoved, 2, offset=6)
    script.emit(seen.HighWatermarkMoved, 2, offset=5)
    assert_names(script, "high_watermark_went_back")
    script = led()
    script.emit(seen.HighWatermarkMoved, 1, offset=6, term=1)
    script.elect(2, 2, 3)
    script.emit(seen.HighWatermarkMoved, 2, offset=5, term=2)
    assert_names(script, "high_watermark_went_back")


def test_a_deposed_leader_may_answer_what_it_knows() -> None:
    script = led()
    script.elect(2, 2, 3)
    script.append(2)
    script.flush(2)
    script.replicate(2, 3)
    script.commit(2)
    script.emit(seen.HighWatermarkMoved, 2, offset=7, term=2)
    script.emit(seen.HighWatermarkMoved, 1, offset=6, term=1)
    assert_good(script)


def test_log_start() -> None:
    script = led()
    script.emit(seen.LogStartMoved, 1, offset=3)
    script.emit(seen.LogStartMoved, 1, offset=2)
    assert_names(script, "log_start_went_back")
    script = led()
    script.emit(seen.LogStartMoved, 1, offset=7)
    assert_names(script, "log_start_uncommitted")
