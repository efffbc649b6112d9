"""Where nodes stand in the DHT, and by what they prove it.

    with certificates   the public key of the certificate: it is shown at each connection, and it
                        signs what the node publishes
    without             cluster and data directory, as the controller knows them; nothing is
                        signed, as whoever reaches the port can speak as any node anyway

So with certificates a node's place is known once it was connected since this node started, and not
before; until then it is nowhere, and what it signed is not believed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from sprawl.core.dht.ids import NodeId, directory_credential, node_id_of, public_key_credential
from sprawl.core.dht.settings import Unsigned

if TYPE_CHECKING:
    from uuid import UUID

    from sprawl.core.cluster.transport import Transport
    from sprawl.core.controller.nodes import NodeInfo
    from sprawl.core.dht.records import Signer, Trust
    from sprawl.core.ids import BrokerId

_log = logging.getLogger(__name__)


class Members:
    """Who the nodes are: the `Trust` that rests on the registry and on what connections proved.

    Args:
        proof: verifies signatures; see Unsigned and signatures.KeyTrust.
    """

    def __init__(self, proof: Trust) -> None:
        self._proof = proof
        self.ids: dict[BrokerId, NodeId] = {}
        self._nodes: dict[NodeId, BrokerId] = {}

    def learn(self, node: BrokerId, place: NodeId) -> None:
        """A node stands there."""
        self.forget(node)
        self.ids[node] = place
        self._nodes[place] = node

    def forget(self, node: BrokerId) -> None:
        """A node is no member any more."""
        before = self.ids.pop(node, None)
        # Two nodes that were given one key stand at one place: it is the later one's.
        if before is not None and self._nodes.get(before) == node:
            del self._nodes[before]

    def verifies(self, credential: bytes, data: bytes, signature: bytes) -> bool:
        return self._proof.verifies(credential, data, signature)

    def is_member(self, node: NodeId) -> bool:
        return node in self._nodes

    def is_at(self, node: NodeId, broker: BrokerId) -> bool:
        return self._nodes.get(node) == broker


class Places(Protocol):
    """How nodes come to their ids."""

    @property
    def credential(self) -> bytes:
        """Of this node."""
        ...

    @property
    def signer(self) -> Signer:
        """Signs what this node publishes."""
        ...

    @property
    def proof(self) -> Trust:
        """Verifies what others signed."""
        ...

    def find(self, node: NodeInfo) -> NodeId | None:
        """Where a node stands; None when that is not known yet."""
        ...


class DirectoryPlaces:
    """Ids of a cluster without certificates."""

    def __init__(self, cluster_id: str, directory_id: UUID) -> None:
        self._cluster_id = cluster_id
        self.credential = directory_credential(cluster_id, directory_id)
        self.signer = self.proof = Unsigned()

    def find(self, node: NodeInfo) -> NodeId | None:
        return node_id_of(directory_credential(self._cluster_id, node.directory_id))


class CertificatePlaces:
    """Ids of a cluster with certificates. A node that was given another key takes its new place at
    its next start.

    Raises:
        OSError, ValueError: this node's key cannot be read, or is of a kind that cannot sign.
    """

    def __init__(self, transport: Transport) -> None:
        from sprawl.core.dht.signatures import KeySigner, KeyTrust, load_key

        assert transport.tls is not None
        self._transport = transport
        self.signer = KeySigner(load_key(transport.tls.key_file.read_bytes()))
        self.credential = self.signer.credential
        self.proof = KeyTrust(lambda _: True)

    def find(self, node: NodeInfo) -> NodeId | None:
        from sprawl.core.dht.signatures import key_in_certificate

        shown = self._transport.certificate(node.node_id)
        if shown is None:
            return None
        try:
            return node_id_of(public_key_credential(key_in_certificate(shown)))
        except ValueError as fault:
            _log.warning(
                "node %d shows a certificate whose key cannot be read (%s): routes that it"
                " publishes are not believed; next: give it a key of Ed25519, ECDSA or RSA",
                node.node_id,
                fault,
            )
            return None


def places_of(transport: Transport, cluster_id: str, directory_id: UUID) -> Places:
    """How the nodes of this cluster come to their ids.

    Raises:
        OSError, ValueError: see CertificatePlaces.
    """
    if transport.tls is None:
        return DirectoryPlaces(cluster_id, directory_id)
    return CertificatePlaces(transport)
