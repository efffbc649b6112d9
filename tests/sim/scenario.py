"""What a scenario is, and how seeds of it are run and counted."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from sim.history import History
from sim.observing import observing
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
    failure: BaseException | None = None
    trace: str = ""


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
        for what, count in report.reached.items():
            self.reached[what] = self.reached.get(what, 0) + count
        if report.failure is not None:
            self.failures.append(report)

    def lines(self) -> list[str]:
        """For people."""
        cpu_s = self.cpu_s or 1.0
        first = (
            f"{self.seeds} seeds, {self.handles} handles, {self.events} events,"
            f" {self.operations} client operations, {self.virtual_s / 3_600:.2f} virtual hours"
            f" in {self.real_s:.1f} s ({self.cpu_s:.1f} s of CPU): {self.seeds / cpu_s:.2f} seeds,"
            f" {self.handles / cpu_s:.0f} handles and {self.operations / cpu_s:.0f} operations a"
            f" CPU second; {len(self.failures)} failed"
        )
        return [first, *(f"  {count:8} x {what}" for what, count in sorted(self.reached.items()))]


def run_seed(scenario: type[Scenario], seed: int) -> Report:
    """Play one seed; a failure is in the report."""
    failure: BaseException | None = None
    story: Scenario | None = None
    digest = trace = ""
    world = World(seed)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        # What is cut off in the middle of a step leaves coroutines that it was about to await.
        with warnings.catch_warnings(), world:
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            try:
                story = scenario(world)
                with observing(world):
                    world.run(story.play(), limit_s=LIMIT_S)
            finally:
                digest = world.trace.digest()
    except Exception as error:  # noqa: BLE001 it is the report's
        failure = error
        trace = world.trace.tail()
    finally:
        logging.disable(disabled)
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
    )


def run_seeds(
    scenario: type[Scenario],
    seeds: Iterable[int],
    *,
    limit_s: float | None = None,
    told: Callable[[Report], None] = lambda report: None,
) -> Totals:
    """Play many seeds one after the other.

    Args:
        limit_s: real seconds after which no further seed is begun.
        told: called with each report.
    """
    totals = Totals()
    start, cpu_start = time.perf_counter(), time.process_time()
    for seed in seeds:
        report = run_seed(scenario, seed)
        totals.add(report)
        totals.real_s = time.perf_counter() - start
        totals.cpu_s = time.process_time() - cpu_start
        told(report)
        if limit_s is not None and totals.real_s > limit_s:
            break
    return totals


def replay_command(scenario: type[Scenario], seed: int) -> str:
    """The one line that plays a seed again."""
    return (
        f"python -m tests.sim --scenario {scenario.name} --seed {seed}\n"
        f"SPRAWL_SEED={seed} .venv/bin/python -m pytest tests/sim -k {scenario.name}"
    )
