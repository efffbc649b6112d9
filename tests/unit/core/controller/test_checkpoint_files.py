"""Checkpoint files: what is not whole is not taken, and what is not needed goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprawl.core.controller.checkpoints import (
    PART_SUFFIX,
    CheckpointFiles,
    Place,
    encode_checkpoint,
    parse_checkpoint,
)
from sprawl.core.storage.disk import DiskStore
from sprawl.core.storage.memory import MemoryStore
from sprawl.core.storage.port import LogDirectory

RECORDS = [b'{"type":"topic","name":"\xc3\xbc"}', b'{"type":"producer ids","next":1000}']


@pytest.fixture(params=["memory", "disk"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> LogDirectory:
    store = MemoryStore() if request.param == "memory" else DiskStore(tmp_path)
    return store.directory("__cluster_metadata-0")


def test_names_are_those_of_kafka() -> None:
    place = Place(1042, 3)
    assert place.name == "00000000000000001042-0000000003.checkpoint"
    assert Place.parse(place.name) == place
    for other in ("00000000000000001042.log", place.name + ".deleted", "1-1.checkpoint"):
        assert Place.parse(other) is None


@pytest.mark.parametrize("records", [[], RECORDS])
def test_any_other_byte_and_any_other_length_is_noticed(records: list[bytes]) -> None:
    place = Place(17, 2)
    data = encode_checkpoint(place, records)
    assert list(parse_checkpoint(place, data).records) == records
    for at in range(len(data)):
        for flipped in (1, 32, 128):
            damaged = bytearray(data)
            damaged[at] ^= flipped
            with pytest.raises(ValueError):
                parse_checkpoint(place, damaged)
        with pytest.raises(ValueError):
            parse_checkpoint(place, data[:at])
    for tail in (b"\n", b"{}\n", b"\x00" * 30):
        with pytest.raises(ValueError):
            parse_checkpoint(place, data + tail)
    with pytest.raises(ValueError):
        parse_checkpoint(Place(18, 2), data)


def test_two_are_kept_and_the_newest_whole_one_counts(directory: LogDirectory) -> None:
    files = CheckpointFiles(directory)
    assert files.newest(0) is None
    for offset in (5, 9, 14):
        files.write(Place(offset, 1), [b'{"n":%d}' % offset])
    assert files.places() == [Place(9, 1), Place(14, 1)]
    found = files.newest(0)
    assert found is not None
    assert (found.place.offset, list(found.records)) == (14, [b'{"n":14}'])
    bounded = files.newest(0, end_offset=13)
    assert bounded is not None
    assert bounded.place.offset == 9
    assert files.newest(15) is None


def test_a_damaged_one_makes_room_for_the_older(directory: LogDirectory) -> None:
    """It is taken away: the next one written must not push out the older one instead of it."""
    files = CheckpointFiles(directory)
    for offset in (5, 9):
        files.write(Place(offset, 1), RECORDS)
    file = files.open(Place(9, 1))
    file.truncate(file.size_bytes - 3)
    file.close()
    found = files.newest(0)
    assert found is not None
    assert found.place.offset == 5
    files.write(Place(14, 1), RECORDS)
    assert files.places() == [Place(5, 1), Place(14, 1)]


def test_a_part_that_a_stop_left_is_in_nobodys_way(directory: LogDirectory) -> None:
    files = CheckpointFiles(directory)
    half = files.create(Place(5, 1), PART_SUFFIX)
    half.append((b"half",))
    half.close()
    assert files.places() == []
    files.write(Place(5, 1), RECORDS)
    found = files.newest(0)
    assert found is not None
    assert list(found.records) == RECORDS
    files.create(Place(7, 1), PART_SUFFIX).close()
    files.remove_parts()
    assert [info.name for info in directory.list()] == [Place(5, 1).name]


def test_one_of_another_version_is_not_taken_for_a_damaged_one(directory: LogDirectory) -> None:
    files = CheckpointFiles(directory)
    files.write(Place(5, 1), RECORDS)
    newer = files.create(Place(9, 1), PART_SUFFIX)
    newer.append((encode_checkpoint(Place(9, 1), RECORDS).replace(b'int":1', b'int":2', 1),))
    files.install(newer, Place(9, 1))
    with pytest.raises(ValueError, match="version 2"):
        files.newest(0)
    assert files.places() == [Place(5, 1), Place(9, 1)]
