"""Checkpoints of the controller's state, as files in the metadata log's folder.

    00000000000000001042-0000000003.checkpoint      everything below offset 1042, whose last record
                                                    is of term 3
        {"checkpoint":1,"offset":1042,"term":3,"records":2,"bytes":211,"crc32c":1957351291}
        {"type":"topic", ...}
        {"type":"producer ids", ...}

One line a record, the records that rebuild the state. A file gets its name when all of it is on the
disk, so that a torn one has another name; one that was damaged later is found out by its checksum.

Source: KIP-630, whose names these are; the contents are ours.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.records.crc import crc32c

if TYPE_CHECKING:
    from sprawl.core.storage.port import Buffer, LogDirectory, SegmentFile

_log = logging.getLogger(__name__)

CHECKPOINT_SUFFIX: Final = ".checkpoint"
PART_SUFFIX: Final = CHECKPOINT_SUFFIX + ".part"
"""Of one that is being written."""
COPIED_SUFFIX: Final = CHECKPOINT_SUFFIX + ".copied"
"""Of one that is on its way from another node."""
CHECKPOINTS_KEPT: Final = 2
"""The log keeps what follows the older one: should the newer one be damaged, nothing is lost."""
_NAME: Final = re.compile(r"(\d{20})-(\d{10})\.checkpoint")
_VERSION: Final = 1
_DELETE_DELAY_MS: Final = 60_000
"""As file.delete.delay.ms: a copy that reads the file may go on."""


class Place(NamedTuple):
    """What a checkpoint covers.

    Args:
        offset: the first one that it does not.
        term: of the last record that it does.
    """

    offset: int
    term: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.offset:020d}-{self.term:010d}{CHECKPOINT_SUFFIX}"

    @classmethod
    def parse(cls, name: str) -> Place | None:
        """None for a name of something else."""
        found = _NAME.fullmatch(name)
        return None if found is None else cls(int(found[1]), int(found[2]))


class Checkpoint(NamedTuple):
    """A whole one.

    Args:
        records: encoded, in the order in which they are to be applied.
        size_bytes: of its file.
    """

    place: Place
    records: Sequence[bytes]
    size_bytes: int


class CheckpointDamaged(ValueError):
    """A file is not whole, or is not what was written."""


def encode_checkpoint(place: Place, records: Sequence[bytes]) -> bytes:
    """The bytes of a file.

    Args:
        records: without line breaks, as JSON is.
    """
    body = b"".join(record + b"\n" for record in records)
    return _head(place, len(records), body) + body


def parse_checkpoint(place: Place, data: Buffer) -> Checkpoint:
    """Read `encode_checkpoint`'s bytes.

    Raises:
        CheckpointDamaged: they are not whole, or not what the file's name says.
        ValueError: another version wrote them.
    """
    head, line_break, body = bytes(data).partition(b"\n")
    records = body.split(b"\n")[:-1]
    if head + line_break == _head(place, len(records), body):
        return Checkpoint(place, records, len(data))
    version = _version(head)
    if version not in (None, _VERSION):
        raise ValueError(f"{place.name} is of version {version!r}, known here is {_VERSION}")
    raise CheckpointDamaged(f"its head is {head[:200]!r}")


def _head(place: Place, record_count: int, body: bytes) -> bytes:
    head = {
        "checkpoint": _VERSION,
        "offset": place.offset,
        "term": place.term,
        "records": record_count,
        "bytes": len(body),
        "crc32c": crc32c(body),
    }
    return json.dumps(head, separators=(",", ":")).encode() + b"\n"


def _version(head: bytes) -> object:
    """None when that cannot be told."""
    try:
        found = json.loads(head.decode())
    except ValueError:
        return None
    return found.get("checkpoint") if isinstance(found, dict) else None


class CheckpointFiles:
    """The checkpoints in a folder. Everything here blocks.

    Args:
        directory: of the metadata log, which leaves these files alone.
    """

    def __init__(self, directory: LogDirectory) -> None:
        self._directory = directory

    def places(self) -> list[Place]:
        """Of all that are there, ascending. Raises: OSError."""
        found = (Place.parse(info.name) for info in self._directory.list())
        return sorted(each for each in found if each is not None)

    def write(self, place: Place, records: Sequence[bytes]) -> int:
        """Write one, and forget those that it makes superfluous.

        Returns:
            Its size in bytes.

        Raises:
            OSError: it is not there; all others are.
        """
        data = encode_checkpoint(place, records)
        file = self.create(place, PART_SUFFIX)
        try:
            file.append((data,))
            self.install(file, place)
        finally:
            file.close()
        for each in self.places()[:-CHECKPOINTS_KEPT]:
            self.open(each).discard(_DELETE_DELAY_MS)
        return len(data)

    def create(self, place: Place, suffix: str) -> SegmentFile:
        """An empty file that is none of the checkpoints yet. Raises: OSError."""
        name = place.name.removesuffix(CHECKPOINT_SUFFIX) + suffix
        if any(info.name == name for info in self._directory.list()):
            self._directory.delete(name)
        return self._directory.create(name, keep_tail=False)

    def install(self, file: SegmentFile, place: Place) -> None:
        """Make one of the checkpoints of a file that has all of it.

        Raises:
            OSError: after a power loss it may be there or not.
        """
        file.sync()
        file.rename(place.name)
        self._directory.sync()

    def open(self, place: Place) -> SegmentFile:
        """Raises: OSError."""
        return self._directory.open(place.name)

    def read(self, place: Place) -> Checkpoint:
        """Raises: OSError, and as parse_checkpoint."""
        file = self.open(place)
        try:
            return parse_checkpoint(place, file.read(0, file.size_bytes))
        finally:
            file.close()

    def newest(self, start_offset: int, end_offset: int | None = None) -> Checkpoint | None:
        """The newest one that is whole; a damaged one is taken away, so that it does not count.

        Args:
            start_offset: of the log: what follows an older one is not there any more.
            end_offset: none above it is wanted.

        Raises:
            OSError: one cannot be read now.
            ValueError: another version wrote it.
        """
        for place in reversed(self.places()):
            if place.offset < start_offset:
                return None
            if end_offset is not None and place.offset > end_offset:
                continue
            try:
                return self.read(place)
            except CheckpointDamaged as fault:
                _log.error("%s is damaged, an older one has to do: %s", place.name, fault)
                self.open(place).discard(0)
        return None

    def remove_parts(self) -> None:
        """Take away what a stop left half done. Raises: OSError."""
        for info in self._directory.list():
            if info.name.endswith((PART_SUFFIX, COPIED_SUFFIX)):
                self._directory.delete(info.name)
