"""Listening sockets: one port on every address, and no quiet half measures."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from sprawl.gateway.sockets import LASTING_PORTS, bind, bind_datagrams, free_ports

V4, V6 = socket.AF_INET, socket.AF_INET6


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[list[socket.socket]]:
    sockets = bind(host, port)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, str]) -> None:
    """Let every name have these addresses."""

    def getaddrinfo(host: str | None, port: int, **_: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", (at, port)) for family, at in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_free_port_is_the_same_on_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, (V4, "127.0.0.1"), (V4, "127.0.0.2"))
    with bound("name") as sockets:
        names = {each.getsockname()[0] for each in sockets}
        ports = {each.getsockname()[1] for each in sockets}
    assert names == {"127.0.0.1", "127.0.0.2"}
    assert len(ports) == 1


def test_an_address_that_is_named_twice_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, (V4, "127.0.0.1"), (V4, "127.0.0.1"))
    with bound("name") as sockets:
        assert len(sockets) == 1


def test_a_family_that_the_machine_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2001:db8::/32 is for documentation: no machine has an address of it.
    resolve_to(monkeypatch, (V6, "2001:db8::1"), (V4, "127.0.0.1"))
    with bound("name") as sockets:
        assert [each.family for each in sockets] == [V4]


def test_an_address_that_nobody_has_is_an_error() -> None:
    with pytest.raises(OSError) as failure:
        bind("192.0.2.1", 0)
    assert failure.value.errno == errno.EADDRNOTAVAIL


def test_a_port_that_is_taken_on_one_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as taken:
        port = taken.getsockname()[1]
        resolve_to(monkeypatch, (V4, "127.0.0.1"), (V4, "127.0.0.2"))
        with pytest.raises(OSError) as failure:
            bind("name", port)
        assert failure.value.errno == errno.EADDRINUSE
        resolve_to(monkeypatch, (V4, "127.0.0.1"))
        with bound("name", port):  # the address that was free is free again
            pass


def test_a_free_port_avoids_one_that_is_taken_on_another_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(socket.create_server(("127.0.0.2", 0))) as taken:
        taken_port = taken.getsockname()[1]
        resolve_to(monkeypatch, (V4, "127.0.0.1"), (V4, "127.0.0.2"))
        handed_out = iter([taken_port])

        class Offered(socket.socket):
            """Gets the taken port when it asks for a free one, once."""

            def bind(self, address: Any) -> None:
                host, port = address
                super().bind((host, port or next(handed_out, 0)))

        monkeypatch.setattr(socket, "socket", Offered)
        with bound("name") as sockets:
            assert {each.getsockname()[1] for each in sockets}.isdisjoint({taken_port})
            assert len(sockets) == 2


def test_ports_for_servers_to_come_are_none_that_the_system_gives_away() -> None:
    found = free_ports("127.0.0.1", 20)
    assert len(set(found)) == 20
    assert set(found) <= set(LASTING_PORTS)
    for port in found:
        for each in [*bind("127.0.0.1", port), *bind_datagrams("127.0.0.1", port)]:
            each.close()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_is_taken_on_one_protocol_is_not_handed_out(
    kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    [port, other] = free_ports("127.0.0.1", 2)
    with socket.socket(V4, kind) as taken:
        taken.bind(("127.0.0.1", port))
        monkeypatch.setattr("sprawl.gateway.sockets.LASTING_PORTS", [port, other])
        assert free_ports("127.0.0.1", 1) == [other]
        with pytest.raises(OSError, match="fewer than 2 ports") as failure:
            free_ports("127.0.0.1", 2)
        assert failure.value.errno == errno.EADDRINUSE
