"""Every verb against a running node: what it prints and what it exits with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from sprawl.cli import run
from sprawl.faults import EXIT_FAILED, EXIT_OK
from sprawl.node import Node


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Node(group_initial_rebalance_delay_ms=0) as node:
        yield node.bootstrap


class Shell:
    """Runs verbs against one node."""

    def __init__(self, address: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._address = address
        self._capsys = capsys
        self.error = ""

    def __call__(self, *words: str, code: int = EXIT_OK) -> str:
        found = run([*words, "-b", self._address])
        output, self.error = self._capsys.readouterr()
        assert found == code, self.error
        return output

    def json(self, *words: str) -> list[dict[str, object]]:
        found = json.loads(self(*words, "--json"))
        assert isinstance(found, list)
        return found


@pytest.fixture
def shell(address: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(address, capsys)


def test_a_topic_is_created_described_changed_and_deleted(shell: Shell) -> None:
    assert shell("topic", "create", "life", "-p", "2") == "Created life with 2 partitions.\n"
    assert {"topic": "life", "partitions": 2, "replication_factor": 1, "internal": False} in (
        shell.json("topic", "list")
    )
    shell("topic", "alter", "life", "--set", "retention.ms=1000")
    shell("topic", "add-partitions", "life", "--total", "3")
    (found,) = shell.json("topic", "describe", "life")
    assert found["configs"] == {"retention.ms": "1000"}
    assert isinstance(found["partitions"], list)
    assert len(found["partitions"]) == 3
    shell("topic", "alter", "life", "--unset", "retention.ms")
    assert shell.json("topic", "describe", "life")[0]["configs"] == {}
    shell("topic", "delete", "life", "--yes")
    assert all(entry["topic"] != "life" for entry in shell.json("topic", "list"))


def test_a_refusal_is_exit_code_1_with_kafkas_code_and_a_next_command(shell: Shell) -> None:
    shell("topic", "describe", "absent", code=EXIT_FAILED)
    assert "UNKNOWN_TOPIC_OR_PARTITION" in shell.error
    assert "sprawl topic list" in shell.error
    shell("topic", "create", "bad", "--set", "no.such.config=1", code=EXIT_FAILED)
    assert "INVALID_CONFIG" in shell.error


def test_an_existing_topic_is_an_error_unless_said_otherwise(shell: Shell) -> None:
    shell("topic", "create", "twice")
    shell("topic", "create", "twice", code=EXIT_FAILED)
    assert "TOPIC_ALREADY_EXISTS" in shell.error
    assert shell("topic", "create", "twice", "--if-not-exists") == "twice exists already.\n"


def test_a_dry_run_creates_nothing(shell: Shell) -> None:
    shell("topic", "create", "dry", "--dry-run")
    assert all(entry["topic"] != "dry" for entry in shell.json("topic", "list"))


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_values_come_back_in_every_compression(shell: Shell, compression: str) -> None:
    topic = f"values-{compression}"
    shell("produce", topic, "one", "two", "-k", "k", "-H", "h=1", "-z", compression)
    lines = shell("consume", topic, "--from-beginning", "-e", "--json").splitlines()
    found = [json.loads(line) for line in lines]
    assert [(r["offset"], r["key"], r["value"]) for r in found] == [
        (0, "k", "one"),
        (1, "k", "two"),
    ]
    assert found[0]["headers"] == [{"name": "h", "value": "1"}]


def test_standard_input_is_read_line_by_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = [b"a:1\nb:", b"2\r\nc:", b"", b""]
    monkeypatch.setattr("sprawl.cli.produce.os.read", lambda fd, size: chunks.pop(0))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    shell("produce", "lines", "-K", ":", "--null", "-p", "0")
    assert "3 records written to lines" in shell.error
    output = shell("consume", "lines", "-o", "earliest", "-e", "-f", r"%o %k=%s(%S)\n")
    assert output == "0 a=1(1)\n1 b=2(1)\n2 c=(-1)\n"


def test_reading_starts_at_offsets_times_or_the_last_few(shell: Shell) -> None:
    shell("produce", "places", "a", "b", "c")
    assert shell("consume", "places", "-o", "1", "-e") == "b\nc\n"
    assert shell("consume", "places", "-o", "-1", "-e") == "c\n"
    assert shell("consume", "places", "-o", "0", "-n", "2") == "a\nb\n"
    assert shell("consume", "places", "--at", "2020-01-01", "-e") == "a\nb\nc\n"
    assert shell("consume", "places", "--at", "2999-01-01", "-e") == ""
    assert shell("consume", "places", "-e") == ""


def test_an_offset_beyond_the_end_is_refused(shell: Shell) -> None:
    shell("produce", "short", "a")
    shell("consume", "short", "-o", "9", "-n", "1", code=EXIT_FAILED)
    assert "OFFSET_OUT_OF_RANGE" in shell.error


def test_a_group_reads_on_where_it_stopped(shell: Shell) -> None:
    shell("produce", "work", "a", "b", "c")
    first = shell("consume", "work", "-g", "team", "--from-beginning", "-n", "2")
    assert first == "a\nb\n"
    (entry,) = [e for e in shell.json("group", "list") if e["group"] == "team"]
    assert entry["state"] == "Empty"
    (found,) = shell.json("group", "describe", "team")
    assert found["lag"] == 1
    assert shell("consume", "work", "-g", "team", "--from-beginning", "-e") == "c\n"


def test_offsets_are_shown_moved_and_forgotten(shell: Shell) -> None:
    shell("produce", "moves", "a", "b", "c")
    shell("consume", "moves", "-g", "movers", "--from-beginning", "-e")
    move = {"topic": "moves", "partition": 0, "from": 3, "to": 0, "executed": False}
    assert shell.json("group", "reset-offsets", "movers", "--to", "earliest") == [move]
    assert shell.json("group", "reset-offsets", "movers", "--to", "-1", "--execute") == [
        move | {"to": 2, "executed": True}
    ]
    assert shell("consume", "moves", "-g", "movers", "-e") == "c\n"
    (back,) = shell.json("group", "reset-offsets", "movers", "-t", "moves", "--to", "999")
    assert back["to"] == 3
    assert shell("group", "delete-offsets", "movers", "-t", "moves") == (
        "Forgot 1 offset of movers.\n"
    )
    shell("group", "reset-offsets", "movers", "--to", "earliest", code=EXIT_FAILED)
    assert "no offsets" in shell.error


def test_a_group_is_deleted(shell: Shell) -> None:
    shell("produce", "gone", "a")
    shell("consume", "gone", "-g", "leavers", "--from-beginning", "-e")
    shell("group", "delete", "leavers")
    assert all(entry["group"] != "leavers" for entry in shell.json("group", "list"))
    shell("group", "describe", "leavers", code=EXIT_FAILED)
    assert "GROUP_ID_NOT_FOUND" in shell.error


def test_configs_of_topics_and_brokers_are_described_and_altered(shell: Shell) -> None:
    shell("topic", "create", "tuned")
    shell("config", "alter", "topic", "tuned", "--set", "cleanup.policy=compact")
    assert shell.json("config", "describe", "topic", "tuned")[0] | {"documentation": ""} == {
        "name": "cleanup.policy",
        "value": "compact",
        "source": "topic",
        "read_only": False,
        "sensitive": False,
        "documentation": "",
    }
    names = {entry["name"] for entry in shell.json("config", "describe", "broker", "1", "--all")}
    assert {"num.partitions", "log.retention.ms", "advertised.listeners"} <= names


def test_doctor_finds_a_healthy_node_healthy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Node() as node:
        assert node.http is not None
        http = node.http.removeprefix("http://")
        code = run(["doctor", "-b", node.bootstrap, "--http", http, "--json"])
        found = json.loads(capsys.readouterr().out)
    assert code == EXIT_OK, found
    statuses = {entry["check"]: entry["status"] for entry in found}
    assert statuses["kafka port"] == "ok"
    assert statuses["kafka protocol"] == "ok"
    assert statuses["advertised 1"] == "ok"
    assert statuses["health"] == "ok"


def test_doctor_says_what_to_do_when_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor", "-b", "127.0.0.1:1", "--http", "127.0.0.1:1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == EXIT_FAILED
    (port,) = [entry for entry in found if entry["check"] == "kafka port"]
    assert port["status"] == "problem"
    assert port["fix"] == "sprawl serve --port 1"
