"""`sprawl serve` as a process: the ready line, signals, exit codes."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sprawl.faults import EXIT_OK, EXIT_START_FAILED

SERVE = [sys.executable, "-m", "sprawl"]
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("SPRAWL", "KAFKA"))}


@contextmanager
def serving(
    directory: Path, *options: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A node on free ports and the facts of its ready line."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--http-port", "0", *options],
        cwd=directory,
        env=CLEAN | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], number: signal.Signals) -> int:
    process.send_signal(number)
    return process.wait(timeout=20)


def test_the_ready_line_is_json_that_ends_with_the_event(tmp_path: Path) -> None:
    with serving(tmp_path, "--ports-file", "ports.json") as (process, facts):
        assert list(facts)[-1] == "event"
        assert facts["event"] == "ready"
        assert facts["pid"] == process.pid
        assert facts["storage"] == "disk"
        assert facts["data"] == str(tmp_path / "data")
        assert json.loads((tmp_path / "ports.json").read_text()) == facts
        host, _, port = str(facts["bootstrap"]).rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        assert stop(process, signal.SIGTERM) == EXIT_OK


def test_an_interrupt_stops_it_too(tmp_path: Path) -> None:
    with serving(tmp_path, "--storage", "memory") as (process, facts):
        assert facts["data"] is None
        assert stop(process, signal.SIGINT) == EXIT_OK
    assert not (tmp_path / "data").exists()


def test_a_second_start_finds_the_data_of_the_first(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, first):
        stop(process, signal.SIGTERM)
    with serving(tmp_path) as (process, second):
        assert second["cluster_id"] == first["cluster_id"]
        stop(process, signal.SIGTERM)


def test_kafkas_own_variables_work(tmp_path: Path) -> None:
    environment = {
        "KAFKA_NODE_ID": "5",
        "CLUSTER_ID": "MkU3OEVBNTcwNTJENDM2Qg",
        "KAFKA_LOG_DIRS": str(tmp_path / "kafka"),
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "5@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_HEAP_OPTS": "-Xmx1G",
    }
    with serving(tmp_path, environment=environment) as (process, facts):
        assert facts["node_id"] == 5
        assert facts["cluster_id"] == "MkU3OEVBNTcwNTJENDM2Qg"
        assert facts["data"] == str(tmp_path / "kafka")
        stop(process, signal.SIGTERM)


def test_a_busy_port_is_exit_code_4_with_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = subprocess.run(
            [*SERVE, "--host", "127.0.0.1", "--port", str(port), "--http-port", "off"],
            cwd=tmp_path,
            env=CLEAN,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert found.returncode == EXIT_START_FAILED
    assert f"(pid {os.getpid()})" in found.stderr
    assert "--port 0" in found.stderr
    assert found.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_sees_at_most_eight_lines(tmp_path: Path) -> None:
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--http-port", "0"],
        cwd=tmp_path,
        env=CLEAN,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    text = b""
    while b"Ctrl-C stops" not in text:
        text += os.read(main, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == EXIT_OK
    try:
        while chunk := os.read(main, 4096):
            text += chunk
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    os.close(main)
    assert len(text.splitlines()) <= 8
    assert str(tmp_path / "data") in text.decode()
