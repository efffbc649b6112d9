"""`python -m tests.sim --scenario three_nodes --seeds 1000`, or `--hours 8`, or `--seed N` to see
one run; `--scenario all` plays all of them in turn."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from itertools import count, islice, takewhile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sim.scenario import Report, Scenario, Totals, replay_command, run_seed
from sim.scenarios.index import SCENARIOS

ALL = {"three_nodes": 5, "moves": 3, "single_node": 3, "many_nodes": 1}
"""Seeds of each scenario in a round of all."""
TELL_EVERY_S = 60.0
SEEDS_TO_REACH_ALL = 500
"""A run of so many seeds must reach every rare state."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--scenario", choices=[*sorted(SCENARIOS), "all"], default="single_node")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seeds", type=int, default=100, help="how many, of all scenarios")
    length.add_argument("--hours", type=float, help="seeds until this time is over")
    length.add_argument("--seed", type=int, help="play this one and show it")
    parser.add_argument("--digest", action="store_true", help="print nothing but the digest")
    parser.add_argument("--json", type=Path, help="a file for the totals")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    gc.freeze()
    if given.seed is not None:
        if given.scenario == "all":
            parser.error("--seed is one of a scenario")
        report = run_seed(SCENARIOS[given.scenario], given.seed)
        return _show(report, only_digest=given.digest)
    seeds = seeds_of(given.scenario, given.first)
    if given.hours is None:
        seeds = islice(seeds, given.seeds)
    else:
        end = time.monotonic() + given.hours * 3_600
        seeds = takewhile(lambda _: time.monotonic() < end, seeds)
    return play(seeds, given.json)


def seeds_of(name: str, first: int) -> Iterator[tuple[type[Scenario], int]]:
    """The seeds from the first on; those of all scenarios in rounds, by their shares."""
    shares = ALL if name == "all" else {name: 1}
    for turn in count():
        for each, share in shares.items():
            for seed in range(first + turn * share, first + (turn + 1) * share):
                yield SCENARIOS[each], seed


def play(seeds: Iterator[tuple[type[Scenario], int]], file: Path | None) -> int:
    """Play them, and tell of it now and then. An interrupt ends the run after the seed that is
    being played; a second one ends it at once."""
    totals: dict[type[Scenario], Totals] = {}
    is_interrupted = False

    def interrupt(number: int, _: object) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    told = time.monotonic()
    for scenario, seed in seeds:
        report = run_seed(scenario, seed)
        totals.setdefault(scenario, Totals()).add(report)
        _tell(scenario, report)
        if is_interrupted:
            print("interrupted")
            break
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            for each, so_far in totals.items():
                print(f"so far {each.name}: {so_far.line()}", flush=True)
            _keep(totals, file)
    _keep(totals, file)
    return _judge(totals)


def _judge(totals: dict[type[Scenario], Totals]) -> int:
    """Print the totals.

    Returns: the exit code, 1 when a seed failed or a long run did not reach everything.
    """
    code = 0
    for scenario, found in totals.items():
        print(f"{scenario.name}: " + "\n".join(found.lines()))
        never = found.never_reached(scenario.rare)
        for what in never:
            print(f"  never reached: {what}")
        if found.failures or (never and found.seeds >= SEEDS_TO_REACH_ALL):
            code = 1
    return code


def _keep(totals: dict[type[Scenario], Totals], file: Path | None) -> None:
    if file is not None:
        facts = {scenario.name: found.facts() for scenario, found in totals.items()}
        file.write_text(json.dumps(facts, indent=2) + "\n")


def _tell(scenario: type[Scenario], report: Report) -> None:
    if report.failure is not None:
        kind = type(report.failure).__name__
        print(f"seed {report.seed}: {kind}: {str(report.failure)[:300]}")
        print(f"  {replay_command(scenario, report.seed)}", flush=True)


def _show(report: Report, *, only_digest: bool) -> int:
    if only_digest:
        print(report.digest)
        return 0
    for name, value in report.knobs.items():
        print(f"  {name} = {value}")
    print(
        f"seed {report.seed}: {report.handles} handles, {report.events} events,"
        f" {report.operations} client operations, {report.virtual_s:.1f} virtual s"
    )
    for what, times in sorted(report.reached.items()):
        print(f"  {times:6} x {what}")
    if report.failure is not None:
        print(report.trace)
        traceback.print_exception(report.failure)
    print(f"digest {report.digest}")
    return 1 if report.failure is not None else 0


if __name__ == "__main__":
    # What is left of a world may be freed while the interpreter ends; nobody wants its warnings.
    code = main()
    sys.stdout.flush()
    os._exit(code)
