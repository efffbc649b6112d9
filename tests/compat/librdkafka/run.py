"""librdkafka's own test suite: every case that talks to a broker.

A case is what the suite's runner calls a test; a number may have several (0045_subscribe_update,
0045_resubscribe_with_regex). Each number runs in a process of its own, so that a test that hangs
or crashes takes no other with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

from tests.compat.brokers import ApacheKafka, Broker, SprawlBroker, kafka_jars
from tests.compat.librdkafka import runner
from tests.compat.librdkafka.outcome import (
    Declared,
    declared_cases,
    join_subtests,
    read_case,
    subtest_names,
)
from tests.compat.librdkafka.runner import Runner, source_folder
from tests.compat.needs import Needs, read_needs
from tests.compat.report import Case

HERE = Path(__file__).parent
VERSION = runner.VERSION
BROKER_CONFIGS = {"auto.create.topics.enable": "true", "num.partitions": "4"}
"""What the suite's own cluster sets."""
# Cases about ACLs: of Apache Kafka's brokers, only one with an authorizer serves them.
ABOUT_ACLS = {
    "0081_admin",
    "0109_auto_create_topics",
    "0115_producer_auth",
    "0119_consumer_auth",
}
# Cases of many subtests unlike each other that stop at the first that fails: each subtest is run
# by itself, so that all that fail are known.
BY_SUBTEST = {"0081_admin": "0081-admin.c"}
SETUPS = {
    "noautocreate": {"auto.create.topics.enable": "false"},
    "authorizer": {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    },
}
"""Brokers that some cases want beside the common one, by what they set differently."""


def install() -> None:
    source_folder()
    kafka_jars()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the cases of these names, or all that talk to a broker."""
    starter = Runner(work)
    declared = declared_cases((starter.tests / "test.c").read_text())
    wanted = [case for case in declared if names is None or case.name in names]
    wanted.sort(key=lambda case: (case.number, case.scenario))
    needs = Needs() if isinstance(broker, ApacheKafka) else read_needs(HERE / "needs.txt")
    cases: list[Case] = []
    with ExitStack() as stack:
        brokers = Brokers(broker, work, stack)
        for (number, scenario), found in groupby(wanted, lambda case: (case.number, case.scenario)):
            group = list(found)
            bootstrap = brokers.bootstrap_for(group[0])
            if bootstrap is None:
                detail = f"needs a broker of its own, scenario {scenario}"
                cases += [Case(name=c.name, outcome="skipped", detail=detail) for c in group]
            elif group[0].name in BY_SUBTEST:
                cases.append(_run_by_subtest(starter, group[0], bootstrap, needs))
            else:
                printed = starter.start(number, scenario, bootstrap)
                cases += [read_case(case.name, printed, needs) for case in group]
    return cases


def _run_by_subtest(starter: Runner, case: Declared, bootstrap: str, needs: Needs) -> Case:
    """One case from a run for each of its subtests."""
    functions = subtest_names((starter.tests / BY_SUBTEST[case.name]).read_text())
    parts: dict[str, Case] = {}
    for function in functions:
        printed = starter.start(case.number, case.scenario, bootstrap, function)
        parts[function] = read_case(case.name, printed, needs, function)
    return join_subtests(case.name, parts)


class Brokers:
    """The broker under test, and others of its kind for cases that want another set-up."""

    def __init__(self, broker: Broker, work: Path, stack: ExitStack) -> None:
        self._broker = broker
        self._work = work
        self._stack = stack
        self._others: dict[str, str] = {}

    def bootstrap_for(self, case: Declared) -> str | None:
        """The address for a case; None if nothing here can start the broker that it wants."""
        setup = case.scenario
        if case.name in ABOUT_ACLS and isinstance(self._broker, ApacheKafka):
            setup = "authorizer"
        if setup == "default":
            return self._broker.bootstrap
        if setup not in self._others:
            configs = BROKER_CONFIGS | SETUPS[setup]
            folder = self._work / f"broker-{setup}"
            if isinstance(self._broker, SprawlBroker):
                other: Broker = SprawlBroker(folder, configs)
            elif isinstance(self._broker, ApacheKafka):
                other = ApacheKafka(folder, configs)
            else:
                return None
            self._others[setup] = self._stack.enter_context(other).bootstrap
        return self._others[setup]
