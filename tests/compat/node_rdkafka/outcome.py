"""What mocha's JSON report says about the cases of one file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tests.compat.report import Case, Outcome

_DETAIL_CHARACTERS = 300
_HOOK = re.compile(r'^"(?:before|after) (?:each|all)" hook')


def declared_titles(report: str) -> list[str]:
    """The titles of a file's cases, from a dry run. Raises: RuntimeError, if there is none."""
    titles = [str(test["fullTitle"]) for test in _listed(report, "tests")]
    if not titles:
        raise RuntimeError("mocha listed no case")
    return titles


def case_name(module: str, title: str) -> str:
    """`module::title`; titles may have spaces at their ends, or several."""
    return f"{module}::{' '.join(title.split())}"


def read_cases(module: str, titles: Sequence[str], report: str) -> list[Case]:
    """The cases of these titles.

    An error in a case's set-up or clean-up is its failure. A case that mocha did not come to has
    failed as well: with the words of the hook that failed, or because the run did not end.

    Args:
        report: "" if mocha wrote none.
    """
    tests = {str(test["fullTitle"]): test for test in _listed(report, "tests")}
    left_out = {str(test["fullTitle"]) for test in _listed(report, "pending")}
    hooks = [test for test in _listed(report, "failures") if _HOOK.match(test["title"])]
    stopped = _error(hooks[0]) if hooks else "the run did not come to its end"
    cases = []
    for title in titles:
        name = case_name(module, title)
        if title in left_out:
            cases.append(Case(name=name, outcome="skipped", detail="left out by the suite"))
        elif title not in tests:
            detail = f"not reached: {stopped}"[:_DETAIL_CHARACTERS]
            cases.append(Case(name=name, outcome="failed", detail=detail))
        else:
            test = tests[title]
            around = [hook for hook in hooks if hook["title"].endswith(f'"{test["title"]}"')]
            detail = next(filter(None, map(_error, [test, *around])), "")
            outcome: Outcome = "failed" if detail else "passed"
            seconds = test.get("duration", 0) / 1000
            cases.append(Case(name=name, outcome=outcome, seconds=seconds, detail=detail))
    return cases


def _listed(report: str, kind: str) -> list[dict[str, Any]]:
    return list(json.loads(report)[kind]) if report else []


def _error(test: dict[str, Any]) -> str:
    """What went wrong, "" if nothing did."""
    if not test["err"]:
        return ""
    said = test["err"].get("message") or test["err"].get("stack") or "failed without a word"
    return " ".join(str(said).split())[:_DETAIL_CHARACTERS]
