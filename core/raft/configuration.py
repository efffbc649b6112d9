"""Who votes, who only receives, and the way from one set of replicas to another.

              plan                        leave
    SIMPLE ─────────> JOINT (both majorities) ─────────> SIMPLE
       └── plan, learners only ──> SIMPLE

Rules:

1. A change of voters goes through a joint configuration, whatever its size: there is no path for
   single servers (dissertation, section 4.3).
2. A voter that becomes a learner is in `learners_next` until its old majority is left.
3. A configuration is in force at a replica once its entry is committed there; one change at a time.

As an entry's payload: version (1 byte), then for each of the four lists a count (u8) and ids (i64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple, Self

from sprawl.core.ids import ReplicaId
from sprawl.core.limits import RAFT_CONFIGURATION_REPLICAS_MAX
from sprawl.core.raft.faults import ConfigurationRefused

_VERSION: Final = 1
_NONE: Final[tuple[ReplicaId, ...]] = ()


class Configuration(NamedTuple):
    """The replicas of a group; each list ascends.

    Args:
        voters: the majority that will stay (the incoming one of a joint configuration).
        outgoing: the majority that is being left; empty when the configuration is not joint.
        learners: receive, and count for nothing.
        learners_next: members of `outgoing` that will be learners.
    """

    voters: tuple[ReplicaId, ...]
    outgoing: tuple[ReplicaId, ...] = _NONE
    learners: tuple[ReplicaId, ...] = _NONE
    learners_next: tuple[ReplicaId, ...] = _NONE

    @classmethod
    def of(cls, voters: Iterable[int], learners: Iterable[int] = ()) -> Self:
        """A configuration that is not joint.

        Raises:
            ConfigurationRefused: see `validate`.
        """
        made = cls(_sorted(voters), _NONE, _sorted(learners), _NONE)
        made.validate()
        return made

    @property
    def is_joint(self) -> bool:
        """Whether two majorities have to agree."""
        return bool(self.outgoing)

    @property
    def members(self) -> tuple[ReplicaId, ...]:
        """All replicas that receive entries, ascending."""
        return _sorted({*self.voters, *self.outgoing, *self.learners, *self.learners_next})

    def is_voter(self, replica: ReplicaId) -> bool:
        """Whether the vote of a replica counts in one of the majorities."""
        return replica in self.voters or replica in self.outgoing

    def validate(self) -> None:
        """Check what must hold of every configuration.

        Raises:
            ConfigurationRefused: and which rule is broken.
        """
        for name, replicas in zip(self._fields, self, strict=True):
            if len(replicas) > RAFT_CONFIGURATION_REPLICAS_MAX:
                raise ConfigurationRefused(f"{len(replicas)} {name} are too many")
            if any(a >= b for a, b in pairwise(replicas)):
                raise ConfigurationRefused(f"{name} do not ascend: {replicas}")
            if replicas and replicas[0] < 0:
                raise ConfigurationRefused(f"{name} name a replica below 0: {replicas}")
        voters, outgoing = set(self.voters), set(self.outgoing)
        learners, learners_next = set(self.learners), set(self.learners_next)
        if not voters:
            raise ConfigurationRefused("a group without voters decides nothing")
        if learners & (voters | outgoing):
            raise ConfigurationRefused("a learner is a voter as well")
        if not learners_next <= outgoing:
            raise ConfigurationRefused("a learner to be is not an outgoing voter")
        if learners_next & (voters | learners):
            raise ConfigurationRefused("a learner to be has another part already")

    def plan(self, voters: Iterable[int], learners: Iterable[int] = ()) -> Self:
        """The first step from here to a target: joint when the voters change.

        Raises:
            ConfigurationRefused: this one is joint itself, or the target breaks a rule, or is what
                holds already.
        """
        if self.is_joint:
            raise ConfigurationRefused("a change is under way")
        target = type(self).of(voters, learners)
        if target == self:
            raise ConfigurationRefused("that is the configuration already")
        if target.voters == self.voters:
            return target
        step = type(self)(
            target.voters,
            self.voters,
            tuple(each for each in target.learners if each not in self.voters),
            tuple(each for each in target.learners if each in self.voters),
        )
        step.validate()
        return step

    def leave(self) -> Self:
        """The second step: the outgoing majority is gone.

        Raises:
            ConfigurationRefused: this one is not joint.
        """
        if not self.is_joint:
            raise ConfigurationRefused("there is no change under way")
        return type(self)(self.voters, _NONE, _sorted({*self.learners, *self.learners_next}), _NONE)

    def follows(self, before: Configuration) -> bool:
        """Whether one step leads from `before` to this: their majorities have a voter in common."""
        if self.is_joint:
            return not before.is_joint and self.outgoing == before.voters
        return self.voters == before.voters

    def encode(self) -> bytes:
        """The payload of a CONFIG entry."""
        counts = bytes([_VERSION])
        return counts + b"".join(struct.pack(f">B{len(each)}q", len(each), *each) for each in self)

    @classmethod
    def parse(cls, data: bytes | memoryview) -> Self:
        """Read `encode`'s bytes.

        Raises:
            ValueError: they are not that, or not of a version known here.
        """
        if not data or data[0] != _VERSION:
            raise ValueError(f"a configuration of version {data[0] if data else None}")
        lists: list[tuple[ReplicaId, ...]] = []
        at = 1
        try:
            for _ in cls._fields:
                count = data[at]
                lists.append(struct.unpack_from(f">{count}q", data, at + 1))
                at += 1 + 8 * count
            made = cls(*lists)
            made.validate()
        except (struct.error, IndexError, ConfigurationRefused) as fault:
            raise ValueError(f"not a configuration: {fault}") from None
        if at != len(data):
            raise ValueError(f"{len(data) - at} bytes after a configuration")
        return made

    def __str__(self) -> str:
        text = "voters " + _names(self.voters)
        if self.outgoing:
            text += " outgoing " + _names(self.outgoing)
        if self.learners:
            text += " learners " + _names(self.learners)
        if self.learners_next:
            text += " learners_next " + _names(self.learners_next)
        return text


def _sorted(replicas: Iterable[int]) -> tuple[ReplicaId, ...]:
    return tuple(ReplicaId(each) for each in sorted(replicas))


def _names(replicas: tuple[ReplicaId, ...]) -> str:
    return ",".join(map(str, replicas))
