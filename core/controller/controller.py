"""The controller's shell on every node: reads from its own copy, changes through the leader.

    command ─> on the leader: planning ─> MetadataLog.append ─> committed ─> applied on every node
            └> elsewhere: sent to the leader, answered, and waited for until applied here too

One command at a time on the leader, in the order of their calls, each to its end; what was applied
is committed, so no reader ever sees a topic that a crash could take back. Reads need no lock: they
happen between two steps of the event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sprawl.core.config.topic import topic_config
from sprawl.core.controller.commands import (
    BARRIER,
    Circumstances,
    Command,
    Sender,
    check_sender,
    plan,
)
from sprawl.core.controller.features import SUPPORTED, FeatureUpdate, Levels
from sprawl.core.controller.following import FollowedState
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace
from sprawl.core.controller.state import (
    PRODUCER_ID_BLOCK,
    ControllerState,
    Record,
    encode_record,
)
from sprawl.core.controller.topics import Replicas, TopicInfo, TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ProducerId

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.config.alteration import Change
    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.controller.ports import Listener, MetadataLog, Remote
    from sprawl.core.dht.ids import NodeId
    from sprawl.core.log.config import LogConfig

COMMAND_TIMEOUT_S: Final = 15.0
"""How long a command looks for a controller that takes it; below the 30 s that Kafka's clients give
an administrative request by default, so that they hear why."""
APPLY_TIMEOUT_S: Final = 10.0
"""How long a command that another node's controller has executed is waited for until it is applied
here: it follows within a heartbeat, unless this node's copy of the log has failed or is cut off."""
_RETRY_S_MIN: Final = 0.002
"""A node that is alone leads a few milliseconds after its start."""
_RETRY_S_MAX: Final = 0.1


class Answer(NamedTuple):
    """What became of a command: the record it led to, if any, and where the log stands after it."""

    record: Record | None
    offset: int


@dataclass(slots=True)
class _ProducerIds:
    """The block of producer ids in use: [next, end)."""

    next: int = 0
    end: int = 0


