"""What a recovery comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from sprawl.core.log.segment import Segment
    from sprawl.core.log.state import Damage

FIRST_INDEX: Final = 1


@dataclass(slots=True)
class Recovered:
    """What a recovery found.

    Args:
        segments: by base offset; the last one can be appended to unless `must_roll`.
        damage: ranges found damaged now.
        must_roll: the last segment must stay as it is.
        log_start_seen: largest log start among the entries that were read; -1 when none was.
        end_offset, end_index: where the log goes on.
        cut_bytes: size of the unsynced tail that was cut off.
    """

    segments: list[Segment] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    must_roll: bool = False
    log_start_seen: int = -1
    end_offset: int = 0
    end_index: int = FIRST_INDEX
    cut_bytes: int = 0
    must_store: bool = False


class StrayLog(Exception):
    """The directory holds the log of another topic that had the name before.

    Args:
        topic_id: of that topic.
    """

    def __init__(self, topic_id: UUID) -> None:
        super().__init__(f"the directory holds the log of topic {topic_id}")
        self.topic_id = topic_id


class DamagedLog(Exception):
    """A log has lost what was on disk, and its owner refuses to go on with the rest.

    Nothing that the log says was changed.
    """
