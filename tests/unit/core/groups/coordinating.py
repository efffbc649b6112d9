"""Nodes that coordinate groups, and what is asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from group_log import Coordination, FakeLog
from group_world import CONFIG, subscription

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import (
    CommitRequest,
    JoinRequest,
    OffsetToCommit,
    SyncRequest,
)
from sprawl.core.groups.placement import partition_for

HOME = partition_for("g", 50)
OTHER = "h"
OTHER_HOME = partition_for(OTHER, 50)
NOT_HERE = ErrorCode.NOT_COORDINATOR
LOADING = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS


def joining(group_id: str = "g", member_id: str = "") -> JoinRequest:
    return JoinRequest(
        group_id=group_id,
        member_id=member_id,
        group_instance_id=None,
        client_id="c",
        client_host="/h",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        protocol_type="consumer",
        protocols=(("range", subscription("t")),),
        requires_known_member_id=False,
    )


def commit(node: Coordination, offset: int, group_id: str = "g") -> Any:
    offsets = [OffsetToCommit("t", 0, offset, 0, "")]
    return node.groups.commit(CommitRequest(group_id=group_id, offsets=offsets))


def committed(node: Coordination, group_id: str = "g") -> int:
    assert node.groups.availability(group_id) is ErrorCode.NONE
    return node.groups.fetch(group_id, "t", [0], require_stable=False)[0].offset


def begin(awaitable: object) -> asyncio.Task[Any]:
    assert isinstance(awaitable, Awaitable)
    return asyncio.ensure_future(awaitable)  # type: ignore[return-value]


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until_served(node: Coordination, group_id: str = "g") -> None:
    async with asyncio.timeout(5):
        while node.groups.availability(group_id):
            await asyncio.sleep(0.001)


async def follower(log: FakeLog, *, seed: int = 1) -> Coordination:
    """A node that leads nothing yet."""
    node = Coordination(log, CONFIG, seed=seed)
    await node.groups.start()
    return node


async def leader(log: FakeLog | None = None) -> Coordination:
    node = await follower(FakeLog() if log is None else log)
    node.groups.lead(HOME, 1)
    await until_served(node)
    return node


async def member(node: Coordination) -> tuple[str, int]:
    """A stable group "g" of one."""
    waiting = node.groups.join(joining())
    node.pass_ms(3_000)
    joined = await begin(waiting)
    request = SyncRequest(
        group_id="g",
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        assignments=((joined.member_id, b"A"),),
    )
    synced = node.groups.sync(request)
    assert not isinstance(synced, Awaitable)
    assert synced.assignment == b"A"
    return joined.member_id, joined.generation_id
