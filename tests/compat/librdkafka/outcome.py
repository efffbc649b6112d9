"""The suite's cases, and what its runner printed about them.

Left out, as they say nothing about a broker: cases that need none (TEST_F_LOCAL), cases against
the client's own mock cluster, and those that a person runs by hand (TEST_F_MANUAL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.compat.needs import Needs
from tests.compat.report import Case, Outcome

TIME_LIMIT_CODE = 124
"""The exit code of a run that was ended at its time limit."""
_DETAIL_CHARACTERS = 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY = re.compile(r"^\| +(\w+) +\| +([A-Z]+) \| +([0-9.]+)s +\|(.*)$", re.M)
_FAILURE = re.compile(r'^### Test "(\w+)(?: \(.*\))?" failed at (\S+?:\d+):.*\n(.*)$', re.M)
_SKIPPED = re.compile(r"^.*SKIPPING TEST: (.*)$", re.M)
_DECLARED = re.compile(r"^ +_TEST\((\w+),\s*([^,)]+)(.*?)(?=^ +_TEST\(|\Z)", re.M | re.S)
_FUNCTION = re.compile(r"^(?:static )?(?:void|int)\s+(\w+)\([^;{]*\{(.*?)^\}", re.M | re.S)
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


def read_case(name: str, printed: Printed, needs: Needs, subtest: str = "") -> Case:
    """The case of this name; one that the run says nothing about has failed.

    Args:
        subtest: the function of the case that was run alone, if it was.
    """
    text = _COLOUR.sub("", printed.text)
    reasons = _reasons(name, text)
    for found, state, seconds, detail in _SUMMARY.findall(text):
        if found != name or (state not in ("PASSED", "SKIPPED") and reasons):
            continue
        outcome = _OUTCOMES.get(state, "failed")
        said = detail.strip() if outcome != "passed" else ""
        if outcome == "skipped" and not said:
            said = next(iter(_SKIPPED.findall(text)), "")
        return Case(name=name, outcome=outcome, seconds=float(seconds), detail=_one_line(said))
    if not reasons and printed.code == TIME_LIMIT_CODE:
        reasons = [f"did not end; last said: {_last_line(text)}"]
    elif not reasons:
        reasons = [f"the runner ended with code {printed.code}: {_last_line(text)}"]
    return Case(
        name=name,
        outcome="failed",
        seconds=printed.seconds,
        detail=_one_line("; ".join(reasons)),
        needs=needs.of(f"{name}/{subtest}" if subtest else name, reasons),
    )


def _reasons(name: str, text: str) -> list[str]:
    """All that went wrong in a case, without the runner's remark that something did."""
    return [
        f"{where}: {said}"
        for found, where, said in _FAILURE.findall(text)
        if found == name and not said.endswith("previous failure(s)")
    ]


def subtest_names(case_c: str) -> list[str]:
    """The functions in a case's source that are subtests, also in the quick mode."""
    return [name for name, body in _FUNCTION.findall(case_c) if "SUB_TEST_QUICK(" in body]


def join_subtests(name: str, parts: Mapping[str, Case]) -> Case:
    """One case of the runs of its subtests, by function: passed if all did.

    It waits for an API only if every subtest that failed does.
    """
    failed = {part: case for part, case in parts.items() if case.outcome == "failed"}
    seconds = sum(case.seconds for case in parts.values())
    if not failed:
        return Case(name=name, outcome="passed", seconds=seconds)
    waiting = sorted({case.needs for case in failed.values()})
    said = [f"{part}: {case.needs or case.detail}" for part, case in failed.items()]
    return Case(
        name=name,
        outcome="failed",
        seconds=seconds,
        detail=f"{len(failed)} of {len(parts)} subtests failed: {'; '.join(said)}",
        needs=", ".join(waiting) if all(waiting) else "",
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_DETAIL_CHARACTERS]
