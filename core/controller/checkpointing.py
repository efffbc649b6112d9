"""When the controller's log has grown: a checkpoint of the state, and records that go.

    applied ──enough bytes──> segment sealed, state captured
        thread: log flushed ──> checkpoint written, synced, named ──> all but two forgotten
    written ──> log start to the older of the two, as soon as the replica may ──> segments go

Every node does so for itself, at offsets of its own (KIP-630). A log start that moves is never
ahead of what is on this node's disk: the checkpoint that it moves to is older than one that was
written after the log up to there was flushed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from sprawl.core.controller.checkpoints import CheckpointFiles, Place
from sprawl.core.errors import KafkaFault
from sprawl.core.ids import Offset

if TYPE_CHECKING:
    import asyncio

    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.partition.replication import RunBlocking

_log = logging.getLogger(__name__)

Capture = Callable[[], Sequence[bytes]]
"""Makes the records of a checkpoint, in a thread: the state that it works on does not change."""


class Shortened(Protocol):
    """The Raft side of the metadata partition, as far as forgetting is concerned."""

    def forget_below(self, offset: Offset) -> bool:
        """See RaftReplica."""
        ...


class CheckpointFacts(NamedTuple):
    """For metrics; zeros while there is no checkpoint."""

    offset: int = 0
    size_bytes: int = 0


class _Written(NamedTuple):
    """What a job did, and which checkpoints there are after it."""

    facts: CheckpointFacts
    places: Sequence[Place]


class Checkpointing:
    """Writes checkpoints of one node's metadata log, one at a time.

    Args:
        replica: who may let go of entries.
        facts: of the newest checkpoint that the node began with.
    """

    def __init__(
        self,
        files: CheckpointFiles,
        log: PartitionLog,
        replica: Shortened,
        *,
        run_blocking: RunBlocking,
        facts: CheckpointFacts,
    ) -> None:
        self.facts = facts
        self._files = files
        self._log = log
        self._replica = replica
        self._run_blocking = run_blocking
        self._start_due: Offset | None = None
        self.is_writing = False

    def write(self, offset: int, capture: Capture) -> None:
        """Begin to write a checkpoint of what is below `offset`, all of it committed."""
        try:
            # So that whole segments lie below this place, later.
            self._log.roll()
        except KafkaFault as fault:
            _log.error("no checkpoint of the metadata at %d: %s", offset, fault)
            return
        self.is_writing = True
        place = Place(offset, self._log.epoch_of_offset(offset - 1))
        writing = self._run_blocking(partial(self._write, place, capture))
        writing.add_done_callback(partial(self._written, place))

    def move_start(self) -> None:
        """Let the log forget what the older checkpoint says, if that is due and possible now."""
        offset = self._start_due
        try:
            if offset is not None and self._replica.forget_below(offset):
                self._start_due = None
                _log.info("the metadata log starts at %d now", offset)
        except KafkaFault as fault:
            _log.error("the metadata log still starts at %d: %s", self._log.log_start_offset, fault)
            self._start_due = None

    def _write(self, place: Place, capture: Capture) -> _Written:
        log = self._log
        log.flush()
        if log.synced_offset < place.offset:
            raise OSError(f"the log is on the disk up to {log.synced_offset} only")
        size_bytes = self._files.write(place, capture())
        return _Written(CheckpointFacts(place.offset, size_bytes), self._files.places())

    def _written(self, place: Place, job: asyncio.Future[object]) -> None:
        self.is_writing = False
        if job.cancelled() or self._log.is_closed:
            return
        failure = job.exception()
        if failure is not None:
            _log.error(
                "the metadata log was not shortened, another checkpoint than %s follows later: %s",
                place.name,
                failure,
            )
            return
        written = cast("_Written", job.result())
        self.facts = written.facts
        _log.info("checkpoint %s: %d bytes", place.name, self.facts.size_bytes)
        # A copy that took the log's place meanwhile may begin above older checkpoints.
        start = self._log.log_start_offset
        usable = [each.offset for each in written.places if each.offset >= start]
        if len(usable) > 1:
            self._start_due = Offset(usable[-2])
        self.move_start()
