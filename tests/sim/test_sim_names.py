"""The verdict names what is wrong: a mistake that is put into the product is found by the checkers,
under the name of what it does to clients. test_sim_bites has mistakes that are harder to find."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from sim.scenario import Scenario, run_seed
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

from sprawl.core.controller.controller import Controller
from sprawl.core.groups.offsets import CommittedOffset, GroupOffsets
from sprawl.core.ids import Offset, ProducerId
from sprawl.core.partition.partition import Partition, ProduceOutcome

SEEDS_MAX = 5
append_produced = Partition.append_produced


def takes_a_batch_and_forgets_it(patch: pytest.MonkeyPatch) -> None:
    batches = count(1)

    def append(partition: Partition, buf: memoryview, **options: Any) -> ProduceOutcome:
        if next(batches) % 5:
            return append_produced(partition, buf, **options)
        return ProduceOutcome(partition.log.log_end_offset, -1, Offset(0), None)

    patch.setattr(Partition, "append_produced", append)


def stores_a_batch_twice(patch: pytest.MonkeyPatch) -> None:
    batches = count(1)

    def append(partition: Partition, buf: memoryview, **options: Any) -> ProduceOutcome:
        if next(batches) % 5 == 0:
            append_produced(partition, memoryview(bytearray(buf)), **options)
        return append_produced(partition, buf, **options)

    patch.setattr(Partition, "append_produced", append)


def keeps_the_first_offset_that_is_committed(patch: pytest.MonkeyPatch) -> None:
    def put(offsets: GroupOffsets, topic: str, partition: int, committed: CommittedOffset) -> None:
        offsets.by_topic.setdefault(topic, {}).setdefault(partition, committed)

    patch.setattr(GroupOffsets, "put", put)


def gives_a_producer_id_again(patch: pytest.MonkeyPatch) -> None:
    async def same(controller: Controller) -> ProducerId:
        del controller
        return ProducerId(7)

    patch.setattr(Controller, "next_producer_id", same)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", [ThreeNodes, SingleNode], ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("mistake", "names"),
    [
        (takes_a_batch_and_forgets_it, {"lost_write", "unseen"}),
        (stores_a_batch_twice, {"duplicate"}),
        (keeps_the_first_offset_that_is_committed, {"inconsistent_commit"}),
        (gives_a_producer_id_again, {"producer_id_twice"}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_mistake_is_named(
    scenario: type[Scenario],
    mistake: Callable[[pytest.MonkeyPatch], None],
    names: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(monkeypatch)
    for seed in range(SEEDS_MAX):
        failure = run_seed(scenario, seed).failure
        first_line = str(failure).partition("\n")[0]
        if isinstance(failure, AssertionError) and any(name in first_line for name in names):
            print(f"{mistake.__name__}: seed {seed}: {first_line}")
            return
    pytest.fail(f"{SEEDS_MAX} seeds did not name it")
