"""What a node keeps for others: news only, within its bounds, until it expires."""

from __future__ import annotations

from uuid import UUID

import pytest

from sprawl.core.clock import Instant
from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import directory_credential, key_of, node_id_of
from sprawl.core.dht.messages import StoreResult
from sprawl.core.dht.record_store import RecordStore
from sprawl.core.dht.records import Claim, Record, Signer, make_record
from sprawl.core.dht.settings import DhtSettings, Identity, Unsigned
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId

SETTINGS = DhtSettings()
WALL = 1_000_000_000
START = Instant(WALL, 0)
CREDENTIAL = directory_credential("c", UUID(int=1))
IDENTITY = Identity(
    contact=Contact(node_id_of(CREDENTIAL), BrokerId(1)),
    cluster_id="c",
    credential=CREDENTIAL,
    signer=Unsigned(),
    trust=Unsigned(),
)


class WrongSigner:
    def sign(self, data: bytes) -> bytes:
        return data[:8]


def record(
    partition: int = 0,
    *,
    term: int = 1,
    sequence: int = 1,
    leader: int = 1,
    left_ms: int = SETTINGS.ttl_ms,
    signer: Signer = IDENTITY.signer,
) -> Record:
    claim = Claim(
        LogKey(TopicId(UUID(int=5)), partition), Term(term), LogIndex(1), ReplicaId(leader), ()
    )
    return make_record(
        claim,
        sequence=sequence,
        node=BrokerId(leader),
        expires_ms=WALL + left_ms,
        cluster_id="c",
        credential=CREDENTIAL,
        signer=signer,
    )


def key(found: Record) -> int:
    return key_of("c", found.claim.log_key)


def store(records_max: int = 100) -> RecordStore:
    return RecordStore(SETTINGS, IDENTITY, records_max)


def later(ms: int) -> Instant:
    return Instant(WALL + ms, ms)


def test_news_is_stored_and_given_back() -> None:
    found = store()
    assert found.put(record(), START) == (StoreResult.STORED, None)
    assert found.get(key_of("c", record().claim.log_key), START) == record()


@pytest.mark.parametrize(
    ("refused", "result"),
    [
        (record(term=2, sequence=4), StoreResult.STALE),
        (record(term=1, sequence=9), StoreResult.STALE),
        (record(term=2, sequence=5), StoreResult.HELD),
        (record(term=3, signer=WrongSigner()), StoreResult.FORGED),
        (record(term=3, left_ms=0), StoreResult.EXPIRED),
        (record(term=3, left_ms=-1), StoreResult.EXPIRED),
        (record(term=3, left_ms=SETTINGS.ttl_ms + 300_001), StoreResult.EARLY),
    ],
)
def test_what_is_no_news_is_refused_and_counted(refused: Record, result: StoreResult) -> None:
    found = store()
    held = record(term=2, sequence=5)
    found.put(held, START)
    assert found.put(refused, START) == (result, None)
    assert found.counts[result] == 1
    assert found.get(key_of("c", held.claim.log_key), START) == held


def test_a_replayed_record_lives_no_longer_than_its_leader_said() -> None:
    found = store()
    old = record(left_ms=10_000)
    found.put(old, START)
    assert found.put(old, later(9_999)) == (StoreResult.HELD, None)
    assert found.get(key_of("c", old.claim.log_key), later(9_999)) == old
    assert found.get(key_of("c", old.claim.log_key), later(10_000)) is None
    assert found.put(old, later(10_000)) == (StoreResult.EXPIRED, None)


def test_a_republished_record_lives_on() -> None:
    found = store()
    found.put(record(left_ms=10_000), START)
    renewed = record(sequence=2, left_ms=20_000)
    assert found.put(renewed, later(5_000)) == (StoreResult.STORED, None)
    assert found.get(key_of("c", renewed.claim.log_key), later(15_000)) == renewed


def test_a_wall_clock_that_jumps_drops_nothing_that_is_held() -> None:
    found = store()
    found.put(record(), START)
    jumped = Instant(WALL + 10 * SETTINGS.ttl_ms, 1)
    found.expire(jumped)
    assert len(found) == 1


def test_two_leaders_of_one_term_are_reported_whichever_comes_first() -> None:
    one, other = record(leader=1, sequence=1), record(leader=2, sequence=2)
    for first, second in ((one, other), (other, one)):
        found = store()
        found.put(first, START)
        _, contradicted = found.put(second, START)
        assert contradicted == first
        assert found.get(key_of("c", one.claim.log_key), START) == other, "by merge"


def test_a_forged_second_leader_is_no_alarm() -> None:
    found = store()
    found.put(record(leader=1), START)
    assert found.put(record(leader=2, signer=WrongSigner()), START) == (StoreResult.FORGED, None)


def test_expired_records_are_dropped() -> None:
    found = store()
    for partition in range(50):
        found.put(record(partition, left_ms=1_000 + partition), START)
    found.expire(later(1_025))
    assert len(found) == 24


def test_a_renewed_record_does_not_keep_others_from_expiring() -> None:
    found = store()
    found.put(record(0, left_ms=1_000), START)
    found.put(record(1, left_ms=2_000), START)
    found.put(record(0, sequence=2, left_ms=9_000), START)
    found.expire(later(2_000))
    assert len(found) == 1


def test_a_full_store_keeps_the_keys_nearest_to_the_node() -> None:
    found = store(records_max=32)
    everything = [record(partition) for partition in range(200)]
    for each in everything:
        found.put(each, START)
    own = IDENTITY.contact.id
    kept = {
        each.claim.log_key.partition
        for each in everything
        if found.get(key_of("c", each.claim.log_key), START)
    }
    nearest = sorted(everything, key=lambda each: own ^ key(each))
    assert {each.claim.log_key.partition for each in nearest[:30]} <= kept
    assert len(found) <= 32
    assert found.counts[StoreResult.FULL] > 0


def test_records_of_a_node_that_is_gone_can_be_dropped() -> None:
    found = store()
    found.put(record(), START)
    found.drop_publisher(node_id_of(b"somebody else"))
    assert len(found) == 1
    found.drop_publisher(node_id_of(CREDENTIAL))
    assert len(found) == 0
