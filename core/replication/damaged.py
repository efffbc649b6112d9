"""A replica whose log lost what was on disk gets it again from its group.

    open ──sound──> log
      └──damaged──> hard state says so, synced ──> files set aside ──> empty log ──> filled by
                    (no vote, no candidacy)                                          the leader

Rules:

1. Damage is never cut off and never skipped: a replica that goes on without an entry that it
   acknowledged helps to elect a leader that does not have it either ("Protocol-Aware Recovery for
   Consensus-Based Storage", FAST 2018). That something was lost stands in the hard state before the
   files go (`HardState.damaged`), and the replica has no vote until a leader has brought it back.
2. The files stay on the disk under another name, for people.
3. In a group of one or two voters the others cannot elect a leader without this one. It keeps what
   it has (core/log/recovery.py). That is safe: with two, nothing was committed that the other one
   does not have, and that one votes for no log that is behind its own.
4. The controller's log is not emptied: a node that knows of no cluster does not start. Damage of it
   keeps the node from starting, and `--replace-node` gives it another one.
5. Damage that is found while the node runs is noted in the log's marks, and its next open, at once
   or after a stop, refuses it as any other (core/partition/repairs.py).
6. A stop anywhere in between finds the log damaged, or without its files, and does it again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.log.recovered import DamagedLog
from sprawl.core.log.state import LogState
from sprawl.core.raft.hard_state import HardState
from sprawl.core.replication.host import HAND_OVER_LOOK_S, HAND_OVER_S, hard_state_key
from sprawl.core.replication.log_starts import store_key

if TYPE_CHECKING:
    from sprawl.core.ids import LogKey, TopicPartition
    from sprawl.core.log.config import LogConfig
    from sprawl.core.log.index import IndexCache
    from sprawl.core.replication.host import RaftHost
    from sprawl.core.storage.port import KeyValueStore, LogDirectory

_log = logging.getLogger(__name__)


VOTERS_MIN: Final = 3
"""Of a group that elects leaders while one of its voters has no vote."""


def open_replica(
    *,
    tp: TopicPartition,
    key: LogKey,
    config: LogConfig,
    directory: LogDirectory,
    kv: KeyValueStore,
    now_ms: int,
    clean_shutdown: bool,
    indexes: IndexCache | None = None,
) -> PartitionLog:
    """Open the log of a partition that may be a replica; see the module. Blocks.

    Raises:
        OSError: the files cannot be read or written.
        ValueError: its hard state cannot be read.
    """

    def open_log(*, refuses_damage: bool) -> PartitionLog:
        return PartitionLog.open(
            tp=tp,
            topic_id=key.topic_id,
            config=config,
            directory=directory,
            kv=kv,
            now_ms=now_ms,
            clean_shutdown=clean_shutdown,
            indexes=indexes,
            refuses_damage=refuses_damage,
        )

    state = _expendable(kv, key)
    if state is None:
        return open_log(refuses_damage=False)
    try:
        return open_log(refuses_damage=True)
    except DamagedLog as damage:
        aside = f"damaged-{now_ms}"
        _log.error(
            "%s: the log on this disk is damaged (%s). Its files are kept beside it, in a directory"
            " that ends with %s-stray. This replica begins with an empty log and has no vote until"
            " its leader has filled that; nothing has to be done while the other replicas are"
            " there. If they are not, bring them back. A disk that does this twice should be"
            " replaced: start the node on another one with --replace-node. Delete the directory"
            " once the replica is in sync.",
            tp,
            damage,
            aside,
        )
        kv.write_batch(
            puts=[(hard_state_key(key), state.damaged().encode())],
            deletes=[store_key(key)],
            sync=True,
        )
        directory.set_aside(aside)
        LogState(kv, key.topic_id, key.partition).delete_all()
        return open_log(refuses_damage=True)


def refuses_damage(kv: KeyValueStore, key: LogKey) -> bool:
    """Whether a replica's log must not go on without what it lost.

    Raises:
        ValueError: its hard state cannot be read.
    """
    return _expendable(kv, key) is not None


async def stand_aside(host: RaftHost, key: LogKey) -> bool:
    """Have another replica lead instead of one that is damaged, within HAND_OVER_S.

    Until its group is removed it is the replica it was: what it acknowledges is of no later term
    than the one that `HardState.damaged` counts from.

    Returns:
        Whether nothing of the group's hard state is on its way to the disk, where it would take
        the place of what is written next. False: the group is at its end here.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + HAND_OVER_S
    while (group := host.group(key)) is not None:
        leads = group.owner.hand_over() and loop.time() < deadline
        if not leads and not group.is_storing:
            return True
        await asyncio.sleep(HAND_OVER_LOOK_S)
    return False


def _expendable(kv: KeyValueStore, key: LogKey) -> HardState | None:
    """The hard state of a replica that its group can do without; None for any other one."""
    found = kv.get(hard_state_key(key))
    if found is None:
        return None
    state = HardState.parse(found)
    halves = [state.configuration.voters]
    if state.configuration.is_joint:
        halves.append(state.configuration.outgoing)
    return state if all(len(each) >= VOTERS_MIN for each in halves) else None
