"""What the service has done and holds, as plain numbers for whoever shows metrics."""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """One look.

    Args:
        subjects: with a version that is not deleted for good.
        schemas: versions, soft-deleted ones too.
        contexts: besides the default one.
        position: the offset of `_schemas` that is read next; 0 before the first read.
        applied, skipped: records of the topic that were taken in, and that could not be used.
        replays: how often the topic was read from its start.
        reads, reads_here, reads_again: queries answered, how many of them on the event loop, and
            how often one began again because of a change.
        writes: commands that were answered, those that had nothing to change too.
        refusals: commands that the model refused.
        misdirected: writes that are another node's.
        faults: writes that were not written because of the topic; `timeouts`: those of which it is
            not known.
    """

    is_ready: bool
    is_leader: bool
    subjects: int
    schemas: int
    contexts: int
    position: int
    applied: int
    skipped: int
    replays: int
    reads: int
    reads_here: int
    reads_again: int
    writes_waiting: int
    writes: int
    refusals: int
    misdirected: int
    faults: int
    timeouts: int
