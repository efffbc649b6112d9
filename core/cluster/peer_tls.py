"""Mutual TLS between nodes."""

from __future__ import annotations

import ssl
from collections.abc import Callable


class PeerTls:
    def accepting(self) -> ssl.SSLContext:
        raise NotImplementedError

    def dialing(self) -> ssl.SSLContext:
        raise NotImplementedError

    def certified(self, extra: Callable[[str], object]) -> frozenset[int]:
        raise NotImplementedError
