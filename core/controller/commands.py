"""Commands to the controller as they travel: JSON in, the record to write out. Pure.

    {"do": "create topic", "spec": {...}, "validate_only": false}

A node that does not lead sends a command to the one that does; an older leader that does not know
it answers UNSUPPORTED_VERSION.

Who sends one has to be registered, with the data directory that it speaks for: a node that was
removed may still have a certificate. Such a one may only ask about itself, by registering. Members
are believed when they register others, which is how nodes join.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sprawl.core.config.alteration import Change
from sprawl.core.config.topic import validate_topic_configs
from sprawl.core.controller import configs, planning
from sprawl.core.controller.features import FeatureUpdate, Levels
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.controller.placement import IdSpace
    from sprawl.core.controller.state import ControllerState, Record

Command = dict[str, Any]

BARRIER: Final = "nothing"
"""Only asks whether this controller still leads: see Controller.barrier. It needs no planning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a command is judged by.

    Args:
        node_id: the node that judges; `levels` are the feature levels that its program knows.
        end_offset: where the metadata log stands.
        space: tells which nodes are near to each partition.
    """

    state: ControllerState
    config: BrokerConfig
    rng: Random
    node_id: BrokerId
    levels: Levels
    end_offset: int
    space: IdSpace


class Sender(NamedTuple):
    """The node that sent a command, and the data directory that it speaks for."""

    node_id: BrokerId
    directory_id: UUID


def check_sender(command: Command, sender: Sender, state: ControllerState) -> None:
    """Raises: KafkaFault CLUSTER_AUTHORIZATION_FAILED for a node that may not send this. It is not
    BROKER_ID_NOT_REGISTERED, by which whoever registers would take itself for removed: it may be
    another node, on whose behalf a removed one asks."""
    known = state.nodes.get(sender.node_id)
    if known is not None and known.directory_id == sender.directory_id:
        return
    if command["do"] == "register":
        node = NodeInfo.from_json(command["node"])
        if (node.node_id, node.directory_id) == sender:
            return
    raise KafkaFault(
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        f"Node {sender.node_id} with data directory {sender.directory_id} does not belong to the"
        " cluster: it was removed or replaced, and nothing is changed on its word.",
    )


def plan(command: Command, by: Circumstances) -> list[Record]:
    """The records a command leads to, its own one last; none when there is nothing to do.

    The first command of a cluster founds it.

    Raises:
        KafkaFault: what the command meets; UNSUPPORTED_VERSION for one that is not known.
    """
    planner = _PLANNERS.get(command["do"])
    if planner is None:
        raise KafkaFault(
            ErrorCode.UNSUPPORTED_VERSION, f"This node knows no command {command['do']!r}."
        )
    record = planner(command, by)
    if record is None:
        return []
    if by.state.is_new:
        return [planning.plan_founding(by.levels, epoch=by.end_offset), record]
    return [record]


def _create_topic(command: Command, by: Circumstances) -> Record:
    spec = TopicSpec.from_json(command["spec"])
    record = planning.plan_topic(
        by.state,
        spec,
        default_partitions=by.config.num_partitions,
        default_replicas=by.config.default_replication_factor,
        rng=by.rng,
        space=by.space,
    )
    validate_topic_configs(spec.configs, by.config)
    return record


def _delete_topic(command: Command, by: Circumstances) -> Record:
    if not by.config.delete_topic_enable:
        raise KafkaFault(ErrorCode.TOPIC_DELETION_DISABLED)
    if command["id"] is None:
        return planning.plan_removal(by.state.topic(command["name"]))
    topic = by.state.by_id.get(UUID(command["id"]))
    if topic is None:
        raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_ID)
    return planning.plan_removal(topic)


def _create_partitions(command: Command, by: Circumstances) -> Record:
    return planning.plan_partitions(
        by.state, command["name"], command["count"], command["assignments"], by.space
    )


def _move(command: Command, by: Circumstances) -> Record | None:
    return planning.plan_move(
        by.state,
        command["name"],
        command["partition"],
        command["brokers"],
        end_offset=by.end_offset,
    )


def _end_move(command: Command, by: Circumstances) -> Record | None:
    return planning.plan_arrival(
        by.state,
        UUID(command["id"]),
        command["partition"],
        tuple(command["replicas"]),
        as_of=command.get("as_of"),
    )


def _configure(command: Command, by: Circumstances) -> Record:
    return configs.plan_replacement(
        by.state, command["kind"], command["name"], command["configs"], defaults=by.config
    )


def _alter_configs(command: Command, by: Circumstances) -> Record:
    return configs.plan_alteration(
        by.state,
        command["kind"],
        command["name"],
        [Change(*each) for each in command["changes"]],
        below=command["below"],
        defaults=by.config,
    )


def _producer_ids(_: Command, by: Circumstances) -> Record:
    return planning.plan_producer_ids(by.state)


def _register(command: Command, by: Circumstances) -> Record | None:
    node = NodeInfo.from_json(command["node"])
    return planning.plan_registration(by.state, node, may_replace=command["may_replace"])


def _retire(command: Command, by: Circumstances) -> Record:
    return planning.plan_leaving(by.state, command["node"])


def _remove_node(command: Command, by: Circumstances) -> Record:
    return planning.plan_node_removal(by.state, command["node"])


def _update_features(command: Command, by: Circumstances) -> Record | None:
    return planning.plan_features(
        by.state,
        [FeatureUpdate(*each) for each in command["updates"]],
        own=by.node_id,
        levels=by.levels,
        epoch=by.end_offset,
    )


_PLANNERS: Final[Mapping[str, Callable[[Command, Circumstances], Record | None]]] = {
    "create topic": _create_topic,
    "delete topic": _delete_topic,
    "create partitions": _create_partitions,
    "move": _move,
    "end move": _end_move,
    "configure": _configure,
    "alter configs": _alter_configs,
    "producer ids": _producer_ids,
    "register": _register,
    "retire": _retire,
    "remove node": _remove_node,
    "update features": _update_features,
}
