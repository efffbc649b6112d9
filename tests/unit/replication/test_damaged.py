"""A replica whose disk lost what was synced: what it says of it, and what it never does."""

from __future__ import annotations

import logging

import pytest
from copy_world import NO_FUSE, TOPIC_ID
from fused_storage import Fuse, FusedDirectory, FusedStore, PowerCut

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogKey, PartitionId, ReplicaId, Term, TopicName, TopicPartition
from sprawl.core.log.checking import FoundDamage, SegmentCheck, check_log, note_damage
from sprawl.core.log.config import LogConfig
from sprawl.core.log.frames import EntryType
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.log.segment import SEGMENT_HEADER_BYTES
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import NEVER, HardState
from sprawl.core.records.batch import parse_header
from sprawl.core.records.record import encode_batch
from sprawl.core.replication.damaged import open_replica
from sprawl.core.replication.host import hard_state_key
from sprawl.core.replication.log_starts import GroupLog

TP = TopicPartition(TopicName("t"), PartitionId(0))
KEY = LogKey(TOPIC_ID, 0)
TERM = Term(3)
NAME = f"{0:020}.log"


class Directory(FusedDirectory):
    def set_aside(self, suffix: str) -> None:
        """Durable at once, as on a real disk."""
        self.fuse.burn()
        super().set_aside(suffix)
        super(FusedDirectory, self).sync()


class Disk:
    """One replica's disk: five batches of a record each, acknowledged in term 3."""

    def __init__(self, *voters: int, records: int = 5) -> None:
        self.fuse = Fuse(NO_FUSE)
        self.directory = Directory(self.fuse)
        self.kv = FusedStore(self.fuse)
        state = HardState(TERM, ReplicaId(2), Configuration.of(voters))
        self.kv.put(hard_state_key(KEY), state.encode(), sync=True)
        log = self.open()
        self.positions = []
        for at in range(records):
            self.positions.append(log.segments[-1].end.size_bytes)
            buf = encode_batch([(1_000, b"k", b"value-%d" % at, [])])
            log.append_batch(memoryview(buf), parse_header(buf), term=TERM, now_ms=1)
            log.flush()

    def open(self) -> PartitionLog:
        return open_replica(
            tp=TP,
            key=KEY,
            config=LogConfig(),
            directory=self.directory,
            kv=self.kv,
            now_ms=1,
            clean_shutdown=False,
        )

    @property
    def hard_state(self) -> HardState:
        found = self.kv.get(hard_state_key(KEY))
        assert found is not None
        return HardState.parse(found)

    def lose_power(self) -> None:
        """The files were synced, and the store was not: it does not know of the last syncs."""
        self.directory.crash(lambda _, high: high)
        self.kv.crash(lambda low, _: low)

    def flip(self, position: int) -> None:
        inode = self.directory.names[NAME]
        inode.data[position] ^= 1
        inode.synced[position] ^= 1


def check_stands_aside(disk: Disk, log: PartitionLog) -> None:
    assert (log.last_index, log.log_end_offset, log.damage) == (0, 0, ())
    assert disk.hard_state.lost == (TERM, NEVER)
    assert disk.hard_state.term == TERM + 1
    assert disk.hard_state.voted_for is None


@pytest.mark.parametrize("at", [0, 8, 12, 16, 30, 62])
@pytest.mark.parametrize("number", range(5))
def test_damage_is_never_taken_for_a_torn_tail(number: int, at: int) -> None:
    """Offset, length, epoch, magic, header and value of each entry, after a kill -9."""
    disk = Disk(1, 2, 3)
    disk.flip(disk.positions[number] + at)
    check_stands_aside(disk, disk.open())


@pytest.mark.parametrize("at", [0, 10, 11, 12, 16, 30, 62])
@pytest.mark.parametrize("number", range(4))
def test_nor_where_the_store_forgot_that_it_was_synced(number: int, at: int) -> None:
    """The recovery point is older than what was acknowledged. Cut there, the replica would vote for
    one that does not have what follows either."""
    disk = Disk(1, 2, 3)
    disk.lose_power()
    disk.flip(disk.positions[number] + at)
    check_stands_aside(disk, disk.open())


