"""What a scenario is, and how seeds of it are run and counted."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from sim.history import History
from sim.observing import observing
from sim.own_faults import OwnFaults
from sim.world import World

LIMIT_S = 3_600.0
"""Virtual time a story may take, however it goes."""


class Scenario:
    """One story, told differently by each seed.

    `play` breaks things, heals them, and raises AssertionError (or anything else) when what is
    promised does not hold.
    """

    name: ClassVar[str]
    rare: ClassVar[tuple[str, ...]] = ()
    """States that must be reached (`world.sometimes`) by some seed of a longer run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.history = History()
        self.knobs: dict[str, object] = {}
        """What the seed chose, to be printed when the run fails."""

    async def play(self) -> None:
        raise NotImplementedError


@dataclass(slots=True, kw_only=True)
class Report:
    """What one seed came to."""

    seed: int
    digest: str
    handles: int
    events: int
    operations: int
    virtual_s: float
    reached: dict[str, int]
    knobs: dict[str, object]
    failure: BaseException | None
    trace: str
    """The latest notes."""
    real_s: float
    cpu_s: float


@dataclass(slots=True, kw_only=True)
class Totals:
    """Many seeds together."""

    seeds: int = 0
    handles: int = 0
    events: int = 0
    operations: int = 0
    virtual_s: float = 0.0
    real_s: float = 0.0
    cpu_s: float = 0.0
    reached: dict[str, int] = field(default_factory=dict)
    failures: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.handles += report.handles
        self.events += report.events
        self.operations += report.operations
        self.virtual_s += report.virtual_s
        self.real_s += report.real_s
        self.cpu_s += report.cpu_s
        for what, count in report.reached.items():
            self.reached[what] = self.reached.get(what, 0) + count
        if report.failure is not None:
            self.failures.append(report)

    def line(self) -> str:
        """For people."""
        cpu_s = self.cpu_s or 1.0
        return (
            f"{self.seeds} seeds, {self.handles} handles, {self.events} events,"
            f" {self.operations} client operations, {self.virtual_s / 3_600:.2f} virtual hours"
            f" in {self.real_s:.1f} s ({self.cpu_s:.1f} s of CPU): {self.seeds / cpu_s:.2f} seeds,"
            f" {self.handles / cpu_s:.0f} handles and {self.operations / cpu_s:.0f} operations a"
            f" CPU second; {len(self.failures)} failed"
        )

    def lines(self) -> list[str]:
        """The same, and what was reached."""
        reached = [f"  {count:8} x {what}" for what, count in sorted(self.reached.items())]
        return [self.line(), *reached]

    def never_reached(self, rare: Iterable[str]) -> list[str]:
        """States that no seed reached."""
        return [what for what in rare if not self.reached.get(what)]

    def facts(self) -> dict[str, object]:
        """For programs."""
        return {
            "seeds": self.seeds,
            "failed": len(self.failures),
            "failed_seeds": [report.seed for report in self.failures],
            "operations": self.operations,
            "events": self.events,
            "virtual_hours": round(self.virtual_s / 3_600, 3),
            "cpu_seconds": round(self.cpu_s, 1),
            "reached": dict(sorted(self.reached.items())),
        }


def run_seed(scenario: type[Scenario], seed: int) -> Report:
    """Play one seed; a failure is in the report."""
    failure: BaseException | None = None
    story: Scenario | None = None
    digest = trace = ""
    real, cpu = time.perf_counter(), time.process_time()
    world = World(seed)
    try:
        # What is cut off in the middle of a step leaves coroutines that it was about to await.
        with warnings.catch_warnings(), OwnFaults(world), world:
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            try:
                story = scenario(world)
                with observing(world):
                    world.run(story.play(), limit_s=LIMIT_S)
            finally:
                digest, trace = world.trace.digest(), world.trace.tail()
    except Exception as error:  # noqa: BLE001 it is the report's
        failure = error
    return Report(
        seed=seed,
        digest=digest,
        handles=world.loop.handles_run,
        events=world.trace.events,
        operations=sum(e.kind == "invoke" for e in story.history) if story else 0,
        virtual_s=world.loop.now,
        reached=dict(world.reached),
        knobs=dict(story.knobs) if story else {},
        failure=failure,
        trace=trace,
        real_s=time.perf_counter() - real,
        cpu_s=time.process_time() - cpu,
    )


def run_seeds(scenario: type[Scenario], seeds: Iterable[int], *, limit_s: float) -> Totals:
    """Play many seeds one after the other.

    Args:
        limit_s: real seconds after which no further seed is begun.
    """
    totals = Totals()
    for seed in seeds:
        totals.add(run_seed(scenario, seed))
        if totals.real_s > limit_s:
            break
    return totals


def replay_command(scenario: type[Scenario], seed: int) -> str:
    """The one line that plays a seed again."""
    return f"python -m tests.sim --scenario {scenario.name} --seed {seed}"
