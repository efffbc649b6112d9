"""Sealed packets: AES-GCM under keys that can be rotated, and no packet twice. Pure.

    u8 0x81, 2 bytes key id, 8 bytes tag of the sender, u64 epoch, 4 bytes session, u48 sequence,
    ciphertext and AES-GCM's tag; everything before the ciphertext is authenticated with it

Rules:
1. Each life of each sender seals with a key of its own, derived from the shared one by HKDF from
   cluster, sender, epoch and session (random for each start), and numbers its packets; so a nonce
   is not used twice, hardly even when an epoch is (NIST SP 800-38D, section 8.2.1).
2. The first key seals, all keys open. Rotation: the new key behind the old one everywhere, then
   before it everywhere, then the old one away.
3. Of each sender the newest life is known, and a window of its last packets: what was seen before
   is replayed, what is older than the window or of a former life is stale. Only a packet that
   decrypts moves the window. A node that has just started knows no windows; what an old packet can
   tell it is judged by epoch and incarnation like every rumour.
4. The keys say "of this cluster", not "of this node": who has one can speak for any sender. Which
   node may do what is decided by TLS certificates on the connections between nodes, not here.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sprawl.core.gossip import wire
from sprawl.core.gossip.model import SEALED, PacketFault
from sprawl.core.limits import GOSSIP_KEYS_MAX, GOSSIP_MEMBERS_MAX, GOSSIP_REPLAY_WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sprawl.core.gossip.model import MemberId

SESSION_BYTES: Final = 4
_KEY_SIZES: Final = (16, 24, 32)
_KEY_ID_BYTES: Final = 2
_TAG_BYTES: Final = 16
_HEAD: Final = struct.Struct(">c2s8sQ4s6s")
_SEQUENCE_BYTES: Final = 6
_NONCE_HEAD: Final = bytes(12 - _SEQUENCE_BYTES)
_PURPOSE: Final = b"sprawl gossip 1"
_WINDOW_MASK: Final = (1 << GOSSIP_REPLAY_WINDOW) - 1


def key_id(key: bytes) -> bytes:
    """What a packet calls its key; tells nothing about it."""
    return hashlib.sha256(_PURPOSE + key).digest()[:_KEY_ID_BYTES]


def check_keys(keys: Sequence[bytes]) -> None:
    """Can a keyring have these?

    Raises:
        ValueError: it cannot, and why.
    """
    if not keys:
        raise ValueError("a keyring needs a key")
    for key in keys:
        if len(key) not in _KEY_SIZES:
            raise ValueError(f"a key of {len(key)} bytes; AES takes 16, 24 or 32")
    if len({key_id(key) for key in keys}) > GOSSIP_KEYS_MAX:
        raise ValueError(f"more than {GOSSIP_KEYS_MAX} keys")


class _Life:
    """What is known of the newest life of a sender."""

    __slots__ = ("bits", "ciphers", "epoch", "highest", "session")

    def __init__(self, epoch: int, session: bytes) -> None:
        self.epoch = epoch
        self.session = session
        self.ciphers: dict[bytes, AESGCM] = {}
        self.highest = -1
        self.bits = 0
        """Bit i: sequence highest - i was seen."""

    def judge(self, sequence: int) -> None:
        """May a packet with this sequence still come?"""
        age = self.highest - sequence
        if age >= GOSSIP_REPLAY_WINDOW:
            raise PacketFault("stale", f"{age} packets behind its sender's newest")
        if age >= 0 and self.bits >> age & 1:
            raise PacketFault("replayed", f"sequence {sequence} came before")

    def seen(self, sequence: int) -> None:
        """It came."""
        ahead = sequence - self.highest
        if ahead > 0:
            shifted = self.bits << ahead if ahead < GOSSIP_REPLAY_WINDOW else 0
            self.bits = (shifted | 1) & _WINDOW_MASK
            self.highest = sequence
        else:
            self.bits |= 1 << -ahead


class Keyring:
    """See the module.

    Args:
        me: who seals.
        keys: of 16, 24 or 32 bytes; the first one seals.
        session: four random bytes, other ones at each start.
        cluster_id: keys of one cluster open nothing of another one.
    """

    overhead_bytes: Final = _HEAD.size + _TAG_BYTES

    def __init__(
        self, me: MemberId, keys: Iterable[bytes], session: bytes, cluster_id: str = ""
    ) -> None:
        if len(session) != SESSION_BYTES:
            raise ValueError(f"a session of {len(session)} bytes")
        self._me = wire.member_tag(me)
        self._purpose = _PURPOSE + wire.cluster_tag(cluster_id).to_bytes(4, "big")
        self._session = session
        self._own: tuple[bytes, int, AESGCM] | None = None
        self._sequence = 0
        self._lives: dict[bytes, _Life] = {}
        self.replace(keys)

    # --- keys ---------------------------------------------------------------------------------

    def replace(self, keys: Iterable[bytes]) -> None:
        """Seal with the first of these keys and open with all of them, instead of the former ones.

        Raises:
            ValueError: there is none, there are too many, or one has a wrong size; the former ones
                are kept.
        """
        found = list(keys)
        check_keys(found)
        self._keys = {key_id(key): key for key in found}
        self._primary = key_id(found[0])
        for life in self._lives.values():
            life.ciphers = {each: life.ciphers[each] for each in life.ciphers if each in self._keys}

    # --- packets ------------------------------------------------------------------------------

    def seal(self, data: bytes, epoch: int) -> bytes:
        """Encrypt a packet of our life with this epoch."""
        own = self._own
        if own is None or own[:2] != (self._primary, epoch):
            cipher = self._derive(self._primary, self._me, epoch, self._session)
            own = self._own = (self._primary, epoch, cipher)
        self._sequence += 1
        number = self._sequence.to_bytes(_SEQUENCE_BYTES, "big")
        head = _HEAD.pack(SEALED, own[0], self._me, epoch, self._session, number)
        return head + own[2].encrypt(_NONCE_HEAD + number, data, head)

    def open(self, packet: bytes) -> bytes:
        """Decrypt a packet.

        Raises:
            PacketFault: plain, key_unknown, forged, replayed, stale or malformed.
        """
        if packet[:1] != SEALED:
            raise PacketFault("plain", "not sealed")
        if len(packet) < self.overhead_bytes:
            raise PacketFault("malformed", f"a sealed packet of {len(packet)} bytes")
        head = packet[: _HEAD.size]
        _, key, sender, epoch, session, number = _HEAD.unpack(head)
        sequence = int.from_bytes(number, "big")
        if key not in self._keys:
            raise PacketFault("key_unknown", f"key {key.hex()}")
        if sender == self._me and session == self._session:
            raise PacketFault("replayed", "one of our own")
        life = self._lives.get(sender)
        if life is None or epoch > life.epoch:
            life = _Life(epoch, session)
        elif (epoch, session) != (life.epoch, life.session):
            raise PacketFault("stale", f"of epoch {epoch}, its sender has {life.epoch}")
        life.judge(sequence)
        cipher = life.ciphers.get(key)
        if cipher is None:
            cipher = self._derive(key, sender, epoch, session)
        try:
            data = cipher.decrypt(_NONCE_HEAD + number, packet[_HEAD.size :], head)
        except InvalidTag:
            raise PacketFault("forged", f"does not decrypt with key {key.hex()}") from None
        life.seen(sequence)
        life.ciphers[key] = cipher
        self._remember(sender, life)
        return data

    def _remember(self, sender: bytes, life: _Life) -> None:
        if sender not in self._lives and len(self._lives) >= GOSSIP_MEMBERS_MAX:
            del self._lives[next(iter(self._lives))]
        self._lives[sender] = life

    def _derive(self, key: bytes, sender: bytes, epoch: int, session: bytes) -> AESGCM:
        secret = self._keys[key]
        info = self._purpose + sender + epoch.to_bytes(8, "big")
        return AESGCM(HKDF(SHA256(), len(secret), session, info).derive(secret))
