"""The in-memory run of bytes behind the memory tier."""

from __future__ import annotations

from sprawl.core.storage.blocks import Blocks


def _content(blocks: Blocks, position: int, size_bytes: int) -> bytes:
    return b"".join(blocks.views(position, size_bytes))


def test_what_was_appended_is_read_back_from_any_position() -> None:
    blocks = Blocks(100)
    data = bytes(range(256)) * 200
    for at in range(0, len(data), 700):
        blocks.append(data[at : at + 700])
    assert (blocks.start, blocks.end) == (100, 100 + len(data))
    for position in (0, 1, 699, 700, 4_095, 20_000, len(data) - 1):
        assert _content(blocks, 100 + position, 5_000) == data[position : position + 5_000]


def test_positions_that_are_not_held_give_nothing() -> None:
    blocks = Blocks(10)
    blocks.append(b"abc")
    assert blocks.views(9, 3) == []
    assert blocks.views(13, 3) == []


def test_a_large_buffer_is_kept_and_not_copied() -> None:
    blocks = Blocks()
    large = bytearray(100_000)
    blocks.append(large)
    assert blocks.views(0, 10)[0].obj is large


def test_a_small_part_of_a_large_buffer_is_copied() -> None:
    frame = bytearray(1_000_000)
    blocks = Blocks()
    blocks.append(memoryview(frame)[:40_000])
    assert blocks.views(0, 10)[0].obj is not frame


def test_views_stay_as_they_were_while_the_end_is_cut_and_written_again() -> None:
    blocks = Blocks()
    blocks.append(b"keep")
    blocks.append(b"gone")
    held = blocks.views(0, 8)
    blocks.truncate(4)
    blocks.append(b"new!")
    assert b"".join(held) == b"keepgone"
    assert _content(blocks, 0, 100) == b"keepnew!"


def test_dropping_the_oldest_block_keeps_the_rest_readable() -> None:
    blocks = Blocks()
    blocks.append(b"a" * 4_096)
    blocks.append(b"b" * 10)
    blocks.drop_first()
    assert blocks.start == 4_096
    assert blocks.views(0, 10) == []
    assert _content(blocks, 4_096, 10) == b"b" * 10
    blocks.append(b"c")
    assert _content(blocks, 4_096, 11) == b"b" * 10 + b"c"


def test_the_views_handed_out_cannot_be_written() -> None:
    blocks = Blocks()
    blocks.append(b"small")
    blocks.append(bytearray(50_000))
    assert all(view.readonly for view in blocks.views(0, 50_005))
