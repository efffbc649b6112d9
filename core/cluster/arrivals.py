"""Leaders tell the controller that their partitions are where they are wanted.

    in force: the replicas wanted, nothing waiting ──> does it still lead? ──> end move, as of ...

Rules:

1. The controller forgets on this word who was in the group before, and lets those nodes go. So it
   is told only of a configuration that is committed with none behind it, by a leader that has
   proved after its look that it leads.
2. The word says how far this node knew the metadata log when it looked. A move that was begun,
   changed or stopped after that is not meant, even if it goes to the same nodes.
3. A word that gets lost is told again with the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from sprawl.core.errors import KafkaFault

if TYPE_CHECKING:
    from sprawl.core.controller.controller import Controller
    from sprawl.core.controller.topics import Replicas
    from sprawl.core.ids import LogKey
    from sprawl.core.replication.host import RaftHost
    from sprawl.core.replication.replica import RaftReplica

_log = logging.getLogger(__name__)


class Arrivals:
    """See the module.

    Args:
        start: runs a task for as long as the node takes part.
    """

    def __init__(
        self,
        controller: Controller,
        host: RaftHost,
        *,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._controller = controller
        self._host = host
        self._start = start
        self._told: set[LogKey] = set()

    def look(self, key: LogKey) -> None:
        """A partition that is led here has the replicas that are wanted."""
        topic = self._controller.by_id.get(key.topic_id)
        group = self._host.group(key)
        if topic is None or topic.is_settled(key.partition) or key in self._told:
            return
        if group is None or group.node.pending:
            return
        self._told.add(key)
        owner = cast("RaftReplica", group.owner)
        wanted = topic.wanted(key.partition)
        self._start(self._tell(key, owner, wanted, as_of=self._controller.end_offset))

    async def _tell(
        self, key: LogKey, owner: RaftReplica, replicas: Replicas, *, as_of: int
    ) -> None:
        try:
            await owner.confirm()
            await self._controller.end_move(*key, replicas, as_of=as_of)
        except KafkaFault as fault:
            _log.info("the end of a move is told again later: %s", fault)
        finally:
            self._told.discard(key)
