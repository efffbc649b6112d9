"""Who holds a TCP port, without third-party packages: /proc on Linux, lsof where there is none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"
"""State column of /proc/net/tcp for a listening socket."""
_LSOF_TIMEOUT_S = 2


def holder_of(port: int, proc: Path = PROC) -> str | None:
    """Names the process that listens on a port.

    Args:
        proc: where the process file system is mounted.

    Returns: `name (pid N)`, or None when it cannot be found: the process of another user, another
        container, or a system without /proc and lsof.
    """
    if (proc / "net" / "tcp").exists():
        return _holder_in_proc(port, proc)
    return _holder_by_lsof(port)


def listening_inodes(lines: Iterable[str], port: int) -> set[str]:
    """Reads the lines of /proc/net/tcp or tcp6.

    Returns: the inodes of sockets that listen on `port`.
    """
    inodes = set()
    for line in lines:
        columns = line.split()
        if len(columns) < 10 or columns[3] != _LISTEN:
            continue
        if int(columns[1].rpartition(":")[2], 16) == port:
            inodes.add(columns[9])
    return inodes


def _holder_in_proc(port: int, proc: Path) -> str | None:
    inodes: set[str] = set()
    for table in ("tcp", "tcp6"):
        path = proc / "net" / table
        if path.exists():
            inodes |= listening_inodes(path.read_text().splitlines()[1:], port)
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.iterdir():
        if process.name.isdigit() and _holds(process, links):
            name = (process / "comm").read_text().strip()
            return f"{name} (pid {process.name})"
    return None


def _holds(process: Path, links: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in links for entry in (process / "fd").iterdir())
    except OSError:
        return False


def _holder_by_lsof(port: int) -> str | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    try:
        found = subprocess.run(  # noqa: S603 the program found on PATH, a number as its argument
            [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"],
            capture_output=True,
            text=True,
            timeout=_LSOF_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    fields = {line[0]: line[1:] for line in found.stdout.splitlines() if line}
    return f"{fields['c']} (pid {fields['p']})" if "c" in fields and "p" in fields else None
