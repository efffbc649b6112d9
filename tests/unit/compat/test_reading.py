"""How the results of suites are read: JUnit reports, what a case waits for, the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.needs import read_needs
from tests.compat.pytest_cases import read_junit
from tests.compat.report import Case, Report, broken_promises, table

JUNIT = """<testsuites><testsuite>
<testcase classname="test.one.test_admin" name="good" time="0.25"/>
<testcase classname="test.one.test_admin" name="bad[x]" time="1">
  <failure message="first line&#10;second line">long</failure>
</testcase>
<testcase classname="test.one.test_admin" name="left" time="0"><skipped message="why"/></testcase>
<testcase classname="test.one.test_admin" name="broken"><error message="set-up"/></testcase>
<testcase classname="test.one.test_admin" name="untidy" time="0"/>
<testcase classname="test.one.test_admin" name="untidy" time="0"><error message="end"/></testcase>
</testsuite></testsuites>"""


def test_a_junit_report_gives_one_case_a_test() -> None:
    cases = {case.name.removeprefix("test_admin::"): case for case in read_junit(JUNIT)}
    outcomes = {name: case.outcome for name, case in cases.items()}
    assert outcomes == {
        "good": "passed",
        "bad[x]": "failed",
        "left": "skipped",
        "broken": "failed",
        "untidy": "failed",
    }
    assert cases["bad[x]"].detail == "first line second line"
    assert cases["good"].seconds == 0.25


@pytest.mark.parametrize(
    ("reasons", "waits_for"),
    [
        (["no ACLs here"], "ACLs"),
        (["no ACLs here", "SASL: unknown"], "ACLs, SASL"),
        (["no ACLs here", "lost a record"], ""),
        ([], ""),
    ],
)
def test_a_case_waits_for_an_api_only_if_nothing_else_is_wrong(
    tmp_path: Path, reasons: list[str], waits_for: str
) -> None:
    path = tmp_path / "needs.txt"
    path.write_text("# comment\n\ncase | ACLs | no ACLs\ncase | SASL | SASL:\n")
    needs = read_needs(path)
    assert needs.of("case", reasons) == waits_for
    assert needs.of("other", ["no ACLs here"]) == ""


def report(broker: str, **outcomes: str) -> Report:
    cases = tuple(
        Case(name=name, outcome="passed" if said == "passed" else "failed", needs=needs)
        for name, text in outcomes.items()
        for said, _, needs in [text.partition(":")]
    )
    return Report(client="c", version="1", broker=broker, cases=cases)


def test_the_score_counts_what_apache_kafka_passes() -> None:
    theirs = report("apache-kafka", a="passed", b="passed", c="passed", d="failed")
    ours = report("sprawl", a="passed", b="failed:ACLs", c="failed", d="passed")
    line = table([theirs, ours]).splitlines()[-1]
    assert "1/3 = 33.3%" in line
    assert "50.0% without APIs not served yet (1)" in line


def test_a_case_that_must_pass_and_does_not_is_told() -> None:
    ours = report("sprawl", a="passed", b="failed")
    assert [each.split(":")[1].strip() for each in broken_promises(ours, ["a", "b", "z"])] == ["b"]
