"""Where replicas should go: one partition by hand, or all of a node's that leaves or is lost.

    view ──plan──> moves ──> at most AT_ONCE under way ──> view ... until none of them is left

`plan` is pure. Each look starts from what the cluster says, so that it does not matter who moved
what meanwhile, or that an earlier run was interrupted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sprawl.client.cluster import Cluster, ClusterView
from sprawl.client.faults import Refused, raise_for
from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k45_alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignableTopic,
)
from sprawl.gateway.codec._generated.k46_list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)

ALTER_REASSIGNMENTS = 45
LIST_REASSIGNMENTS = 46
TIMEOUT_MS = 30_000
AT_ONCE: Final = 32
"""Moves under way: enough to keep the disks busy, few enough that clients do not notice."""
LOOK_S: Final = 0.5
PATIENCE_S: Final = 15.0
"""For partitions that cannot move, and a controller that does not answer: an election passes."""
_MAY_BE_MADE: Final = frozenset({ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NOT_CONTROLLER})
"""The controller changed, or was busy: the next look tells what came of it."""
LOST: Final = -1
"""Stands for a replica whose node was replaced or removed."""

Place = tuple[str, int]
"""Topic and partition."""


class Candidate(NamedTuple):
    """A node that may take replicas."""

    node_id: int
    rack: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done.

    Args:
        moves: the new replicas of each partition that has to move, the preferred leader first.
        short: partitions with more replicas than there would be nodes, and how many they have.
        leaderless: partitions that cannot move now, because nobody leads them.
        candidates: how many nodes may take replicas.
    """

    moves: Mapping[Place, list[int]]
    short: Mapping[Place, int]
    leaderless: Sequence[Place]
    candidates: int


def plan(
    view: ClusterView,
    moving: Mapping[Place, Sequence[int]],
    leaving: Collection[int],
    candidates: Sequence[Candidate],
    *,
    may_shrink: bool = False,
) -> Plan:
    """New places for the replicas on nodes that leave. Pure.

    Each goes to the node that holds least, on a rack that the partition does not have yet where
    there is one. A partition that would lose its preferred leader is led by whom leads least.

    Args:
        moving: where partitions go that are on their way already.
        leaving: node ids; LOST among them stands for replicas whose node is gone.
        candidates: who may take replicas; none of those that leave.
        may_shrink: rather fewer replicas than none moved.
    """
    held: Counter[int] = Counter()
    led: Counter[int] = Counter()
    wanted = [
        (place, tuple(moving.get(place, replicas)), leader)
        for place, replicas, leader in _partitions(view)
    ]
    for _, replicas, _ in wanted:
        held.update(replicas)
        led.update(replicas[:1])
    racks = {each.node_id: each.rack for each in candidates}
    moves: dict[Place, list[int]] = {}
    short: dict[Place, int] = {}
    leaderless: list[Place] = []
    for place, replicas, leader in wanted:
        staying = [node for node in replicas if node not in leaving]
        missing = len(replicas) - len(staying)
        if not missing:
            continue
        target = list(staying)
        for _ in range(missing):
            free = [node for node in racks if node not in target]
            if not free:
                break
            used = Counter(racks.get(node) for node in target)
            best = min(
                free,
                key=lambda node: (used[racks[node]] if racks[node] else 0, held[node], node),
            )
            target.append(best)
            held[best] += 1
        if len(target) < len(replicas) and not (may_shrink and target):
            short[place] = len(replicas)
            continue
        if leader < 0:
            leaderless.append(place)
            continue
        if replicas[0] in leaving:
            first = min(target, key=lambda node: led[node])
            target.remove(first)
            target.insert(0, first)
            led[first] += 1
        moves[place] = target
    return Plan(moves=moves, short=short, leaderless=leaderless, candidates=len(racks))


def left_on(view: ClusterView, leaving: Collection[int]) -> int:
    """How many replicas are on these nodes."""
    return sum(node in leaving for _, replicas, _ in _partitions(view) for node in replicas)


def _partitions(view: ClusterView) -> Iterator[tuple[Place, tuple[int, ...], int]]:
    for topic in view.topics.values():
        for each in topic.partitions:
            yield (topic.name, each.partition), each.replicas, each.leader


async def move_partition(
    cluster: Cluster, topic: str, partition: int, nodes: Sequence[int] | None
) -> None:
    """Let a partition move to these nodes; None stops a move. Raises: Refused."""
    wanted = None if nodes is None else list(nodes)
    [(code, message)] = (await _alter(cluster, {(topic, partition): wanted})).values()
    raise_for(code, f"{topic}/{partition}", message)


