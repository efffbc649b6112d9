"""What replicas of a log are seen to do: small records that a shell or a simulator emits.

Each says which node, which life of it (incarnation) and which group; `Started` opens each life.
They are not frozen, since a simulation makes millions of them, but nobody changes one.

    a node's life:   Started, then anything
    memory:          TermChanged Voted Appended Truncated SnapshotInstalled ConfigurationApplied
    disk:            HardStateFlushed Flushed Cutting
    what goes out:   VoteAnswered AppendAnswered ProduceAnswered
    what is decided: LeaderElected SteppedDown Committed HighWatermarkMoved LogStartMoved
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Node: TypeAlias = int | str
"""A replica. One that lost its disk comes back under another name (S4)."""
Group: TypeAlias = int | str


@dataclass(slots=True, kw_only=True, eq=False)
class Observation:
    """What all have.

    Args:
        incarnation: counts the lives of a node; each start of its process is a new one.
    """

    node: Node
    incarnation: int
    group: Group


@dataclass(slots=True, kw_only=True, eq=False)
class Started(Observation):
    """A replica opened its log: the first time with an empty one.

    Args:
        term: as found on the disk; 0 when new.
        vote: who got this node's vote in that term.
        first_index: of the first entry it holds; 1 when nothing was cut off in front.
        last_index: of the last entry it holds; `first_index - 1` when it holds none.
        last_term: the term of that entry, or of the snapshot that ends there; 0 for none.
        commit_index: up to where the replica knows its log to be committed.
        is_lost: the hard state says that this is not the log that the replica had: it has no vote.
        is_damaged: bits flipped in it on the disk: what is found there may be anything.
    """

    term: int = 0
    vote: Node | None = None
    first_index: int = 1
    last_index: int = 0
    last_term: int = 0
    commit_index: int = 0
    is_lost: bool = False
    is_damaged: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class TermChanged(Observation):
    """The current term rose, in memory. A leader is none any longer."""

    term: int


@dataclass(slots=True, kw_only=True, eq=False)
class Voted(Observation):
    """The node gave its vote, in memory; for itself when it is the candidate."""

    term: int
    candidate: Node


@dataclass(slots=True, kw_only=True, eq=False)
class HardStateFlushed(Observation):
    """Term and vote are on the disk."""

    term: int
    vote: Node | None


@dataclass(slots=True, kw_only=True, eq=False)
class VoteAnswered(Observation):
    """A granted vote left the node, or was counted by the candidate itself."""

    term: int
    candidate: Node


@dataclass(slots=True, kw_only=True, eq=False)
class LeaderElected(Observation):
    """The node won the election of a term."""

    term: int


@dataclass(slots=True, kw_only=True, eq=False)
class SteppedDown(Observation):
    """A leader stopped leading within its term (CheckQuorum, transfer, removal)."""

    term: int


@dataclass(slots=True, kw_only=True, eq=False)
class Appended(Observation):
    """One entry after the last one, in memory.

    Args:
        term: of the entry.
        crc: of the entry's bytes.
        base_offset: Kafka's offset of its first record; the next one where `count` is 0.
        count: offsets it takes: records, 1 for a transaction marker, 0 for Raft's own entries.
        producer: (producer id, epoch, first sequence) of an idempotent batch.
    """

    index: int
    term: int
    crc: int
    base_offset: int = 0
    count: int = 0
    producer: tuple[int, int, int] | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Cutting(Observation):
    """Entries from `from_index` on are about to go: a stop may find the disk without them before
    `Truncated` says that they are gone."""

    from_index: int


@dataclass(slots=True, kw_only=True, eq=False)
class Truncated(Observation):
    """Entries from `from_index` on are gone, in memory."""

    from_index: int


@dataclass(slots=True, kw_only=True, eq=False)
class SnapshotInstalled(Observation):
    """The log was replaced by a snapshot.

    Args:
        index: the last entry that the snapshot covers.
        term: of that entry.
        next_offset: Kafka's offset that follows it.
    """

    index: int
    term: int
    next_offset: int


@dataclass(slots=True, kw_only=True, eq=False)
class Forgotten(Observation):
    """The node deleted its replica and all it knew of the group: the topic was deleted.

    The other nodes will do so too; one that has lost the news with its power may begin anew before
    it hears of it again.
    """


@dataclass(slots=True, kw_only=True, eq=False)
class Flushed(Observation):
    """Entries up to this one are on the disk.

    Args:
        term: of the entry `index`, so that a flush of entries cut off meanwhile counts for nothing.
    """

    index: int
    term: int


@dataclass(slots=True, kw_only=True, eq=False)
class AppendAnswered(Observation):
    """A follower told the leader that it holds everything up to `index`.

    Args:
        term: the term in which it answers.
    """

    index: int
    term: int


@dataclass(slots=True, kw_only=True, eq=False)
class Committed(Observation):
    """The node's commit index rose."""

    index: int


@dataclass(slots=True, kw_only=True, eq=False)
class ConfigurationApplied(Observation):
    """Who votes, from the node's point of view, from now on.

    Args:
        index: of the entry that says so; 0 for the configuration the group began with.
        term: of that entry; -1 when it is not known, or for the configuration at 0.
        voters: the voters, the incoming ones while a change is under way.
        outgoing: the voters before, while a change is under way (joint consensus).
    """

    index: int
    term: int
    voters: frozenset[Node]
    outgoing: frozenset[Node] = frozenset()


@dataclass(slots=True, kw_only=True, eq=False)
class ProduceAnswered(Observation):
    """A client was told that its records (acks=all) are stored, in this entry."""

    index: int
    term: int


@dataclass(slots=True, kw_only=True, eq=False)
class HighWatermarkMoved(Observation):
    """Consumers may be told this high watermark from now on.

    Args:
        term: in which the node serves as the leader; 0 for one that follows.
    """

    offset: int
    term: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class LogStartMoved(Observation):
    """The first offset that the node serves rose."""

    offset: int
