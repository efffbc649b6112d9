"""Listeners: where the node accepts clients, and which address it tells them to come back to.

A Kafka client asks any node for metadata and then connects to the addresses found in it. When the
advertised address means something else where the client runs ("localhost" inside a container), the
first connection works and the second never does. `judge` finds those cases from what one accepted
connection shows, `diagnose` from the settings alone. Both are pure.

Source: Kafka's `listeners`, `advertised.listeners` and `listener.security.protocol.map`; KIP-103.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sprawl.core.broker import Endpoint

PLAINTEXT: Final = "PLAINTEXT"

_LISTENER = re.compile(r"^([A-Za-z][A-Za-z0-9_]*)://(\[[0-9a-fA-F:.%]+\]|[^:/\[\]]*):(\d+)$")
_UNSERVED_PROTOCOLS = frozenset({"SSL", "SASL_SSL", "SASL_PLAINTEXT"})
WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 recognised, not bound
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
_SLIRP_HOST = ipaddress.ip_address("10.0.2.2")
"""The host as a rootless container sees it (slirp4netns)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ListenerFault(ValueError):
    """A `listeners` or `advertised.listeners` text that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One place to accept clients. Port 0 takes a free port; an advertised port of 0 means the
    bound one. An empty bind host means all addresses."""

    name: str
    host: str
    port: int
    advertised_host: str
    advertised_port: int
    security_protocol: str = PLAINTEXT


class Advice(NamedTuple):
    """Something about addresses that a user should know.

    `is_certain` tells a mistake from something that may be meant.
    """

    is_certain: bool
    cause: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.cause}; {self.next_step}"


def parse_listeners(
    listeners: str, advertised: str | None, hostname: str, protocol_map: str | None = None
) -> list[Listener]:
    """Read Kafka's lists.

    Args:
        hostname: this machine's name, advertised by a listener on all addresses that has no
            advertised address of its own.
        protocol_map: `listener.security.protocol.map`, NAME:PROTOCOL; a name that is missing in it
            and is no protocol itself is PLAINTEXT.

    Raises:
        ListenerFault: what is wrong and how to write it.
    """
    places = _parse(listeners, "listeners")
    if not places:
        raise ListenerFault("listeners is empty: give at least one, as PLAINTEXT://localhost:9092")
    protocols = _parse_protocols(protocol_map or "")
    told = _parse(advertised, "advertised.listeners") if advertised else {}
    for name, endpoint in told.items():
        if name not in places:
            raise ListenerFault(f"advertised.listeners names {name}, which listeners does not")
        if endpoint.host in WILDCARDS:
            raise ListenerFault(
                f"advertised.listeners cannot use the nonroutable address {endpoint.host!r}"
                f" for {name}: clients need an address they can connect to"
            )
    result = []
    for name, place in places.items():
        default = Endpoint(hostname if place.host in WILDCARDS else place.host, 0)
        tell = told.get(name, default)
        protocol = protocols.get(name, name if name in _UNSERVED_PROTOCOLS else PLAINTEXT)
        if protocol != PLAINTEXT:
            raise ListenerFault(f"listeners: {name} is {protocol}, and only PLAINTEXT is served")
        result.append(
            Listener(
                name=name,
                host=place.host,
                port=place.port,
                advertised_host=tell.host,
                advertised_port=tell.port,
                security_protocol=protocol,
            )
        )
    return result


def _items(text: str) -> Iterable[str]:
    return filter(None, (item.strip() for item in text.split(",")))


def _parse(text: str, setting: str) -> dict[str, Endpoint]:
    found: dict[str, Endpoint] = {}
    for part in _items(text):
        match = _LISTENER.match(part)
        if match is None or int(match[3]) > 65535:
            raise ListenerFault(f"{setting}: cannot read {part!r}; write NAME://host:port")
        name = match[1].upper()
        if name in found:
            raise ListenerFault(f"{setting}: the name {name} stands there twice")
        found[name] = Endpoint(match[2].strip("[]"), int(match[3]))
    return found