async def read_moves(cluster: Cluster) -> dict[Place, tuple[int, ...]]:
    """Where the partitions that move are going. Raises: Refused."""
    answer = await cluster.request(
        LIST_REASSIGNMENTS,
        ListPartitionReassignmentsRequest(timeout_ms=TIMEOUT_MS, topics=None),
        ListPartitionReassignmentsResponse,
    )
    raise_for(answer.error_code, "reassignments", answer.error_message)
    return {
        (topic.name, each.partition_index): tuple(
            node for node in each.replicas if node not in each.removing_replicas
        )
        for topic in answer.topics
        for each in topic.partitions
    }


async def cancel_moves(cluster: Cluster, places: Collection[Place]) -> None:
    """Let partitions stay where they are; one that does not move any more is fine."""
    for place, (code, message) in (await _alter(cluster, dict.fromkeys(places))).items():
        if code != ErrorCode.NO_REASSIGNMENT_IN_PROGRESS:
            raise_for(code, f"{place[0]}/{place[1]}", message)


async def clear(
    cluster: Cluster,
    leaving: Collection[int],
    find_candidates: Callable[[], Awaitable[Sequence[Candidate]]],
    told: Callable[[int, int], None],
    *,
    may_shrink: bool = False,
) -> None:
    """Move everything off some nodes; returns when nothing is left there.

    Args:
        told: (replicas left, partitions under way) after each look.

    Raises:
        Refused: a move that the cluster does not take; partitions that cannot move; a controller
            that does not answer.
    """
    loop = asyncio.get_running_loop()
    stuck_since: float | None = None
    answered = loop.time()
    while True:
        view = await cluster.metadata()
        moving = await read_moves(cluster)
        left = left_on(view, leaving)
        told(left, len(moving))
        if not left:
            return
        found = plan(view, moving, leaving, await find_candidates(), may_shrink=may_shrink)
        if found.moves or moving or not (found.short or found.leaderless):
            stuck_since = None
        elif stuck_since is None:
            stuck_since = loop.time()
        elif loop.time() - stuck_since > PATIENCE_S:
            raise stuck_fault(found)
        batch = dict(list(found.moves.items())[: max(0, AT_ONCE - len(moving))])
        answers = await _alter(cluster, batch)
        if all(code not in _MAY_BE_MADE for code, _ in answers.values()):
            answered = loop.time()
        for place, (code, message) in answers.items():
            if code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:  # deleted meanwhile
                continue
            if code in _MAY_BE_MADE and loop.time() - answered < PATIENCE_S:
                continue
            raise_for(code, f"{place[0]}/{place[1]}", message)
        await asyncio.sleep(LOOK_S)


def stuck_fault(found: Plan) -> Refused:
    """Why partitions cannot move: says it of the first, and how many more there are."""
    places = list(found.short) or list(found.leaderless)
    topic, partition = places[0]
    if found.short:
        count = found.short[topic, partition]
        why = f"has {count} replicas, and only {found.candidates} other nodes may take them"
    else:
        why = "has no leader, as too few of its replicas can be reached"
    more = f"; so it is with {len(places) - 1} more partitions" if len(places) > 1 else ""
    fault = Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"{topic}/{partition}", f"it {why}{more}")
    if not found.short:
        fault.next_step = f"start their nodes, or: sprawl topic delete {topic}"
    return fault


async def _alter(
    cluster: Cluster, wanted: Mapping[Place, list[int] | None]
) -> dict[Place, tuple[int, str | None]]:
    if not wanted:
        return {}
    topics: dict[str, ReassignableTopic] = {}
    for (topic, partition), replicas in wanted.items():
        asked = topics.setdefault(topic, ReassignableTopic(name=topic, partitions=[]))
        asked.partitions.append(ReassignablePartition(partition_index=partition, replicas=replicas))
    answer = await cluster.request(
        ALTER_REASSIGNMENTS,
        AlterPartitionReassignmentsRequest(timeout_ms=TIMEOUT_MS, topics=list(topics.values())),
        AlterPartitionReassignmentsResponse,
    )
    raise_for(answer.error_code, "reassignments", answer.error_message)
    return {
        (topic.name, each.partition_index): (each.error_code, each.error_message)
        for topic in answer.responses
        for each in topic.partitions
    }
