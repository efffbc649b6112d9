"""Records: a join-semilattice, and what a signature covers."""

from __future__ import annotations

from itertools import permutations
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dht_strategies import claims, records
from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.core.dht.ids import (
    Key,
    NodeId,
    directory_credential,
    key_of,
    node_id_of,
    public_key_credential,
)
from sprawl.core.dht.records import (
    Claim,
    Record,
    Signer,
    is_genuine,
    make_record,
    merge,
    parse_record,
)
from sprawl.core.dht.settings import Unsigned
from sprawl.core.dht.signatures import KeySigner, KeyTrust, PrivateKey
from sprawl.core.errors import PeerFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId

KEY = LogKey(TopicId(UUID(int=7)), 3)
CLAIM = Claim(KEY, Term(5), LogIndex(2), ReplicaId(1), (ReplicaId(1), ReplicaId(2)))

few = st.integers(0, 2)
rivals = records(claims(st.just(KEY), few), few)
"""Records of one partition with few different numbers, so that they often tie."""


@given(rivals, rivals, rivals)
@settings(max_examples=300, deadline=None)
def test_merging_is_commutative_associative_and_idempotent(a: Record, b: Record, c: Record) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)
    assert merge(a, a) == a
    assert merge(merge(a, b), b) == merge(a, b)


@given(st.lists(rivals, min_size=1, max_size=4))
@settings(deadline=None)
def test_all_orders_of_arrival_end_in_the_same_record(found: list[Record]) -> None:
    ends = set()
    for order in permutations(found):
        best = order[0]
        for each in order[1:]:
            best = merge(best, each)
        ends.add(best.encoded)
    assert len(ends) == 1


@given(rivals, rivals)
@settings(deadline=None)
def test_a_later_term_wins_then_a_later_configuration_then_a_later_word(
    a: Record, b: Record
) -> None:
    best = merge(a, b)
    assert best.rank == max(a.rank, b.rank)
    assert a.rank == (a.claim.term, a.claim.config_index, a.sequence)


@given(rivals, rivals)
@settings(deadline=None)
def test_only_two_leaders_of_one_term_contradict_each_other(a: Record, b: Record) -> None:
    is_same_leader = (a.claim.leader, a.node) == (b.claim.leader, b.node)
    expected = a.claim.term == b.claim.term and not is_same_leader
    assert a.contradicts(b) is b.contradicts(a) is expected


def signed(signer: Signer, credential: bytes, cluster_id: str = "c") -> Record:
    return make_record(
        CLAIM,
        sequence=1,
        node=BrokerId(9),
        expires_ms=1_000,
        cluster_id=cluster_id,
        credential=credential,
        signer=signer,
    )


def make_key(kind: str) -> PrivateKey:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "rsa":
        return rsa.generate_private_key(65_537, 2_048)
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_record_is_signed_with_the_key_of_the_certificate(kind: str) -> None:
    signer = KeySigner(make_key(kind))
    record = signed(signer, signer.credential)
    members = {node_id_of(signer.credential)}
    trust = KeyTrust(members.__contains__)
    assert record.publisher in members
    assert is_genuine(parse_record(record.encoded), "c", trust)
    assert not is_genuine(record, "another cluster", trust)
    assert not is_genuine(record, "c", KeyTrust(lambda node: False))


def test_no_byte_of_a_signed_record_can_be_changed() -> None:
    signer = KeySigner(ed25519.Ed25519PrivateKey.generate())
    record = signed(signer, signer.credential)
    trust = KeyTrust(lambda node: True)
    for place in range(len(record.encoded)):
        data = bytearray(record.encoded)
        data[place] ^= 1
        try:
            forged = parse_record(bytes(data))
        except PeerFault:
            continue
        assert not is_genuine(forged, "c", trust), f"byte {place}"


def test_a_record_cannot_speak_for_another_node() -> None:
    # The id of a node is the hash of what verifies its signature.
    honest, liar = (KeySigner(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
    forged = signed(liar, honest.credential)
    assert not is_genuine(forged, "c", KeyTrust(lambda node: True))


@pytest.mark.parametrize("credential", [b"", b"no key", b"\x30\x03\x02\x01\x05"])
def test_a_credential_that_is_no_key_verifies_nothing(credential: bytes) -> None:
    trust = KeyTrust(lambda node: True)
    assert not trust.verifies(credential, b"data", b"signature")


def test_without_tls_records_are_unsigned_and_a_signature_is_odd() -> None:
    credential = directory_credential("c", UUID(int=1))
    assert is_genuine(signed(Unsigned(), credential), "c", Unsigned())
    signer = KeySigner(ed25519.Ed25519PrivateKey.generate())
    assert not is_genuine(signed(signer, credential), "c", Unsigned())


def test_ids_are_bound_to_the_key_the_directory_and_the_cluster() -> None:
    signer = KeySigner(ed25519.Ed25519PrivateKey.generate())
    assert public_key_credential(signer.credential) == signer.credential
    with pytest.raises(ValueError, match="SubjectPublicKeyInfo"):
        public_key_credential(b"-----BEGIN PUBLIC KEY-----")
    directories = [directory_credential(c, UUID(int=n)) for c in ("a", "b") for n in (1, 2)]
    assert len({*map(node_id_of, directories), node_id_of(signer.credential)}) == 5
    others = [KEY, KEY._replace(partition=4), KEY._replace(topic_id=TopicId(UUID(int=8)))]
    assert len({key_of(c, key) for c in ("a", "b") for key in others}) == 6


def test_ids_are_the_same_in_every_release() -> None:
    # A cluster in the middle of an upgrade has to agree on them.
    assert node_id_of(b"") == NodeId(
        0xE3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855
    )
    assert key_of("cluster", KEY) == Key(
        0x9CCFC5530D1AD511D6E5A2820BB57AC83A0263E02DAF3213A856FF1118C0F834
    )
