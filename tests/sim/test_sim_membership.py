"""Membership of whole nodes: what each of them says of the others, and what they do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sim.world import World

from sprawl.core.cluster.membership import ClusterMembership
from sprawl.core.gossip.model import EventKind, MemberState

PEER_PORT = 9093
LIMIT_S = 120.0
ALIVE, DEAD, LEFT = MemberState.ALIVE, MemberState.DEAD, MemberState.LEFT


async def start(world: World, *numbers: int) -> None:
    for number in numbers:
        settings: dict[str, object] = {"peer.port": PEER_PORT, "peer.host": f"n{number}"}
        if number != 1:
            settings["join"] = f"n1:{PEER_PORT}"
        await world.start_node(number, settings)


def membership(world: World, number: int) -> ClusterMembership:
    assembly = world.nodes[number].assembly
    assert assembly is not None
    assert assembly._gossip is not None
    return assembly._gossip.membership


def running(world: World) -> list[int]:
    return [number for number, node in world.nodes.items() if node.is_up]


def everybody_says(world: World, states: dict[int, MemberState]) -> Callable[[], bool]:
    """Is that what each running node says of all?"""

    def is_so() -> bool:
        return all(
            {each.member.id.node_id: each.member.state for each in membership(world, number).seen()}
            == states
            for number in running(world)
        )

    return is_so


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.1)


def count(world: World, kind: EventKind) -> dict[int, int]:
    return {number: membership(world, number).events[kind] for number in running(world)}


def test_a_crash_is_dead_a_stop_has_left_and_both_come_back() -> None:
    async def story(world: World) -> None:
        await start(world, 1, 2, 3)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))
        epochs = {each.member.id: each.member.epoch for each in membership(world, 1).seen()}

        await world.stop_node(2)
        await until(everybody_says(world, {1: ALIVE, 2: LEFT, 3: ALIVE}))
        assert count(world, EventKind.DEAD) == {1: 0, 3: 0}
        assert count(world, EventKind.SUSPECT) == {1: 0, 3: 0}

        world.crash(3)
        await until(everybody_says(world, {1: ALIVE, 2: LEFT, 3: DEAD}))

        await start(world, 2, 3)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))
        assert count(world, EventKind.REJOINED)[1] == 2
        now = {each.member.id: each.member.epoch for each in membership(world, 1).seen()}
        assert {member for member in now if now[member] > epochs[member]} == {
            member for member in now if member.node_id != 1
        }

    with World(1) as world:
        world.run(story(world), limit_s=LIMIT_S)


def test_a_wall_clock_that_went_back_does_not_lock_a_node_out() -> None:
    async def story(world: World) -> None:
        await start(world, 1, 2)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE}))
        world.crash(2)
        await until(everybody_says(world, {1: ALIVE, 2: DEAD}))
        world.nodes[2].clock.wall_ms -= 10**9
        await start(world, 2)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE}))
        assert count(world, EventKind.REJOINED)[1] == 1

    with World(2) as world:
        world.run(story(world), limit_s=LIMIT_S)


def test_a_node_that_is_cut_off_is_dead_to_the_others_and_comes_back_by_itself() -> None:
    async def story(world: World) -> None:
        await start(world, 1, 2, 3)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))
        for other in ("n1", "n2"):
            world.network.cut("n3", other)
        await until(lambda: all(membership(world, each).events[EventKind.DEAD] for each in (1, 2)))
        for other in ("n1", "n2"):
            world.network.heal("n3", other)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))
        assert all(count(world, EventKind.REJOINED).values())

    with World(3) as world:
        world.run(story(world), limit_s=LIMIT_S)


def test_a_node_whose_link_to_one_other_is_cut_stays_alive() -> None:
    async def story(world: World) -> None:
        await start(world, 1, 2, 3)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))
        world.network.cut("n2", "n3")
        await asyncio.sleep(30)
        assert count(world, EventKind.DEAD) == {1: 0, 2: 0, 3: 0}
        world.network.heal("n2", "n3")
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))

    with World(4) as world:
        world.run(story(world), limit_s=LIMIT_S)


def test_nobody_is_given_up_where_no_datagram_arrives() -> None:
    async def story(world: World) -> None:
        world.network.quality.loss = 1.0
        await start(world, 1, 2, 3)
        await until(everybody_says(world, {1: ALIVE, 2: ALIVE, 3: ALIVE}))
        await asyncio.sleep(45)
        assert count(world, EventKind.SUSPECT) == {1: 0, 2: 0, 3: 0}

    with World(6) as world:
        world.run(story(world), limit_s=LIMIT_S)


def test_loads_are_told() -> None:
    async def story(world: World) -> None:
        await start(world, 1, 2)

        def is_told() -> bool:
            seen = membership(world, 1).seen()
            return len(seen) == 2 and all(each.load is not None for each in seen)

        await until(is_told)

    with World(5) as world:
        world.run(story(world), limit_s=LIMIT_S)
