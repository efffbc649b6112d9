"""Fetch and the replicas that do not lead: who is sent to them, and what they answer (KIP-392)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from data_world import World, batch, values_of

from sprawl.core.config.broker_keys import RACK_AWARE
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ReplicaId
from sprawl.core.records.batch import parse_header
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from sprawl.gateway.handlers import k01_fetch

if TYPE_CHECKING:
    from sprawl.core.partition.partition import Partition

V = 12


class Replica:
    """Stands in for a group: whether this replica leads, whom it knows, and who waits here."""

    def __init__(self, partition: Partition, *, is_leader: bool) -> None:
        self.is_leader = is_leader
        self.knows_leader = True
        self.followers: list[int] = []
        self.waits = 0
        partition._replication = cast("Any", self)

    def check_readable(self, *, may_follow: bool = False) -> None:
        if not self.is_leader and not (may_follow and self.knows_leader):
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def followers_at(self, offset: int) -> list[ReplicaId]:
        return [ReplicaId(each) for each in self.followers]

    def commits_awaited(self) -> None:
        self.waits += 1

    def sync(self) -> None:
        """There is nothing to save."""

    def close(self, fault: KafkaFault, *, forget: bool = False) -> None:
        """Nobody waits for a commit."""


def request(offset: int = 0, *, max_wait_ms: int = 0, **fields: Any) -> FetchRequest:
    wanted = FetchPartition(
        partition=0,
        fetch_offset=offset,
        partition_max_bytes=1 << 20,
        current_leader_epoch=fields.pop("current_leader_epoch", -1),
    )
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=fields.pop("min_bytes", 1),
        topics=[FetchTopic(topic="t", partitions=[wanted])],
        **fields,
    )


async def fetch(world: World, wanted: FetchRequest, version: int = V) -> PartitionData:
    response = await world.call(k01_fetch, wanted, version)
    assert isinstance(response, FetchResponse)
    return response.responses[0].partitions[0]


async def answered(answering: asyncio.Task[Any]) -> PartitionData:
    response = await asyncio.wait_for(answering, 10)
    assert isinstance(response, FetchResponse)
    return response.responses[0].partitions[0]


def followed(world: World, *committed: str, uncommitted: int = 0) -> Replica:
    """t-0 as a follower in term 3, with what is committed and what is not."""
    world.topic(term=3)
    if committed:
        world.append(*committed)
    replica = Replica(world.partition(), is_leader=False)
    grow(world, uncommitted)
    return replica


def grow(world: World, count: int) -> None:
    """A leader's entries arrive."""
    log = world.partition().log
    for _ in range(count):
        buf = bytearray(batch("later"))
        log.append_batch(memoryview(buf), parse_header(buf), term=3, now_ms=0)


# --- the leader ----------------------------------------------------------------------------------


def led(world: World, *followers: int) -> Replica:
    """t-0 as its leader, with these followers in sync; each broker has the rack r<id>."""
    world.topic(term=3)
    world.append("a", "b")
    for each in (2, 3):
        world.other_broker(each)
    world.config.replica_selector_class = RACK_AWARE
    replica = Replica(world.partition(), is_leader=True)
    replica.followers = list(followers)
    return replica


@pytest.mark.parametrize("version", [11, 12])
async def test_a_consumer_is_sent_on_to_the_replica_in_its_rack(world: World, version: int) -> None:
    led(world, 2, 3)
    data = await fetch(world, request(rack_id="r3", max_wait_ms=60_000), version)
    assert (data.error_code, data.preferred_read_replica) == (0, 3)
    assert values_of(data.records) == []
    assert (data.high_watermark, data.log_start_offset) == (2, 0)
    assert world.metrics.fetch_sent_on == 1


@pytest.mark.parametrize("rack", ["", "r9", "r1"])
async def test_others_read_here(world: World, rack: str) -> None:
    led(world, 2, 3)
    data = await fetch(world, request(rack_id=rack))
    assert (data.preferred_read_replica, values_of(data.records)) == (-1, ["a", "b"])


async def test_nobody_is_sent_on_unless_the_selector_says_so(world: World) -> None:
    led(world, 2, 3)
    world.config.replica_selector_class = ""
    data = await fetch(world, request(rack_id="r3"))
    assert (data.preferred_read_replica, values_of(data.records)) == (-1, ["a", "b"])


async def test_a_replica_that_is_behind_or_away_is_no_choice(world: World) -> None:
    led(world, 2)
    assert (await fetch(world, request(rack_id="r3"))).preferred_read_replica == -1
    world.alive.clear()
    assert (await fetch(world, request(rack_id="r2"))).preferred_read_replica == -1


@pytest.mark.parametrize("offset", [-1, 3])
async def test_an_offset_out_of_range_is_the_leaders_to_refuse(world: World, offset: int) -> None:
    led(world, 2, 3)
    data = await fetch(world, request(offset, rack_id="r3"))
    assert data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert data.preferred_read_replica == -1


