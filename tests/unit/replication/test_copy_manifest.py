"""Manifests of copies: what is written is read, and what contradicts itself is refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from copy_world import TOPIC_ID, leader

from sprawl.core.ids import LogKey, ReplicaId, Term
from sprawl.core.log.copies import plan_copy
from sprawl.core.raft.configuration import Configuration
from sprawl.core.replication.copy_manifest import Ask, Manifest, Piece, parse_done


def manifest() -> Manifest:
    source = leader(deleted=8)
    plan, _ = plan_copy(source.log, source.log.last_index, log_start_offset=0)
    return Manifest(5, Configuration.of([1, 2], [3]), plan)


def test_what_is_written_is_read() -> None:
    made = manifest()
    assert Manifest.parse(made.encode()) == made
    ask = Ask(LogKey(TOPIC_ID, 3), ReplicaId(1), ReplicaId(2), Term(9))
    assert Ask.parse(memoryview(ask.encode())) == ask
    assert Piece.parse(memoryview(Piece(1, 2, 3, 4).encode())) == Piece(1, 2, 3, 4)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    data = manifest().encode()
    (size,) = struct.unpack_from(">I", data)
    head = json.loads(data[4 : 4 + size])
    change(head)
    text = json.dumps(head).encode()
    return struct.pack(">I", len(text)) + text + data[4 + size :]


def in_segment(at: int, field: int, by: int) -> Callable[[dict[str, Any]], object]:
    def change(head: dict[str, Any]) -> None:
        head["segments"][at][field] += by

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.pop("index"),
        lambda head: head.update(index=head["index"] + 1),
        lambda head: head.update(index=0),
        lambda head: head.update(index="7"),
        lambda head: head.update(index=True),
        lambda head: head.update(index=2**63),
        lambda head: head.update(term=head["term"] + 1),
        lambda head: head.update(end_offset=head["end_offset"] - 1),
        lambda head: head.update(log_start_offset=head["end_offset"] + 1),
        lambda head: head.update(log_start_offset=-1),
        lambda head: head.update(cleaned_to_offset=head["end_offset"] + 1),
        lambda head: head.update(epochs=[]),
        lambda head: head["epochs"].reverse(),
        lambda head: head["epochs"].append([99, head["index"], 0]),
        lambda head: head.update(segments=[[1, 2, 3]]),
        lambda head: head["segments"].pop(0) and head["segments"].pop(0),
        lambda head: head["segments"].pop(),
        lambda head: head["segments"].reverse(),
        lambda head: head["segments"][0].__setitem__(5, 1),
        in_segment(0, 0, -1_000),
        in_segment(0, 2, 1),
        in_segment(0, 3, 1),
        in_segment(1, 1, 1),
        in_segment(0, 4, -(10**6)),
        in_segment(0, 4, 2**32),
        lambda head: head.update(configuration="zz"),
        lambda head: head.update(configuration="00"),
        lambda head: head.update(producers_offset=head["end_offset"] + 1),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    change: Callable[[dict[str, Any]], object],
) -> None:
    data = changed(change)
    if data == manifest().encode():
        pytest.skip("nothing to change")
    with pytest.raises(ValueError, match="not the manifest of a copy"):
        Manifest.parse(data)


def test_bytes_that_are_cut_off_are_refused() -> None:
    data = manifest().encode()
    for size in range(0, len(data), 7):
        with pytest.raises(ValueError):
            Manifest.parse(data[:size])
    for parse in (Ask.parse, Piece.parse):
        with pytest.raises(ValueError):
            parse(memoryview(b"x"))
    with pytest.raises(ValueError):
        parse_done(b"x")
