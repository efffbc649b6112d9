"""A log whose beginning is in a checkpoint is copied with it: never the one without the other."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from copy_world import NO_FUSE, Replica, lagging, leader
from crash_storage import Choose
from test_copying import KEY, STATE_KEY, CopyPair

from sprawl.core.controller.checkpoint_copies import AttachedCheckpoints
from sprawl.core.controller.checkpoints import COPIED_SUFFIX, CheckpointFiles, Place
from sprawl.core.ids import LogKey, ReplicaId
from sprawl.core.limits import COPIES_MAX
from sprawl.core.replication import copying

RECORDS = [b'{"a":%d}' % at for at in range(40)]
START = 20


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_PIECE_BYTES", 150)
    monkeypatch.setattr(copying, "COPY_RETRY_MS_MIN", 1)


def shortened(*checkpoints: int) -> Replica:
    """A leader whose log starts at START, with checkpoints at these offsets."""
    made = leader(deleted=START, compacted=False)
    for offset in checkpoints:
        CheckpointFiles(made.directory).write(Place(offset, 2), RECORDS[:offset])
    return made


def pair_of(source: Replica, follower: Replica) -> CopyPair:
    pair = CopyPair(source, follower)
    for number, replica in ((1, source), (2, follower)):
        files = CheckpointFiles(replica.directory)
        pair.copies[number].attached[KEY] = AttachedCheckpoints(files)
    return pair


def checkpoint(replica: Replica) -> tuple[int, list[bytes]] | None:
    found = CheckpointFiles(replica.directory).newest(0)
    return None if found is None else (found.place.offset, list(found.records))


def leftovers(replica: Replica) -> list[str]:
    return [each.name for each in replica.directory.list() if each.name.endswith(COPIED_SUFFIX)]


async def ended(pair: CopyPair) -> None:
    """One offer, to whatever end."""
    pair.copies[1].offer(KEY, ReplicaId(2))
    [offer] = pair.copies[1]._offers.values()
    await asyncio.wait([offer])
    offer.exception()


async def test_the_checkpoint_comes_with_the_log() -> None:
    source, follower = shortened(START, START + 2), lagging()
    pair = pair_of(source, follower)
    await pair.offer()
    assert follower.facts() == source.facts()
    assert checkpoint(follower) == (START + 2, RECORDS[: START + 2])
    assert not leftovers(follower)


async def test_it_does_not_wait_for_the_copies_of_partitions() -> None:
    pair = pair_of(shortened(START), lagging())
    pair.copies[2]._running = {LogKey(KEY.topic_id, number) for number in range(7, 7 + COPIES_MAX)}
    await pair.offer()
    assert pair.sent[0][1]


async def test_a_whole_log_needs_none() -> None:
    pair = pair_of(leader(compacted=False), lagging())
    await pair.offer()
    assert pair.sent[0][1]
    assert checkpoint(pair.follower) is None


@pytest.mark.parametrize("offsets", [(), (START - 1,)])
async def test_a_log_that_was_shortened_is_not_copied_without(offsets: tuple[int, ...]) -> None:
    pair = pair_of(shortened(*offsets), lagging())
    old = pair.follower.facts()
    await pair.offer()
    assert not pair.sent[0][1]
    assert pair.follower.facts() == old


async def test_what_a_follower_does_not_get_it_does_not_do_without() -> None:
    """A leader that does not know of checkpoints sends none."""
    pair = pair_of(shortened(START), lagging())
    pair.copies[1].attached.clear()
    old = pair.follower.facts()
    await pair.offer()
    assert not pair.sent[0][1]
    assert pair.follower.facts() == old


async def test_a_checkpoint_that_was_damaged_on_the_way_is_refused() -> None:
    pair = pair_of(shortened(START), lagging())
    old = pair.follower.facts()
    pieces = -(-pair.source.log.size_bytes // 150)
    assert pieces > 1

    def damage(method: str, answer: bytes) -> bytes:
        return answer.replace(b'{"a":7}', b'{"a":8}') if method == copying.READ else answer

    pair.after = damage
    await pair.offer()
    assert not pair.sent[0][1]
    assert pair.follower.facts() == old
    assert not leftovers(pair.follower)
    assert checkpoint(pair.follower) is None


def ways_to_crash(seed: int) -> list[Choose]:
    return [lambda low, high: low, lambda low, high: high, Random(seed).randint]


async def test_power_goes_before_a_change() -> None:
    source = shortened(START, START + 2)
    whole = lagging()
    old, first = whole.facts(), whole.fuse.burnt
    await ended(pair_of(source, whole))
    last, seen = whole.fuse.burnt, set()
    for changes in range(first, last):
        for choose in ways_to_crash(changes):
            follower = lagging(changes)
            await ended(pair_of(source, follower))
            follower.fuse.left = NO_FUSE
            follower.directory.crash(choose)
            follower.kv.crash(choose)
            follower.open()
            CheckpointFiles(follower.directory).remove_parts()
            is_new = follower.kv.get(STATE_KEY) != b"old"
            has_checkpoint = checkpoint(follower) == (START + 2, RECORDS[: START + 2])
            seen.add((is_new, has_checkpoint))
            if is_new:
                assert has_checkpoint, f"a log from {START} and nothing before it"
                assert follower.facts() == source.facts()
            else:
                assert follower.facts() == old
            assert not leftovers(follower)
    assert seen == {(False, False), (False, True), (True, True)}
