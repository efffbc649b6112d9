"""What the verbs print and how they read their arguments, without a broker."""

from __future__ import annotations

import json

import pytest

from sprawl.cli import run
from sprawl.cli.common import parse_assignments, parse_time, print_table, show_time
from sprawl.cli.consume import formatter, json_line
from sprawl.cli.group import parse_partitions
from sprawl.cli.serve import banner
from sprawl.client.cluster import parse_addresses
from sprawl.client.fetching import Fetched
from sprawl.core.ids import Offset
from sprawl.core.records.record import Record
from sprawl.faults import EXIT_UNREACHABLE, EXIT_USAGE, CommandFault

READY: dict[str, object] = {
    "version": "0.1.0",
    "node_id": 1,
    "cluster_id": "MkU3OEVBNTcwNTJENDM2Qg",
    "storage": "disk",
    "data": "/srv/data",
    "bootstrap": "localhost:9092",
    "listeners": {"PLAINTEXT": "localhost:9092"},
    "http": "http://localhost:9644",
    "pid": 1,
    "ready_ms": 210,
    "event": "ready",
}


def fetched(
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    headers: list[tuple[str, bytes | None]] | None = None,
) -> Fetched:
    record = Record(Offset(42), 1_700_000_000_123, key, value, headers or [])
    return Fetched(partition=3, record=record)


def test_the_banner_has_at_most_eight_lines_and_all_facts() -> None:
    text = banner(READY)
    assert len(text.splitlines()) <= 8
    for fact in ("0.1.0", "/srv/data", "localhost:9092", "http://localhost:9644", "0.21 s"):
        assert fact in text
    assert "sprawl produce hello" in text
    assert "sprawl consume hello" in text


def test_the_banner_of_another_port_gives_commands_that_reach_it() -> None:
    text = banner(READY | {"bootstrap": "localhost:1234", "data": None, "http": None})
    assert "sprawl produce -b localhost:1234 hello" in text
    assert "lost when the node stops" in text
    assert "/metrics" not in text


def test_a_format_is_filled_in_for_each_record() -> None:
    show = formatter(r"%t %p %o %k=%s %T %K %S [%h] 100%%\t\n")
    entry = fetched(key=None, headers=[("a", b"1"), ("b", None)])
    assert show("topic", entry) == b"topic 3 42 =v 1700000000123 -1 1 [a=1,b=NULL] 100%\t\n"


def test_a_format_keeps_bytes_that_are_no_text() -> None:
    assert formatter("%s")("t", fetched(value=b"\xff\x00")) == b"\xff\x00"


@pytest.mark.parametrize("form", ["%q", "%"])
def test_an_unknown_format_letter_is_refused(form: str) -> None:
    with pytest.raises(CommandFault) as caught:
        formatter(form)
    assert caught.value.exit_code == EXIT_USAGE


def test_json_says_null_text_or_base64() -> None:
    line = json.loads(json_line("t", fetched(key=None, value=b"\xff", headers=[("h", b"x")])))
    assert line == {
        "topic": "t",
        "partition": 3,
        "offset": 42,
        "timestamp_ms": 1_700_000_000_123,
        "time": "2023-11-14T22:13:20.123Z",
        "key": None,
        "value_base64": "/w==",
        "headers": [{"name": "h", "value": "x"}],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000123", 1_700_000_000_123),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        ("2023-11-14T23:13:20.123+01:00", 1_700_000_000_123),
    ],
)
def test_times_are_milliseconds_or_iso(text: str, expected: int) -> None:
    assert parse_time(text) == expected


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(CommandFault, match="yesterday"):
        parse_time("yesterday")


def test_a_record_without_timestamp_shows_a_dash() -> None:
    assert show_time(-1) == "-"


def test_assignments_may_have_an_equals_sign_in_the_value() -> None:
    assert parse_assignments(["a=b=c", "x="]) == {"a": "b=c", "x": ""}
    with pytest.raises(CommandFault):
        parse_assignments(["novalue"])


def test_partitions_follow_the_topic() -> None:
    assert parse_partitions("orders") == ("orders", [])
    assert parse_partitions("orders:0,2") == ("orders", [0, 2])
    with pytest.raises(CommandFault):
        parse_partitions("orders:x")


def test_addresses_may_be_several_and_ipv6() -> None:
    assert parse_addresses("a:1, [::1]:9092") == [("a", 1), ("::1", 9092)]


@pytest.mark.parametrize("text", ["", "localhost", "host:0", "host:65536", ":9092"])
def test_an_address_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(CommandFault) as caught:
        parse_addresses(text)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_table_lines_up_and_shows_missing_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "lag"], [("a", 5), ("long", None), ("b", 120)])
    assert capsys.readouterr().out.splitlines() == [
        "NAME  LAG",
        "a       5",
        "long    -",
        "b     120",
    ]


def test_an_unreachable_broker_is_exit_code_3_with_the_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["topic", "list", "-b", "127.0.0.1:1"]) == EXIT_UNREACHABLE
    error = capsys.readouterr().err
    assert "cannot reach a broker at 127.0.0.1:1" in error
    assert "sprawl doctor --bootstrap 127.0.0.1:1" in error


def test_a_wrong_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topic", "list", "--nonsense"]) == EXIT_USAGE
    assert "--nonsense" in capsys.readouterr().err


def test_a_setting_that_cannot_be_used_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--set", "num.partition=3"]) == EXIT_USAGE
    assert "did you mean num.partitions?" in capsys.readouterr().err
