"""Hypothesis strategies for what nodes of the DHT say."""

from __future__ import annotations

from hypothesis import strategies as st

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.messages import (
    FindNode,
    FindValue,
    Found,
    Ping,
    Pong,
    Store,
    Stored,
    StoreResult,
)
from sprawl.core.dht.records import Claim, Record, make_record
from sprawl.core.dht.settings import Unsigned
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId

CLUSTER = "cluster"

ids = st.integers(0, (1 << 256) - 1)
i32 = st.integers(0, (1 << 31) - 1)
i64 = st.integers(0, (1 << 63) - 1)
contacts = st.builds(
    Contact,
    ids.map(NodeId),
    i32.map(BrokerId),
    st.none() | st.text(max_size=40),
)
log_keys = st.builds(LogKey, st.uuids().map(TopicId), i32)


def claims(
    log_key: st.SearchStrategy[LogKey] = log_keys, number: st.SearchStrategy[int] = i32
) -> st.SearchStrategy[Claim]:
    replicas = st.lists(i64.map(ReplicaId), max_size=5, unique=True).map(tuple)
    return replicas.flatmap(
        lambda found: st.builds(
            Claim,
            log_key,
            number.map(Term),
            number.map(LogIndex),
            number.map(ReplicaId),
            st.just(found),
            st.sets(st.sampled_from(found)).map(
                lambda chosen: tuple(x for x in found if x in chosen)
            )
            if found
            else st.just(()),
        )
    )


def records(
    claim: st.SearchStrategy[Claim] | None = None, number: st.SearchStrategy[int] = i32
) -> st.SearchStrategy[Record]:
    return st.builds(
        make_record,
        claims() if claim is None else claim,
        sequence=number,
        node=number.map(BrokerId),
        expires_ms=i64,
        cluster_id=st.just(CLUSTER),
        credential=st.binary(max_size=100),
        signer=st.just(Unsigned()),
    )


request_ids = st.integers(0, (1 << 32) - 1)
messages = st.one_of(
    st.builds(Ping, request_ids),
    st.builds(Pong, request_ids),
    st.builds(FindNode, request_ids, ids.map(Key)),
    st.builds(FindValue, request_ids, ids.map(Key)),
    st.builds(
        Found, request_ids, st.lists(contacts, max_size=64).map(tuple), st.none() | records()
    ),
    st.builds(Store, request_ids, records()),
    st.builds(Stored, request_ids, st.sampled_from(StoreResult)),
)
