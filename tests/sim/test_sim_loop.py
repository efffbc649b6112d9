"""The loop runs asyncio's own tools, in an order and at times that only the seed decides."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from sim.loop import Stalled
from sim.processes import NodeClock
from sim.world import World

T = TypeVar("T")


def run(story: Coroutine[Any, Any, T], *, seed: int = 1) -> T:
    with World(seed) as world:
        return world.run(story)


def test_time_jumps_to_what_happens_next() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(86_400)
        return loop.time() - start

    assert run(story()) == pytest.approx(86_400, abs=0.001)


def test_handles_run_in_the_order_in_which_they_came() -> None:
    async def story() -> list[str]:
        loop = asyncio.get_running_loop()
        order: list[str] = []
        loop.call_later(2, order.append, "late")
        loop.call_later(1, order.append, "first at 1")
        loop.call_at(loop.time() + 1, order.append, "second at 1")
        loop.call_soon(order.append, "soon")
        cancelled = loop.call_later(1, order.append, "never")
        cancelled.cancel()
        await asyncio.sleep(3)
        return order

    assert run(story()) == ["soon", "first at 1", "second at 1", "late"]


def test_timeouts_groups_locks_and_queues_work() -> None:
    async def story() -> list[str]:
        seen: list[str] = []
        lock = asyncio.Lock()
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def produce() -> None:
            for number in range(3):
                await queue.put(number)

        async def consume() -> None:
            for _ in range(3):
                async with lock:
                    seen.append(str(await queue.get()))

        async def fail() -> None:
            await asyncio.sleep(1)
            raise ValueError("on purpose")

        async def last() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(2), 1)
        with pytest.raises(ExceptionGroup):  # noqa: PT012 the group is the statement
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(last())
        seen += await asyncio.gather(asyncio.sleep(2, "b"), asyncio.sleep(1, "a"))
        return seen

    assert run(story()) == ["0", "1", "2", "cancelled", "b", "a"]


def test_a_task_group_cancels_its_tasks_in_the_order_of_their_creation() -> None:
    async def story() -> list[int]:
        order: list[int] = []

        async def member(number: int) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                order.append(number)

        with pytest.raises(ExceptionGroup):  # noqa: PT012 the group is the statement
            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(member(number))
                await asyncio.sleep(1)
                raise ValueError
        return order

    assert run(story()) == [0, 1, 2, 3, 4]


def test_jobs_run_later_and_in_an_order_that_the_seed_decides() -> None:
    async def story() -> list[int]:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        jobs = [loop.run_in_executor(None, order.append, number) for number in range(8)]
        assert order == []
        await asyncio.gather(*jobs)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return order

    orders = [run(story(), seed=seed) for seed in (1, 2, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(8))
    assert orders[0] == orders[2] != orders[1]


def test_waiting_for_nothing_is_noticed() -> None:
    async def story() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stalled):
        run(story())


def test_a_failure_that_nobody_saw_fails_the_run() -> None:
    async def fail() -> None:
        raise ValueError("on purpose")

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(fail())
        await asyncio.sleep(1)
        del task

    with pytest.raises(ExceptionGroup, match="nobody saw"):
        run(story())


def test_a_paused_process_stands_still_and_catches_up() -> None:
    async def tick(world: World, seen: list[float]) -> None:
        while True:
            seen.append(world.loop.now)
            await asyncio.sleep(1)

    async def story(world: World, seen: list[float]) -> None:
        process = world.process("p", "p")
        world.spawn(process, tick(world, seen))
        await asyncio.sleep(2.5)
        world.pause(process)
        await asyncio.sleep(10)
        world.resume(process)
        await asyncio.sleep(2.6)

    seen: list[float] = []
    with World(1) as world:
        world.run(story(world, seen))
    assert [round(at, 1) for at in seen] == [0.0, 1.0, 2.0, 12.5, 13.5, 14.5]


def test_a_killed_process_does_nothing_more_not_even_its_finally_blocks() -> None:
    async def worker(seen: list[str]) -> None:
        try:
            seen.append("began")
            await asyncio.sleep(1)
            seen.append("went on")
        finally:
            seen.append("cleaned up")

    async def story(world: World, seen: list[str]) -> None:
        process = world.process("p", "p")
        task = world.spawn(process, worker(seen))
        await asyncio.sleep(0.5)
        world.kill(process)
        del task
        await asyncio.sleep(5)
        assert seen == ["began"]

    seen: list[str] = []
    with World(1) as world:
        world.run(story(world, seen))


def test_a_slow_process_takes_its_time() -> None:
    async def work() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for _ in range(10):
            await asyncio.sleep(0)
        return loop.time() - start

    async def story(world: World) -> tuple[float, float]:
        process = world.process("p", "p")
        quick = await world.spawn(process, work())
        world.slow(process, 0.1)
        slow = await world.spawn(process, work())
        return quick, slow

    with World(1) as world:
        quick, slow = world.run(story(world))
    assert quick < 0.001
    assert slow == pytest.approx(1.0, abs=0.11)


def test_a_machine_whose_clock_runs_fast_is_early() -> None:
    async def nap() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(10)
        return loop.time() - start

    async def story(world: World) -> tuple[float, float]:
        process = world.process("p", "p", NodeClock(world.loop, rate=1.25))
        start = world.loop.now
        felt = await world.spawn(process, nap())
        return felt, world.loop.now - start

    with World(1) as world:
        felt, took = world.run(story(world))
    assert felt == pytest.approx(10, abs=0.001)
    assert took == pytest.approx(8, abs=0.001)
