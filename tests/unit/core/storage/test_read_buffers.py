"""Buffers that reads use again."""

from __future__ import annotations

from sprawl.core.limits import READ_BUFFER_BYTES, READ_BUFFERS_MAX
from sprawl.core.storage.read_buffers import ReadBuffers

SIZE = 100_000


def test_a_buffer_that_somebody_views_is_not_handed_out_again() -> None:
    buffers = ReadBuffers()
    first = buffers.take(SIZE)
    part = first[10:20]
    part[:] = b"0123456789"
    del first
    second = buffers.take(SIZE)
    second[:] = bytes(SIZE)
    assert bytes(part) == b"0123456789"
    assert len(buffers) == 2


def test_a_buffer_without_views_is_used_again() -> None:
    buffers = ReadBuffers()
    for _ in range(5):
        view = buffers.take(SIZE)
        assert len(view) == SIZE
        del view
    assert len(buffers) == 1


def test_the_number_of_kept_buffers_is_bounded_and_the_views_are_not() -> None:
    buffers = ReadBuffers()
    views = [buffers.take(SIZE) for _ in range(READ_BUFFERS_MAX + 3)]
    assert len({id(view.obj) for view in views}) == len(views)
    assert len(buffers) == READ_BUFFERS_MAX


def test_small_and_large_reads_have_memory_of_their_own() -> None:
    buffers = ReadBuffers()
    assert len(buffers.take(100)) == 100
    assert len(buffers.take(READ_BUFFER_BYTES + 1)) == READ_BUFFER_BYTES + 1
    assert len(buffers) == 0
