"""What Rust's test programs print: their tests, and how one of them went."""

from __future__ import annotations

import re

from tests.compat.report import Case

TIME_LIMIT_CODE = 124
"""The exit code of a run that was ended at its time limit."""
_DETAIL_CHARACTERS = 300
_LISTED = re.compile(r"^(\S+): test$", re.M)
_PANIC = re.compile(r"^thread .* panicked at .*:\n((?:.+\n)+?)(?=note: |\n|\Z)", re.M)
_ERROR = re.compile(r"^Error: (.+)$", re.M)
_IGNORED = re.compile(r"^test \S+ \.\.\. ignored", re.M)


def listed_tests(printed: str) -> list[str]:
    """The tests that a program lists."""
    return _LISTED.findall(printed)


def read_case(name: str, printed: str, code: int, seconds: float) -> Case:
    """The one test of a run.

    Args:
        code: the program's exit code.
    """
    if _IGNORED.search(printed):
        return Case(name=name, outcome="skipped", seconds=seconds, detail="ignored by the suite")
    if code == 0:
        return Case(name=name, outcome="passed", seconds=seconds)
    reasons = _PANIC.findall(printed) + _ERROR.findall(printed)
    if code == TIME_LIMIT_CODE:
        reasons.append("timed out")
    said = "; ".join(" ".join(reason.split()) for reason in reasons) or f"exit code {code}"
    return Case(name=name, outcome="failed", seconds=seconds, detail=said[:_DETAIL_CHARACTERS])
