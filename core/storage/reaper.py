"""Removes files and folders some time after they were renamed out of the way.

Readers that still have a removed segment open, or are about to, get the delay to finish
(file.delete.delay.ms). Removing a large file takes long enough to stall an event loop, so one
thread does it; it exists only while there is something to remove.
"""

from __future__ import annotations

import heapq
import logging
import shutil
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

_log = logging.getLogger(__name__)


class Reaper:
    """A heap of paths by the time when they may go."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Path, Callable[[], None] | None]] = []
        self._order = count()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def add(self, path: Path, delay_ms: int, before: Callable[[], None] | None) -> None:
        """Remove `path` after a delay.

        Args:
            before: called just before; it gives back what is held open.
        """
        with self._changed:
            due = time.monotonic() + delay_ms / 1_000
            heapq.heappush(self._waiting, (due, next(self._order), path, before))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sprawl-reaper", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Remove everything that waits, whatever its delay, and return when it is done."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            path, before = job
            if before is not None:
                before()
            _remove(path)

    def _next(self) -> tuple[Path, Callable[[], None] | None] | None:
        """Wait for the next path to be due; None when there is no more."""
        with self._changed:
            while self._waiting:
                wait_s = self._waiting[0][0] - time.monotonic()
                if wait_s <= 0 or self._is_closing:
                    _, _, path, before = heapq.heappop(self._waiting)
                    return path, before
                self._changed.wait(wait_s)
            self._thread = None
            return None


def _remove(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as failure:
        _log.warning("%s could not be removed, the next start tries again: %s", path, failure)
