"""The numbers that shape membership, and the laws by which they grow with the cluster. Pure.

Source: memberlist's DefaultLANConfig, unless a line says otherwise; SWIM (Das, Gupta, Motivala
2002); Lifeguard (Dadgar, Phillips, Currey 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sprawl.core.limits import GOSSIP_PACKET_BYTES_MIN

SCALE_FROM_MEMBERS = 32
"""memberlist's pushPullScaleThreshold."""
NACK_SHARE = 0.8
"""A helper says that it got no answer after this share of a probe's timeout, so that its word is
there before the probe ends (Lifeguard, section IV.A)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipSettings:
    """Times in milliseconds. They should be alike on all nodes; nothing breaks when they are not.

    Args:
        cluster_id: packets of other clusters are dropped.
        probe_interval_ms, probe_timeout_ms: one member is probed an interval; after the timeout
            others are asked to probe it too.
        indirect_probes: how many others (SWIM's k).
        gossip_interval_ms, gossip_nodes: how often news go to how many members.
        gossip_to_dead_ms: a member that died gets news for so long, to hear of its own death.
        retransmit_mult: news are sent mult * ceil(log10(N + 1)) times by each member.
        digest_retransmit_mult: the same for load digests, of which the next one comes anyway.
        digest_interval_ms: between two digests of one member of a small cluster.
        digests_per_s: of the whole cluster: with more members each sends one less often.
        suspicion_mult, suspicion_max_mult: see `suspicion_ms`.
        push_pull_interval_ms: between two exchanges of everything with some member; longer with
            more than 32 members.
        reconnect_interval_ms: between two attempts to reach some member that died (Serf's
            reconnect_interval), which is how two halves of a cluster find each other again.
        rejoin_ms_min, rejoin_ms_max: between two attempts to join while nobody else is known: a
            cluster that starts all at once finds itself soon, seeds that are gone cost little.
        leave_ms: how long a member that leaves keeps telling it.
        leave_fanout: members told at once, before gossip takes over.
        forget_ms: after which a member that died or left is forgotten (Serf's reconnect_timeout).
        awareness_max: Lifeguard's local health multiplier stays below it.
        has_local_health, has_dynamic_suspicion, has_buddies: Lifeguard's three parts, each of
            which can be turned off to see what it is worth.
        has_stream_probes: a member that does not answer is also asked over the reliable channel.
        stall_ms: a timer that fires so late means that this process stood still; 0 for never.
        packet_bytes_max: of a datagram with everything in it.
    """

    cluster_id: str = ""
    probe_interval_ms: int = 1_000
    probe_timeout_ms: int = 500
    indirect_probes: int = 3
    gossip_interval_ms: int = 200
    gossip_nodes: int = 3
    gossip_to_dead_ms: int = 30_000
    retransmit_mult: int = 4
    digest_retransmit_mult: int = 1
    digest_interval_ms: int = 10_000
    digests_per_s: int = 16
    suspicion_mult: int = 4
    suspicion_max_mult: int = 6
    push_pull_interval_ms: int = 30_000
    reconnect_interval_ms: int = 30_000
    rejoin_ms_min: int = 500
    rejoin_ms_max: int = 10_000
    leave_ms: int = 1_000
    leave_fanout: int = 32
    forget_ms: int = 86_400_000
    awareness_max: int = 8
    has_local_health: bool = True
    has_dynamic_suspicion: bool = True
    has_buddies: bool = True
    has_stream_probes: bool = True
    stall_ms: int = 1_000
    packet_bytes_max: int = 1_400

    def __post_init__(self) -> None:
        if not 0 < self.probe_timeout_ms < self.probe_interval_ms:
            raise ValueError("probe_timeout_ms has to be below probe_interval_ms, both above 0")
        if self.packet_bytes_max < GOSSIP_PACKET_BYTES_MIN:
            raise ValueError(f"packet_bytes_max is below {GOSSIP_PACKET_BYTES_MIN}")
        smallest = min(
            self.gossip_interval_ms,
            self.gossip_nodes,
            self.retransmit_mult,
            self.digest_retransmit_mult,
            self.digest_interval_ms,
            self.digests_per_s,
            self.suspicion_mult,
            self.suspicion_max_mult,
            self.push_pull_interval_ms,
            self.reconnect_interval_ms,
            self.rejoin_ms_min,
            self.leave_ms,
            self.leave_fanout,
            self.awareness_max,
        )
        if smallest < 1 or self.indirect_probes < 0 or self.stall_ms < 0:
            raise ValueError(f"a number is too small: {self}")
        if self.rejoin_ms_max < self.rejoin_ms_min:
            raise ValueError("rejoin_ms_max is below rejoin_ms_min")
        if self.forget_ms <= self.gossip_to_dead_ms:
            raise ValueError("forget_ms has to be above gossip_to_dead_ms")

    def transmissions(self, members: int) -> int:
        """How often a piece of news is sent by each member (SWIM, section 4.1: lambda log n)."""
        return self.retransmit_mult * _log10_ceil(members)

    def digest_transmissions(self, members: int) -> int:
        """How often a load digest is sent on by each member."""
        return self.digest_retransmit_mult * _log10_ceil(members)

    def digest_every_ms(self, members: int) -> int:
        """Time between two digests of one member."""
        return max(self.digest_interval_ms, 1_000 * members // self.digests_per_s)

    def suspicion_ms(self, members: int) -> int:
        """The shortest time from suspicion to death: mult * log10(N + 1) probe intervals."""
        scale = max(1.0, math.log10(members + 1))
        return int(self.suspicion_mult * scale * self.probe_interval_ms)

    def confirmations(self, members: int) -> int:
        """How many others have to suspect a member for the shortest time to apply (memberlist:
        two less than the multiplier, none in clusters too small for it)."""
        wanted = self.suspicion_mult - 2
        return max(0, wanted) if members - 2 >= wanted else 0

    def push_pull_ms(self, members: int) -> int:
        """Time between two exchanges of everything that one member begins."""
        if members <= SCALE_FROM_MEMBERS:
            return self.push_pull_interval_ms
        doublings = math.ceil(math.log2(members) - math.log2(SCALE_FROM_MEMBERS))
        return self.push_pull_interval_ms * (doublings + 1)


def _log10_ceil(members: int) -> int:
    return max(1, math.ceil(math.log10(members + 1)))
