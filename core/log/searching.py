"""Looking for sound frames in a segment that has a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sprawl.core.log.frames import FRAME_BYTES, Frame, FrameFault, frame_size, parse_frame
from sprawl.core.log.segment import OFFSET_SPAN_MAX

if TYPE_CHECKING:
    from sprawl.core.log.segment import Segment
    from sprawl.core.storage.port import SegmentFile

SEARCHED_BYTES_MAX: Final = 4_194_304
"""How far behind a fault sound entries are looked for, byte by byte: a few seconds, once. Longer
than any batch of the default `max.message.bytes`: the entry after the fault begins there."""


def is_last_of(segment: Segment, size_bytes: int, position: int) -> bool:
    """Does nothing sound follow a fault? What the bytes there say of their size may be wrong."""
    rest_bytes = min(size_bytes - position, SEARCHED_BYTES_MAX)
    rest = memoryview(segment.file.read(position, rest_bytes))
    due = segment.end.offset
    if sound_frame(segment.file, position, size_bytes) is not None:
        return False  # whole, and of another place: no write was torn
    for at in range(1, len(rest) - FRAME_BYTES):
        base_offset = int.from_bytes(rest[at : at + 8], "big")
        if not due <= base_offset <= due + OFFSET_SPAN_MAX:
            continue
        if sound_frame(segment.file, position + at, size_bytes) is not None:
            return False
    return True


def sound_frame(file: SegmentFile, position: int, size_bytes: int) -> Frame | None:
    """The frame at a position of a file, if there is a whole one with a right checksum."""
    head = memoryview(file.read(position, FRAME_BYTES))
    if len(head) < FRAME_BYTES or position + FRAME_BYTES > size_bytes:
        return None
    try:
        size = frame_size(head, 0, position)
        buf = memoryview(file.read(position, size))
        return parse_frame(buf, position, verify=True) if len(buf) == size else None
    except FrameFault:
        return None
