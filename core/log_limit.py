"""Keeps a peer that errs again and again from filling the log. Pure: the caller gives the time."""

from __future__ import annotations

from collections.abc import Hashable

from sprawl.core.limits import LOG_LIMIT_KEYS_MAX, LOG_LIMIT_LINES_MAX, LOG_LIMIT_WINDOW_MS


class LogLimit:
    """A number of lines for each key in each window of time; further ones are only counted.

    At most LOG_LIMIT_KEYS_MAX keys are remembered. When there are more in one window, those beyond
    share one allowance.

    Args:
        lines_max: lines a window.
        window_ms: length of the window.
    """

    __slots__ = ("_lines_max", "_seen", "_window_ms")

    def __init__(
        self, lines_max: int = LOG_LIMIT_LINES_MAX, window_ms: int = LOG_LIMIT_WINDOW_MS
    ) -> None:
        self._lines_max = lines_max
        self._window_ms = window_ms
        self._seen: dict[Hashable, list[int]] = {}

    def admit(self, key: Hashable, now_ms: int) -> int | None:
        """Ask to log a line.

        Args:
            key: whom and what the line is about.
            now_ms: monotonic time.

        Returns: None when the line is one too many; otherwise how many lines of this key were
            suppressed since its last one.
        """
        entry = self._seen.get(key)
        if entry is None:
            entry = self._place(key, now_ms)
        started_ms, lines, suppressed = entry
        if now_ms - started_ms >= self._window_ms:
            entry[:] = [now_ms, 1, 0]
            return suppressed
        if lines >= self._lines_max:
            entry[2] += 1
            return None
        entry[1] += 1
        return 0

    def _place(self, key: Hashable, now_ms: int) -> list[int]:
        """The entry of a new key, as [start of the window, lines, suppressed]."""
        if len(self._seen) >= LOG_LIMIT_KEYS_MAX:
            for old in [
                old
                for old, (started_ms, _, _) in self._seen.items()
                if now_ms - started_ms >= self._window_ms
            ]:
                del self._seen[old]
        if len(self._seen) >= LOG_LIMIT_KEYS_MAX:
            key = None
        return self._seen.setdefault(key, [now_ms, 0, 0])
