"""Where terms begin, and what look-ups by epoch answer."""

from __future__ import annotations

import pytest

from sprawl.core.log.epochs import EpochTable


@pytest.fixture
def table() -> EpochTable:
    """Term 2 from offset 0, term 5 from 10 (index 12), term 7 from 30 (index 33)."""
    made = EpochTable()
    made.assign(2, 1, 0)
    made.assign(5, 12, 10)
    made.assign(7, 33, 30)
    return made


def test_only_a_new_term_is_taken_note_of(table: EpochTable) -> None:
    assert not table.assign(7, 34, 31)
    assert table.assign(8, 35, 32)
    assert (len(table), table.last_term) == (4, 8)


def test_terms_never_go_back(table: EpochTable) -> None:
    with pytest.raises(ValueError, match="after term 7"):
        table.assign(6, 40, 40)


@pytest.mark.parametrize(("index", "term"), [(0, None), (1, 2), (11, 2), (12, 5), (33, 7), (99, 7)])
def test_the_term_of_an_entry(table: EpochTable, index: int, term: int | None) -> None:
    assert table.term_at(index) == term


@pytest.mark.parametrize(("offset", "term"), [(0, 2), (9, 2), (10, 5), (29, 5), (30, 7)])
def test_the_term_of_a_record(table: EpochTable, offset: int, term: int) -> None:
    assert table.epoch_of_offset(offset) == term


@pytest.mark.parametrize(
    ("epoch", "answer"),
    [
        (2, (2, 10)),
        (3, (2, 10)),
        (5, (5, 30)),
        (6, (5, 30)),
        (7, (7, 44)),
        (8, (-1, -1)),
        (1, (1, 0)),
        (-1, (-1, -1)),
    ],
)
def test_where_an_epoch_ends(table: EpochTable, epoch: int, answer: tuple[int, int]) -> None:
    assert table.end_offset(epoch, 44) == answer


def test_an_empty_table_knows_no_epoch() -> None:
    assert EpochTable().end_offset(0, 0) == (-1, -1)
    assert EpochTable().last_term == -1


def test_a_term_without_records_ends_no_epoch() -> None:
    table = EpochTable()
    table.assign(1, 1, 0)
    table.assign(2, 5, 4)  # a no-op only
    table.assign(3, 6, 4)
    assert table.end_offset(1, 9) == (1, 4)
    assert table.end_offset(2, 9) == (1, 4)
    assert table.epoch_of_offset(4) == 3


def test_terms_that_began_in_a_removed_suffix_are_forgotten(table: EpochTable) -> None:
    table.truncate_suffix(33)
    assert table.last_term == 5
    table.truncate_suffix(13)
    assert table.last_term == 5
    table.truncate_suffix(1)
    assert table.last_term == -1


def test_the_term_before_the_first_entry_stays_known(table: EpochTable) -> None:
    assert not table.advance_start(12)
    assert table.term_at(11) == 2
    assert table.advance_start(13)
    assert table.term_at(11) is None
    assert table.term_at(12) == 5


def test_a_table_survives_as_bytes(table: EpochTable) -> None:
    assert EpochTable.parse(table.encode()).starts() == table.starts()
