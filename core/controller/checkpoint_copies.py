"""The checkpoint that goes with a copy of the metadata log: see core/replication/copying.py.

A log that starts at S, copied up to E, needs a checkpoint at an offset from S to E: the records
after it are in the log, those before it are not needed any more.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sprawl.core.controller.checkpoints import (
    COPIED_SUFFIX,
    CheckpointFiles,
    Place,
    parse_checkpoint,
)

if TYPE_CHECKING:
    from sprawl.core.log.copies import CopyPlan
    from sprawl.core.storage.port import SegmentFile


class AttachedCheckpoints:
    """Implements replication's Attached. Everything here blocks."""

    def __init__(self, files: CheckpointFiles) -> None:
        self._files = files

    def give(self, plan: CopyPlan) -> tuple[str, SegmentFile] | None:
        """See Attached."""
        found = self._files.newest(plan.log_start_offset, plan.end_offset)
        if found is not None:
            return found.place.name, self._files.open(found.place)
        if plan.log_start_offset > 0:
            raise OSError(
                f"no checkpoint from {plan.log_start_offset} to {plan.end_offset} is whole"
            )
        return None

    def take(self, plan: CopyPlan, name: str | None) -> IncomingCheckpoint | None:
        """See Attached."""
        if name is None:
            if plan.log_start_offset > 0:
                raise ValueError(f"a metadata log from {plan.log_start_offset} and no checkpoint")
            return None
        place = Place.parse(name)
        if place is None or not plan.log_start_offset <= place.offset <= plan.end_offset:
            raise ValueError(
                f"{name!r} is no checkpoint for a log from {plan.log_start_offset} to"
                f" {plan.end_offset}"
            )
        return IncomingCheckpoint(self._files, place)


class IncomingCheckpoint:
    """Implements replication's Incoming."""

    def __init__(self, files: CheckpointFiles, place: Place) -> None:
        self._files = files
        self._place = place
        self._file = files.create(place, COPIED_SUFFIX)
        self._is_installed = False

    def append(self, piece: bytes) -> None:
        """See Incoming."""
        self._file.append((piece,))

    def finish(self) -> None:
        """See Incoming."""
        parse_checkpoint(self._place, self._file.read(0, self._file.size_bytes))
        self._files.install(self._file, self._place)
        self._is_installed = True

    def discard(self) -> None:
        """See Incoming; what cannot be removed now is removed at the next start."""
        with contextlib.suppress(OSError):
            self._file.close()
            if not self._is_installed:
                self._file.discard(0)
