"""What goes wrong during a run: a plan made from the seed, and the hand that carries it out.

Rules of a plan:

1. One fault follows the other, and now and then a second one begins and ends while one lasts.
2. Two at once befall different nodes, and at most one of them is between nodes: neither undoes the
   other, and who starts meanwhile reaches a majority of three.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
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

BETWEEN_NODES = frozenset(CLUSTER_WEIGHTS) - frozenset(WEIGHTS)
BESIDE_ODDS = 0.2
"""How often a fault has another one beside it, where there are nodes enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Args:
        wait_s: quiet time before it; for one beside another, from the other's beginning.
        hold_s: how long it lasts.
        place: of the node in the cluster.
        other: the place of the second node of a pair.
        beside: another fault that begins and ends while this one lasts.
    """

    kind: Kind
    wait_s: float
    hold_s: float
    place: int
    other: int | None = None
    beside: Fault | None = None

    def __str__(self) -> str:
        nodes = f"node {self.place + 1}"
        if self.other is not None:
            nodes += f" and node {self.other + 1}"
        return f"{self.kind} {nodes} for {self.hold_s:.1f} s"


def make_plan(seed: int, faults: int, seconds: float, nodes: int) -> list[Fault]:
    """So many faults in so many seconds, those beside others among them; the same for the same
    seed."""
    rng = random.Random(f"faults {seed}")
    pairs: list[bool] = []
    while (left := faults - len(pairs) - sum(pairs)) > 0:
        pairs.append(nodes > 2 and left > 1 and rng.random() < BESIDE_ODDS)
    share = seconds / max(1, len(pairs))
    return [_make_fault(rng, share, nodes, has_beside=each) for each in pairs]


def _make_fault(rng: random.Random, share: float, nodes: int, *, has_beside: bool) -> Fault:
    hold = share * rng.uniform(0.1, 0.6)
    fault = Fault(
        kind=_choose_kind(rng, WEIGHTS if nodes == 1 else CLUSTER_WEIGHTS),
        wait_s=share - hold,
        hold_s=hold,
        place=rng.randrange(nodes),
    )
    if fault.kind == "pair":
        fault = replace(fault, other=_choose_other(rng, nodes, fault.place))
    if not has_beside:
        return fault
    possible = WEIGHTS if fault.kind in BETWEEN_NODES else CLUSTER_WEIGHTS
    beside = Fault(
        kind=_choose_kind(rng, possible),
        wait_s=hold * rng.uniform(0.1, 0.4),
        hold_s=hold * rng.uniform(0.2, 0.5),
        place=_choose_other(rng, nodes, fault.place),
    )
    if beside.kind == "pair":
        beside = replace(beside, other=_choose_other(rng, nodes, beside.place))
    return replace(fault, beside=beside)


def _choose_kind(rng: random.Random, weights: dict[Kind, int]) -> Kind:
    [kind] = rng.choices(list(weights), list(weights.values()))
    return kind


def _choose_other(rng: random.Random, nodes: int, place: int) -> int:
    return rng.choice([each for each in range(nodes) if each != place])


class Saboteur:
    """Carries a plan out. `log` is told each step."""

    def __init__(
        self,
        cluster: Cluster,
        log: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.done: Counter[str] = Counter()
        self._cluster = cluster
        self._log = log
        self._sleep = sleep

    def carry_out(self, plan: list[Fault]) -> None:
        """All faults, one after the other; but for one beside it, each is over before the next
        begins."""
        for fault in plan:
            self._carry_out(fault)

    def _carry_out(self, fault: Fault) -> None:
        self._sleep(fault.wait_s)
        self._log(str(fault))
        self._begin(fault)
        beside = fault.beside
        if beside is None:
            self._sleep(fault.hold_s)
        else:
            self._carry_out(beside)
            self._sleep(fault.hold_s - beside.wait_s - beside.hold_s)
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
                self._begin_between(fault, node)

    def _begin_between(self, fault: Fault, node: ClusterNode) -> None:
        """What goes wrong between nodes. "up" leads away from who dialed."""
        to_it, from_it = self._cluster.ways_to(node), self._cluster.ways_from(node)
        match fault.kind:
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
                assert fault.other is not None
                for link in self._cluster.ways_between(node, self._cluster.nodes[fault.other]):
                    link.cut()
            case "slow_peers":
                for link in to_it + from_it:
                    link.delay(0.05, 0.3)

    def _end(self, fault: Fault) -> None:
        """Undo what it did, and nothing that the fault beside it does."""
        node = self._cluster.nodes[fault.place]
        if fault.kind in BETWEEN_NODES:
            for link in self._cluster.ways_to(node) + self._cluster.ways_from(node):
                link.heal()
            return
        self._cluster.link_of(node).heal()
        node.resume()
        if not node.is_running:
            node.start()
