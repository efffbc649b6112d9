"""Commands judged against the controller's state: each gives the record to write, or a fault. Pure.

Messages are Kafka's wherever clients print or match them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from sprawl.core.controller.features import (
    FEATURE,
    LOSSY,
    FeatureUpdate,
    Levels,
    UpgradeType,
    check_known,
)
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace, place
from sprawl.core.controller.state import (
    PRODUCER_ID_BLOCK,
    VERSION,
    ControllerState,
    Record,
    arrival_record,
    level_record,
    move_record,
    node_record,
    topic_record,
)
from sprawl.core.controller.topics import (
    PARTITIONS_PER_TOPIC_MAX,
    Replicas,
    TopicInfo,
    TopicSpec,
    check_name,
)
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, LogKey, TopicId, TopicName

if TYPE_CHECKING:
    from random import Random


# --- topics --------------------------------------------------------------------------------------


def plan_topic(
    state: ControllerState,
    spec: TopicSpec,
    *,
    default_partitions: int,
    default_replicas: int,
    rng: Random,
    space: IdSpace,
) -> Record:
    """The record that creates a topic.

    Args:
        rng: gives the topic its id.
        space: tells which nodes are near to each partition.

    Raises:
        KafkaFault: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS,
            INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_REQUEST.
    """
    check_name(spec.name)
    if spec.name in state.topics:
        raise KafkaFault(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{spec.name}' already exists.")
    other = state.collisions.get(spec.name.replace(".", "_"))
    if other is not None:
        raise KafkaFault(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"Topic '{spec.name}' collides with existing topic: {other}",
        )
    topic_id = TopicId(UUID(int=rng.getrandbits(128), version=4))
    if spec.assignments:
        replicas = _assigned(state, spec)
    else:
        count = default_partitions if spec.partition_count == -1 else spec.partition_count
        replicas = _placed(
            state,
            topic_id,
            range(count),
            default_replicas if spec.replication_factor == -1 else spec.replication_factor,
            space,
        )
    return topic_record(
        TopicInfo(
            name=TopicName(spec.name),
            id=topic_id,
            replicas=tuple(replicas),
            founding=tuple(replicas),
            configs=spec.configs,
        )
    )


def plan_partitions(
    state: ControllerState,
    name: str,
    count: int,
    assignments: Sequence[Sequence[int]] | None,
    space: IdSpace,
) -> Record:
    """The record that gives a topic more partitions, of as many replicas as its first one has.

    Raises:
        KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT,
            INVALID_REPLICATION_FACTOR.
    """
    topic = state.topic(name)
    have = topic.partition_count
    if count == have:
        raise KafkaFault(ErrorCode.INVALID_PARTITIONS, f"Topic already has {have} partition(s).")
    if count < have:
        raise KafkaFault(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {name} currently has {have} partition(s); {count} would not be an"
            " increase.",
        )
    _check_partition_count(count)
    replica_count = len(topic.wanted(0))
    if assignments is None:
        replicas = _placed(state, topic.id, range(have, count), replica_count, space)
    else:
        if len(assignments) != count - have:
            raise KafkaFault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Attempted to add {count - have} additional partition(s), but only"
                f" {len(assignments)} assignment(s) were specified.",
            )
        replicas = [_replicas_on(state, brokers) for brokers in assignments]
    return {
        "type": "partitions",
        "version": VERSION,
        "id": str(topic.id),
        "count": count,
        "replicas": [list(each) for each in replicas],
    }


def plan_removal(topic: TopicInfo) -> Record:
    """The record that deletes a topic."""
    return {"type": "remove", "version": VERSION, "id": str(topic.id), "name": topic.name}


def plan_move(
    state: ControllerState,
    name: str,
    partition: int,
    brokers: Sequence[int] | None,
    *,
    end_offset: int,
) -> Record | None:
    """The record that moves a partition to these brokers; None stops a move that is under way.

    Args:
        end_offset: where the metadata log stands.

    Returns:
        None when there is nothing to do: it is there.

    Raises:
        KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT,
            NO_REASSIGNMENT_IN_PROGRESS.
    """
    topic = state.topic(name)
    if partition not in topic.partitions:
        raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if brokers is None:
        if partition not in topic.moving:
            raise KafkaFault(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
        return move_record(topic, partition, None, asked_at=end_offset)
    target = _replicas_on(state, brokers)
    if target == topic.wanted(partition):
        return None
    if target == topic.replicas[partition]:
        return move_record(topic, partition, None, asked_at=end_offset)
    return move_record(topic, partition, target, asked_at=end_offset)


def plan_arrival(
    state: ControllerState,
    topic_id: UUID,
    partition: int,
    replicas: Replicas,
    *,
    as_of: int | None,
) -> Record | None:
    """The record that ends a move, also one that was stopped, on the word of the partition's
    leader.

    Args:
        replicas: those that the leader has found to be wanted, and its group to have.
        as_of: how far the leader knew the metadata log then. None from a program that does not say
            it, and does not make certain that it leads: not enough to let go of what lingers.

    Returns:
        None when nothing moves, or the word is about something else than was asked for last.
    """
    topic = state.by_id.get(topic_id)
    if topic is None or topic.is_settled(partition) or topic.wanted(partition) != replicas:
        return None
    if partition in topic.lingering if as_of is None else as_of <= topic.asked_at[partition]:
        return None
    return arrival_record(topic, partition, replicas)


# --- ids ------------------------------------------------------------------------------------------


def plan_producer_ids(state: ControllerState) -> Record:
    """The record that sets a block of producer ids aside: it ends at the record's `next`."""
    return {
        "type": "producer ids",
        "version": VERSION,
        "next": state.next_producer_id + PRODUCER_ID_BLOCK,
    }


