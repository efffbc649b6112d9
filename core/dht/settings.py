"""The numbers that shape a node of the DHT, and who it is."""

from __future__ import annotations

from dataclasses import dataclass

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import NodeId
from sprawl.core.dht.records import Signer, Trust
from sprawl.core.ids import BrokerId
from sprawl.core.limits import DHT_MESSAGE_CONTACTS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtSettings:
    """One object may be shared by all nodes of a process.

    Args:
        k: contacts of a bucket and of an answer. 20, as the paper: "any given k nodes are very
            unlikely to fail within an hour of each other".
        alpha: requests of a lookup under way at once. 3, as the paper.
        disjoint_paths: paths of a lookup that share no node (S/Kademlia, section 4.4); 1 is
            Kademlia. They share alpha, and have at least one request each.
        holders: the nodes nearest to a key that its record is stored on, and that a lookup has to
            have asked. 8: with 30 % of the nodes dead all at once, one key in 15,000 is lost.
        records_enough: answers with a record after which a lookup ends early, None for never. A
            stale route costs a hop, so a gateway may take 3, of the nearest in the network.
        slow_request_ms: a lookup asks somebody else in the place of a node that did not answer for
            so long: what a dead node costs. 100 is above what a round trip within a region takes;
            across regions lookups ask a few more nodes.
        request_timeout_ms: when an answer comes too late, 1,000. It lasts longer than a pause to
            collect garbage.
        ttl_ms: how long a record lives after its leader published it. 30 minutes: three
            publications in a row may get lost.
        republish_ms: how often a leader says again that it leads, a quarter earlier or later. 10
            minutes; nodes that joined meanwhile and are nearer to the key get it then.
        retry_ms: when a leader says so again if a node that should hold the record did not answer,
            up to as much later by chance. Two seconds: most such nodes are about to be known dead.
        refresh_ms: a bucket that no lookup went through for so long is looked through. One hour,
            as the paper.
        clock_skew_ms_max: how far wall clocks of nodes may differ: 5 minutes, as Kerberos.
        maintenance_ms: between two looks for what has expired. One minute.
        repairs: whether a lookup gives the record to those of the holders that lacked it.
    """

    k: int = 20
    alpha: int = 3
    disjoint_paths: int = 1
    holders: int = 8
    records_enough: int | None = None
    slow_request_ms: int = 100
    request_timeout_ms: int = 1_000
    ttl_ms: int = 1_800_000
    republish_ms: int = 600_000
    retry_ms: int = 2_000
    refresh_ms: int = 3_600_000
    clock_skew_ms_max: int = 300_000
    maintenance_ms: int = 60_000
    repairs: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.holders <= self.k <= DHT_MESSAGE_CONTACTS_MAX:
            raise ValueError(f"1 <= holders <= k <= {DHT_MESSAGE_CONTACTS_MAX} does not hold")
        if self.alpha < 1 or self.disjoint_paths < 1:
            raise ValueError("alpha and disjoint_paths have to be at least 1")
        if self.records_enough is not None and self.records_enough < 1:
            raise ValueError("records_enough has to be at least 1")
        if not 0 < self.republish_ms < self.ttl_ms:
            raise ValueError("republish_ms has to be below ttl_ms, both above 0")
        if not 0 < self.slow_request_ms <= self.request_timeout_ms:
            raise ValueError("slow_request_ms has to be in (0, request_timeout_ms]")
        if min(self.retry_ms, self.refresh_ms, self.maintenance_ms) < 1:
            raise ValueError("times have to be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """This node.

    Args:
        contact: what others are told of it; its id is the hash of the credential.
        cluster_id: part of every key and of what is signed.
        credential: see `public_key_credential`, `directory_credential`.
        signer: signs what this node publishes.
        trust: judges what others published.
    """

    contact: Contact
    cluster_id: str
    credential: bytes
    signer: Signer
    trust: Trust


class Unsigned:
    """Signer and trust of a cluster without TLS: nothing is signed. Whoever can reach the port can
    claim anything there, of the DHT as of all else."""

    def sign(self, data: bytes) -> bytes:
        del data
        return b""

    def verifies(self, credential: bytes, data: bytes, signature: bytes) -> bool:
        del credential, data
        return not signature

    def is_member(self, node: NodeId) -> bool:
        del node
        return True

    def is_at(self, node: NodeId, broker: BrokerId) -> bool:
        del node, broker
        return True
