"""A run of bytes in memory that grows at its end and is handed out without copying.

Small appends are copied into blocks that double in size; a large buffer that owns its memory is
kept as it is. One append never spans two blocks. Blocks never move, so a view that was handed out
stays good for as long as somebody holds it.

Source: the memory tier of docs/design.md ("tail readers never touch the disk").
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from sprawl.core.storage.port import Buffer

BLOCK_BYTES_MIN: Final = 4_096
BLOCK_BYTES_MAX: Final = 262_144
_KEPT_BYTES_MIN: Final = 8_192


class Blocks:
    """The bytes from `start` (a position in a file) to `end`.

    Args:
        start: position of the first byte that will be appended.
    """

    __slots__ = ("_block", "_buffers", "_filled", "_starts", "end")

    def __init__(self, start: int = 0) -> None:
        self.end = start
        self._starts: list[int] = []
        # Views that grow: the last one is replaced while its block is filled.
        self._buffers: list[memoryview] = []
        self._block: memoryview | None = None
        self._filled = 0

    @property
    def start(self) -> int:
        """Position of the first byte held."""
        return self._starts[0] if self._starts else self.end

    @property
    def is_empty(self) -> bool:
        return not self._starts

    def append(self, buf: Buffer) -> int:
        """Add bytes at the end.

        Returns:
            How many bytes of memory were taken: 0 when they fit into the last block.
        """
        size = len(buf)
        if size >= _KEPT_BYTES_MIN and _owns_memory(buf):
            self._add(memoryview(buf).toreadonly(), size)
            self._block = None
            return size
        block = self._block
        if block is not None and size <= len(block) - self._filled:
            filled = self._filled + size
            block[self._filled : filled] = buf
            self._buffers[-1] = block[:filled].toreadonly()
            self._filled = filled
            self.end += size
            return 0
        capacity = max(self._next_capacity(), size)
        block = memoryview(bytearray(capacity))
        block[:size] = buf
        self._add(block[:size].toreadonly(), size)
        self._block = block
        self._filled = size
        return capacity

    def views(self, position: int, size_bytes: int) -> list[memoryview]:
        """The bytes from `position`, at most `size_bytes` of them, as consecutive views.

        Returns:
            An empty list when `position` is not held.
        """
        starts = self._starts
        at = bisect_right(starts, position) - 1
        end = min(position + size_bytes, self.end)
        if at < 0:
            return []
        found: list[memoryview] = []
        while position < end:
            start = starts[at]
            view = self._buffers[at][position - start : end - start]
            found.append(view)
            position += len(view)
            at += 1
        return found

    def truncate(self, end: int) -> None:
        """Forget the bytes from `end` on; held views keep theirs."""
        while self._starts and self._starts[-1] >= end:
            self._starts.pop()
            self._buffers.pop()
        if self._starts and self.end > end:
            self._buffers[-1] = self._buffers[-1][: end - self._starts[-1]]
        # A block must not be written over: somebody may hold a view of what was cut off.
        self._block = None
        self.end = end

    def drop_first(self) -> None:
        """Forget the oldest block; what was appended last stays appendable."""
        if len(self._starts) == 1:
            self._block = None
        del self._starts[0]
        del self._buffers[0]

    def _add(self, view: memoryview, size: int) -> None:
        self._buffers.append(view)
        self._starts.append(self.end)
        self.end += size

    def _next_capacity(self) -> int:
        block = self._block
        if block is None:
            return BLOCK_BYTES_MIN
        return min(2 * len(block), BLOCK_BYTES_MAX)


def _owns_memory(buf: Buffer) -> bool:
    """Whether keeping `buf` keeps little besides it."""
    owner = buf.obj if isinstance(buf, memoryview) else buf
    return isinstance(owner, bytes | bytearray) and len(owner) <= 2 * len(buf)