# --- nodes ---------------------------------------------------------------------------------------


def plan_registration(
    state: ControllerState, node: NodeInfo, *, may_replace: bool
) -> Record | None:
    """The record that registers a node, whose `replica_id` is chosen here; None: nothing changed.

    Args:
        may_replace: another data directory under a known node id is a node that lost its data and
            is to start anew. Otherwise it is a mistake.

    Raises:
        KafkaFault: DUPLICATE_BROKER_REGISTRATION; BROKER_ID_NOT_REGISTERED for a node that was
            removed, or replaced, and comes back with what it had; UNSUPPORTED_VERSION for one whose
            program does not know the cluster's level.
    """
    check_known(node.node_id, node.levels, state.level)
    known = state.nodes.get(node.node_id)
    if node.replica_id and node.replica_id not in state.by_replica and state.nodes:
        raise KafkaFault(
            ErrorCode.BROKER_ID_NOT_REGISTERED,
            f"Node {node.node_id} was removed from the cluster. To join anew it needs an empty data"
            " directory.",
        )
    if known is not None and known.directory_id == node.directory_id:
        wanted = replace(node, replica_id=known.replica_id, is_leaving=known.is_leaving)
        return None if wanted == known else node_record(wanted)
    if known is not None and not may_replace:
        raise KafkaFault(
            ErrorCode.DUPLICATE_BROKER_REGISTRATION,
            f"Node {node.node_id} is registered with another data directory. If that one is lost,"
            " start the node with --replace-node; its replicas are then copied from the others.",
        )
    return node_record(replace(node, replica_id=state.next_replica_id, is_leaving=False))


def plan_leaving(state: ControllerState, node_id: int) -> Record:
    """The record after which a node gets no new replicas. Raises: BROKER_ID_NOT_REGISTERED."""
    return node_record(replace(_node(state, node_id), is_leaving=True))


def plan_node_removal(state: ControllerState, node_id: int) -> Record:
    """The record that forgets a node that holds nothing any more.

    Raises:
        KafkaFault: BROKER_ID_NOT_REGISTERED, INVALID_REQUEST while it holds replicas, or may hold
            some of moves that were given up.
    """
    node = _node(state, node_id)
    held = [
        (topic, index)
        for topic in state.topics.values()
        for index in topic.partitions
        if topic.may_hold(index, node.replica_id)
    ]
    lingering = [
        f"{topic.name}-{index}"
        for topic, index in held
        if node.replica_id not in (*topic.replicas[index], *topic.moving.get(index, ()))
    ]
    if len(held) > len(lingering):
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST,
            f"Node {node_id} still holds {len(held)} replica(s). Move them to other nodes first.",
        )
    if lingering:
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST,
            f"Node {node_id} may still hold {len(lingering)} replica(s), of {lingering[0]} for one:"
            " a move to it was stopped or changed, and the partition's leader has not said yet that"
            " the node is out. Try again when it has; it needs a majority of its replicas for it.",
        )
    return {"type": "node removed", "version": VERSION, "node": node_id}


def _node(state: ControllerState, node_id: int) -> NodeInfo:
    found = state.nodes.get(BrokerId(node_id))
    if found is None:
        raise KafkaFault(ErrorCode.BROKER_ID_NOT_REGISTERED)
    return found


# --- features ------------------------------------------------------------------------------------


def plan_founding(levels: Levels, *, epoch: int) -> Record:
    """The first record of a cluster: it begins at the highest level of the program that founds it,
    as there is nobody else."""
    return level_record(levels.max, epoch)


