"""Structured logs with the standard library: lines for humans on a terminal, JSON elsewhere.

A log call passes its facts as `extra={...}`; both forms print them after the message. Logs go to
standard error; standard output is left to the ready line.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the facts."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(facts_of(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class HumanFormatter(logging.Formatter):
    """`12:00:00.123 warning gateway.server: message  key=value`"""

    def format(self, record: logging.LogRecord) -> str:
        moment = _moment(record).astimezone().strftime("%H:%M:%S.%f")[:-3]
        name = record.name.removeprefix("sprawl.")
        facts = "".join(f"  {key}={value}" for key, value in facts_of(record).items())
        line = f"{moment} {record.levelname.lower():7} {name}: {record.getMessage()}{facts}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def install(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Directs the process's logs to `stream` (standard error by default).

    Args:
        level: auto, debug, info, warning or error.
        form: auto, human or json.
    """
    target = stream or sys.stderr
    terminal = target.isatty()
    if form == "auto":
        form = "human" if terminal else "json"
    if level == "auto":
        level = "warning" if terminal else "info"
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if form == "json" else HumanFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
