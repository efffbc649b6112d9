"""Replicas that are wanted elsewhere stay in their groups until those have let them go.

    wanted elsewhere ──> is it out? ──by its own log, or by its leader's word──> kept: term, vote,
                              ^  └── no: look again                              where the log ended
                              └─────────────┘                                      └──> data deleted

Rules:

1. The controller says where replicas are wanted; who belongs to a group is said by its own log. A
   move that was cancelled, or got another target, may be over in the log: a replica that is
   deleted then takes acknowledged records along.
2. A replica is out when it is in no configuration that its own log has in force or waiting; or when
   a leader that has just proved that it leads says so, of a later configuration than any in that
   log that names the replica. What it acknowledged counts for nothing that is decided after that.
3. The leader has to be asked because nobody sends a replica that is out what it missed.
4. Term and vote are kept, and where the log ended: see core/raft/hard_state.py for what becomes of
   a replica that comes back.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol, cast
from uuid import UUID

from sprawl.core.cluster.peers import PeerRefused, PeerUnreachable
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import LogKey, ReplicaId, TopicId
from sprawl.core.raft.log_port import NO_TERM

if TYPE_CHECKING:
    from sprawl.core.cluster.hints import LeaderHints
    from sprawl.core.cluster.peers import PeerIdentity
    from sprawl.core.ids import BrokerId, LogIndex
    from sprawl.core.raft.configuration import Configuration
    from sprawl.core.replication.copy_ports import Calls
    from sprawl.core.replication.group import RaftGroup
    from sprawl.core.replication.host import RaftHost
    from sprawl.core.replication.replica import RaftReplica

_log = logging.getLogger(__name__)

OUT: Final = "replica/out"
CALL_TIMEOUT_MS: Final = 5_000
LOOK_S: Final = 1.0
"""Between two looks at the replicas that leave: the disk space they take is in no hurry."""
_ASK: Final = struct.Struct(">16siq")
_ANSWER: Final = struct.Struct(">?iq")


class Replicas(Protocol):
    """What a node knows of its replicas."""

    @property
    def leaving(self) -> Callable[[], Iterable[tuple[LogKey, Configuration]]]:
        """Which are wanted elsewhere, and what their groups were founded with."""
        ...

    @property
    def on_let_go(self) -> Callable[[LogKey], None]:
        """Told of each that its data may be deleted."""
        ...


class Leaving:
    """See the module.

    Args:
        calls: None on a node that is alone.
        node_of: the node of a replica.
    """

    def __init__(
        self,
        *,
        host: RaftHost,
        calls: Calls | None,
        hints: LeaderHints,
        node_of: Callable[[ReplicaId], BrokerId | None],
    ) -> None:
        self._host = host
        self._calls = calls
        self._hints = hints
        self._node_of = node_of

    async def watch(self, replicas: Replicas) -> None:
        """Look after the replicas that leave, for as long as the node runs."""
        while True:
            await asyncio.sleep(LOOK_S)
            for key, founding in list(replicas.leaving()):
                try:
                    if await self._is_out(key) and await self._host.let_go(key, founding):
                        replicas.on_let_go(key)
                except (OSError, KafkaFault) as fault:
                    _log.warning("%s-%d leaves its group later: %s", *key, fault)

    async def _is_out(self, key: LogKey) -> bool:
        group = self._host.group(key)
        if group is None or group.node.is_leader:
            return False
        if group.node.membership_index is None:
            return True
        hint = self._hints.get(key)
        node = None if hint is None else self._node_of(hint.leader)
        if node is None or self._calls is None or hint is None:
            return False
        if hint.leader == self._host.replica_id:
            return False
        ask = _ASK.pack(key.topic_id.bytes, key.partition, self._host.replica_id)
        try:
            answer = await self._calls.call(node, OUT, ask, timeout_ms=CALL_TIMEOUT_MS)
        except (PeerRefused, PeerUnreachable):
            return False
        is_out, term, index = _ANSWER.unpack(answer)
        if not is_out or self._host.group(key) is not group:
            return False
        own_index = group.node.membership_index
        return own_index is None or (term, index) > (_term_at(group, own_index), own_index)

    async def answer(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer replica/out: is that replica out, and by a configuration at which place?

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER.
            PeerFault: the request is not one, or asks for another node's replica.
        """
        try:
            topic_id, partition, asked = _ASK.unpack(body)
        except struct.error as fault:
            raise PeerFault(f"a malformed question about a replica: {fault}") from None
        replica = ReplicaId(asked)
        if self._node_of(replica) != peer.node_id:
            raise PeerFault(f"replica {replica} is not on the node that asks for it")
        group = self._host.group(LogKey(TopicId(UUID(bytes=topic_id)), partition))
        if group is None or not group.node.is_serving:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        node = group.node
        index = node.configuration_index
        term = _term_at(group, index)
        is_out = replica not in node.configuration.members and not node.pending
        # Only then: what a leader knows that was deposed may be out of date.
        await cast("RaftReplica", group.owner).confirm()
        return _ANSWER.pack(is_out, term, index)


def _term_at(group: RaftGroup, index: LogIndex) -> int:
    term = group.log.term_at(index)
    return NO_TERM if term is None else term
