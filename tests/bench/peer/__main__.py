"""Sprawl beside Apache Kafka: `python -m tests.bench.peer`.

Starts each broker in turn on this machine, in rounds, and does the same to both with the same
client: one table a group of rows, medians over the rounds. `--quick` takes one small round,
`--only WORD` the loads with this word in their name, whose rows it replaces in the JSON file.
Needs Java and Maven for Apache Kafka; `--plot` needs matplotlib (`pip install -e ".[bench]"`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.bench.peer import scenarios
from tests.bench.peer.samples import Figures, Sample, losing, markdown, read_figures
from tests.compat.brokers import KAFKA_VERSION, ApacheKafka, MeasuredBroker, SprawlBroker
from tests.compat.workshop import MissingToolError

ROUNDS = 5
QUICK_SCALE = 0.1
MANY = ((1_000, 0), (10_000, 2_000))
"""Partitions and connections."""
BROKERS: tuple[Callable[[Path], MeasuredBroker], ...] = (SprawlBroker, ApacheKafka)

Scenario = Callable[[MeasuredBroker], Iterator[Sample]]


def run(
    rounds: int, scale: float, *, with_many: bool, json: Path | None, only: Sequence[str] = ()
) -> Figures:
    """All of it, or `only` a part; what there is so far is written after each pair of brokers."""
    figures = Figures(
        machine={
            "cpus": str(os.cpu_count()),
            "system": platform.platform(),
            "python": platform.python_version(),
            "apache-kafka": KAFKA_VERSION,
            "rounds": str(rounds),
        }
    )
    turns: list[Scenario] = [lambda b: scenarios.one_round(b, scale, only)] * rounds
    known = read_figures(json) if only and json is not None and json.exists() else None
    if with_many:
        turns += [lambda b, p=p, c=c: scenarios.many(b, p, c) for p, c in MANY]  # type: ignore[misc]
    for number, scenario in enumerate(turns):
        _turn(figures, number, scenario)
        if known is not None:
            known.replace(figures)
        if json is not None:
            (known or figures).write(json)
    return known or figures


def _turn(figures: Figures, number: int, scenario: Scenario) -> None:
    """One fresh broker of each kind; who goes first changes with the number."""
    for start in BROKERS if number % 2 == 0 else reversed(BROKERS):
        with (
            tempfile.TemporaryDirectory(prefix="sprawl-peer-") as folder,
            start(Path(folder)) as broker,
        ):
            for sample in scenario(broker):
                figures.add(broker.name, sample)
                told = f"{broker.name}: {sample.group}: {sample.row}: {sample.value:,.2f}"
                print(f"{told} {sample.unit}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one round of a tenth of the records")
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="only loads so named"
    )
    parser.add_argument(
        "--no-many", action="store_true", help="leave the runs with many partitions out"
    )
    parser.add_argument("--json", type=Path, help="write every value to this file")
    parser.add_argument("--plot", type=Path, help="draw the ratios into this PNG file")
    parser.add_argument(
        "--show", type=Path, help="print (and draw) the figures of this JSON file, run nothing"
    )
    given = parser.parse_args()
    try:
        if given.show is not None:
            figures = read_figures(given.show)
        elif given.quick:
            figures = run(1, QUICK_SCALE, with_many=False, json=given.json, only=given.only)
        else:
            with_many = not given.no_many and not given.only
            figures = run(given.rounds, 1.0, with_many=with_many, json=given.json, only=given.only)
    except MissingToolError as error:
        print(f"could not run: {error}", file=sys.stderr)
        return 2
    print(markdown(figures))
    for row in losing(figures):
        print(f"losing: {row.group}: {row.row}: {row.unit}", file=sys.stderr)
    if given.plot is not None:
        from tests.bench.peer.plots import draw

        draw(figures, given.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
