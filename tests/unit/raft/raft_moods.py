"""What worlds are like: mild or rough by chance, and each in one of a few moods.

The mistakes that are hardest to see show after several unlikely things in a row. A world in which
everything is about as likely as everything else seldom gets there; one with a mood does, because
those things are likely in it. Moods take turns, so that a few worlds in a row have seen them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from sprawl.core.raft.settings import RaftSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How rough a world is, drawn from its seed.

    Args:
        sizes: how many voters the group may have at first.
        disks: how soon a replica's disk gets on with a flush; each replica has one of them.
        stores: the same of hard states.
        transfers: which part of what owners ask for is to hand over the leadership.
        outages: how often power fails where something was cut off, and is on disk still.
        usurpers: how often a bare majority finds another leader.
        coups: the same while a change of the configuration is under way.
    """

    sizes: tuple[int, ...] = (1, 2, 3, 3, 3, 3, 4, 5)
    lost: float
    repeated: float
    delayed: float
    crashes: float
    partitions: float
    changes: float
    steers: float
    disk_errors: float
    writes: float
    reads: float
    reports: float
    unrest: float
    clocks: tuple[float, ...]
    disks: tuple[float, ...] = (1.0,)
    stores: tuple[float, ...] = (1.0,)
    transfers: float = 0.17
    outages: float = 0.0
    usurpers: float = 0.0
    coups: float = 0.0
    settings: RaftSettings

    @classmethod
    def draw(cls, rng: Random) -> Knobs:
        return cls(
            lost=rng.choice((0.0, 0.02, 0.2)),
            repeated=rng.choice((0.0, 0.05)),
            delayed=rng.choice((0.0, 0.3, 0.9)),
            crashes=rng.choice((0.0, 0.004, 0.02)),
            partitions=rng.choice((0.0, 0.004, 0.02)),
            changes=rng.choice((0.0, 0.01, 0.03)),
            steers=rng.choice((0.01, 0.05)),
            disk_errors=rng.choice((0.0, 0.0, 0.002)),
            writes=(writes := rng.choice((1.0, 1.0, 0.03))),
            reads=rng.choice((1.0, 0.1)) if writes == 1.0 else rng.choice((1.0, 0.01)),
            reports=rng.choice((0.4, 0.04)),
            unrest=rng.choice((0.0, 0.005, 0.02)),
            clocks=rng.choice(((1.0,), (1.0, 0.5), (1.0, 1.0, 0.05))),
            settings=RaftSettings(
                election_ticks=rng.choice((3, 5, 10)),
                heartbeat_ticks=rng.choice((1, 2)),
                hibernate_after_ticks=rng.choice((0, 3, 6)),
                append_bytes_max=rng.choice((1, 80, 1_000_000)),
                inflight_appends_max=rng.choice((1, 2, 32)),
                inflight_bytes_max=rng.choice((60, 1_000_000)),
                uncommitted_bytes_max=rng.choice((200, 1_000_000)),
                catch_up_entries_max=rng.choice((0, 5, 1000)),
            ),
        )


Mood = Callable[[Random, Knobs], Knobs]


def even(rng: Random, knobs: Knobs) -> Knobs:
    """Nothing is more likely than the knobs say."""
    return knobs


def slow_disks(rng: Random, knobs: Knobs) -> Knobs:
    """Flushes take long and are heard of late, links stay broken for long, and power fails: what
    is on disk is not what replicas believe."""
    return replace(
        knobs,
        disks=rng.choice(((0.1,), (0.3,))),
        reports=rng.choice((0.4, 0.1)),
        crashes=rng.choice((0.004, 0.01)),
        partitions=rng.choice((0.002, 0.01)),
        unrest=0.01,
        lost=0.0,
    )


def one_slow_disk(rng: Random, knobs: Knobs) -> Knobs:
    """One replica is far behind with its flushes and its hard states, and the others are not."""
    slow = rng.choice((0.05, 0.2))
    return replace(
        knobs,
        sizes=(3, 3, 4, 5),
        disks=(1.0, slow, 1.0, 1.0, 1.0),
        stores=rng.choice(((1.0,), (1.0, slow, 1.0, 1.0, 1.0))),
        reports=0.4,
        crashes=rng.choice((0.0, 0.004)),
        partitions=0.0,
        usurpers=0.01,
        writes=1.0,
    )


