"""The fault proxy by itself, in front of a server that sends back what it gets."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sprawl.gateway.sockets import free_ports
from tests.harness.datagrams import FLOWS_MAX
from tests.harness.processes import Cluster, NodePlace
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


class Receiver:
    """A node that receives datagrams on the port number of its listener, and answers them."""

    def __init__(self) -> None:
        [self.port] = free_ports("127.0.0.1", 1)
        self.sock = datagram_socket(self.port)

    def receive(self) -> tuple[bytes, tuple[str, int]]:
        data, sender = self.sock.recvfrom(65_535)
        return data, sender

    def hears_nothing(self) -> bool:
        return is_silent(self.sock)


def datagram_socket(port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(5)
    return sock


def is_silent(sock: socket.socket) -> bool:
    sock.settimeout(0.3)
    try:
        sock.recv(10)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(5)
    return False


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.sock.close()


@pytest.fixture
def way(receiver: Receiver) -> Iterator[Link]:
    with Proxy() as proxy:
        yield proxy.link("1-2", ("127.0.0.1", receiver.port))


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
    [port] = free_ports("127.0.0.1", 1)
    with Proxy() as proxy:
        link = proxy.link("client-1", ("127.0.0.1", port))
        # It may end as early as in the call that makes it.
        with pytest.raises(ConnectionResetError), connect(link) as sock:
            assert sock.recv(10) == b"x"


def test_datagrams_go_both_ways_and_each_sender_gets_its_own_answers(
    receiver: Receiver, way: Link
) -> None:
    with datagram_socket() as one, datagram_socket() as other:
        for sock, text in ((one, b"one"), (other, b"other"), (one, b"one again")):
            sock.sendto(text, ("127.0.0.1", way.port))
            data, sender = receiver.receive()
            assert data == text
            receiver.sock.sendto(b"to " + text, sender)
            assert sock.recvfrom(100) == (b"to " + text, ("127.0.0.1", way.port))
    assert (way.datagrams.counts.up, way.datagrams.counts.down) == (3, 3)


def test_a_large_datagram_stays_whole(receiver: Receiver, way: Link) -> None:
    with datagram_socket() as sock:
        sock.sendto(b"x" * 60_000, ("127.0.0.1", way.port))
        assert receiver.receive()[0] == b"x" * 60_000


@pytest.mark.parametrize("ways", [(), ("up",)])
def test_a_cut_loses_datagrams_for_good(receiver: Receiver, way: Link, ways: tuple[()]) -> None:
    with datagram_socket() as sock:
        way.cut(*ways)
        sock.sendto(b"lost", ("127.0.0.1", way.port))
        assert receiver.hears_nothing()
        way.heal()
        sock.sendto(b"after", ("127.0.0.1", way.port))
        assert receiver.receive()[0] == b"after"
    assert way.datagrams.counts.lost == 1


def test_a_cut_of_one_way_loses_the_answers_alone(receiver: Receiver, way: Link) -> None:
    with datagram_socket() as sock:
        way.cut("down")
        sock.sendto(b"question", ("127.0.0.1", way.port))
        data, sender = receiver.receive()
        assert data == b"question"
        receiver.sock.sendto(b"answer", sender)
        assert is_silent(sock)
        way.heal()
        receiver.sock.sendto(b"answer again", sender)
        assert sock.recv(100) == b"answer again"


def test_a_delay_holds_datagrams_each_way(receiver: Receiver, way: Link) -> None:
    with datagram_socket() as sock:
        way.delay(0.1)
        started = time.monotonic()
        sock.sendto(b"late", ("127.0.0.1", way.port))
        _, sender = receiver.receive()
        receiver.sock.sendto(b"later", sender)
        assert sock.recv(100) == b"later"
        assert time.monotonic() - started >= 0.2


def test_a_datagram_that_is_held_when_the_link_is_cut_is_lost(
    receiver: Receiver, way: Link
) -> None:
    with datagram_socket() as sock:
        way.delay(0.2)
        sock.sendto(b"held", ("127.0.0.1", way.port))
        time.sleep(0.05)
        way.cut()
        time.sleep(0.3)
        way.heal()
        sock.sendto(b"after", ("127.0.0.1", way.port))
        assert receiver.receive()[0] == b"after"


def test_datagrams_find_a_node_that_was_away(receiver: Receiver, way: Link) -> None:
    with datagram_socket() as sock:
        receiver.sock.close()
        for _ in range(3):
            sock.sendto(b"to nobody", ("127.0.0.1", way.port))
        time.sleep(0.1)
        receiver.sock = datagram_socket(receiver.port)
        sock.sendto(b"back", ("127.0.0.1", way.port))
        assert receiver.receive()[0] == b"back"


def test_the_least_recent_sender_makes_way(receiver: Receiver, way: Link) -> None:
    senders = [datagram_socket() for _ in range(FLOWS_MAX + 1)]
    for sock in senders:
        sock.sendto(b"here", ("127.0.0.1", way.port))
        receiver.receive()
    senders[0].sendto(b"again", ("127.0.0.1", way.port))
    data, sender = receiver.receive()
    receiver.sock.sendto(b"heard", sender)
    assert (data, senders[0].recv(100)) == (b"again", b"heard")
    for sock in senders:
        sock.close()


def test_a_cluster_cut_in_two_reaches_itself_on_each_side_only(tmp_path: Path) -> None:
    def command(_: NodePlace) -> list[str]:
        raise AssertionError("no node starts here")

    with Proxy() as proxy, Cluster(tmp_path, 4, command, proxy, first=0) as cluster:
        heard = {node.place.number: datagram_socket(node.place.peer_port) for node in cluster.nodes}

        def reached() -> set[str]:
            """The ways between nodes that a datagram gets through on."""
            found = set()
            for start in cluster.nodes:
                for end in start.place.peers:
                    name = f"{start.place.number}-{end}"
                    with datagram_socket() as sock:
                        sock.sendto(name.encode(), ("127.0.0.1", proxy.links[name].port))
            for sock in heard.values():
                sock.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    while True:
                        found.add(sock.recv(100).decode())
            return found

        everything = {f"{a}-{b}" for a in range(1, 5) for b in range(1, 5) if a != b}
        assert reached() == everything
        cluster.cut_in_two(cluster.nodes[2:])
        assert reached() == {"1-2", "2-1", "3-4", "4-3"}
        proxy.heal()
        assert reached() == everything
        for sock in heard.values():
            sock.close()


def test_a_history_is_the_same_after_a_file(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.add(1, "invoke", "send", ("t", 0, None, "a"))
    recorder.do(2, "assign", (("t", 0), ("t", 1)))
    recorder.add(2, "info", "crash", None)
    path = tmp_path / "history.jsonl"
    save_history(path, recorder.history)
    assert load_history(path) == recorder.history.events
