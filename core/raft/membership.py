"""The commit index moves on, and configurations come into force with it.

Rules:

1. A configuration is in force once its entry is committed. From then on every vote and every
   commit counts by it.
2. A CONFIG entry that is not committed is in the hard state before it is acknowledged, because
   nobody looks for it in the log after a restart. A follower takes nothing after such an entry,
   and a leader does not write it, until that hard state is stored: see HardState for what a
   restart makes of this. One that is cut off stays in the hard state until something else is
   durable in its place: a power loss may bring back what was cut.
"""

from __future__ import annotations

from sprawl.core.ids import LogIndex
from sprawl.core.raft.checks import broken
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.state import RaftState


class Membership(RaftState):
    """The layer that knows who belongs to the group."""

    __slots__ = ()

    def _set_commit(self, index: LogIndex) -> None:
        """Entries up to `index` are committed; the configurations among them are in force.

        Raises:
            InvariantBroken: I7, I11.
        """
        if index > self.log.last_index:
            broken("I7", f"commit index {index} beyond the end of the log {self.log.last_index}")
        if index < self.commit_index:
            broken("I11", f"commit index {index} after {self.commit_index}")
        self.commit_index = index
        self._has_news = True
        while self.pending and self.pending[0][0] <= index:
            (at, configuration), *rest = self.pending
            self.pending = tuple(rest)
            self._apply_configuration(at, configuration)

    def _apply_configuration(self, index: LogIndex, configuration: Configuration) -> None:
        if not configuration.follows(self.configuration):
            broken("I9", f"{configuration} at {index} after {self.configuration}")
        term = self._term_at(index)
        assert term is not None
        self.configuration = configuration
        self.configuration_index = index
        self.configuration_term = term
        self._is_configuration_new = True
        self._hard_state_changed()
        self._members_changed()

    def _members_changed(self) -> None:
        """For the leader: the configuration in force is another one."""

    def _add_pending(self, index: LogIndex, configuration: Configuration) -> None:
        self.pending += ((index, configuration),)

    def _truncate(self, from_index: LogIndex) -> None:
        """Take back entries that this term's leader does not have.

        Raises:
            InvariantBroken: I11.
            KafkaFault: KAFKA_STORAGE_ERROR; the log is as it was, or has failed.
        """
        if from_index <= self.commit_index:
            broken("I11", f"truncation from {from_index}, committed up to {self.commit_index}")
        last = LogIndex(from_index - 1)
        # Before it is tried: what a failure leaves is not known.
        self.durable_index = min(self.durable_index, last)
        self.matched_index = min(self.matched_index, last)
        self._flush_asked_index = min(self._flush_asked_index, last)
        self.log.truncate_suffix(from_index)
        cut = [each for each, _ in self.pending if each >= from_index]
        if cut:
            self.pending = self.pending[: -len(cut)]
            self._floor = cut[0] if self._floor is None else min(self._floor, cut[0])

    def _set_durable(self, index: LogIndex) -> None:
        """Entries up to `index` survive a power loss."""
        self.durable_index = index
        self._maybe_refilled(index)
        if self._floor is not None and index >= self._floor:
            self._floor = None
            self._hard_state_changed()