def test_a_damaged_segment_header_takes_nothing_along() -> None:
    disk = Disk(1, 2, 3)
    disk.lose_power()
    disk.flip(SEGMENT_HEADER_BYTES - 20)
    check_stands_aside(disk, disk.open())


def test_a_lost_entry_without_offsets_counts_as_well() -> None:
    disk = Disk(1, 2, 3)
    log = disk.open()
    position = log.segments[-1].end.size_bytes
    for _ in range(2):
        log.append_entry(EntryType.NOOP, b"", term=TERM)
    log.flush()
    disk.flip(position + 20)
    check_stands_aside(disk, disk.open())


def test_missing_files_count_as_well() -> None:
    disk = Disk(1, 2, 3)
    disk.directory.delete(NAME)
    check_stands_aside(disk, disk.open())


@pytest.mark.parametrize("kept", [None, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 22])
def test_missing_entries_without_offsets_count_as_well(kept: int | None) -> None:
    """A log of a leader's first entries alone: it acknowledged them, and votes by them."""
    disk = Disk(1, 2, 3, records=0)
    log = disk.open()
    for term in (2, 3):
        log.append_entry(EntryType.NOOP, b"", term=term)
        log.flush()
    if kept is None:
        disk.directory.delete(NAME)
    else:
        inode = disk.directory.names[NAME]
        del inode.data[kept:], inode.synced[kept:]
    check_stands_aside(disk, disk.open())


def test_a_torn_tail_is_cut_as_ever() -> None:
    disk = Disk(1, 2, 3)
    log = disk.open()
    buf = encode_batch([(1_000, b"k", b"torn", [])])
    log.append_batch(memoryview(buf), parse_header(buf), term=TERM, now_ms=1)
    # Of the batch 30 bytes reach the disk.
    disk.directory.crash(lambda _, high: 30 if high > 50 else int(high == 3))
    assert disk.directory.open(NAME).size_bytes == log.segments[-1].end.size_bytes - len(buf) + 30
    log = disk.open()
    assert log.last_index == 5
    assert disk.hard_state.lost is None


@pytest.mark.parametrize("voters", [(1,), (1, 2)])
def test_whom_the_others_cannot_do_without_keeps_what_it_has(voters: tuple[int, ...]) -> None:
    disk = Disk(*voters)
    disk.flip(disk.positions[2] + 62)
    log = disk.open()
    assert [tuple(each)[:2] for each in log.damage] == [(2, 3)]
    assert (log.last_index, disk.hard_state.lost) == (5, None)


def test_people_are_told_what_happened_and_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(1, 2, 3)
    disk.flip(disk.positions[2] + 62)
    with caplog.at_level(logging.ERROR):
        disk.open()
    (record,) = [each for each in caplog.records if "damaged" in each.getMessage()]
    for told in ("t-0", "damaged-1-stray", "no vote", "--replace-node"):
        assert told in record.getMessage()


def test_what_was_noted_for_the_old_log_is_forgotten() -> None:
    disk = Disk(1, 2, 3)
    log = disk.open()
    position = log.segments[-1].end.size_bytes
    GroupLog(log, KEY, disk.kv).append_start(3, term=TERM, now_ms=1)
    log.flush()
    disk.flip(position + 20)
    log = disk.open()
    check_stands_aside(disk, log)
    assert GroupLog(log, KEY, disk.kv).open_start is None


def test_a_power_loss_at_any_step_forgets_nothing() -> None:
    """The next open finds the damage again, or knows what was lost."""
    for changes in range(100):
        disk = Disk(1, 2, 3)
        disk.flip(disk.positions[2] + 62)
        disk.fuse.left = changes
        try:
            disk.open()
        except PowerCut:
            is_cut = True
        else:
            is_cut = False
        disk.fuse.left = NO_FUSE
        disk.directory.crash(lambda low, _: low)
        disk.kv.crash(lambda low, _: low)
        log = disk.open()
        lost = disk.hard_state.lost
        assert lost is not None
        assert lost >= (TERM, NEVER)
        assert (log.last_index, log.damage) == (0, ())
        if not is_cut:
            assert changes > 3
            return
    raise AssertionError("it never ends")


