"""Log lines for machines and for people."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from sprawl.logs import install


@pytest.fixture(autouse=True)
def keep_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_json_with_the_facts_from_info_on() -> None:
    stream = io.StringIO()
    install(level="auto", form="auto", stream=stream)
    logger = logging.getLogger("sprawl.gateway.server")
    logger.debug("unseen")
    logger.info("connection %s", "closed", extra={"peer": "127.0.0.1", "bytes_in": 3})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 1
    assert lines[0] | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "sprawl.gateway.server",
        "message": "connection closed",
        "peer": "127.0.0.1",
        "bytes_in": 3,
    }
    assert lines[0]["time"].endswith("+00:00")


def test_a_terminal_gets_lines_from_warning_on() -> None:
    stream = Terminal()
    install(level="auto", form="auto", stream=stream)
    logger = logging.getLogger("sprawl.core.log")
    logger.info("unseen")
    logger.warning("tail cut", extra={"topic": "t-0"})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("warning core.log: tail cut  topic=t-0")


def test_the_form_can_be_chosen() -> None:
    stream = Terminal()
    install(level="debug", form="json", stream=stream)
    logging.getLogger("x").debug("m")
    assert json.loads(stream.getvalue())["message"] == "m"


def test_an_exception_is_part_of_the_json_line() -> None:
    stream = io.StringIO()
    install(level="auto", form="json", stream=stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("x").exception("failed")
    line = json.loads(stream.getvalue())
    assert "ValueError: boom" in line["exception"]
