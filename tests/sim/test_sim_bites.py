"""The scenarios notice what they are there to notice: each known mistake, put into the product on
purpose, is found within a few seeds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from sim import scenario
from sim.scenario import run_seed
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

from sprawl.core.controller.metadata_log import METADATA_TP
from sprawl.core.ids import LogIndex, TopicPartition
from sprawl.core.partition.partition import Isolation, Partition, ProduceOutcome
from sprawl.core.partition.refusals import Refusals
from sprawl.core.partition.replication import SingleReplica
from sprawl.core.records.batch import BatchHeader
from sprawl.core.records.producers import Duplicate, ProducerTable
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.replica import RaftReplica

SEEDS_MAX = 60
CLUSTER_SEEDS_MAX = 60


def answers_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    appended = SingleReplica.appended

    def early(replica: SingleReplica) -> None:
        if appended(replica) is not None:
            replica._committed(replica._log.log_end_offset)

    patch.setattr(SingleReplica, "appended", early)


def forgets_sequence_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ProducerTable, "check", lambda *_: None)


def shows_consumers_what_is_not_committed(patch: pytest.MonkeyPatch) -> None:
    def everything(partition: Partition, isolation: Isolation) -> int:
        return partition.log.log_end_offset

    patch.setattr(Partition, "end_offset", everything)


def answers_a_duplicate_before_its_original_is_committed(patch: pytest.MonkeyPatch) -> None:
    duplicate = Partition._duplicate

    def early(partition: Partition, original: Any) -> ProduceOutcome:
        return duplicate(partition, original)._replace(commit=None)

    patch.setattr(Partition, "_duplicate", early)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "mistake",
    [
        answers_before_the_sync,
        forgets_sequence_numbers,
        shows_consumers_what_is_not_committed,
        answers_a_duplicate_before_its_original_is_committed,
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_a_mistake_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    for seed in range(SEEDS_MAX):
        if isinstance(run_seed(SingleNode, seed).failure, AssertionError):
            print(f"{mistake.__name__}: found by seed {seed}")
            return
    pytest.fail(f"{SEEDS_MAX} seeds did not find it")


# --- clusters -------------------------------------------------------------------------------------


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


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "mistake",
    [
        answers_before_a_majority_has_it,
        moves_the_high_watermark_past_the_commit_index,
        forgets_where_the_log_starts,
        lets_a_new_producers_batch_overtake_a_refused_one,
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_a_mistake_of_a_cluster_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # By what clients see; test_sim_observing.py has what the replicas themselves show.
    monkeypatch.setattr(scenario, "observing", contextlib.nullcontext)
    mistake(monkeypatch)
    for seed in range(CLUSTER_SEEDS_MAX):
        if isinstance(run_seed(ThreeNodes, seed).failure, AssertionError):
            print(f"{mistake.__name__}: found by seed {seed}")
            return
    pytest.fail(f"{CLUSTER_SEEDS_MAX} seeds did not find it")
