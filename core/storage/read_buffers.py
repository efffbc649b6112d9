"""Memory for reads from the page cache on their way to a socket, used again and again.

A fresh megabyte costs more than the copy into it: the kernel maps and clears 256 pages, Python
fills them with zeros, and all are given back after the answer (consuming 1 kB records: 0.80
CPU-s/GB with fresh memory, 0.34 with kept memory). So a few buffers stay. A buffer is free when
nobody has a view of it: views are references to their bytearray, and CPython counts those.
"""

from __future__ import annotations

import sys
import threading
from typing import Final

from sprawl.core.limits import READ_BUFFER_BYTES, READ_BUFFERS_MAX

_POOLED_BYTES_MIN: Final = 65_536
"""Below this the allocator reuses its own memory."""
_FREE_REFERENCES: Final = 3
"""Of a buffer that nobody views: the list's, the loop variable's, the argument's."""


class ReadBuffers:
    """Up to READ_BUFFERS_MAX buffers of READ_BUFFER_BYTES; other reads get their own memory."""

    __slots__ = ("_buffers", "_lock")

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buffers)

    def take(self, size_bytes: int) -> memoryview:
        """A writable view of `size_bytes`, any content; given back when no view of it is left."""
        if not _POOLED_BYTES_MIN <= size_bytes <= READ_BUFFER_BYTES:
            return memoryview(bytearray(size_bytes))
        with self._lock:
            for buf in self._buffers:
                if sys.getrefcount(buf) == _FREE_REFERENCES:
                    return memoryview(buf)[:size_bytes]
            if len(self._buffers) < READ_BUFFERS_MAX:
                buf = bytearray(READ_BUFFER_BYTES)
                self._buffers.append(buf)
                return memoryview(buf)[:size_bytes]
        return memoryview(bytearray(size_bytes))
