"""A node's part in membership: core/gossip on the peer port, and what the node makes of its events.

    address book ──seeds, places──> GossipShell ──events──> one log line each, counters
    peer transport ──exchanges────>      │                  DEAD, LEFT: groups that it led wake
    UDP of the peer port's number ──────>│
    key-value store <──epoch─────────────┘

Rules:

1. Members are the data directories of nodes. Where a node is says the controller (the address
   book), never the member itself: a packet goes nowhere for a node that is not known.
2. Everything here is a hint. A connection that works, or that broke, is the better witness of
   whether this node can reach another one; so an end wakes groups only when there is none.
3. The epoch is kept with the data before the first packet goes out.
4. A stop in good order, and a removal, are told (`leave`); a crash is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.cluster.places import Places, is_literal
from sprawl.core.gossip.model import (
    Event,
    EventKind,
    GossipCounters,
    Member,
    MemberId,
    MemberState,
    next_epoch,
)
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.gossip.shell import GossipShell
from sprawl.core.ids import BrokerId
from sprawl.core.log_limit import LogLimit

if TYPE_CHECKING:
    import socket

    from sprawl.core.clock import Clock
    from sprawl.core.cluster.address_book import AddressBook
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.gossip.digest import LoadDigest
    from sprawl.core.gossip.keyring import Keyring
    from sprawl.core.storage.port import KeyValueStore

_log = logging.getLogger(__name__)

LEAVE_MS: Final = 300
"""How long a stop keeps telling that it leaves, beside all else it does: at once to 32 members,
then in one more round of gossip for the packets that get lost. Whom both miss is told by the first
member that it asks to help with a probe."""
_EPOCH: Final = b"cluster/gossip_epoch"
_UNTOLD: Final = "0.0.0.0"  # noqa: S104 told where there is no IP address to tell: rule 1


class SeenMember(NamedTuple):
    """A member as this node sees it.

    Args:
        address: of its peer port, as the controller knows it; as it says, when that is not known.
        age_ms: how long it has been in this state.
    """

    member: Member
    address: PeerAddress
    age_ms: int
    load: LoadDigest | None


class ClusterMembership:
    """See the module.

    Args:
        me: this node and its data directory.
        told: where other nodes reach the peer port.
        book: the nodes that the controller knows.
        kv: where the epoch is kept.
        rng: seeds the generator that gossip draws from.
        keyring: None for plain packets.
        on_gone: is told of nodes that died or left.
    """

    def __init__(
        self,
        *,
        me: MemberId,
        cluster_id: str,
        told: PeerAddress,
        transport: Transport,
        book: AddressBook,
        kv: KeyValueStore,
        clock: Clock,
        rng: Random,
        keyring: Keyring | None,
        on_gone: Callable[[BrokerId], None],
    ) -> None:
        self.events: dict[EventKind, int] = dict.fromkeys(EventKind, 0)
        """How many of each there were."""
        self._me = me
        self._transport = transport
        self._book = book
        self._kv = kv
        self._clock = clock
        self._on_gone = on_gone
        self._limit = LogLimit()
        self._seeds: dict[PeerAddress, BrokerId] = {}
        self._is_leaving = False
        self._places: Places | None = None
        self._shell = GossipShell(
            settings=GossipSettings(cluster_id=cluster_id, leave_ms=LEAVE_MS),
            me=me,
            told=told if is_literal(told.host) else PeerAddress(_UNTOLD, told.port),
            epoch=self._begin_life(),
            rng=Random(rng.getrandbits(64)),  # noqa: S311 of timing and order, not of secrets
            calls=transport,
            place_of=self._place_of,
            peer_of=self._peer_of,
            on_event=self._hear,
            on_epoch=self._keep_epoch,
            keyring=keyring,
        )

    # --- life -----------------------------------------------------------------------------------

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Take part.

        Args:
            sockets: bound for datagrams, to the number of the peer port; closed by `close`.
        """
        hosts = [str(each.getsockname()[0]) for each in sockets]
        self._places = Places(
            self._transport.address_of,
            has_ipv4=any(":" not in each for each in hosts),
            has_ipv6=any(":" in each for each in hosts),
        )
        self._seeds = self._known_seeds()
        await self._shell.start(sockets, self._seeds)

    def nodes_changed(self) -> None:
        """The controller knows other nodes now, or other addresses."""
        seeds = self._known_seeds()
        if seeds != self._seeds and not self._is_leaving:
            self._seeds = seeds
            self._shell.seek(seeds)

    def leave(self) -> None:
        """Begin to tell everybody that this node goes."""
        if not self._is_leaving:
            self._is_leaving = True
            self._shell.leave()

    def halt(self) -> None:
        """Say and begin nothing more."""
        self._shell.halt()

    async def close(self) -> None:
        """Stop; returns once a leave that has begun is told, after twice LEAVE_MS at most."""
        if self._is_leaving:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * LEAVE_MS / 1_000):
                    await self._shell.departed()
        await self._shell.close()
        if self._places is not None:
            await self._places.close()

    def update_load(self, digest: LoadDigest) -> None:
        """Our load now, told with the next packets."""
        if not self._is_leaving:
            self._shell.update_digest(digest)

    # --- looking --------------------------------------------------------------------------------

    @property
    def counters(self) -> GossipCounters:
        """What gossip has done and refused."""
        return self._shell.membership.counters

    @property
    def datagrams_unplaced(self) -> int:
        """Datagrams that were not sent, since nobody knows where their member is."""
        return self._shell.datagrams_unplaced

    @property
    def local_health(self) -> int:
        """Lifeguard's multiplier: 0 is well."""
        return self._shell.membership.local_health

    def states(self) -> dict[MemberState, int]:
        """How many nodes of the cluster are in each state, this one among them; a data directory
        that its node has no more does not count."""
        found = dict.fromkeys(MemberState, 0)
        for member in self._shell.membership.members():
            found[member.state] += self._is_present(member.id)
        return found

    def seen(self) -> list[SeenMember]:
        """Everybody known, in order of their ids, this node and those lately gone among them."""
        membership, now_ms = self._shell.membership, self._shell.now_ms()
        found = []
        for member in sorted(membership.members(), key=lambda each: each.id):
            load = membership.load(member.id)
            found.append(
                SeenMember(
                    member,
                    self._book.address(member.id.node_id) or member.address,
                    max(0, now_ms - member.since_ms),
                    load.digest if load is not None and load.epoch == member.epoch else None,
                )
            )
        return found

    # --- where ----------------------------------------------------------------------------------

    def _known_seeds(self) -> dict[PeerAddress, BrokerId]:
        nodes = (each.node_id for each in self._book.nodes if each.node_id != self._me.node_id)
        places = ((self._transport.address_of(node), node) for node in nodes)
        return {address: node for address, node in places if address is not None}

    def _place_of(self, member: MemberId, told: PeerAddress) -> tuple[str, int] | None:
        return None if self._places is None else self._places.of(member.node_id)

    def _peer_of(self, member: MemberId | None, told: PeerAddress) -> BrokerId | PeerAddress:
        return self._seeds.get(told, told) if member is None else member.node_id

    def _is_present(self, member: MemberId) -> bool:
        """Is it the data directory that the controller knows its node by?"""
        return self._book.directory(member.node_id) == member.directory_id

    # --- the epoch ------------------------------------------------------------------------------

    def _begin_life(self) -> int:
        kept = self._kv.get(_EPOCH)
        stored = int(kept) if kept is not None and kept.isdigit() else None
        epoch = next_epoch(stored, self._clock.now_ms())
        self._keep_epoch(epoch)
        return epoch

    def _keep_epoch(self, epoch: int) -> None:
        try:
            self._kv.put(_EPOCH, b"%d" % epoch, sync=True)
        except OSError as failure:
            _log.warning(
                "membership: epoch %d is not kept: %s; next: see to the disk. The next start takes"
                " a larger one by its wall clock",
                epoch,
                failure,
            )

    # --- what happens to others -----------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        self.events[event.kind] += 1
        node = event.id.node_id
        if node == self._me.node_id:
            return  # a former data directory of ours
        self._say(event)
        if event.kind in (EventKind.SUSPECT, EventKind.REJOINED) and self._places is not None:
            self._places.look_again(node)
        is_over = event.kind in (EventKind.DEAD, EventKind.LEFT)
        if is_over and self._is_present(event.id) and not self._transport.is_connected(node):
            self._on_gone(node)

    def _say(self, event: Event) -> None:
        found = _LINES.get(event.kind)
        if found is None or self._is_leaving:
            return
        level, text = found
        suppressed = self._limit.admit((event.kind, event.id), self._clock.monotonic_ms())
        if suppressed is not None:
            node = event.id.node_id
            address = self._book.address(node) or "an address that the controller does not know"
            more = f" ({suppressed} times more meanwhile)" if suppressed else ""
            _log.log(
                level, "membership: node %d at %s %s%s", node, address, text.format(node=node), more
            )


_LINES: Final = {
    EventKind.SUSPECT: (
        logging.INFO,
        "is suspected: it answered neither a probe nor those that others sent; next: nothing, most"
        " suspects answer late. If it does not, it is dead within seconds",
    ),
    EventKind.DEAD: (
        logging.WARNING,
        "is dead: no member got an answer from it, and it did not deny that in time; next: look at"
        " its log and start it again. If it is lost for good: sprawl cluster drain {node}",
    ),
    EventKind.LEFT: (
        logging.INFO,
        "left: it was stopped or removed in good order; next: nothing, or start it again",
    ),
    EventKind.REJOINED: (
        logging.INFO,
        "is back, in a new life: it was started again, or was wrongly given up; next: nothing, its"
        " replicas catch up (sprawl cluster status)",
    ),
}
