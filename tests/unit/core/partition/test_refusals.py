"""Pipelined batches of an idempotent producer around a refusal: KIP-98, and what librdkafka makes
of OUT_OF_ORDER_SEQUENCE_NUMBER."""

from __future__ import annotations

import pytest
from data_world import World, batch

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import TopicName
from sprawl.core.log.config import LogConfig
from sprawl.core.partition import refusals

LARGEST = 2**31 - 1


def send(
    world: World, sequence: int, *values: str, producer: int = 7, epoch: int = 0
) -> ErrorCode | int:
    """The offset a batch got, or why it got none."""
    data = batch(
        *(values or ("v",)), producer_id=producer, producer_epoch=epoch, base_sequence=sequence
    )
    try:
        outcome = world.partition().append_produced(
            memoryview(bytearray(data)), produce_version=12, now_ms=world.clock.now_ms()
        )
    except KafkaFault as fault:
        return fault.code
    return outcome.base_offset


def want_replicas(world: World, count: int) -> None:
    """With two wanted, the only replica refuses acks=all."""
    world.partitions.update_config(TopicName("t"), LogConfig(min_insync_replicas=count))


def refused_world(world: World, sequence: int = 1) -> World:
    """Producer 7 has sequences before `sequence` in the log, and a batch from there on refused."""
    world.topic()
    assert send(world, sequence - 1) == 0
    want_replicas(world, 2)
    assert send(world, sequence) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    return world


def test_what_follows_a_refused_batch_is_refused_alike_until_it_came(world: World) -> None:
    refused_world(world)
    assert send(world, 2) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, 3) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert [send(world, sequence) for sequence in (1, 2, 3)] == [1, 2, 3]
    assert send(world, 5) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_the_first_of_several_refused_batches_counts(world: World) -> None:
    refused_world(world)
    want_replicas(world, 2)
    assert send(world, 2) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    assert send(world, 3) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, 1, "a", "b") == 1
    assert send(world, 3) == 3


def test_a_gap_that_nobody_here_made_is_out_of_order(world: World) -> None:
    refused_world(world, sequence=4)
    assert send(world, 5) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, 5, producer=8) == 1
    assert send(world, 7, producer=8) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_new_epoch_forgets_what_was_refused(world: World) -> None:
    refused_world(world)
    assert send(world, 3, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(world, 0, epoch=1) == 1
    assert send(world, 3, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequences_begin_again_after_the_largest(world: World) -> None:
    refused_world(world, sequence=LARGEST)
    assert send(world, 0) is ErrorCode.NOT_ENOUGH_REPLICAS
    assert send(world, LARGEST) == 1
    assert send(world, 0) == 2
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_what_is_remembered_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "REFUSED_PRODUCERS_MAX", 2)
    refused_world(world)
    for producer in (8, 9):
        assert send(world, 0, producer=producer) > 0
    want_replicas(world, 2)
    for producer in (8, 9):
        assert send(world, 1, producer=producer) is ErrorCode.NOT_ENOUGH_REPLICAS
    want_replicas(world, 1)
    assert send(world, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(world, 2, producer=8) is ErrorCode.NOT_ENOUGH_REPLICAS


def test_a_refused_batch_that_is_none_changes_nothing(world: World) -> None:
    world.topic()
    want_replicas(world, 2)
    for data in (b"", b"x" * 100):
        with pytest.raises(KafkaFault) as raised:
            world.partition().append_produced(
                memoryview(bytearray(data)), produce_version=12, now_ms=0
            )
        assert raised.value.code is ErrorCode.NOT_ENOUGH_REPLICAS
