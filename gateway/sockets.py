"""Sockets bound to all addresses of a host name."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from random import SystemRandom
from typing import Final

Bind = Callable[[str, int], list[socket.socket]]
"""What `bind` is, or takes its place: (host, port) to bound sockets."""

_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""An address of a family that this machine has no use of: hosts files name ::1 all the same."""
FREE_PORT_TRIES: Final = 8
"""For a number that is free on several addresses, or on TCP and UDP: the first nearly always is."""
LASTING_PORTS: Final = range(15_000, 32_000)
"""Below those that systems give to connections (32,768 on Linux, 49,152 in RFC 6335), so that
nobody takes the port of a server that is away for a moment."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind every address of `host`, all of them to the same port.

    A port that is taken on one of the addresses is an error even if another could be bound:
    clients that try the addresses in their own order would meet a stranger.

    Args:
        host: a name or an address; empty for every address of this machine.
        port: 0 takes one that is free on all of them.

    Returns: bound sockets, not yet listening; the caller closes them.
    Raises: OSError when an address cannot be bound.
    """
    return _bind(host, port, socket.SOCK_STREAM)


def bind_datagrams(host: str, port: int) -> list[socket.socket]:
    """The same for UDP: sockets for datagrams on every address of `host`."""
    return _bind(host, port, socket.SOCK_DGRAM)


def hold_port(host: str, port: int, held: ExitStack, *, has_datagrams: bool) -> None:
    """Hold a port, of UDP too where nodes talk to each other, until `held` is closed.

    Raises: OSError when somebody has it.
    """
    sockets = bind(host, port)
    for each in sockets:
        held.callback(each.close)
    if has_datagrams:
        for each in bind_datagrams(host, port):
            held.callback(each.close)


def free_ports(host: str, count: int) -> list[int]:
    """Ports for servers that are started later, or more than once: free on TCP and on UDP now, and
    none that the system gives away.

    Raises: OSError when so many are not to be had.
    """
    found: list[int] = []
    with ExitStack() as held:
        for port in SystemRandom().sample(LASTING_PORTS, min(len(LASTING_PORTS), 2 * count + 100)):
            if len(found) == count:
                break
            try:
                hold_port(host, port, held, has_datagrams=True)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                found.append(port)
    if len(found) < count:
        raise OSError(errno.EADDRINUSE, f"fewer than {count} ports of {LASTING_PORTS} are free")
    return found


def _bind(host: str, port: int, kind: socket.SocketKind) -> list[socket.socket]:
    found = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)
    addresses = sorted({(family, str(place[0])) for family, *_, place in found})
    for _ in range(1 if port else FREE_PORT_TRIES):
        try:
            return _bind_all(addresses, port, kind)
        except OSError as error:
            failure = error
            if error.errno != errno.EADDRINUSE:
                break
    raise failure


def _bind_all(
    addresses: Sequence[tuple[int, str]], port: int, kind: socket.SocketKind
) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in addresses:
            try:
                bound.append(_bind_one(family, address, port, kind))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
            else:
                port = bound[-1].getsockname()[1]
        if absent is not None and not bound:
            raise absent
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


def _bind_one(family: int, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    listening = socket.socket(family, kind)
    try:
        # Elsewhere, and for datagrams, it would let a second node take the same port.
        if os.name == "posix" and kind == socket.SOCK_STREAM:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
