"""Hears of Sprawl's own faults, which nodes survive by design and a seed must not.

    replica group   stops, and the others go on without it   ─┐
    handler         closes its connection; clients try again ─┤  a line in the log, level ERROR,
    Produce         refuses the batch; the producer repeats  ─┼─ mostly with the exception
    peer call,      answers that it has a fault              ─┤
    upkeep, load    tries again later                        ─┘
    anything        answers UNKNOWN_SERVER_ERROR: nobody here knew what to say

Each of them is a bug, however well the clients come off. So the product's log is listened to, and
every answer that a client reads. The world stops at the first fault, while the trace still shows
what led to it.

What a scenario did to a node's disk is no fault of the node: see `_is_excused`. Nor is what a node
says that is dead, or a world that has ended.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from typing import Any, Final, Self
from unittest.mock import patch

from sim.disk import DISK_FULL, SYNC_FAILED
from sim.processes import PROCESS
from sim.world import World

from sprawl.client.connection import Connection
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log.reading import DamagedSegment
from sprawl.core.log_limit import LogLimit
from sprawl.core.raft.checks import InvariantBroken
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.connection import api_name

_OF_DAMAGE: Final = (
    "sprawl.core.log.",
    "sprawl.core.partition.repairs",
    "sprawl.core.replication.damaged",
)
"""Who tells of bits that flipped, besides who met them in a segment."""


class OwnFault(AssertionError):
    """Sprawl has a bug. The cause is the exception, where there was one."""


class OwnFaults(logging.Handler):
    """`with OwnFaults(world), world:` raises the first fault of the world at the end of the block.

    Lines below WARNING stay disabled, and nothing is printed.
    """

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self.first: OwnFault | None = None
        self._world = world
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        undo, log = self._undo, logging.getLogger("sprawl")
        undo.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.INFO)
        undo.callback(log.setLevel, log.level)
        log.setLevel(logging.WARNING)
        # Whoever kept a record would keep what its exception refers to, which would close itself
        # at another time than in a run without.
        undo.callback(setattr, log, "propagate", log.propagate)
        log.propagate = False
        log.addHandler(self)
        undo.callback(log.removeHandler, self)
        # A limit that outlives worlds, whose clocks all begin at the same time, would hide lines.
        undo.enter_context(patch.object(LogLimit, "admit", lambda *_: 0))
        undo.enter_context(patch.object(Connection, "_exchange", self._watched()))
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()
        if self.first is not None:
            raise self.first

    def emit(self, record: logging.LogRecord) -> None:
        """Judge a line of the product's log."""
        failure = _exception_of(record)
        if record.levelno < logging.ERROR and (failure is None or _is_foreseen(failure)):
            return
        text = record.getMessage()
        if not self._is_excused(record, failure, text):
            self._heard(f"{record.name} line {record.lineno}: {text}", failure)

    def _watched(self) -> Any:
        exchange = Connection._exchange

        async def watched(connection: Connection, api_key: int, *asked: Any) -> Struct:
            answer: Struct = await exchange(connection, api_key, *asked)
            if _is_unknown(answer):
                name = api_name(api_key)
                self._heard(f"{connection.address} answers {name} with UNKNOWN_SERVER_ERROR", None)
            return answer

        return watched

    def _is_excused(self, record: logging.LogRecord, failure: object, text: str) -> bool:
        """Whether it is what the scenario did to the node's disk: a full one and a failed sync
        have their words wherever they come up, and bits that flip are met by who reads logs."""
        if isinstance(failure, OSError | KafkaFault | None) and (
            DISK_FULL in text or SYNC_FAILED in text
        ):
            return True
        process = PROCESS.get()
        was_flipped = any(
            node.disk.flipped_logs
            for node in self._world.nodes.values()
            if process is None or node.host == process.host
        )
        is_of_damage = isinstance(failure, DamagedSegment) or record.name.startswith(_OF_DAMAGE)
        return was_flipped and is_of_damage

    def _heard(self, what: str, failure: BaseException | None) -> None:
        process, loop = PROCESS.get(), self._world.loop
        if self.first is not None or loop.is_ending or (process is not None and process.is_dead):
            return
        failure = failure or sys.exception()  # a line may leave out what it was caught for
        who = "the story" if process is None else process.name
        exception = "" if failure is None else f": {failure!r}"
        self.first = OwnFault(f"{who}: {what}{exception}")
        self.first.__cause__ = failure
        self._world.note("fault", (who, what))
        loop.stop()


def _exception_of(record: logging.LogRecord) -> BaseException | None:
    """The exception that a line is about: its trace is logged, or it is one of its words."""
    if record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    words = record.args if isinstance(record.args, tuple) else ()
    return next((word for word in words if isinstance(word, BaseException)), None)


def _is_foreseen(failure: BaseException) -> bool:
    """Whether a warning may tell of it: trouble of the system, bytes that cannot be read, and what
    Sprawl's own exceptions stand for. Any other one was caught by a broad `except`."""
    is_ours = type(failure).__module__.startswith("sprawl.")
    is_usual = is_ours and not isinstance(failure, InvariantBroken)
    return is_usual or isinstance(failure, OSError | ValueError)


def _is_unknown(answer: object) -> bool:
    """Whether UNKNOWN_SERVER_ERROR stands anywhere in an answer."""
    if isinstance(answer, list):
        return any(map(_is_unknown, answer))
    if not isinstance(answer, Struct):
        return False
    for name in answer.__slots__:
        value = getattr(answer, name)
        if value == ErrorCode.UNKNOWN_SERVER_ERROR and name.endswith("error_code"):
            return True
        if isinstance(value, list | Struct) and _is_unknown(value):
            return True
    return False