def test_a_damaged_entry_without_offsets_is_not_sent_to_others() -> None:
    """They would refuse all that came in the same frame."""
    disk = Disk(1, 2, 3)
    log = disk.open()
    position = log.segments[-1].end.size_bytes
    index = log.append_entry(EntryType.NOOP, b"", term=TERM)
    log.flush()
    assert log.entries(index, index + 1, 1)[0].type is EntryType.NOOP
    disk.flip(position + 18)
    with pytest.raises(KafkaFault) as refused:
        log.entries(index, index + 1, 1)
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE
    assert len(log.entries(1, index + 1, 1_000)) == index - 1


@pytest.mark.parametrize("at", [7, 8, 12, 15, 16])
@pytest.mark.parametrize("number", range(1, 4))
def test_an_entry_that_is_not_what_belongs_there_is_not_sent(number: int, at: int) -> None:
    """Neither its offset nor its term, which no checksum covers, nor what cannot be walked over."""
    disk = Disk(1, 2, 3)
    log = disk.open()
    disk.flip(disk.positions[number] + at)
    assert [each.index for each in log.entries(1, 6, 10_000)] == list(range(1, number + 1))
    told: list[object] = []
    log.watch(told.append)
    with pytest.raises(KafkaFault) as refused:
        log.entries(number + 1, 6, 10_000)
    assert refused.value.code is ErrorCode.CORRUPT_MESSAGE
    assert told == [log.segments[0]]
    with pytest.raises(FoundDamage) as found:
        check_log(log, None)
    assert found.value.damage.start_offset == number


@pytest.mark.parametrize("at", [11, 62])
def test_a_probe_reads_the_checksum_too(at: int) -> None:
    """Of an entry that a follower refused: its length is short by one, or its value is another."""
    disk = Disk(1, 2, 3)
    log = disk.open()
    disk.flip(disk.positions[2] + at)
    assert len(log.entries(1, 4, 10_000)) == 3
    with pytest.raises(KafkaFault):
        log.entries(3, 4, 10_000, verify=True)


def test_a_log_that_was_cut_meanwhile_is_not_taken_for_damaged() -> None:
    disk = Disk(1, 2, 3)
    log = disk.open()
    check = SegmentCheck(log, log.segments[0])
    check.step(1)
    log.truncate_suffix(3)
    while not check.is_done:
        check.step(100)
    check_log(log, None)


def test_what_was_met_before_anybody_watches_counts() -> None:
    disk = Disk(1, 2, 3)
    log = disk.open()
    disk.flip(disk.positions[2] + 16)
    with pytest.raises(KafkaFault):
        log.entries(3, 4, 10_000)
    told: list[object] = []
    log.watch(told.append)
    assert told == [None]


def find_and_note(log: PartitionLog) -> None:
    try:
        check_log(log, None)
    except FoundDamage as found:
        note_damage(log, found)


def test_sealed_damage_that_was_noted_is_refused_by_the_next_open() -> None:
    disk = Disk(1, 2, 3)
    log = disk.open()
    log.roll(1)
    log.flush()
    disk.flip(disk.positions[2] + 62)
    assert disk.open().last_index == 5  # no open reads what was sealed
    find_and_note(log)
    assert log.is_closed
    log.flush()
    check_stands_aside(disk, disk.open())


def test_a_power_loss_while_sealed_damage_is_noted_forgets_nothing() -> None:
    """Either the damage is there to be found again, or the replica knows that it lost something."""
    for changes in range(100):
        disk = Disk(1, 2, 3)
        log = disk.open()
        log.roll(1)
        log.flush()
        disk.flip(disk.positions[2] + 62)
        disk.fuse.left = changes
        try:
            find_and_note(log)
            disk.open()
        except PowerCut:
            is_cut = True
        else:
            is_cut = False
        disk.fuse.left = NO_FUSE
        disk.directory.crash(lambda low, _: low)
        disk.kv.crash(lambda low, _: low)
        log = disk.open()
        if disk.hard_state.lost is None:
            assert is_cut
            with pytest.raises(FoundDamage):
                check_log(log, None)
            continue
        assert disk.hard_state.lost >= (TERM, NEVER)
        assert (log.last_index, log.damage) == (0, ())
        if not is_cut:
            assert changes > 3
            return
    raise AssertionError("it never ends")
