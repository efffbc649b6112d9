"""How the outcomes of mocha's files and of Rust's test programs are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compat.node_rdkafka.outcome import declared_titles, read_cases
from tests.compat.rust_rdkafka.outcome import listed_tests, read_case


def entry(title: str, message: str = "") -> dict[str, Any]:
    err = {"message": message} if message else {}
    return {"title": title, "fullTitle": f"Suite {title}", "duration": 20, "err": err}


def mocha(*tests: dict[str, Any], hooks: tuple[dict[str, Any], ...] = ()) -> str:
    pending = [each for each in tests if each["title"] == "left"]
    failures = [each for each in (*tests, *hooks) if each["err"]]
    return json.dumps({"tests": list(tests), "pending": pending, "failures": failures})


def test_every_case_that_mocha_declared_has_an_outcome() -> None:
    declared = mocha(entry("good"), entry("bad"), entry("left"), entry("after "))
    titles = declared_titles(declared)
    hook = entry('"after each" hook for "bad"', "no answer")
    report = mocha(entry("good"), entry("bad", "a\nb"), entry("left"), hooks=(hook,))
    cases = {case.name: case for case in read_cases("file", titles, report)}
    outcomes = {name: (case.outcome, case.detail) for name, case in cases.items()}
    assert outcomes == {
        "file::Suite good": ("passed", ""),
        "file::Suite bad": ("failed", "a b"),
        "file::Suite left": ("skipped", "left out by the suite"),
        "file::Suite after": ("failed", "not reached: no answer"),
    }
    assert cases["file::Suite good"].seconds == 0.02


def test_a_case_whose_clean_up_fails_has_failed() -> None:
    hook = entry('"after each" hook for "good"', "no answer")
    (case,) = read_cases("file", ["Suite good"], mocha(entry("good"), hooks=(hook,)))
    assert (case.outcome, case.detail) == ("failed", "no answer")


def test_a_file_that_mocha_did_not_report_on_has_failed() -> None:
    (case,) = read_cases("file", ["Suite good"], "")
    assert (case.outcome, case.detail) == (
        "failed",
        "not reached: the run did not come to its end",
    )
    with pytest.raises(RuntimeError, match="no case"):
        declared_titles("")


def test_rust_programs_list_their_tests() -> None:
    printed = "test_one: test\nutils::tests::test_two: test\n\n2 tests, 0 benchmarks\n"
    assert listed_tests(printed) == ["test_one", "utils::tests::test_two"]


@pytest.mark.parametrize(
    ("printed", "code", "outcome", "detail"),
    [
        ("test a ... ok\n", 0, "passed", ""),
        ("test a ... ignored\n", 0, "skipped", "ignored by the suite"),
        ("", 124, "failed", "timed out"),
        ("", 101, "failed", "exit code 101"),
        (
            "thread 'a' (7) panicked at tests/a.rs:5:9:\nassertion failed\n  left: 1\n"
            "note: run with a backtrace\n",
            101,
            "failed",
            "assertion failed left: 1",
        ),
        ('Error: KafkaError("x")\n', 1, "failed", 'KafkaError("x")'),
    ],
)
def test_a_rust_test_tells_why_it_failed(
    printed: str, code: int, outcome: str, detail: str
) -> None:
    case = read_case("a", printed, code, 1.0)
    assert (case.outcome, case.detail) == (outcome, detail)
