"""The fault proxy by itself, in front of a server that sends back what it gets."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.proxy import Link, Proxy
from tests.harness.recorder import Recorder, load_history, save_history


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except ConnectionError:
            pass


@pytest.fixture
def link() -> Iterator[Link]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Proxy() as proxy:
            yield proxy.link("client-1", ("127.0.0.1", int(server.server_address[1])))
        server.shutdown()


def connect(link: Link, timeout_s: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout_s)


def echo(sock: socket.socket, data: bytes) -> bytes:
    sock.sendall(data)
    got = b""
    while len(got) < len(data):
        got += sock.recv(65536)
    return got


def test_data_goes_through(link: Link) -> None:
    with connect(link) as sock:
        assert echo(sock, b"x" * 300_000) == b"x" * 300_000
    assert link.counts.bytes_up == link.counts.bytes_down == 300_000


@pytest.mark.parametrize("ways", [(), ("up",), ("down",)])
def test_a_cut_holds_data_and_healing_lets_it_go(link: Link, ways: tuple[()]) -> None:
    with connect(link) as sock:
        assert echo(sock, b"before") == b"before"
        link.cut(*ways)
        sock.sendall(b"held")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        link.heal()
        sock.settimeout(5)
        assert sock.recv(10) == b"held"


def test_a_new_connection_hangs_while_the_link_is_cut(link: Link) -> None:
    link.cut()
    with connect(link) as sock:
        sock.sendall(b"hello")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        link.heal()
        sock.settimeout(5)
        assert sock.recv(10) == b"hello"


def test_a_reset_breaks_connections_and_new_ones_work(link: Link) -> None:
    with connect(link) as sock:
        assert echo(sock, b"before") == b"before"
        link.reset()
        with pytest.raises(ConnectionResetError):
            sock.recv(10)
    with connect(link) as sock:
        assert echo(sock, b"after") == b"after"


def test_delay_and_throttle(link: Link) -> None:
    with connect(link) as sock:
        link.delay(0.1)
        started = time.monotonic()
        assert echo(sock, b"late") == b"late"
        assert time.monotonic() - started >= 0.2
        link.heal()
        link.throttle(100_000)
        assert echo(sock, b"y") == b"y"
        started = time.monotonic()
        assert echo(sock, b"x" * 30_000) == b"x" * 30_000
        assert time.monotonic() - started >= 0.25


def test_a_node_that_is_down_ends_the_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with Proxy() as proxy:
        link = proxy.link("client-1", ("127.0.0.1", port))
        # It may end as early as in the call that makes it.
        with pytest.raises(ConnectionResetError), connect(link) as sock:
            assert sock.recv(10) == b"x"


def test_a_history_is_the_same_after_a_file(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.add(1, "invoke", "send", ("t", 0, None, "a"))
    recorder.do(2, "assign", (("t", 0), ("t", 1)))
    recorder.add(2, "info", "crash", None)
    path = tmp_path / "history.jsonl"
    save_history(path, recorder.history)
    assert load_history(path) == recorder.history.events