async def test_what_is_not_committed_sends_nobody_on(world: World) -> None:
    led(world, 2, 3)
    grow(world, 2)
    assert (await fetch(world, request(3, rack_id="r3"))).preferred_read_replica == -1
    assert (await fetch(world, request(2, rack_id="r3"))).preferred_read_replica == 3


# --- a follower ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [11, 12])
async def test_a_follower_serves_what_is_committed(world: World, version: int) -> None:
    followed(world, "a", "b", uncommitted=2)
    data = await fetch(world, request(), version)
    assert values_of(data.records) == ["a", "b"]
    assert (data.error_code, data.high_watermark, data.last_stable_offset) == (0, 2, 2)
    assert data.log_start_offset == 0
    assert world.metrics.fetch_follower_bytes > 0


async def test_old_versions_read_from_leaders_only(world: World) -> None:
    followed(world, "a")
    data = await fetch(world, request(), 10)
    assert data.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_a_follower_without_a_leader_sends_clients_away(world: World) -> None:
    followed(world, "a").knows_leader = False
    data = await fetch(world, request())
    assert data.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_a_long_poll_ends_when_the_leader_is_lost(world: World) -> None:
    replica = followed(world, "a")
    answering = world.start_call(k01_fetch, request(1, max_wait_ms=60_000), V)
    await asyncio.sleep(0)
    replica.knows_leader = False
    world.partition().role_changed(world.partition().term)
    assert (await answered(answering)).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


@pytest.mark.parametrize(
    ("epoch", "code"),
    [
        (2, ErrorCode.FENCED_LEADER_EPOCH),
        (3, ErrorCode.NONE),
        (4, ErrorCode.UNKNOWN_LEADER_EPOCH),
        (-1, ErrorCode.NONE),
    ],
)
async def test_a_follower_fences_by_its_term(world: World, epoch: int, code: ErrorCode) -> None:
    followed(world, "a")
    data = await fetch(world, request(current_leader_epoch=epoch))
    assert data.error_code == code


@pytest.mark.parametrize("min_bytes", [1, 1_000_000])
async def test_a_commit_wakes_a_long_poll(world: World, min_bytes: int) -> None:
    replica = followed(world, "a", uncommitted=1)
    wanted = request(1, max_wait_ms=60_000 if min_bytes == 1 else 50, min_bytes=min_bytes)
    answering = world.start_call(k01_fetch, wanted, V)
    await asyncio.sleep(0)
    assert replica.waits == 1, "the group was not told that somebody waits"
    world.partition().commit_to(world.partition().log_end_offset)
    assert values_of((await answered(answering)).records) == ["later"]


@pytest.mark.parametrize("offset", [2, 3, 4, 1_000])
async def test_above_the_high_watermark_nothing_is_certain(world: World, offset: int) -> None:
    """Within the log or not: it may be cut off, or be on its way."""
    followed(world, "a", uncommitted=2)
    assert (await fetch(world, request(offset))).error_code == ErrorCode.OFFSET_NOT_AVAILABLE
    late = await fetch(world, request(offset, max_wait_ms=20))
    assert (late.error_code, late.high_watermark) == (ErrorCode.OFFSET_NOT_AVAILABLE, -1)


async def test_an_offset_that_becomes_available_in_time_is_served(world: World) -> None:
    followed(world, "a", uncommitted=1)
    answering = world.start_call(k01_fetch, request(2, max_wait_ms=60_000), V)
    await asyncio.sleep(0)
    world.partition().commit_to(world.partition().log_end_offset)
    grow(world, 1)
    await asyncio.sleep(0)
    assert not answering.done()
    world.partition().commit_to(world.partition().log_end_offset)
    assert values_of((await answered(answering)).records) == ["later"]


async def test_below_the_log_start_is_out_of_range(world: World) -> None:
    world.topic(term=3)
    world.append("a", "b", "c")
    world.partition().delete_records(2)
    Replica(world.partition(), is_leader=False)
    assert (await fetch(world, request(1))).error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_session_with_a_follower(world: World) -> None:
    followed(world, "a", uncommitted=1)
    first = await world.call(k01_fetch, request(session_epoch=0), V)
    assert isinstance(first, FetchResponse)
    assert first.session_id > 0
    wanted = request(1, session_id=first.session_id, session_epoch=1)
    nothing = await world.call(k01_fetch, wanted, V)
    assert isinstance(nothing, FetchResponse)
    assert nothing.responses == []
    world.partition().commit_to(world.partition().log_end_offset)
    later = FetchRequest(session_id=first.session_id, session_epoch=2, min_bytes=1)
    response = await world.call(k01_fetch, later, V)
    assert isinstance(response, FetchResponse)
    assert values_of(response.responses[0].partitions[0].records) == ["later"]
