"""Who holds a port."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from sprawl.ports import holder_of, listening_inodes

TABLE = [
    "   0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0",
    "   1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4712 1 0",
    "   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4713 1 0",
    "garbage",
]


def test_only_listening_sockets_of_the_port_count() -> None:
    assert listening_inodes(TABLE, 9092) == {"4711"}
    assert listening_inodes(TABLE, 1) == set()


def test_a_process_is_found_by_its_open_socket(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("header\n" + "\n".join(TABLE) + "\n")
    fds = tmp_path / "321" / "fd"
    fds.mkdir(parents=True)
    (tmp_path / "321" / "comm").write_text("java\n")
    (fds / "5").symlink_to("socket:[4711]")
    (tmp_path / "99").mkdir()
    assert holder_of(9092, tmp_path) == "java (pid 321)"
    assert holder_of(22, tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_process_is_named_for_a_socket_it_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        holder = holder_of(server.getsockname()[1])
    assert holder is not None
    assert holder.endswith(f"(pid {os.getpid()})")
