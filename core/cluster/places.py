"""Where datagrams for other nodes go: the address of the node's peer port, as an IP address.

A host name is looked up once, on another thread, when the first packet wants to go there; until the
answer is here packets are dropped, as a network may drop them. It is looked up again when something
speaks against the answer (`look_again`): a node in a container may come back elsewhere under its
name. The former answer is used meanwhile.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING

from sprawl.core.limits import GOSSIP_LOOKUP_AGAIN_MS, GOSSIP_LOOKUPS_MAX, GOSSIP_MEMBERS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from sprawl.core.cluster.peers import PeerAddress
    from sprawl.core.ids import BrokerId

_log = logging.getLogger(__name__)


class Places:
    """See the module.

    Args:
        address_of: where a node listens, None when that is not known.
        has_ipv6, has_ipv4: the families that can be sent to.
    """

    def __init__(
        self,
        address_of: Callable[[BrokerId], PeerAddress | None],
        *,
        has_ipv4: bool,
        has_ipv6: bool,
    ) -> None:
        self._address_of = address_of
        self._families = {socket.AF_INET} if has_ipv4 else set()
        if has_ipv6:
            self._families.add(socket.AF_INET6)
        self._loop = asyncio.get_running_loop()
        self._found: dict[str, str] = {}
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._again_at: dict[str, float] = {}
        """Of names that were not found."""

    def of(self, node: BrokerId) -> tuple[str, int] | None:
        """IP address and port of a node; None when they are not known, or not yet."""
        address = self._address_of(node)
        if address is None:
            return None
        host = self._found.get(address.host)
        if host is None:
            if not is_literal(address.host):
                self._look_up(address.host)
                return None
            self._keep(address.host, address.host)
            host = address.host
        return host, address.port

    def look_again(self, node: BrokerId) -> None:
        """Perhaps a node is elsewhere now."""
        address = self._address_of(node)
        if address is not None and not is_literal(address.host):
            self._look_up(address.host)

    async def close(self) -> None:
        """No name is looked up any more."""
        lookups = list(self._lookups.values())
        for each in lookups:
            each.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)

    def _keep(self, host: str, place: str) -> None:
        if host not in self._found and len(self._found) >= GOSSIP_MEMBERS_MAX:
            del self._found[next(iter(self._found))]
        self._found[host] = place

    def _look_up(self, host: str) -> None:
        if host in self._lookups or len(self._lookups) >= GOSSIP_LOOKUPS_MAX:
            return
        if self._loop.time() < self._again_at.get(host, 0.0):
            return
        self._lookups[host] = self._loop.create_task(self._ask(host), name=f"where is {host}")

    async def _ask(self, host: str) -> None:
        try:
            found = await self._loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            places = [str(place[0]) for family, *_, place in found if family in self._families]
            if not places:
                raise OSError(f"{host} has no address of a family that this node's port has")
            self._keep(host, places[0])
            self._again_at.pop(host, None)
        except OSError as failure:
            if len(self._again_at) >= GOSSIP_MEMBERS_MAX:
                self._again_at.clear()
            is_new = host not in self._again_at
            self._again_at[host] = self._loop.time() + GOSSIP_LOOKUP_AGAIN_MS / 1_000
            if is_new:
                _log.warning(
                    "membership: the address of %s is not found: %s; next: check that this machine"
                    " can resolve it, or give peer.address.map",
                    host,
                    failure,
                )
        finally:
            del self._lookups[host]


def is_literal(host: str) -> bool:
    """Is it an IP address?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