def _parse_protocols(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in _items(text):
        name, _, protocol = part.partition(":")
        if not protocol:
            raise ListenerFault(
                f"listener.security.protocol.map: cannot read {part!r}; write NAME:PROTOCOL"
            )
        found[name.strip().upper()] = protocol.strip().upper()
    return found


def endpoints_of(
    listeners: Iterable[Listener], bound_ports: Mapping[str, int]
) -> dict[str, Endpoint]:
    """What Metadata tells clients, by listener name, once ports are bound."""
    return {
        item.name: Endpoint(item.advertised_host, item.advertised_port or bound_ports[item.name])
        for item in listeners
    }


# --- addresses that will not work ----------------------------------------------------------------


def judge(peer_host: str, local: Endpoint, advertised: Endpoint) -> Advice | None:
    """Can a client that is connected now come back to the advertised address?

    Args:
        peer_host: where the connection comes from, as this node sees it.
        local: the address of this node that the client reached.
        advertised: what its listener tells it to connect to.

    Returns:
        None when nothing speaks against it. A certain advice when the client is on another machine
        (or in another container) and is sent to its own; an uncertain one when address translation
        hides where it is, or it would need a route that is unusual.
    """
    peer = _address(peer_host)
    if peer is None or _is_loopback(peer_host) or peer_host == local.host:
        return None
    told = f"{advertised.host}:{advertised.port}"
    if not _is_loopback(advertised.host):
        return _judge_route(peer, told, _address(advertised.host))
    if _is_container_host(peer, _address(local.host)):
        return Advice(
            False,
            f"a client at {peer_host}, which looks like the host of this container, is told to"
            f" connect to {told}",
            f"that works on the host itself if port {advertised.port} is published as"
            f" {advertised.port}; clients elsewhere need advertised.listeners with this machine's"
            " name",
        )
    return Advice(
        True,
        f"a client at {peer_host} is told to connect to {told}, which on its side is its own"
        " machine or container",
        f"set advertised.listeners to an address that reaches this node from there: the client came"
        f" to {_join(local)}; for clients on this machine too, open a second listener with its own"
        " advertised address",
    )


def _judge_route(peer: _Address, told: str, advertised: _Address | None) -> Advice | None:
    if advertised is None or not advertised.is_private or not peer.is_global:
        return None
    return Advice(
        False,
        f"a client at {peer}, a public address, is told to connect to {told}, a private one",
        "unless there is a route between them, set advertised.listeners to an address that the"
        " client's network knows",
    )


def diagnose(listeners: Iterable[Listener]) -> list[Advice]:
    """What the settings alone say about who can connect."""
    return [advice for item in listeners if (advice := _diagnose_one(item)) is not None]


def _diagnose_one(item: Listener) -> Advice | None:
    told = item.advertised_host
    if not _is_loopback(told):
        if not _is_loopback(item.host):
            return None
        return Advice(
            False,
            f"listener {item.name} accepts only clients on this machine, but advertises {told}",
            f"unless something forwards {told} to it, bind it to 0.0.0.0",
        )
    if item.host in WILDCARDS:
        return Advice(
            False,
            f"listener {item.name} accepts clients from everywhere, but sends them to {told}, so"
            " that only those on this machine can work",
            "set advertised.listeners to this machine's name or address",
        )
    if _is_loopback(item.host):
        return None
    place = _join(Endpoint(item.host, item.port))
    return Advice(
        True,
        f"listener {item.name} is bound to {item.host}, but sends clients to {told}, where nothing"
        " listens",
        f"set advertised.listeners to {item.name}://{place}",
    )


def network_of(host: str) -> str:
    """The /24 or /64 a host is in, so that one warning serves a whole network."""
    address = _address(host)
    if address is None:
        return host
    prefix = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, prefix), strict=False))


def _join(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def _address(host: str) -> _Address | None:
    """The IP address that `host` spells; None for a name."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return None
    mapped: ipaddress.IPv4Address | None = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() in _LOCAL_NAMES if address is None else address.is_loopback


def _is_container_host(peer: _Address, local: _Address | None) -> bool:
    """Does the peer have the address that a container's host has in the container's network?

    Container networks give the host their first address. A published port makes every client look
    like that when the engine forwards connections itself (Docker Desktop, rootless engines).
    """
    if local is None or not (peer.is_private and local.is_private):
        return False
    return peer == _SLIRP_HOST or peer.packed[-1] == 1
