"""Signatures with real keys, by the library `cryptography`. Nothing else in this folder imports it.

The key is the one of the node's certificate: Ed25519, ECDSA (with SHA-256) or RSA (PKCS #1 v1.5
with SHA-256).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509 import load_der_x509_certificate

from sprawl.core.dht.ids import NodeId, public_key_credential
from sprawl.core.ids import BrokerId

PrivateKey: TypeAlias = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def load_key(pem: bytes) -> PrivateKey:
    """The private key of a node.

    Raises:
        ValueError: it cannot be read, or is of a kind that does not sign.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as fault:
        raise ValueError(str(fault)) from fault
    if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return key
    raise ValueError("a key that is neither of Ed25519, ECDSA nor RSA")


def key_in_certificate(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        key = load_der_x509_certificate(der).public_key()
    except UnsupportedAlgorithm as fault:
        raise ValueError(str(fault)) from fault
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class KeySigner:
    """Signs with a private key."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.credential = public_key_credential(
            key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, data: bytes) -> bytes:
        match self._key:
            case ed25519.Ed25519PrivateKey():
                return self._key.sign(data)
            case ec.EllipticCurvePrivateKey():
                return self._key.sign(data, ec.ECDSA(SHA256()))
            case _:
                return self._key.sign(data, padding.PKCS1v15(), SHA256())


class KeyTrust:
    """Believes signatures that verify, of nodes that are members.

    Args:
        is_member: for instance whether the controller's registry knows a node of this id.
        is_at: whether it is the node of this number; without it, any member may name any.
    """

    def __init__(
        self,
        is_member: Callable[[NodeId], bool],
        is_at: Callable[[NodeId, BrokerId], bool] = lambda node, broker: True,
    ) -> None:
        self._is_member = is_member
        self._is_at = is_at

    def is_member(self, node: NodeId) -> bool:
        return self._is_member(node)

    def is_at(self, node: NodeId, broker: BrokerId) -> bool:
        return self._is_at(node, broker)

    def verifies(self, credential: bytes, data: bytes, signature: bytes) -> bool:
        try:
            key = load_der_public_key(credential)
            match key:
                case ed25519.Ed25519PublicKey():
                    key.verify(signature, data)
                case ec.EllipticCurvePublicKey():
                    key.verify(signature, data, ec.ECDSA(SHA256()))
                case rsa.RSAPublicKey():
                    key.verify(signature, data, padding.PKCS1v15(), SHA256())
                case _:
                    return False
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True
