"""A node in a process of its own, as a user runs it: for tests that restart and measure it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from sprawl.gateway.sockets import free_ports

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def process_cpu_s(pid: int) -> float:
    """CPU-seconds a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def process_resident_mib(pid: int) -> float:
    """Resident memory of a process, MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE_BYTES / 2**20


class NodeProcess:
    """`sprawl serve` on free ports of the loopback interface.

    Args:
        data: the data directory; None keeps everything in memory.
        settings: flags of `sprawl serve`, as ("--set", "num.partitions=3").
    """

    def __init__(self, data: Path | None, *settings: str, log: Path | None = None) -> None:
        self._storage = ["--storage", "memory"] if data is None else ["--data", str(data)]
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self.facts: dict[str, Any] = {}
        self._port = 0

    def start(self) -> Self:
        """Returns when clients can connect. A restarted node takes the port it had before."""
        if not self._port:
            [self._port] = free_ports("127.0.0.1", 1)
        command = [sys.executable, "-m", "sprawl", "serve", *self._storage]
        command += ["--host", "127.0.0.1", "--port", str(self._port), "--http-port", "0"]
        command += ["--schema-registry-port", "off"]
        errors = None if self._log is None else self._log.open("a")
        self._process = subprocess.Popen(
            [*command, *self._settings], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        if errors is not None:
            errors.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the node did not start, exit code {self._process.wait()}")
        self.facts = json.loads(line)
        return self

    @property
    def bootstrap(self) -> str:
        return str(self.facts["bootstrap"])

    @property
    def http(self) -> str:
        return str(self.facts["http"])

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the node is not running"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._reap()

    def kill(self) -> None:
        """SIGKILL: nothing is saved."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def restart(self) -> Self:
        """A clean stop and a new start on the same port."""
        self.stop()
        return self.start()

    def cpu_s(self) -> float:
        return process_cpu_s(self.pid)

    def resident_mib(self) -> float:
        return process_resident_mib(self.pid)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _reap(self) -> int:
        process, self._process = self.process, None
        try:
            code = process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
        return code
