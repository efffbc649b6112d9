"""Whole nodes with one mistake each: every one is known from some system, or from a draft of ours.

The scenarios have to find each of them; test_sim_bites.py says within how many seeds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from sim.scenario import Scenario
from sim.scenarios.many_nodes import ManyNodes
from sim.scenarios.moves import Moves
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

from sprawl.core.controller.commands import Command
from sprawl.core.controller.controller import Answer, Controller
from sprawl.core.controller.metadata_log import METADATA_TP, RaftMetadataLog
from sprawl.core.controller.state import ControllerState, Record, decode_record
from sprawl.core.dht import records
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.classic import ClassicGroup
from sprawl.core.groups.coordinator import CoordinatorState
from sprawl.core.groups.records import GroupKey, parse_key
from sprawl.core.groups.shell import GroupCoordinator
from sprawl.core.ids import LogIndex, LogKey, Offset, TopicPartition
from sprawl.core.log import changes, rebuilding, recovery
from sprawl.core.log.frames import Entry
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.log.tokens import DurableUpTo
from sprawl.core.partition import internal
from sprawl.core.partition.partition import Isolation, Partition, ProduceOutcome
from sprawl.core.partition.refusals import Refusals
from sprawl.core.partition.replication import SingleReplica
from sprawl.core.records.batch import BatchHeader
from sprawl.core.records.producers import Duplicate, ProducerTable
from sprawl.core.records.record import encode_batch
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.leaving import Leaving
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.replica import RaftReplica
from sprawl.gateway.codec._generated.k03_metadata import MetadataResponseTopic
from sprawl.gateway.handlers import k03_metadata

if TYPE_CHECKING:
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.log.readable import ReadableLog
    from sprawl.gateway.dispatch import RequestContext

LATE_S: Final = 1.0
"""A coordinator that loads too late does so by this."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake, and who notices it.

    Args:
        put_in: patches the product; its name says what is wrong.
        scenario: whose checks have to fail.
        seed: that found it. As the code changes it tells another story, and others may.
    """

    put_in: Callable[[pytest.MonkeyPatch], None]
    scenario: type[Scenario]
    seed: int

    @property
    def name(self) -> str:
        return self.put_in.__name__


# --- one replica ----------------------------------------------------------------------------------


def answers_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    appended = SingleReplica.appended

    def early(replica: SingleReplica, *, acks: int) -> None:
        if appended(replica, acks=acks) is not None:
            replica._committed(replica._log.log_end_offset)

    patch.setattr(SingleReplica, "appended", early)


def forgets_sequence_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ProducerTable, "check", lambda *_: None)


def starts_without_the_producers_it_knew(patch: pytest.MonkeyPatch) -> None:
    def forgetful(log: ReadableLog, now_ms: int) -> bool:
        log.producers = ProducerTable()
        return False

    patch.setattr(rebuilding, "rebuild_producers", forgetful)


def shows_consumers_what_is_not_committed(patch: pytest.MonkeyPatch) -> None:
    def everything(partition: Partition, isolation: Isolation) -> int:
        return partition.log.log_end_offset

    patch.setattr(Partition, "end_offset", everything)


def answers_a_duplicate_before_its_original_is_committed(patch: pytest.MonkeyPatch) -> None:
    duplicate = Partition._duplicate

    def early(partition: Partition, original: Duplicate, acks: int) -> ProduceOutcome:
        return duplicate(partition, original, acks)._replace(commit=None)

    patch.setattr(Partition, "_duplicate", early)


# --- replicas that agree --------------------------------------------------------------------------


def answers_before_a_majority_has_it(patch: pytest.MonkeyPatch) -> None:
    wait = RaftReplica._wait

    def early(replica: RaftReplica, index: LogIndex) -> asyncio.Future[None]:
        if replica._partition.log.tp == METADATA_TP:
            return wait(replica, index)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    patch.setattr(RaftReplica, "_wait", early)


def moves_the_high_watermark_past_the_commit_index(patch: pytest.MonkeyPatch) -> None:
    commit = RaftReplica._commit

    def everything(replica: RaftReplica, commit_index: LogIndex) -> None:
        commit(replica, replica._partition.log.last_index)

    patch.setattr(RaftReplica, "_commit", everything)


def forgets_where_the_log_starts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GroupLog, "committed_start", lambda *_: None)


def says_that_all_is_well_when_it_is_deposed(patch: pytest.MonkeyPatch) -> None:
    _answer_when_deposed(patch, lambda fault: None)


def says_for_certain_that_nothing_was_appended_when_it_is_deposed(
    patch: pytest.MonkeyPatch,
) -> None:
    _answer_when_deposed(patch, lambda fault: fault)


def _answer_when_deposed(
    patch: pytest.MonkeyPatch, answer: Callable[[KafkaFault], KafkaFault | None]
) -> None:
    fail_all = RaftReplica._fail_all

    def fail(replica: RaftReplica, fault: KafkaFault) -> None:
        for _, commit in replica._commits:
            if not commit.done():
                commit.set_result(answer(fault))
        fail_all(replica, fault)

    patch.setattr(RaftReplica, "_fail_all", fail)


def follows_without_learning_of_producers(patch: pytest.MonkeyPatch) -> None:
    replicate = PartitionLog.append_replicated

    def forgetful(log: PartitionLog, entries: Sequence[Entry], *, now_ms: int) -> DurableUpTo:
        token = replicate(log, entries, now_ms=now_ms)
        log.producers.clear()
        return token

    patch.setattr(PartitionLog, "append_replicated", forgetful)


def starts_without_its_term_and_vote(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RaftHost, "hard_state", lambda *_: None)


# --- disks ----------------------------------------------------------------------------------------


def says_that_a_log_is_on_the_disk_when_it_is_not(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(changes, "_sync_file", lambda *_: None)


def opens_a_log_without_verifying_it(patch: pytest.MonkeyPatch) -> None:
    walk = recovery.walk

    def trustful(file: Any, start: int, end: int, *, verify: bool) -> Any:
        return walk(file, start, end)

    patch.setattr(recovery, "walk", trustful)


# --- replicas that move ---------------------------------------------------------------------------


def deletes_a_replica_that_its_group_has_not_let_go(patch: pytest.MonkeyPatch) -> None:
    async def at_once(leaving: Leaving, key: LogKey) -> bool:
        return True

    patch.setattr(Leaving, "_is_out", at_once)


# --- groups ---------------------------------------------------------------------------------------


def answers_a_commit_of_offsets_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    async def early(outcome: ProduceOutcome) -> Offset:
        return outcome.base_offset

    patch.setattr(internal, "_committed", early)


def serves_a_group_before_its_offsets_are_loaded(patch: pytest.MonkeyPatch) -> None:
    load = GroupCoordinator.load

    async def late(coordinator: GroupCoordinator, slots: asyncio.Semaphore) -> None:
        coordinator.activate()
        await asyncio.sleep(LATE_S)
        await load(coordinator, slots)

    patch.setattr(GroupCoordinator, "load", late)


def takes_commits_of_a_generation_that_is_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClassicGroup, "check_offset_commit", lambda *_: ErrorCode.NONE)


def loads_offsets_without_the_generations_of_groups(patch: pytest.MonkeyPatch) -> None:
    replay = CoordinatorState.replay

    def forgetful(state: CoordinatorState, key: bytes, value: bytes | None) -> None:
        if not isinstance(parse_key(key), GroupKey):
            replay(state, key, value)

    patch.setattr(CoordinatorState, "replay", forgetful)


# --- the controller -------------------------------------------------------------------------------


def answers_a_change_of_topics_before_it_is_committed(patch: pytest.MonkeyPatch) -> None:
    append = RaftMetadataLog.append

    async def early(log: RaftMetadataLog, records: Sequence[bytes]) -> None:
        kinds = {decode_record(each)["type"] for each in records}
        if not kinds & {"topic", "partitions", "topic configs", "remove"}:
            await append(log, records)
            return
        partition, _ = log._attached()
        now_ms = log._clock.now_ms()
        batch = encode_batch([(now_ms, None, record, []) for record in records])
        partition.append_internal(batch, now_ms=now_ms)

    patch.setattr(RaftMetadataLog, "append", early)


def gives_a_block_of_producer_ids_twice(patch: pytest.MonkeyPatch) -> None:
    apply = ControllerState.apply

    def forgetful(state: ControllerState, record: Record) -> None:
        if record["type"] != "producer ids":
            apply(state, record)

    patch.setattr(ControllerState, "apply", forgetful)


def checkpoints_without_the_producer_ids_that_were_given(patch: pytest.MonkeyPatch) -> None:
    snapshot = ControllerState.snapshot

    def incomplete(state: ControllerState) -> list[Record]:
        return [each for each in snapshot(state) if each["type"] != "producer ids"]

    patch.setattr(ControllerState, "snapshot", incomplete)


# --- routes ---------------------------------------------------------------------------------------


def keeps_the_older_record_of_a_leader(patch: pytest.MonkeyPatch) -> None:
    def is_older(one: records.Record, other: records.Record) -> bool:
        return one.rank < other.rank

    patch.setattr(records.Record, "is_after", is_older)


def says_that_a_topic_without_a_known_leader_does_not_exist(patch: pytest.MonkeyPatch) -> None:
    respond = k03_metadata._topic

    def unknown(ctx: RequestContext, topic: TopicInfo) -> MetadataResponseTopic:
        found = respond(ctx, topic)
        if any(each.error_code for each in found.partitions):
            code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            return MetadataResponseTopic(error_code=code, name=topic.name, topic_id=topic.id)
        return found

    patch.setattr(k03_metadata, "_topic", unknown)


# --- all of them ----------------------------------------------------------------------------------


def answers_before_its_own_copy_has_the_change(patch: pytest.MonkeyPatch) -> None:
    attempt = Controller._try
    changes = {"create topic", "delete topic", "create partitions", "alter configs"}

    async def early(controller: Controller, command: Command) -> Answer:
        leader, remote = controller._log.leader, controller._remote
        if command["do"] not in changes or remote is None or leader in (None, controller.node_id):
            return await attempt(controller, command)
        found = json.loads(await remote.command(leader, json.dumps(command).encode()))
        return Answer(found["record"], found["offset"])

    patch.setattr(Controller, "_try", early)


def lets_a_new_producers_batch_overtake_a_refused_one(patch: pytest.MonkeyPatch) -> None:
    check = Refusals.check

    def appends(
        refusals: Refusals,
        tp: TopicPartition,
        producers: ProducerTable,
        header: BatchHeader,
        now_ms: int,
    ) -> Duplicate | None:
        if producers.knows(header.producer_id):
            return check(refusals, tp, producers, header, now_ms)
        return producers.check(header)

    patch.setattr(Refusals, "check", appends)


MUTANTS: Final = (
    Mutant(answers_before_the_sync, SingleNode, 0),
    Mutant(forgets_sequence_numbers, SingleNode, 0),
    Mutant(starts_without_the_producers_it_knew, SingleNode, 0),
    Mutant(shows_consumers_what_is_not_committed, SingleNode, 3),
    Mutant(answers_a_duplicate_before_its_original_is_committed, SingleNode, 33),
    Mutant(answers_before_a_majority_has_it, ThreeNodes, 1),
    Mutant(moves_the_high_watermark_past_the_commit_index, ThreeNodes, 22),
    Mutant(forgets_where_the_log_starts, ThreeNodes, 0),
    Mutant(says_that_all_is_well_when_it_is_deposed, ThreeNodes, 1),
    Mutant(says_for_certain_that_nothing_was_appended_when_it_is_deposed, ThreeNodes, 0),
    Mutant(follows_without_learning_of_producers, ThreeNodes, 30),
    Mutant(starts_without_its_term_and_vote, ThreeNodes, 1),
    Mutant(says_that_a_log_is_on_the_disk_when_it_is_not, ThreeNodes, 0),
    Mutant(opens_a_log_without_verifying_it, ThreeNodes, 6),
    Mutant(deletes_a_replica_that_its_group_has_not_let_go, Moves, 5),
    Mutant(answers_a_commit_of_offsets_before_it_is_stored, ThreeNodes, 1),
    Mutant(serves_a_group_before_its_offsets_are_loaded, ThreeNodes, 0),
    Mutant(takes_commits_of_a_generation_that_is_over, ThreeNodes, 57),
    Mutant(loads_offsets_without_the_generations_of_groups, ThreeNodes, 3),
    Mutant(answers_a_change_of_topics_before_it_is_committed, ThreeNodes, 0),
    Mutant(answers_before_its_own_copy_has_the_change, ThreeNodes, 130),
    Mutant(lets_a_new_producers_batch_overtake_a_refused_one, ThreeNodes, 14),
    Mutant(gives_a_block_of_producer_ids_twice, ThreeNodes, 1),
    Mutant(checkpoints_without_the_producer_ids_that_were_given, ThreeNodes, 0),
    Mutant(keeps_the_older_record_of_a_leader, ManyNodes, 0),
    Mutant(says_that_a_topic_without_a_known_leader_does_not_exist, ManyNodes, 0),
)
