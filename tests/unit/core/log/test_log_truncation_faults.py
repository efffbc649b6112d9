"""A truncation beside syncs and on a disk with trouble: what it leaves is told as it is."""

from __future__ import annotations

import errno
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from log_world import LogWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log import changes
from sprawl.core.log.state import LogState
from sprawl.core.log.tokens import DurableUpTo
from sprawl.core.records.batch import parse_header
from sprawl.core.records.record import encode_batch
from sprawl.core.storage.disk import DiskFile

DAY_MS = 86_400_000


def batch_of(producer_id: int, base_sequence: int) -> bytearray:
    return encode_batch(
        [(1, None, b"x", [])],
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=base_sequence,
    )


def test_producers_that_are_read_again_were_active_now(world: LogWorld) -> None:
    """Else the next round that forgets idle ones takes them, and a retry is stored twice."""
    world.now_ms = 1_700_000_000_000
    for producer_id in (5, 6):
        world.append_raw(batch_of(producer_id, 0))
    log = world.log
    log.truncate_suffix(2)
    log.producers.expire(world.now_ms + 1_000, DAY_MS)
    assert log.producers.check(parse_header(batch_of(5, 0))) is not None


@pytest.mark.parametrize("step", ["write", "cut", "rebuild_producers"])
@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.EIO, "Input/output error"),
        KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, "Input/output error"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_log_that_was_cut_in_half_is_used_no_more(
    world: LogWorld, monkeypatch: pytest.MonkeyPatch, step: str, failure: Exception
) -> None:
    """What it holds then is not known: nothing is appended behind it, and no sync is claimed."""
    for sequence in range(5):
        world.append_raw(batch_of(5, sequence), term=1)
    log = world.log
    log.flush()

    def fails(*_: object, **__: object) -> None:
        raise failure

    target = {"write": LogState, "cut": type(log.segments[-1]), "rebuild_producers": changes}[step]
    with monkeypatch.context() as patch:
        patch.setattr(target, step, fails)
        with pytest.raises(KafkaFault, match="Input/output"):
            log.truncate_suffix(4)
    with pytest.raises(KafkaFault, match="A truncation of t-0 failed"):
        world.append_raw(batch_of(9, 0), term=2)
    with pytest.raises(OSError, match="A truncation of t-0 failed"):
        log.flush()
    assert log.synced_index <= 3 or step == "write"


def test_a_sync_that_meets_a_truncation_misses_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = LogWorld(tmp_path)
    world.configure(segment_bytes=300)
    world.fill(9, size=100)
    log = world.log
    pending, active = log.pending, log.segments[-1]  # as a sync that began before saw them
    discard = DiskFile.discard
    met: list[DiskFile] = []

    def gone(file: DiskFile, delay_ms: int) -> None:
        discard(file, delay_ms)
        if not met:
            met.append(file)
            changes._sync(log, pending, active)

    monkeypatch.setattr(DiskFile, "discard", gone)
    log.truncate_suffix(3)
    assert met
    assert log.failure is None
    world.close()


def test_a_sync_that_waited_for_a_truncation_which_failed_claims_nothing(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.fill(5)
    log = world.log
    with ThreadPoolExecutor(1) as pool:
        syncs: list[Future[DurableUpTo]] = []

        def fails(*_: object, **__: object) -> None:
            syncs.append(pool.submit(log.flush))
            wait(syncs, timeout=0.2)
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(type(log.segments[-1]), "cut", fails)
            with pytest.raises(KafkaFault):
                log.truncate_suffix(3)
        with pytest.raises(OSError, match="A truncation of t-0 failed"):
            syncs[0].result()
    assert log.synced_index <= 2


def test_a_sync_claims_nothing_in_the_middle_of_a_truncation(
    disk_world: LogWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would claim entries that are being cut off, and with that others which come in their place
    and are on no disk."""
    world = disk_world
    world.fill(5)
    log = world.log
    write = LogState.write
    with ThreadPoolExecutor(1) as pool:
        syncs: list[Future[DurableUpTo]] = []

        def slow(state: LogState, *puts: Any, **how: Any) -> None:
            if not syncs:
                syncs.append(pool.submit(log.flush))
                wait(syncs, timeout=0.2)
            write(state, *puts, **how)

        monkeypatch.setattr(LogState, "write", slow)
        log.truncate_suffix(3)
        [sync] = syncs
        assert sync.result().index <= 2
    assert log.synced_index <= 2