def overwritten_tails(rng: Random, knobs: Knobs) -> Knobs:
    """Leaders come and go before what they write is on a majority: ends of logs are cut off."""
    return replace(
        knobs,
        sizes=(3, 3, 3, 5),
        usurpers=rng.choice((0.02, 0.05)),
        disks=rng.choice(((0.3,), (1.0,), (1.0, 0.1, 0.3))),
        reports=rng.choice((0.4, 0.1)),
        crashes=rng.choice((0.0, 0.0, 0.004)),
        partitions=0.0,
        unrest=0.0,
        lost=0.0,
        changes=0.0,
        writes=1.0,
    )


def figure_8(rng: Random, knobs: Knobs) -> Knobs:
    """Figure 8 of the paper again and again: hardly anything is committed, and what was cut off
    comes back, over disks so slow that flushes and their reports outlive it."""
    return replace(
        knobs,
        sizes=(5,),
        usurpers=rng.choice((0.05, 0.1)),
        disks=(0.1,),
        reports=rng.choice((0.4, 0.1)),
        crashes=0.0,
        partitions=0.0,
        unrest=0.0,
        lost=0.0,
        changes=0.0,
        writes=1.0,
        settings=replace(knobs.settings, append_bytes_max=rng.choice((1, 80))),
    )


def much_change(rng: Random, knobs: Knobs) -> Knobs:
    """Configurations are proposed all the time; some of their leaders do not last."""
    return replace(
        knobs,
        sizes=(1, 2, 3, 3, 4),
        changes=rng.choice((0.05, 0.1)),
        crashes=rng.choice((0.004, 0.01)),
        usurpers=rng.choice((0.005, 0.02)),
        coups=rng.choice((0.005, 0.02)),
        disks=rng.choice(((1.0,), (0.3,))),
        stores=rng.choice(((1.0,), (0.3,))),
        writes=rng.choice((1.0, 0.3)),
        reports=0.4,
        partitions=0.0,
        lost=0.0,
    )


def lost_changes(rng: Random, knobs: Knobs) -> Knobs:
    """Leaders are deposed while a change is under way, and power fails where it was cut off."""
    return replace(
        knobs,
        sizes=(1, 2, 3, 3, 4),
        changes=0.1,
        coups=rng.choice((0.1, 0.3)),
        outages=0.2,
        disks=(0.3,),
        reports=0.4,
        crashes=0.0,
        partitions=0.0,
        unrest=0.0,
        lost=0.0,
        writes=1.0,
    )


def deposed_leaders(rng: Random, knobs: Knobs) -> Knobs:
    """A leader is cut off and does not know that others have a new one; everybody is read from."""
    return replace(
        knobs,
        sizes=(3, 3, 4, 5),
        usurpers=rng.choice((0.01, 0.03)),
        reads=1.0,
        writes=1.0,
        reports=0.4,
        lost=0.0,
        changes=0.0,
        crashes=0.0,
        partitions=0.0,
        delayed=rng.choice((0.0, 0.9)),
    )


def handing_over(rng: Random, knobs: Knobs) -> Knobs:
    """The leadership is handed on all the time, while entries are on their way."""
    return replace(
        knobs,
        sizes=(2, 3, 3, 4, 5),
        steers=rng.choice((0.1, 0.3)),
        transfers=0.9,
        writes=1.0,
        delayed=rng.choice((0.3, 0.9)),
        lost=rng.choice((0.0, 0.02)),
    )


def idle(rng: Random, knobs: Knobs) -> Knobs:
    """There is little to do: the group hibernates, and wakes when somebody dies or writes."""
    return replace(
        knobs,
        sizes=(2, 3, 3, 4),
        writes=0.02,
        reads=0.02,
        reports=0.4,
        steers=0.02,
        crashes=rng.choice((0.0, 0.001)),
        partitions=0.001,
        changes=0.0,
        unrest=0.0,
        lost=0.0,
        delayed=0.0,
        clocks=(1.0,),
        settings=replace(knobs.settings, election_ticks=5, hibernate_after_ticks=3),
    )


MOODS: tuple[Mood, ...] = (
    even,
    overwritten_tails,
    much_change,
    deposed_leaders,
    lost_changes,
    figure_8,
    slow_disks,
    handing_over,
    one_slow_disk,
    idle,
)


def mood_of(seed: int) -> Mood:
    """The mood of a world."""
    return MOODS[seed % len(MOODS)]
