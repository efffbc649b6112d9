"""Mutual TLS between nodes: both sides show a certificate, and it proves which node they are.

A node's certificate carries its id as a subject alternative name, URI:sprawl:node:<node id>. It is
a URI, not a host name, so that no certificate made for a server, by a public authority for example,
can name a node. Where a node is does not matter, so host names are not compared. The authority is
one cluster's own: whoever can make certificates of it can speak as any node of it.

Certificates are read again when their files change, for the connections made from then on; open
connections keep theirs.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

_log = logging.getLogger(__name__)

_NODE_PREFIX = "sprawl:node:"
_NODE_ID_MAX = 2**31 - 1

_Stamp = tuple[tuple[int, int, int], ...]


class PeerTls:
    """The certificates of one node.

    Args:
        certificate: PEM file, the node's own first, then those between it and the authority.
        key: PEM file with its private key, without a password.
        ca: PEM file with the authorities that the certificates of other nodes may come from.

    Raises: OSError, or ssl.SSLError, which is one, when the files cannot be used. Later changes
        that cannot be used are logged, and the former certificates stay in use.
    """

    def __init__(self, certificate: Path, key: Path, ca: Path) -> None:
        self._files = (certificate, key, ca)
        self._stamp: _Stamp = ()
        self._server: ssl.SSLContext | None = None
        self._client: ssl.SSLContext | None = None
        self._complaint = ""
        self._load()

    @property
    def key_file(self) -> Path:
        """PEM with this node's private key."""
        return self._files[1]

    def accepting(self) -> ssl.SSLContext:
        """For a listener, once and for all: each handshake takes what the files hold then."""
        listening = _context(ssl.PROTOCOL_TLS_SERVER)
        # This context itself has no certificate and trusts nobody; the callback, which OpenSSL
        # calls for peers that name no host, too, puts the current one in its place.
        listening.sni_callback = self._choose
        return listening

    def dialing(self) -> ssl.SSLContext:
        """For one connection that we make."""
        self._refresh()
        assert self._client is not None
        return self._client

    def certified(self, extra: Callable[[str], object]) -> frozenset[int]:
        """The node ids that the certificate of a connection's peer proves.

        Args:
            extra: the connection's get_extra_info.
        """
        facts = extra("peercert")
        return _node_ids(facts) if isinstance(facts, Mapping) else frozenset()

    def shown(self, extra: Callable[[str], object]) -> bytes | None:
        """The certificate of a connection's peer, DER.

        Args:
            extra: the connection's get_extra_info.
        """
        tls = extra("ssl_object")
        return tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None

    def _choose(
        self, accepted: ssl.SSLObject | ssl.SSLSocket, name: str | None, listening: ssl.SSLContext
    ) -> int | None:
        self._refresh()
        assert self._server is not None
        accepted.context = self._server
        return None

    def _refresh(self) -> None:
        """Take what the files hold now, if it can be used."""
        try:
            self._load()
        except OSError as failure:  # half written, perhaps
            if str(failure) != self._complaint:
                self._complaint = str(failure)
                _log.warning(
                    "cannot use the changed certificate files of this node, and go on with the"
                    " former ones: %s; next: check %s",
                    failure,
                    ", ".join(map(str, self._files)),
                )
        else:
            self._complaint = ""

    def _load(self) -> None:
        """Read the files if they have changed."""
        stamp = tuple(
            (found.st_mtime_ns, found.st_size, found.st_ino) for found in map(os.stat, self._files)
        )
        if stamp == self._stamp:
            return
        certificate, key, ca = self._files
        contexts = []
        for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
            context = _context(protocol)
            context.load_cert_chain(certificate, key)
            context.load_verify_locations(ca)
            contexts.append(context)
        self._server, self._client = contexts
        self._stamp = stamp


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _node_ids(facts: Mapping[str, object]) -> frozenset[int]:
    """The nodes that a certificate names, as the ssl module tells its fields."""
    names = facts.get("subjectAltName")
    found = set()
    for kind, value in names if isinstance(names, tuple) else ():
        if kind == "URI" and isinstance(value, str) and value.startswith(_NODE_PREFIX):
            digits = value.removeprefix(_NODE_PREFIX)
            if digits.isascii() and digits.isdigit() and int(digits) <= _NODE_ID_MAX:
                found.add(int(digits))
    return frozenset(found)
