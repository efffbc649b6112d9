"""The file of `gossip.keys`: one base64 key a line, the first one seals, all open.

It is read again when it changes, so that a rotation needs no restart: the new key behind the old
one on every node, then before it on every node, then the old one away. A file that cannot be used
leaves the former keys in use, with one log line.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
from pathlib import Path

from sprawl.core.gossip.keyring import check_keys
from sprawl.core.limits import GOSSIP_KEY_FILE_BYTES_MAX

_log = logging.getLogger(__name__)
_Stamp = tuple[int, int, int]


class KeyFile:
    """See the module.

    Args:
        path: of the file. Empty lines, and those that begin with #, are left out.

    Raises:
        OSError, ValueError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._complaint = ""
        self._stamp = self._look()
        self.keys = _read(path)

    def refresh(self) -> bool:
        """Read the file if it has changed; did the keys?"""
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return False
            keys = _read(self._path)
        except (OSError, ValueError) as failure:  # half written, perhaps
            if str(failure) != self._complaint:
                self._complaint = str(failure)
                _log.warning(
                    "cannot use the changed keys of membership, and go on with the former ones: %s;"
                    " next: check %s",
                    failure,
                    self._path,
                )
            return False
        self._complaint = ""
        self._stamp = stamp
        if keys == self.keys:
            return False
        self.keys = keys
        _log.info("membership seals with the first of %d keys in %s now", len(keys), self._path)
        return True

    def _look(self) -> _Stamp:
        found = os.stat(self._path)
        return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> list[bytes]:
    with path.open("rb") as opened:
        data = opened.read(GOSSIP_KEY_FILE_BYTES_MAX + 1)
    if len(data) > GOSSIP_KEY_FILE_BYTES_MAX:
        raise ValueError(f"it is larger than {GOSSIP_KEY_FILE_BYTES_MAX} bytes")
    keys = []
    for number, line in enumerate(data.splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        try:
            keys.append(base64.b64decode(text, validate=True))
        except binascii.Error:
            raise ValueError(f"line {number} is no base64") from None
    check_keys(keys)
    return keys
