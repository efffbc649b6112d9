"""Fetch sessions (KIP-227): what is listed, what is answered, what ends one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from data_world import World
from fetching import V, fetch, partition, read, request, settle, size_of

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchResponse,
    ForgottenTopic,
)
from sprawl.gateway.handlers import k01_fetch

if TYPE_CHECKING:
    from collections.abc import Iterable


async def open_session(world: World, partitions: Iterable[int], topic_id: UUID, v: int) -> int:
    wanted = request(*(partition(i) for i in partitions), topic_id=topic_id, session_epoch=0)
    return (await fetch(world, wanted, v)).session_id


@pytest.mark.parametrize("version", [7, 12, 13, 18])
async def test_a_session_lists_only_partitions_with_news(world: World, version: int) -> None:
    topic_id = world.topic(partitions=3)
    session_id = await open_session(world, range(3), topic_id, version)
    assert session_id > 0
    world.append("a", partition=1)
    response = await fetch(world, request(session_id=session_id, session_epoch=1), version)
    assert response.session_id == session_id
    assert read(response) == {1: ["a"]}


async def test_a_session_waits_for_partitions_the_request_does_not_list(world: World) -> None:
    topic_id = world.topic(partitions=2)
    session_id = await open_session(world, range(2), topic_id, V)
    wanted = request(session_id=session_id, session_epoch=1, max_wait_ms=60_000)
    answering = world.start_call(k01_fetch, wanted, V)
    await settle()
    world.append("a", partition=1)
    response = await answering
    assert isinstance(response, FetchResponse)
    assert read(response) == {1: ["a"]}


async def test_a_session_serves_every_partition_with_a_small_max_bytes(world: World) -> None:
    topic_id = world.topic(partitions=4)
    session_id = await open_session(world, range(4), topic_id, V)
    for index in range(4):
        for _ in range(4):
            world.append("a" * 100, partition=index)
    served = []
    for epoch in range(1, 5):
        wanted = request(session_id=session_id, session_epoch=epoch, max_bytes=size_of("a" * 100))
        response = await fetch(world, wanted)
        served += [index for index, values in read(response).items() if values]
    assert sorted(served) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("session_id", "epoch", "version", "code"),
    [
        (None, 5, 12, ErrorCode.INVALID_FETCH_SESSION_EPOCH),
        (12345, 1, 12, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (None, 1, 13, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR),
    ],
)
async def test_session_errors_are_top_level(
    world: World, session_id: int | None, epoch: int, version: int, code: ErrorCode
) -> None:
    opened = await open_session(world, range(1), world.topic(), 12)
    wanted = request(session_id=session_id or opened, session_epoch=epoch)
    response = await fetch(world, wanted, version)
    assert (response.error_code, response.session_id, response.responses) == (code, 0, [])


async def test_forgotten_partitions_are_read_no_more(world: World) -> None:
    topic_id = world.topic(partitions=2)
    session_id = await open_session(world, range(2), topic_id, V)
    world.append("a", partition=0)
    world.append("b", partition=1)
    wanted = request(session_id=session_id, session_epoch=1)
    wanted.forgotten_topics_data = [ForgottenTopic(topic="t", partitions=[0])]
    assert read(await fetch(world, wanted)) == {1: ["b"]}


async def test_a_session_of_a_recreated_topic_is_told_so(world: World) -> None:
    topic_id = world.topic()
    session_id = await open_session(world, range(1), topic_id, 13)
    world.delete(topic_id)
    world.topic()
    response = await fetch(world, request(session_id=session_id, session_epoch=1), 13)
    assert response.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_brokers_in_one_process_have_their_own_sessions(
    world: World, other_world: World
) -> None:
    session_id = await open_session(world, range(1), world.topic(), V)
    other_world.topic()
    response = await fetch(other_world, request(session_id=session_id, session_epoch=1))
    assert response.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
