"""The suite's cases, and what its runner printed about them.

Left out, as they say nothing about a broker: cases that need none (TEST_F_LOCAL), cases against
the client's own mock cluster, and those that a person runs by hand (TEST_F_MANUAL).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.compat.report import Case, Outcome

TIME_LIMIT_CODE = 124
"""The exit code of a run that was ended at its time limit."""
_DETAIL_CHARACTERS = 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY = re.compile(r"^\| +(\w+) +\| +([A-Z]+) \| +([0-9.]+)s +\|(.*)$", re.M)
_SKIPPED = re.compile(r"^.*SKIPPING TEST: (.*)$", re.M)
_DECLARED = re.compile(r"^ +_TEST\((\w+),\s*([^,)]+)(.*?)(?=^ +_TEST\(|\Z)", re.M | re.S)
_SCENARIO = re.compile(r'\.scenario = "([\w,]+)"')
_OUTCOMES: dict[str, Outcome] = {"PASSED": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A case as the suite declares it.

    Args:
        scenario: the set-up of brokers that it wants: "default" or "noautocreate".
    """

    name: str
    scenario: str

    @property
    def number(self) -> str:
        return self.name.partition("_")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """One run of the suite's runner.

    Args:
        text: all that it printed.
        code: its exit code.
        seconds: how long it took.
    """

    text: str
    code: int
    seconds: float


def declared_cases(test_c: str) -> list[Declared]:
    """The cases that need a broker, from the table in the suite's test.c."""
    cases = []
    for name, flags, rest in _DECLARED.findall(test_c):
        if "TEST_F_LOCAL" in flags or "TEST_F_MANUAL" in flags or name.endswith("_mock"):
            continue
        wanted = _SCENARIO.search(rest)
        scenario = wanted[1].partition(",")[0] if wanted else "default"
        cases.append(Declared(name=name, scenario=scenario))
    return cases


def read_case(name: str, printed: Printed) -> Case:
    """The case of this name; one that the run says nothing about has failed."""
    text = _COLOUR.sub("", printed.text)
    for found, state, seconds, detail in _SUMMARY.findall(text):
        if found != name:
            continue
        outcome = _OUTCOMES.get(state, "failed")
        said = detail.strip()
        if outcome == "skipped" and not said:
            said = next(iter(_SKIPPED.findall(text)), "")
        if outcome == "passed":
            said = ""
        elif state == "RUNNING":
            said = f"did not end: {said}"
        return Case(name=name, outcome=outcome, seconds=float(seconds), detail=one_line(said))
    if printed.code == TIME_LIMIT_CODE:
        said = f"did not end; last said: {last_line(text)}"
    else:
        said = f"the runner ended with code {printed.code}: {last_line(text)}"
    return Case(name=name, outcome="failed", seconds=printed.seconds, detail=one_line(said))


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def one_line(text: str) -> str:
    return " ".join(text.split())[:_DETAIL_CHARACTERS]
