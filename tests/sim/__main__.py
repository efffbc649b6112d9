"""`python -m tests.sim --seeds 1000 --scenario single_node`, or `--seed N` to see one run."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sim.scenario import Report, Scenario, replay_command, run_seed, run_seeds
from sim.scenarios.index import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="single_node")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this one and show it")
    parser.add_argument("--digest", action="store_true", help="print nothing but the digest")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    scenario = SCENARIOS[given.scenario]
    gc.freeze()
    if given.seed is not None:
        return _show(scenario, run_seed(scenario, given.seed), only_digest=given.digest)
    seeds = range(given.first, given.first + given.seeds)
    totals = run_seeds(scenario, seeds, told=lambda report: _tell(scenario, report))
    print("\n".join(totals.lines()))
    never = [what for what in scenario.rare if not totals.reached.get(what)]
    for what in never:
        print(f"  never reached: {what}")
    return 1 if totals.failures or (never and given.seeds >= 100) else 0


def _tell(scenario: type[Scenario], report: Report) -> None:
    if report.failure is not None:
        kind = type(report.failure).__name__
        print(f"seed {report.seed}: {kind}: {str(report.failure)[:300]}")
        print(f"  {replay_command(scenario, report.seed)}", flush=True)


def _show(scenario: type[Scenario], report: Report, *, only_digest: bool) -> int:
    if only_digest:
        print(report.digest)
        return 0
    for name, value in report.knobs.items():
        print(f"  {name} = {value}")
    print(
        f"seed {report.seed}: {report.handles} handles, {report.events} events,"
        f" {report.operations} client operations, {report.virtual_s:.1f} virtual s"
    )
    for what, count in sorted(report.reached.items()):
        print(f"  {count:6} x {what}")
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
