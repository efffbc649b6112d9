"""Basic authentication against a file of users.

    # a comment
    alice:$scrypt$ln=14,r=8,p=1$<salt>$<hash>

scrypt, because passwords that people choose must be dear to guess: each guess takes 16 MiB and
tens of milliseconds, which neither graphics cards nor circuits make cheap, unlike PBKDF2; and it is
part of the standard library, unlike argon2. The spelling is that of other tools (PHC strings), with
base64 without padding.

Right passwords are remembered as digests under a key of this process, so that only the first
request of a client pays, and none that is remembered waits behind the guesses of others. Wrong ones
are too: a client that tries the same again and again costs nothing. Few are hashed at once, few
wait for it and not for long; more are told to come back. Users are read once, so what was right or
wrong stays so.

Source: RFC 7617, RFC 7914.
"""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import NamedTuple

from sprawl.schema_registry.rest import limits

_LN, _R, _P = 14, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_LN_MAX, _R_MAX, _P_MAX = 17, 16, 4
_SPELLED = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})"
    r"\$([A-Za-z0-9+/]{8,64})\$([A-Za-z0-9+/]{22,86})"
)


class UserFileFault(ValueError):
    """A user file cannot be used; the message says which line, and never quotes a hash."""


class TooManyChecks(Exception):
    """So many passwords are being hashed that this one was not."""


class PasswordHash(NamedTuple):
    """scrypt's parameters and what it gave. Args: ln: cost as a power of two."""

    ln: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        """Slow by intent: call it in a thread."""
        found = hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=1 << self.ln,
            r=self.r,
            p=self.p,
            maxmem=2 * 128 * self.r * ((1 << self.ln) + self.p + 2),
            dklen=len(self.digest),
        )
        return hmac.compare_digest(found, self.digest)


def hash_password(password: str) -> str:
    """What stands behind a user's name in a user file; another one each time."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.scrypt(
        password.encode(), salt=salt, n=1 << _LN, r=_R, p=_P, maxmem=1 << 26, dklen=_HASH_BYTES
    )
    return f"$scrypt$ln={_LN},r={_R},p={_P}${_base64(salt)}${_base64(digest)}"


def parse_users(text: str) -> Users:
    """Read a user file.

    Raises:
        UserFileFault: a line is none, a name comes twice, or there are too many.
    """
    users: dict[str, PasswordHash] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        name, _, spelled = line.partition(":")
        if not name or name in users:
            raise UserFileFault(f"line {number}: a name that is empty or was there before")
        users[name] = _parse_hash(spelled, number)
        if len(users) > limits.USERS_MAX:
            raise UserFileFault(f"more than {limits.USERS_MAX} users")
    return Users(users)


class Users:
    """Who may use the registry."""

    def __init__(self, users: Mapping[str, PasswordHash]) -> None:
        self._users = users
        self._stranger = _parse_hash(hash_password(secrets.token_hex()), 0)
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, None] = {}
        self._wrong: dict[bytes, None] = {}
        self._checks = asyncio.Semaphore(limits.PASSWORD_CHECKS_MAX)
        self._waiting_count = 0

    async def admits(self, authorization: str | None) -> bool:
        """Args: authorization: the header.

        Raises:
            TooManyChecks: it is not known; the client may ask again.
        """
        credentials = _parse_basic(authorization)
        if credentials is None:
            return False
        name, password = credentials
        digest = hashlib.blake2b(
            f"{name}:{password}".encode("utf-8", "surrogatepass"), key=self._key
        ).digest()
        remembered = self._remembered(digest)
        if remembered is not None:
            return remembered
        await self._take_turn()
        try:
            # What came first may have been the same.
            remembered = self._remembered(digest)
            if remembered is not None:
                return remembered
            known = self._users.get(name)
            fits = await asyncio.to_thread((known or self._stranger).fits, password)
        finally:
            self._checks.release()
        is_right = known is not None and fits
        _remember(self._right if is_right else self._wrong, digest)
        return is_right

    def _remembered(self, digest: bytes) -> bool | None:
        """Whether a password is right; None when that is not known."""
        for passwords, is_right in ((self._right, True), (self._wrong, False)):
            if digest in passwords:
                _remember(passwords, digest)
                return is_right
        return None

    async def _take_turn(self) -> None:
        if self._waiting_count >= limits.PASSWORD_CHECKS_WAITING_MAX:
            raise TooManyChecks
        self._waiting_count += 1
        try:
            async with asyncio.timeout(limits.PASSWORD_WAIT_S):
                await self._checks.acquire()
        except TimeoutError:
            raise TooManyChecks from None
        finally:
            self._waiting_count -= 1


def _remember(passwords: dict[bytes, None], digest: bytes) -> None:
    """The one that was used last is forgotten last."""
    passwords.pop(digest, None)
    if len(passwords) >= limits.PASSWORDS_KEPT_MAX:
        del passwords[next(iter(passwords))]
    passwords[digest] = None


def _parse_basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # no base64, no UTF-8, or not even ASCII
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None


def _parse_hash(spelled: str, number: int) -> PasswordHash:
    found = _SPELLED.fullmatch(spelled)
    if found is None:
        raise UserFileFault(f"line {number}: not $scrypt$ln=..,r=..,p=..$salt$hash")
    ln, r, p = (int(text) for text in found.groups()[:3])
    if not (1 <= ln <= _LN_MAX and 1 <= r <= _R_MAX and 1 <= p <= _P_MAX):
        raise UserFileFault(
            f"line {number}: parameters beyond ln={_LN_MAX}, r={_R_MAX}, p={_P_MAX}"
        )
    try:
        salt, digest = (b64decode(text + "=" * (-len(text) % 4)) for text in found.groups()[3:])
    except binascii.Error:
        raise UserFileFault(f"line {number}: salt or hash is no base64") from None
    return PasswordHash(ln, r, p, salt, digest)


def _base64(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
