"""Who a data directory belongs to: its cluster id and node id, written once, and its lock.

DIR/meta.json   {"version": 1, "cluster_id": "...", "node_id": 1, "directory_id": "..."}
DIR/.lock       held while a node uses the directory
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from pathlib import Path
from random import Random
from typing import IO, NamedTuple
from uuid import UUID

_VERSION = 1


class IdentityFault(Exception):
    """A data directory that this node must not use, and why."""


class Identity(NamedTuple):
    """What a node is called, for the life of its data.

    Args:
        directory_id: random, of this data directory: a node that lost its data has another one.
    """

    cluster_id: str
    node_id: int
    directory_id: UUID


def new_cluster_id(rng: Random) -> str:
    """22 characters of URL-safe base64, as Kafka's cluster ids, never starting with a dash."""
    while True:
        text = base64.urlsafe_b64encode(rng.randbytes(16)).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


def new_directory_id(rng: Random) -> UUID:
    """For a data directory that is being made."""
    return UUID(int=rng.getrandbits(128), version=4)


class DataDirectory:
    """A node's data directory, locked from `open` to `close`.

    Raises:
        IdentityFault: another process uses it, or it belongs to another node.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def open(self, node_id: int, cluster_id: str | None, rng: Random) -> Identity:
        """Lock the directory and read its identity, or give it one.

        Args:
            cluster_id: the wanted one; None takes what is there, or a random one.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / ".lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self.close()
            raise IdentityFault(
                f"the data directory {self.path} is in use by process {holder}: stop it, or choose"
                " another directory with --data"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()
        try:
            return self._identity(node_id, cluster_id, rng)
        except BaseException:
            self.close()
            raise

    def adopt(self, cluster_id: str) -> Identity:
        """Make an opened directory that of another cluster. Raises: OSError."""
        place = self.path / "meta.json"
        facts = json.loads(place.read_text(encoding="utf-8"))
        found = Identity(cluster_id, int(facts["node_id"]), UUID(facts["directory_id"]))
        _write(place, found)
        return found

    def close(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _identity(self, node_id: int, cluster_id: str | None, rng: Random) -> Identity:
        place = self.path / "meta.json"
        if not place.exists():
            found = Identity(cluster_id or new_cluster_id(rng), node_id, new_directory_id(rng))
            _write(place, found)
            return found
        try:
            facts = json.loads(place.read_text(encoding="utf-8"))
            named = facts.get("directory_id")
            found = Identity(
                str(facts["cluster_id"]),
                int(facts["node_id"]),
                new_directory_id(rng) if named is None else UUID(named),
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise IdentityFault(f"{place} cannot be read: {fault}") from None
        if found.node_id != node_id:
            raise IdentityFault(
                f"the data directory {self.path} belongs to node {found.node_id}, not to node"
                f" {node_id}: start with --set node.id={found.node_id}, or with other --data"
            )
        if cluster_id is not None and cluster_id != found.cluster_id:
            raise IdentityFault(
                f"the data directory {self.path} belongs to cluster {found.cluster_id},"
                f" not to {cluster_id}"
            )
        if named is None:
            _write(place, found)  # written before directories had ids
        return found


def _write(place: Path, identity: Identity) -> None:
    facts = identity._asdict() | {"directory_id": str(identity.directory_id)}
    text = json.dumps({"version": _VERSION, **facts}) + "\n"
    draft = place.with_suffix(".tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(place)
