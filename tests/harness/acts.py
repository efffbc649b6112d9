"""The acts of `twenty`: nodes join, leave, crash, and are cut in two."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from typing import TypedDict

from tests.harness.islander import Islander, led_by
from tests.harness.processes import ClusterNode
from tests.harness.routes import view_of
from tests.harness.stage import Act, Stage
from tests.harness.workloads import TOPIC, Place

AWAY_S = 5.0
"""How long a node that crashed or left is away: longer than others take to miss it (3 s)."""
ISLANDER = 900
"""The number of who is cut off, in the history."""


class Island(TypedDict):
    """What nodes that were cut off did with records.

    `held` are partitions of which they have a majority, `refused` how often which error code came.
    """

    nodes: list[int]
    held: int
    held_and_served: int
    not_held: int
    not_held_but_acknowledged: int
    refused: dict[int, int]


def join(stage: Stage, newcomers: Sequence[ClusterNode]) -> None:
    """Nodes join one after the other, and take replicas of some partitions."""
    with stage.act("join") as act:
        for node in newcomers:
            node.start()
            stage.settle(act, f"node {node.place.number} joined")
        others = [node for node in stage.living if node not in newcomers]
        hosts = [*newcomers, *stage.rng.sample(others, len(others))][:3]
        for partition in range(len(hosts)):
            turned = hosts[partition:] + hosts[:partition]
            to = ",".join(str(node.place.number) for node in turned)
            stage.command("cluster", "move", f"{TOPIC}/{partition}", "--to", to)
        stage.settle(act, "moves to the new nodes began")
        stage.await_whole(act)


def leave(stage: Stage) -> None:
    """Two nodes stop in good order and come back; one goes for good."""
    with stage.act("leave") as act:
        first, second, removed = stage.rng.sample(stage.members[1:], 3)
        for node in (first, second):
            number = node.place.number
            if code := node.stop():
                stage.problem(f"node {number} stopped with exit code {code}")
            stage.settle(act, f"node {number} stopped in good order")
            time.sleep(AWAY_S)
            node.start()
            stage.settle(act, f"node {number} came back")
            stage.await_whole(act)
        _remove(stage, act, removed)


def _remove(stage: Stage, act: Act, node: ClusterNode) -> None:
    number = node.place.number
    try:
        stage.command("cluster", "drain", str(number))
    except RuntimeError as fault:
        stage.problem(str(fault))
        return
    stage.members.remove(node)
    stage.settle(act, f"node {number} was drained")
    left = [place for place, route in view_of(stage.living[0]).items() if number in route.replicas]
    if left:
        stage.problem(f"node {number} was drained and still has replicas of {left}")
    node.stop()
    stage.settle(act, f"node {number}, drained, stopped")
    stage.await_whole(act)


def crash(stage: Stage) -> None:
    """Three nodes are killed one after the other and come back, the last one without its data.

    The first is the one that leads the controller.
    """
    with stage.act("crash") as act:
        controller = int(json.loads(stage.command("cluster", "status", "--json"))["controller"])
        first = next(node for node in stage.members if node.place.number == controller)
        # Node 1 is whom the others join by.
        others = [node for node in stage.members[1:] if node is not first]
        second, third = stage.rng.sample(others, 2)
        for node in (first, second):
            _kill(stage, act, node)
            node.start()
            stage.settle(act, f"node {node.place.number} came back")
            stage.await_whole(act)
        _kill(stage, act, third)
        shutil.rmtree(third.place.data)
        third.start("--replace-node")
        stage.settle(act, f"node {third.place.number} came back without its data")
        stage.command("cluster", "repair")
        stage.settle(act, "its replicas were replaced")
        stage.await_whole(act)


def _kill(stage: Stage, act: Act, node: ClusterNode) -> None:
    node.kill()
    stage.settle(act, f"node {node.place.number} was killed")
    time.sleep(AWAY_S)


def cut(stage: Stage, places: Sequence[Place], size: int, seconds: float) -> Island:
    """So many nodes are cut off from the others and from clients, and come back."""
    with stage.act("cut") as act:
        island = stage.rng.sample(stage.living, size)
        others = [node for node in stage.living if node not in island]
        numbers = sorted(node.place.number for node in island)
        before = view_of(island[0])
        islander = Islander(ISLANDER, island, before, places, stage.recorder)
        stage.say(f"cut off: {numbers}, with a majority of {len(islander.held)} partitions")
        stage.cluster.cut_in_two(island)
        began = time.monotonic()
        time.sleep(1.0)  # what was on its way has arrived
        islander.start()
        for half, what in ((others, "other"), (island, "cut off")):
            led = led_by({node.place.number for node in half}, before)
            stage.settle(act, f"the cut, among those {what}", half, led, began)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        islander.stopping.set()
        islander.join()
        stage.cluster.proxy.heal()
        stage.settle(act, "the cut was healed")
        stage.await_whole(act)
    refused_to_serve = islander.held - islander.served
    if refused_to_serve:
        stage.problem(
            f"cut off with a majority of their replicas and never written: {refused_to_serve}"
        )
    if islander.not_held and not islander.refusals:
        stage.problem("the nodes that were cut off never refused anything")
    return Island(
        nodes=numbers,
        held=len(islander.held),
        held_and_served=len(islander.held & islander.served),
        not_held=len(islander.not_held),
        not_held_but_acknowledged=len(islander.served - islander.held),
        refused=dict(islander.refusals),
    )
