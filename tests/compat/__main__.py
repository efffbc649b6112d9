"""Clients' own test suites: `python -m tests.compat [CLIENT ...]`.

Runs each suite against a node of this checkout, Apache Kafka, or both, and prints one table.
Exit code 0: every case of the suites' `tests.allow` passed; 1: some did not; 2: a suite could
not run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tests.compat.brokers import ApacheKafka, Broker, RunningBroker, SprawlBroker
from tests.compat.report import Case, Report, broken_promises, read_allowed, read_report, table
from tests.compat.workshop import MissingToolError, cache_folder

HERE = Path(__file__).parent


class Suite(Protocol):
    """What a folder's run.py offers.

    One that talks to a schema registry has `WITH_REGISTRY = True` besides.
    """

    VERSION: str
    """Of the client, pinned."""

    BROKER_CONFIGS: dict[str, str]
    """Broker configs that the suite asks for, by their Kafka names."""

    def install(self) -> None:
        """Fetches and builds what is not in the cache yet."""

    def run(self, broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
        """Runs the cases of these names, or all of the suite.

        Args:
            work: an empty folder for logs and scratch files.
        """


def suites() -> list[str]:
    return sorted(path.parent.name for path in HERE.glob("*/run.py"))


def load(client: str) -> Suite:
    return importlib.import_module(f"tests.compat.{client}.run")  # type: ignore[return-value]


def talks_to_registry(suite: Suite) -> bool:
    return getattr(suite, "WITH_REGISTRY", False)


def run_suite(client: str, kind: str, given: argparse.Namespace, work: Path) -> Report:
    suite = load(client)
    suite.install()
    names: list[str] | None = given.case or None
    if given.smoke:
        names = read_allowed(HERE / client / "tests.smoke")
    elif given.allowed:
        names = read_allowed(HERE / client / "tests.allow")
    with_registry = talks_to_registry(suite)
    if with_registry and given.bootstrap and not given.registry:
        raise MissingToolError("a schema registry beside that broker: --registry URL")
    kinds: dict[str, Callable[[], Broker]] = {
        "sprawl": lambda: SprawlBroker(
            work / "broker", suite.BROKER_CONFIGS, with_registry=with_registry
        ),
        "apache-kafka": lambda: ApacheKafka(work / "broker", suite.BROKER_CONFIGS),
    }
    start = kinds.get(kind, lambda: RunningBroker(kind, given.registry))
    scratch = work / "suite"
    scratch.mkdir(parents=True)
    with start() as broker:
        cases = suite.run(broker, scratch, names)
    return Report(client=client, version=suite.VERSION, broker=kind, cases=tuple(cases))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__)
    parser.add_argument("client", nargs="*", help=f"suites to run: {', '.join(suites())}")
    parser.add_argument(
        "--broker",
        choices=("sprawl", "apache-kafka", "both"),
        default="sprawl",
        help="what to run them against",
    )
    parser.add_argument("--bootstrap", help="run against a broker that is running: HOST:PORT")
    parser.add_argument("--registry", help="with --bootstrap: the schema registry's URL")
    parser.add_argument("--case", action="append", help="only this case of the suite (repeatable)")
    parser.add_argument("--smoke", action="store_true", help="only the cases of tests.smoke")
    parser.add_argument("--allowed", action="store_true", help="only the cases of tests.allow")
    parser.add_argument("--keep", type=Path, help="keep logs and data in this folder")
    parser.add_argument(
        "--table", action="store_true", help="print the table of the last whole runs, run nothing"
    )
    given = parser.parse_args()
    results = cache_folder() / "results"
    if given.table:
        print(table([read_report(path) for path in sorted(results.glob("*.json"))]))
        return 0
    kinds = [given.broker] if given.broker != "both" else ["sprawl", "apache-kafka"]
    if given.bootstrap:
        kinds = [given.bootstrap]
    whole = not (given.case or given.smoke or given.allowed or given.bootstrap)
    reports: list[Report] = []
    problems: list[str] = []
    unable = False
    for client in given.client or suites():
        for kind in kinds:
            if kind == "apache-kafka" and talks_to_registry(load(client)):
                print(f"{client}: not against {kind}, which has no registry", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory(prefix=f"sprawl-compat-{client}-") as scratch:
                work = given.keep / client / kind if given.keep else Path(scratch)
                try:
                    report = run_suite(client, kind, given, work)
                except (MissingToolError, RuntimeError) as error:
                    print(f"{client} against {kind}: could not run: {error}", file=sys.stderr)
                    unable = True
                    continue
            reports.append(report)
            if whole:
                report.write(results / f"{client}-{kind}.json")
            if kind == "sprawl":
                allowed = HERE / client / "tests.allow"
                problems += broken_promises(report, read_allowed(allowed))
            for case in report.cases:
                if case.outcome == "failed":
                    print(f"{client} against {kind}: {case.name}: {case.detail}", file=sys.stderr)
    print(table(reports))
    for problem in problems:
        print(f"must pass: {problem}", file=sys.stderr)
    return 2 if unable else 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
