"""The scenarios by name."""

from __future__ import annotations

from sim.scenario import Scenario
from sim.scenarios.many_nodes import ManyNodes
from sim.scenarios.moves import Moves
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

SCENARIOS: dict[str, type[Scenario]] = {
    each.name: each for each in (SingleNode, ThreeNodes, Moves, ManyNodes)
}
