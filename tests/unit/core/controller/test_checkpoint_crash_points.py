"""Power is cut before every single change while checkpoints are written and the log is shortened.

Whatever is left starts again with every command that was answered, and at most the one under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import cache
from random import Random
from typing import Any

import pytest
from checkpoint_world import NO_FUSE, MetadataNode, do, facts
from crash_storage import Choose
from fused_storage import PowerCut

COMMANDS = 34


def keep_all(low: int, high: int) -> int:
    """What kill -9 does."""
    return high


def lose_all(low: int, high: int) -> int:
    return low


def ways_to_crash(seed: int) -> list[Choose]:
    return [lose_all, keep_all, *(Random(seed * 10 + at).randint for at in range(3))]


async def live(node: MetadataNode, first: int, last: int) -> int:
    """Commands one after the other until all are done or the power is gone.

    Returns:
        How many were answered.
    """
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    done = first

    async def work() -> None:
        nonlocal done
        await node.lead()
        for at in range(first, last):
            await do(node.controller, at)
            done = at + 1

    task = asyncio.ensure_future(work())
    while not task.done() and node.fuse.left > 0:
        await asyncio.sleep(0)
    if not task.done():
        task.cancel()
    await asyncio.wait([task])
    if node.fuse.left > 0:
        task.result()
    elif not task.cancelled():
        task.exception()
    await node.end()
    return done


async def first_life(node: MetadataNode) -> int:
    node.begin()
    return await live(node, 0, COMMANDS)


@cache
def expected() -> tuple[list[dict[str, Any]], int, int]:
    """The state after each number of commands, and between which changes the log is shortened."""

    async def run() -> tuple[list[dict[str, Any]], int, int]:
        node = MetadataNode()
        node.begin()
        await node.lead()
        states, shortened_at = [facts(node.controller)], -1
        for at in range(COMMANDS):
            before = node.fuse.burnt
            await do(node.controller, at)
            states.append(facts(node.controller))
            if shortened_at < 0 and len(node.files.places()) == 1:
                shortened_at = before
        await node.end()
        assert node.log.log_start_offset > 0
        assert len(node.files.places()) == 2
        return states, shortened_at, node.fuse.burnt

    return asyncio.run(run())


def test_the_log_is_shortened_to_the_older_of_two_checkpoints() -> None:
    states, _, _ = expected()

    async def run() -> None:
        node = MetadataNode()
        assert await first_life(node) == COMMANDS
        older, newer = (each.offset for each in node.files.places())
        assert node.log.log_start_offset == older < newer <= node.log.log_end_offset
        assert node.log.first_index > 1
        assert node.log.synced_offset >= newer
        node.begin()
        assert facts(node.controller) == states[-1]
        assert node.metadata.checkpoint.offset == newer

    asyncio.run(run())


@pytest.mark.parametrize("part", range(4))
def test_power_goes_before_a_change(part: int) -> None:
    states, first, last = expected()
    seen = set()

    async def run(changes: int, choose: Choose, again: int | None) -> None:
        node = MetadataNode(changes)
        answered = await first_life(node)
        node.lose_power(choose)
        if again is not None:  # and once more while it starts
            node.fuse.left = again
            with contextlib.suppress(PowerCut):
                node.begin(seed=2)
                await node.lead()
            await node.end()
            node.lose_power(choose)
        node.begin(seed=3)
        await node.lead()
        found = facts(node.controller)
        assert found in states[answered : answered + 2]
        seen.add((len(node.files.places()), node.log.log_start_offset > 0))
        # It goes on as if nothing had been.
        at = answered + (found != states[answered])
        assert await live(node, at, COMMANDS) == COMMANDS
        assert facts(node.controller) == states[-1]
        node.begin(seed=4)
        assert facts(node.controller) == states[-1]
        await node.end()

    for changes in range(first + part, last, 4):
        for number, choose in enumerate(ways_to_crash(changes)):
            again = Random(changes).randrange(12) if number > 2 else None
            asyncio.run(run(changes, choose, again))
    assert {is_shortened for _, is_shortened in seen} == {True, False}
    assert last < NO_FUSE
