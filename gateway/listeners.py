"""Listeners: where the node accepts clients, and which address it tells them to come back to.

A Kafka client asks any node for metadata and then connects to the addresses found in it. When the
advertised address means something else where the client runs ("localhost" inside a container), the
first connection works and the second never does. `unreachable_reason` finds those cases from what
one accepted connection shows.

Source: Kafka's `listeners` and `advertised.listeners`; KIP-103.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sprawl.core.broker import Endpoint

_LISTENER = re.compile(r"^([A-Za-z][A-Za-z0-9_]*)://(\[[0-9a-fA-F:.%]+\]|[^:/\[\]]*):(\d+)$")
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 recognised, not bound
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


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


def parse_listeners(listeners: str, advertised: str | None, hostname: str) -> list[Listener]:
    """Read Kafka's two lists.

    Args:
        hostname: this machine's name, advertised by a listener on all addresses that has no
            advertised address of its own.

    Raises:
        ListenerFault: what is wrong and how to write it.
    """
    places = _parse(listeners, "listeners")
    if not places:
        raise ListenerFault("listeners is empty: give at least one, as PLAINTEXT://localhost:9092")
    told = _parse(advertised, "advertised.listeners") if advertised else {}
    for name, endpoint in told.items():
        if name not in places:
            raise ListenerFault(f"advertised.listeners names {name}, which listeners does not")
        if endpoint.host in _WILDCARDS:
            raise ListenerFault(
                f"advertised.listeners cannot use the nonroutable address {endpoint.host!r}"
                f" for {name}: clients need an address they can connect to"
            )
    result = []
    for name, bind in places.items():
        default = Endpoint(hostname if bind.host in _WILDCARDS else bind.host, 0)
        tell = told.get(name, default)
        result.append(
            Listener(
                name=name,
                host=bind.host,
                port=bind.port,
                advertised_host=tell.host,
                advertised_port=tell.port,
            )
        )
    return result


def _parse(text: str, setting: str) -> dict[str, Endpoint]:
    found: dict[str, Endpoint] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        match = _LISTENER.match(part)
        if match is None or int(match[3]) > 65535:
            raise ListenerFault(f"{setting}: cannot read {part!r}; write NAME://host:port")
        name = match[1].upper()
        if name in found:
            raise ListenerFault(f"{setting}: the name {name} stands there twice")
        if name in ("SSL", "SASL_SSL", "SASL_PLAINTEXT"):
            raise ListenerFault(f"{setting}: {name} is not served yet; use PLAINTEXT://host:port")
        found[name] = Endpoint(match[2].strip("[]"), int(match[3]))
    return found


def unreachable_reason(peer_host: str, advertised: Endpoint) -> str | None:
    """Why a client seen at `peer_host` cannot use the advertised address; None when nothing
    speaks against it.

    Only what is certain is reported: the client came from another host (or a container), and the
    advertised address is one that every host takes for itself.
    """
    if _is_loopback(peer_host) or not _is_loopback(advertised.host):
        return None
    return (
        f"a client at {peer_host} is told to connect to {advertised.host}:{advertised.port},"
        " which on its side is its own machine or container; set advertised.listeners to an"
        " address that reaches this node from there (containers: host.docker.internal or the"
        " service's name)"
    )


def network_of(host: str) -> str:
    """The /24 or /64 a host is in, so that one warning serves a whole network."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return host
    prefix = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, prefix), strict=False))


def endpoints_of(listeners: list[Listener], bound_ports: Mapping[str, int]) -> dict[str, Endpoint]:
    """What Metadata tells clients, by listener name, once ports are bound."""
    return {
        item.name: Endpoint(item.advertised_host, item.advertised_port or bound_ports[item.name])
        for item in listeners
    }


def _is_loopback(host: str) -> bool:
    if host.lower() in _LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
