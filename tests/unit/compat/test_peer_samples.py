"""The peer table: which way a unit counts, and what is kept in the file."""

from __future__ import annotations

from pathlib import Path

from tests.bench.peer.samples import Figures, Sample, losing, markdown, read_figures


def figures() -> Figures:
    made = Figures(machine={"cpus": "2"})
    for ours, theirs in ((100.0, 50.0), (300.0, 50.0), (200.0, 80.0)):
        made.add("sprawl", Sample("Produce", "1 kB", "MB/s", ours, True))
        made.add("apache-kafka", Sample("Produce", "1 kB", "MB/s", theirs, True))
    made.add("sprawl", Sample("Latency", "p99", "ms", 4.0, False))
    made.add("apache-kafka", Sample("Latency", "p99", "ms", 2.0, False))
    made.add("sprawl", Sample("Memory", "idle", "MiB", 40.0, False))
    return made


def test_the_ratio_is_of_medians_and_above_one_means_better() -> None:
    rows = {row.row: row for row in figures().rows}
    assert rows["1 kB"].median("sprawl") == 200.0
    assert rows["1 kB"].gain() == 4.0
    assert rows["p99"].gain() == 0.5
    assert rows["idle"].gain() is None
    assert [row.row for row in losing(figures())] == ["p99"]


def test_figures_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "peer.json"
    figures().write(path)
    assert read_figures(path) == figures()
    assert "| 1 kB | MB/s | 200 | 50.00 | 4.00 |" in markdown(read_figures(path))


def test_rows_that_were_measured_again_replace_the_old_ones_and_no_others() -> None:
    known, newer = figures(), Figures()
    newer.add("sprawl", Sample("Produce", "1 kB", "MB/s", 7.0, True))
    newer.add("sprawl", Sample("Produce", "9 kB", "MB/s", 9.0, True))
    known.replace(newer)
    rows = {row.row: row.values for row in known.rows}
    assert rows["1 kB"] == {"sprawl": [7.0]}
    assert rows["p99"] == {"sprawl": [4.0], "apache-kafka": [2.0]}
    assert list(rows) == ["1 kB", "p99", "idle", "9 kB"]