def plan_features(
    state: ControllerState,
    updates: Sequence[FeatureUpdate],
    *,
    own: BrokerId,
    levels: Levels,
    epoch: int,
) -> Record | None:
    """The record that changes the cluster's level; None: it is there.

    Args:
        own: the node that judges; `levels` is what its program knows.
        epoch: where the metadata log stands.

    Raises:
        KafkaFault: INVALID_UPDATE_VERSION, INVALID_REQUEST.

    Source: Kafka's FeatureControlManager, whose words these are where there is a like.
    """
    if len({each.feature for each in updates}) < len(updates):
        raise KafkaFault(ErrorCode.INVALID_REQUEST, "A feature is named more than once.")
    changed = [each for each in updates if _is_change(state, each, own, levels)]
    return level_record(changed[0].level, epoch) if changed else None


def _is_change(
    state: ControllerState, update: FeatureUpdate, own: BrokerId, levels: Levels
) -> bool:
    if update.feature != FEATURE:
        raise _no_level(update, f"The controller does not support the feature {update.feature}.")
    if update.kind not in list(UpgradeType):
        raise _no_level(update, "The controller does not support the given upgrade type.")
    if update.level < 0:
        raise _no_level(update, "A feature version cannot be less than 0.")
    known = {own: levels} | {each.node_id: each.levels for each in state.nodes.values()}
    for node, each in known.items():
        if not each.has(update.level):
            raise _no_level(update, f"Broker {node} only supports versions {each}.")
    is_upgrade = update.kind == UpgradeType.UPGRADE
    if update.level > state.level and not is_upgrade:
        raise _no_level(update, "Can't downgrade to a newer version.")
    if update.level < state.level:
        _check_downgrade(state, update)
    return update.level != state.level


def _check_downgrade(state: ControllerState, update: FeatureUpdate) -> None:
    if update.kind == UpgradeType.UPGRADE:
        raise _no_level(
            update,
            "Can't downgrade the version of this feature without setting the upgrade type to either"
            " safe or unsafe downgrade.",
        )
    undone = range(update.level + 1, state.level + 1)
    if update.kind == UpgradeType.SAFE_DOWNGRADE and not LOSSY.isdisjoint(undone):
        raise _no_level(
            update,
            "Refusing to perform the requested downgrade because programs that know only the lower"
            " version could not read what was written meanwhile. An unsafe downgrade stops the"
            " newer writes, but does not bring such programs back.",
        )


def _no_level(update: FeatureUpdate, reason: str) -> KafkaFault:
    return KafkaFault(
        ErrorCode.INVALID_UPDATE_VERSION,
        f"Invalid update version {update.level} for feature {update.feature}. {reason}",
    )


# --- replicas ------------------------------------------------------------------------------------


def _placed(
    state: ControllerState,
    topic_id: TopicId,
    partitions: range,
    replica_count: int,
    space: IdSpace,
) -> list[Replicas]:
    nodes = [node for node in state.nodes.values() if not state.is_leaving(node.node_id)]
    _check_partition_count(len(partitions))
    if replica_count < 1:
        raise KafkaFault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if replica_count > len(nodes):
        raise KafkaFault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {replica_count} time(s): The target replication"
            f" factor of {replica_count} cannot be reached because only {len(nodes)} broker(s) are"
            " registered.",
        )
    held = (each for topic in state.topics.values() for each in topic.replicas)
    keys = [LogKey(topic_id, index) for index in partitions]
    return place(nodes, keys, replica_count=replica_count, held=held, space=space)


def _assigned(state: ControllerState, spec: TopicSpec) -> list[Replicas]:
    if spec.partition_count != -1 or spec.replication_factor != -1:
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST,
            "Both a replica assignment and a number of partitions or a replication factor were"
            " given: give one of them.",
        )
    count = len(spec.assignments)
    if sorted(spec.assignments) != list(range(count)):
        raise KafkaFault(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        )
    _check_partition_count(count)
    return [_replicas_on(state, spec.assignments[index]) for index in range(count)]


def _replicas_on(state: ControllerState, brokers: Sequence[int]) -> Replicas:
    """Raises: KafkaFault INVALID_REPLICA_ASSIGNMENT."""
    if not brokers:
        raise KafkaFault(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes an empty replica list.",
        )
    if len(set(brokers)) != len(brokers):
        raise KafkaFault(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes a broker more than once.",
        )
    for broker in brokers:
        if broker not in state.nodes:
            raise KafkaFault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"The manual partition assignment includes broker {broker}, but no such broker"
                " is registered.",
            )
    return tuple(state.nodes[BrokerId(broker)].replica_id for broker in brokers)


def _check_partition_count(count: int) -> None:
    if count < 1:
        raise KafkaFault(
            ErrorCode.INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        )
    if count > PARTITIONS_PER_TOPIC_MAX:
        raise KafkaFault(
            ErrorCode.INVALID_PARTITIONS,
            f"A topic can have at most {PARTITIONS_PER_TOPIC_MAX} partitions.",
        )
