"""A node's copy of the controller's state: it follows the log, tells of what changed, and is what
checkpoints are made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sprawl.core.controller.features import CHECKPOINTS, FEATURE, Levels, check_known
from sprawl.core.controller.jumps import tell_topics
from sprawl.core.controller.state import ControllerState, Record, decode_record, encode_record
from sprawl.core.errors import KafkaFault

if TYPE_CHECKING:
    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.controller.ports import Listener
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.ids import BrokerId

_log = logging.getLogger(__name__)


class FollowedState:
    """Implements StateMachine.

    Args:
        state: others read it; it stays the same object.
        node_id: this node.
        config: gives the configuration in force.
        levels: the feature levels that this program knows.
    """

    def __init__(
        self,
        state: ControllerState,
        listener: Listener,
        *,
        node_id: BrokerId,
        config: Callable[[], BrokerConfig],
        levels: Levels,
    ) -> None:
        self.state = state
        self._listener = listener
        self._node_id = node_id
        self._config = config
        self._levels = levels

    def load(self, records: Iterable[bytes]) -> None:
        """Begin with what was decided before this start, and tell the listener all of it.

        Raises:
            ValueError: a record that this version cannot read.
            KafkaFault: UNSUPPORTED_VERSION, the cluster is at a level that this program does not
                know.
        """
        for data in records:
            self.state.apply(decode_record(data))
        check_known(self._node_id, self._levels, self.state.level)
        self._configure_broker()
        for topic in self.state.topics.values():
            self._listener.topic_added(topic)
        self._listener.nodes_changed()

    def apply(self, records: Sequence[bytes]) -> None:
        """Committed records: follow them, and tell the listener what each changed."""
        for data in records:
            record = decode_record(data)
            removed = None
            if record["type"] == "remove":
                removed = self.state.by_id[UUID(record["id"])]
            self.state.apply(record)
            self._tell(record, removed)

    def _tell(self, record: Record, removed: TopicInfo | None) -> None:
        listener = self._listener
        match record["type"]:
            case "topic" | "partitions":
                listener.topic_added(self._topic_of(record))
            case "move":
                listener.topic_moved(self._topic_of(record))
            case "topic configs":
                listener.topic_configured(self._topic_of(record))
            case "remove":
                assert removed is not None
                listener.topics_removed([removed])
            case "broker configs":
                self._configure_broker()
                for topic in self.state.topics.values():
                    listener.topic_configured(topic)
            case "node" | "node removed":
                listener.nodes_changed()
            case "feature level":
                self._finalized()

    def _finalized(self) -> None:
        _log.info("the cluster is at %s %d", FEATURE, self.state.level)
        try:
            check_known(self._node_id, self._levels, self.state.level)
        except KafkaFault as fault:
            # It registered with a newer program, and does not get through with this one.
            _log.error("%s", fault.message)

    def _topic_of(self, record: Record) -> TopicInfo:
        return self.state.by_id[UUID(record["id"])]

    def _configure_broker(self) -> None:
        configs = self.state.broker_configs
        self._listener.broker_configured(configs.get("", {}), configs.get(str(self._node_id), {}))

    def may_checkpoint(self, log_bytes: int) -> bool:
        """Whether a checkpoint may be written after so many bytes of records, and the log before it
        deleted: the one place that decides it."""
        due_bytes = self._config().metadata_log_max_record_bytes_between_snapshots
        return self.state.level >= CHECKPOINTS and log_bytes >= due_bytes

    def capture(self, log_bytes: int) -> Callable[[], Sequence[bytes]] | None:
        """See StateMachine."""
        if not self.may_checkpoint(log_bytes):
            return None
        state = self.state.copy()
        return lambda: [encode_record(each) for each in state.snapshot()]

    def restore(self, records: Sequence[bytes]) -> None:
        """See StateMachine. The listener is told what differs."""
        state = ControllerState()
        for data in records:
            state.apply(decode_record(data))
        before = self.state.copy()
        self.state.become(state)
        if before.level != state.level:
            self._finalized()
        if before.broker_configs != state.broker_configs:
            self._configure_broker()
        tell_topics(before, state, self._listener)
        if before.nodes != state.nodes:
            self._listener.nodes_changed()
