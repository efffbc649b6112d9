"""Damage of a replica's log that shows while the node runs is what it is at an open.

    somebody could not read a segment ──> it is read through again ──sound──> nothing was wrong
        └──damaged──> leads? hands over ──> out of its group ──> log closed ──> damage noted, synced
            ──> opened again, which refuses it: no vote, an empty log (core/replication/damaged.py)

Rules:

1. Only a second look decides: a read may fail because the file was cut or replaced meanwhile.
2. Damage is noted, synced, before the log is opened again; a stop in between finds the note.
3. A replica that its group cannot do without goes on, and is reported once.
4. When its group has failed here already, or the damage cannot be noted, the replica stands aside
   until the node is started again.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.log.checking import FoundDamage, check_log, note_damage
from sprawl.core.replication.damaged import refuses_damage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sprawl.core.ids import LogKey
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.log.segment import Segment
    from sprawl.core.partition.replication import RunBlocking
    from sprawl.core.storage.port import KeyValueStore

    StandAside = Callable[[LogKey], Awaitable[bool]]
    """Has another replica lead; False when the group is at its end here."""
    Reopen = Callable[[LogKey, PartitionLog, Callable[[], None]], None]
    """Closes a partition, does something in the thread pool, and opens it again."""

_log = logging.getLogger(__name__)


class Repairs:
    """The replicas of a node that are looked at or replaced.

    Args:
        kv: where hard states are.
        run_blocking: the way into the thread pool.
        stand_aside, reopen: see their types.
    """

    def __init__(
        self,
        kv: KeyValueStore,
        run_blocking: RunBlocking,
        *,
        stand_aside: StandAside,
        reopen: Reopen,
    ) -> None:
        self._kv = kv
        self._run_blocking = run_blocking
        self._stand_aside = stand_aside
        self._reopen = reopen
        self._running: dict[LogKey, asyncio.Task[None]] = {}
        self._reported: set[LogKey] = set()

    def watch(self, key: LogKey, log: PartitionLog) -> None:
        """Look after a replica's log from now on."""
        loop = asyncio.get_running_loop()

        def suspected(segment: Segment | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._look, key, log, segment)

        log.watch(suspected)

    async def stop(self) -> None:
        """Begin nothing more; what is not decided is found again."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _look(self, key: LogKey, log: PartitionLog, segment: Segment | None) -> None:
        if key in self._running or log.is_closed:
            return
        task = asyncio.get_running_loop().create_task(self._repair(key, log, segment))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key))

    async def _repair(self, key: LogKey, log: PartitionLog, segment: Segment | None) -> None:
        try:
            if key in self._reported and not refuses_damage(self._kv, key):
                return
            try:
                await self._run_blocking(partial(check_log, log, segment))
            except FoundDamage as found:
                await self._replace(key, log, found)
        except (OSError, ValueError) as failure:
            _log.error("%s: damage cannot be looked for, or noted: %s", log.tp, failure)

    async def _replace(self, key: LogKey, log: PartitionLog, found: FoundDamage) -> None:
        if not refuses_damage(self._kv, key):
            self._reported.add(key)
            _log.error(
                "%s: the log on this disk is damaged (%s). Its group cannot do without this"
                " replica, which goes on with the rest of it. Restore the file from a backup, or"
                " move the partition to another disk.",
                log.tp,
                found,
            )
            return
        _log.error(
            "%s: the log on this disk is damaged (%s), which shows only now. Another replica leads,"
            " and fills this one again; nothing has to be done while the others are there.",
            log.tp,
            found,
        )
        if await self._stand_aside(key):
            self._reopen(key, log, partial(note_damage, log, found))
        elif not log.is_closed:
            await self._run_blocking(partial(note_damage, log, found))