class Controller:
    """The one authority for nodes, topics, configs and producer ids.

    Args:
        node_id: this node.
        cluster_id: what the cluster is called.
        broker_config: gives the configuration in force, for defaults.
        remote: None on a node that is alone.
        levels: the feature levels that this program knows.
        places: where nodes stand in the DHT, as far as that is known; new partitions go to those
            near to them.
    """

    def __init__(
        self,
        state: ControllerState,
        log: MetadataLog,
        *,
        node_id: BrokerId,
        cluster_id: str,
        broker_config: Callable[[], BrokerConfig],
        rng: Random,
        listener: Listener,
        remote: Remote | None = None,
        levels: Levels = SUPPORTED,
        places: Callable[[], Mapping[BrokerId, NodeId]] = dict,
    ) -> None:
        self.state = state
        self.node_id = node_id
        self.cluster_id = cluster_id
        self.levels = levels
        self._places = places
        self._log = log
        self._broker_config = broker_config
        self._rng = rng
        self._followed = FollowedState(
            state, listener, node_id=node_id, config=broker_config, levels=levels
        )
        self._remote = remote
        self._turn = asyncio.Lock()
        self._turns: set[asyncio.Task[Answer]] = set()
        self._ids = _ProducerIds()
        self._ids_turn = asyncio.Lock()

    def load(self) -> None:
        """Rebuild the state from the log, and tell the listener all of it; then follow the log.

        Raises:
            ValueError: a record that this version cannot read.
            KafkaFault: UNSUPPORTED_VERSION, the cluster is at a level that this program does not
                know.
        """
        self._followed.load(self._log.read_all())
        self._log.follow(self._followed)

    # --- reading --------------------------------------------------------------------------------

    @property
    def topics(self) -> Mapping[str, TopicInfo]:
        return self.state.topics

    @property
    def by_id(self) -> Mapping[UUID, TopicInfo]:
        return self.state.by_id

    @property
    def nodes(self) -> Mapping[BrokerId, NodeInfo]:
        return self.state.nodes

    @property
    def leader(self) -> BrokerId | None:
        """The node whose controller leads, as far as this node knows."""
        return self._log.leader

    @property
    def is_leader(self) -> bool:
        """Whether the controller of this node leads, so that what it knows is the truth."""
        return self._log.leader == self.node_id

    @property
    def end_offset(self) -> int:
        """How far the metadata log is committed and applied here."""
        return self._log.end_offset

    def log_config(self, topic: TopicInfo) -> LogConfig:
        """What a topic's logs go by."""
        return topic_config(topic.configs, self._broker_config())

    async def barrier(self) -> None:
        """Returns when everything was applied here that was committed anywhere before the call.

        Raises:
            KafkaFault: NOT_CONTROLLER, REQUEST_TIMED_OUT: no controller answers.
        """
        await self._submit({"do": BARRIER})

    # --- topics ---------------------------------------------------------------------------------

    async def create_topic(self, spec: TopicSpec, *, validate_only: bool = False) -> TopicInfo:
        """Create one topic.

        Returns: the topic, which exists unless `validate_only`.
        Raises: KafkaFault as planning.plan_topic; INVALID_CONFIG; and as `_submit`.
        """
        answer = await self._submit(
            {"do": "create topic", "spec": spec.to_json(), "validate_only": validate_only}
        )
        assert answer.record is not None
        made = self.state.by_id.get(UUID(answer.record["id"]))
        if made is None:
            # It was only asked about, or deleted since.
            probe = ControllerState()
            probe.apply(answer.record)
            made = probe.topics[spec.name]
        return made

    async def delete_topic(
        self, *, name: str | None = None, topic_id: UUID | None = None
    ) -> tuple[str, UUID]:
        """Delete a topic by its name or its id.

        Returns: both.
        Raises: KafkaFault TOPIC_DELETION_DISABLED, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID.
        """
        found = None if topic_id is None else str(topic_id)
        answer = await self._submit({"do": "delete topic", "name": name, "id": found})
        assert answer.record is not None
        return answer.record["name"], UUID(answer.record["id"])

    async def create_partitions(
        self,
        name: str,
        count: int,
        assignments: Sequence[Sequence[int]] | None,
        *,
        validate_only: bool,
    ) -> None:
        """Give a topic more partitions. Raises: KafkaFault as planning.plan_partitions."""
        await self._submit(
            {
                "do": "create partitions",
                "name": name,
                "count": count,
                "assignments": assignments,
                "validate_only": validate_only,
            }
        )

    async def move_partition(
        self, name: str, partition: int, brokers: Sequence[int] | None
    ) -> None:
        """Begin, change or (None) stop a move. Raises: KafkaFault as planning.plan_move."""
        await self._submit({"do": "move", "name": name, "partition": partition, "brokers": brokers})

    async def end_move(
        self, topic_id: UUID, partition: int, replicas: Replicas, *, as_of: int
    ) -> None:
        """A partition's leader says that its replicas are where they were wanted when this node
        knew the metadata log up to `as_of`."""
        await self._submit(
            {
                "do": "end move",
                "id": str(topic_id),
                "partition": partition,
                "replicas": list(replicas),
                "as_of": as_of,
            }
        )

    async def ensure_topic(self, spec: TopicSpec) -> TopicInfo:
        """A topic that should exist: the one there is, or a new one."""
        found = self.state.topics.get(spec.name)
        if found is not None:
            return found
        try:
            return await self.create_topic(spec)
        except KafkaFault as fault:
            if fault.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
                raise
        await self.barrier()
        return self.state.topic(spec.name)

    # --- configs, ids, nodes --------------------------------------------------------------------

    async def replace_configs(
        self, kind: int, name: str, overrides: Mapping[str, str], *, validate_only: bool = False
    ) -> None:
        """Replace the overrides of a topic or a broker (`kind` is Kafka's resource type).

        Raises: KafkaFault as configs.plan_replacement, and as `_submit`.
        """
        await self._submit(
            {
                "do": "configure",
                "kind": kind,
                "name": name,
                "configs": dict(overrides),
                "validate_only": validate_only,
            }
        )

    async def alter_configs(
        self,
        kind: int,
        name: str,
        changes: Sequence[Change],
        *,
        below: Mapping[str, str],
        validate_only: bool = False,
    ) -> None:
        """Change some of them. Args and Raises: as configs.plan_alteration, and as `_submit`."""
        await self._submit(
            {
                "do": "alter configs",
                "kind": kind,
                "name": name,
                "changes": changes,
                "below": dict(below),
                "validate_only": validate_only,
            }
        )

    async def next_producer_id(self) -> ProducerId:
        """A producer id that was never given before, on any node or after any crash."""
        if self._ids.next == self._ids.end:
            async with self._ids_turn:
                if self._ids.next == self._ids.end:
                    answer = await self._submit({"do": "producer ids"})
                    assert answer.record is not None
                    end = int(answer.record["next"])
                    self._ids = _ProducerIds(end - PRODUCER_ID_BLOCK, end)
        self._ids.next += 1
        return ProducerId(self._ids.next - 1)

    async def register(self, node: NodeInfo, *, may_replace: bool = False) -> NodeInfo:
        """Register a node as it is now. Raises: KafkaFault as planning.plan_registration."""
        await self._submit({"do": "register", "node": node.to_json(), "may_replace": may_replace})
        return self.state.nodes[node.node_id]

    async def retire(self, node_id: int) -> None:
        """Let a node have no new replicas. Raises: KafkaFault BROKER_ID_NOT_REGISTERED."""
        await self._submit({"do": "retire", "node": node_id})

    async def remove_node(self, node_id: int) -> None:
        """Forget a node that holds nothing. Raises: KafkaFault as planning.plan_node_removal."""
        await self._submit({"do": "remove node", "node": node_id})

    async def update_features(
        self, updates: Sequence[FeatureUpdate], *, validate_only: bool = False
    ) -> None:
        """Change the cluster's feature level. Raises: KafkaFault as planning.plan_features."""
        await self._submit(
            {
                "do": "update features",
                "updates": [list(each) for each in updates],
                "validate_only": validate_only,
            }
        )

    # --- commands -------------------------------------------------------------------------------

    async def execute(self, command: bytes, sender: Sender) -> bytes:
        """A command that another node sent here.

        Raises:
            KafkaFault: NOT_CONTROLLER, CLUSTER_AUTHORIZATION_FAILED, and whatever the command may
                meet.
        """
        answer = await self._execute(json.loads(command), sender)
        return json.dumps(answer._asdict()).encode()

    async def _submit(self, command: Command) -> Answer:
        """Find the controller that leads and have it execute a command.

        Raises:
            KafkaFault: what the command met; NOT_CONTROLLER when none took it in time;
                REQUEST_TIMED_OUT, KAFKA_STORAGE_ERROR when the outcome is not known.
        """
        deadline = asyncio.get_running_loop().time() + COMMAND_TIMEOUT_S
        pause_s = _RETRY_S_MIN
        while True:
            try:
                return await self._try(command)
            except KafkaFault as fault:
                if fault.code is not ErrorCode.NOT_CONTROLLER:
                    raise
                if asyncio.get_running_loop().time() >= deadline:
                    raise KafkaFault(
                        ErrorCode.NOT_CONTROLLER, "No controller of the cluster answers."
                    ) from fault
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _RETRY_S_MAX)

    async def _try(self, command: Command) -> Answer:
        leader = self._log.leader
        if leader == self.node_id:
            return await self._execute(command)
        if leader is None or self._remote is None:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER)
        found = json.loads(await self._remote.command(leader, json.dumps(command).encode()))
        answer = Answer(found["record"], found["offset"])
        if self._is_followed_here(command):
            try:
                async with asyncio.timeout(APPLY_TIMEOUT_S):
                    await self._log.wait_for(answer.offset)
            except TimeoutError as fault:
                raise KafkaFault(
                    ErrorCode.REQUEST_TIMED_OUT,
                    "The controller has done it, and this node does not hear of it.",
                ) from fault
        return answer

    def _is_followed_here(self, command: Command) -> bool:
        """Who has removed itself hears no more. A block of producer ids is given by the answer, and
        nothing here looks for it: producers can begin while this node's copy of the log is stuck.
        """
        if command["do"] == "producer ids":
            return False
        return (command["do"], command.get("node")) != ("remove node", self.node_id)

    async def _execute(self, command: Command, sender: Sender | None = None) -> Answer:
        """Whoever asked may go, a client that closes its connection: what was begun is brought to
        its end all the same, and the next command is judged after it."""
        if command["do"] == BARRIER:
            return await self._confirm(command, sender)
        turn = asyncio.get_running_loop().create_task(self._take_turn(command, sender))
        self._turns.add(turn)
        turn.add_done_callback(self._end_turn)
        return await asyncio.shield(turn)

    def _end_turn(self, turn: asyncio.Task[Answer]) -> None:
        self._turns.discard(turn)
        if not turn.cancelled():
            turn.exception()  # told to whoever asked; nobody else misses it

    async def _confirm(self, command: Command, sender: Sender | None) -> Answer:
        """What changes nothing waits for no turn and keeps nobody waiting: those who ask together
        share a round, and who goes leaves nothing behind."""
        if self._log.leader != self.node_id:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER)
        await self._log.append([])
        if sender is not None:
            check_sender(command, sender, self.state)
        return Answer(None, self._log.end_offset)

    async def _take_turn(self, command: Command, sender: Sender | None) -> Answer:
        async with self._turn:
            if self._log.leader != self.node_id:
                raise KafkaFault(ErrorCode.NOT_CONTROLLER)
            by = Circumstances(
                state=self.state,
                config=self._broker_config(),
                rng=self._rng,
                node_id=self.node_id,
                levels=self.levels,
                end_offset=self._log.end_offset,
                space=IdSpace(self.cluster_id, self._places()),
            )
            records: Sequence[Record] = ()
            refusal = None
            try:
                if sender is not None:
                    check_sender(command, sender, self.state)
                records = plan(command, by)
            except KafkaFault as fault:
                refusal = fault
            # Also with nothing to write: whoever asked has to hear from a controller that leads.
            # One that was deposed and has not heard of it would refuse by what was true before.
            written = () if command.get("validate_only") else records
            await self._log.append([encode_record(each) for each in written])
            if refusal is not None:
                raise refusal
            offset = self._log.end_offset
        return Answer(records[-1] if records else None, offset)
