"""What goes wrong during a run: a plan made from the seed, and the hand that carries it out."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.harness.processes import Cluster, ClusterNode

Kind = Literal[
    "kill",
    "pause",
    "stop",
    "cut",
    "cut_up",
    "cut_down",
    "reset",
    "delay",
    "throttle",
    "isolate",
    "deafen",
    "mute",
    "pair",
    "slow_peers",
]

WEIGHTS: dict[Kind, int] = {
    "kill": 6,  # SIGKILL, and a start on the same data
    "pause": 4,  # SIGSTOP, then SIGCONT
    "stop": 1,  # SIGTERM, and a start
    "cut": 3,  # nothing gets through between clients and the node
    "cut_up": 2,  # requests get lost
    "cut_down": 2,  # requests are carried out, answers get lost
    "reset": 2,  # every connection breaks
    "delay": 1,
    "throttle": 1,
}


CLUSTER_WEIGHTS: dict[Kind, int] = WEIGHTS | {
    "isolate": 4,  # clients reach the node, the other nodes do not, nor it them
    "deafen": 2,  # the node hears nothing from the others, they hear it
    "mute": 2,  # the other way round
    "pair": 3,  # two nodes do not reach each other
    "slow_peers": 2,
}
"""What can go wrong when there is more than one node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Args:
        wait_s: quiet time before it.
        hold_s: how long it lasts.
        place: of the node in the cluster.
    """

    kind: Kind
    wait_s: float
    hold_s: float
    place: int


def make_plan(seed: int, faults: int, seconds: float, nodes: int) -> list[Fault]:
    """So many faults in so many seconds; the same for the same seed."""
    rng = random.Random(f"faults {seed}")
    possible = WEIGHTS if nodes == 1 else CLUSTER_WEIGHTS
    kinds, weights = list(possible), list(possible.values())
    share = seconds / max(1, faults)
    plan: list[Fault] = []
    for _ in range(faults):
        [kind] = rng.choices(kinds, weights)
        hold = share * rng.uniform(0.1, 0.6)
        wait = share - hold
        plan.append(Fault(kind=kind, wait_s=wait, hold_s=hold, place=rng.randrange(nodes)))
    return plan


class Saboteur:
    """Carries a plan out. `log` is told each step."""

    def __init__(self, cluster: Cluster, log: Callable[[str], None]) -> None:
        self.done: Counter[str] = Counter()
        self._cluster = cluster
        self._log = log

    def carry_out(self, plan: list[Fault]) -> None:
        """All faults, one after the other; each is over before the next begins."""
        for fault in plan:
            time.sleep(fault.wait_s)
            self._log(f"{fault.kind} node {fault.place + 1} for {fault.hold_s:.1f} s")
            self._begin(fault)
            time.sleep(fault.hold_s)
            self._end(fault)
            self.done[fault.kind] += 1

    def _begin(self, fault: Fault) -> None:
        node = self._cluster.nodes[fault.place]
        link = self._cluster.link_of(node)
        match fault.kind:
            case "kill":
                node.kill()
            case "pause":
                node.pause()
            case "stop":
                node.stop()
            case "cut":
                link.cut()
            case "cut_up":
                link.cut("up")
            case "cut_down":
                link.cut("down")
            case "reset":
                link.reset()
            case "delay":
                link.delay(0.05, 0.2)
            case "throttle":
                link.throttle(50_000)
            case _:
                self._begin_between(fault.kind, node)

    def _begin_between(self, kind: Kind, node: ClusterNode) -> None:
        """What goes wrong between nodes. "up" leads away from who dialed."""
        to_it, from_it = self._cluster.ways_to(node), self._cluster.ways_from(node)
        match kind:
            case "isolate":
                for link in to_it + from_it:
                    link.cut()
            case "deafen":
                for link in to_it:
                    link.cut("up")
                for link in from_it:
                    link.cut("down")
            case "mute":
                for link in to_it:
                    link.cut("down")
                for link in from_it:
                    link.cut("up")
            case "pair":
                to_it[0].cut()
                from_it[0].cut()
            case "slow_peers":
                for link in to_it + from_it:
                    link.delay(0.05, 0.3)

    def _end(self, fault: Fault) -> None:
        node = self._cluster.nodes[fault.place]
        self._cluster.link_of(node).heal()
        for link in self._cluster.ways_to(node) + self._cluster.ways_from(node):
            link.heal()
        node.resume()
        if not node.is_running:
            node.start()
