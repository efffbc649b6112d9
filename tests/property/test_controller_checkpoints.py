"""Random lives of a controller: a checkpoint at any place stands for all the records before it.

1. state == replay(checkpoint) == replay(all records), in the order of every list too.
2. Going on from a checkpoint gives the same state, and the same refusals, as never having had one:
   replica ids, producer ids and topic ids that were given are not given again.
3. Who jumps to a checkpoint hears enough to have what the state says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sprawl.core.broker import Endpoint
from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller.checkpoints import Place, encode_checkpoint, parse_checkpoint
from sprawl.core.controller.commands import Circumstances, plan
from sprawl.core.controller.features import FEATURE, SUPPORTED
from sprawl.core.controller.jumps import tell_topics
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace
from sprawl.core.controller.state import (
    ControllerState,
    Record,
    decode_record,
    encode_record,
)
from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.errors import KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId

CONFIG = BrokerConfig.from_overrides({})
END_OFFSET_MAX = 100
NAMES = ["a", "b.c", "b_c", "__consumer_offsets", "ü"]
names = st.sampled_from(NAMES)
nodes = st.integers(1, 4)
brokers = st.lists(nodes, min_size=1, max_size=3)
TEXTS = st.text(max_size=6)


def _register(node: int, directory: int, rack: str | None, may_replace: bool) -> dict[str, Any]:
    info = NodeInfo(
        node_id=BrokerId(node),
        replica_id=ReplicaId(0),
        directory_id=UUID(int=directory),
        endpoints={"PLAINTEXT": Endpoint(f"h{node}", 9092)},
        peer=None if directory % 2 else Endpoint("p", directory),
        rack=rack,
    )
    return {"do": "register", "node": info.to_json(), "may_replace": may_replace}


def _create(name: str, partitions: int, factor: int, configs: dict[str, str]) -> dict[str, Any]:
    spec = TopicSpec(
        name=name, partition_count=partitions, replication_factor=factor, configs=configs
    )
    return {"do": "create topic", "spec": spec.to_json()}


topic_configs = st.dictionaries(
    st.sampled_from(["retention.ms", "segment.ms"]), st.sampled_from(["1", "77"]), max_size=2
)
commands = st.one_of(
    st.builds(_register, nodes, st.integers(1, 9), st.none() | TEXTS, st.booleans()),
    st.builds(_create, names, st.integers(1, 3), st.integers(1, 3), topic_configs),
    st.builds(lambda name: {"do": "delete topic", "name": name}, names),
    st.builds(
        lambda name, count: {
            "do": "create partitions",
            "name": name,
            "count": count,
            "assignments": None,
        },
        names,
        st.integers(1, 6),
    ),
    st.builds(
        lambda name, index, to: {"do": "move", "name": name, "partition": index, "brokers": to},
        names,
        st.integers(0, 2),
        st.none() | brokers,
    ),
    st.builds(lambda name, index: {"do": "end move", "name": name, "index": index}, names, nodes),
    st.builds(
        lambda kind, name, configs: {
            "do": "configure",
            "kind": kind,
            "name": name,
            "configs": configs,
        },
        st.just(2),
        names,
        topic_configs,
    ),
    st.builds(
        lambda name, configs: {"do": "configure", "kind": 4, "name": name, "configs": configs},
        st.sampled_from(["", "1", "2", "3"]),
        st.dictionaries(st.sampled_from(["cordoned.log.dirs", "log.retention.ms"]), TEXTS),
    ),
    st.just({"do": "producer ids"}),
    st.builds(
        lambda name, config, value: {
            "do": "alter configs",
            "kind": 2,
            "name": name,
            "changes": [[config, 0, value]],
            "below": {},
        },
        names,
        st.sampled_from(["retention.ms", "segment.ms"]),
        st.sampled_from(["1", "77"]),
    ),
    st.builds(
        lambda level, kind: {"do": "update features", "updates": [[FEATURE, level, kind]]},
        st.integers(1, 2),
        st.integers(1, 3),
    ),
    st.builds(lambda node: {"do": "retire", "node": node}, nodes),
    st.builds(lambda node: {"do": "remove node", "node": node}, nodes),
)


def records_for(command: dict[str, Any], state: ControllerState, rng: Random) -> list[Record]:
    """What a leader would write; nothing when it refuses, or there is nothing to do."""
    command = dict(command)
    if command["do"] in ("delete topic", "end move"):
        topic = state.topics.get(command["name"])
        command["id"] = str(UUID(int=0) if topic is None else topic.id)
        if command["do"] == "end move":
            partitions = () if topic is None else topic.partitions
            moving = [each for each in partitions if topic and not topic.is_settled(each)]
            if not moving or topic is None:
                return []
            command["partition"] = moving[command["index"] % len(moving)]
            command["replicas"] = list(topic.wanted(command["partition"]))
            command["as_of"] = END_OFFSET_MAX
    try:
        by = Circumstances(
            state=state,
            config=CONFIG,
            rng=rng,
            node_id=BrokerId(1),
            levels=SUPPORTED,
            end_offset=rng.randrange(END_OFFSET_MAX),
            space=IdSpace("test", {}),
        )
        return plan(command, by)
    except KafkaFault:
        return []


def run(state: ControllerState, wanted: Sequence[dict[str, Any]], rng: Random) -> list[list[bytes]]:
    """What was written for each."""
    written: list[list[bytes]] = []
    for command in wanted:
        written.append([encode_record(each) for each in records_for(command, state, rng)])
        for record in written[-1]:
            state.apply(decode_record(record))
    return written


def replay(records: Sequence[bytes]) -> ControllerState:
    made = ControllerState()
    for record in records:
        made.apply(decode_record(record))
    return made


def through_a_file(state: ControllerState) -> ControllerState:
    place = Place(17, 3)
    data = encode_checkpoint(place, [encode_record(each) for each in state.snapshot()])
    return replay(parse_checkpoint(place, data).records)


LOOK_UPS = {"by_replica", "collisions"}
"""Nobody goes through these."""


def in_order(state: ControllerState) -> dict[str, object]:
    """All of a state, and the order of what stands in lists for users and for placement."""
    facts = dict(vars(state.copy()))
    for name, value in facts.items():
        if isinstance(value, dict) and name not in LOOK_UPS:
            facts[name] = list(value.items())
    return facts


class Hosted:
    """A node that holds what it was told, by topic id."""

    def __init__(self) -> None:
        self.topics: dict[UUID, TopicInfo] = {}
        self.names: dict[str, UUID] = {}
        self.configs: dict[UUID, Mapping[str, str]] = {}

    def topic_added(self, topic: TopicInfo) -> None:
        assert self.names.setdefault(topic.name, topic.id) == topic.id
        self.configs.setdefault(topic.id, topic.configs)
        self.topics[topic.id] = topic

    def topic_moved(self, topic: TopicInfo) -> None:
        assert topic.id in self.topics
        self.topic_added(topic)

    def topic_configured(self, topic: TopicInfo) -> None:
        self.topics[topic.id] = topic
        self.configs[topic.id] = topic.configs

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None:
        for topic in topics:
            del self.topics[topic.id], self.names[topic.name], self.configs[topic.id]

    def broker_configured(
        self, dynamic_default: Mapping[str, str], own: Mapping[str, str]
    ) -> None: ...

    def nodes_changed(self) -> None: ...


@settings(max_examples=200, deadline=None)
@given(st.lists(commands, max_size=40), st.lists(commands, max_size=15), st.integers(0, 2**16))
def test_a_checkpoint_stands_for_all_that_was_before(
    before: list[dict[str, Any]], after: list[dict[str, Any]], seed: int
) -> None:
    state = ControllerState()
    written = run(state, before, Random(seed))
    assume(not state.is_new)  # a checkpoint stands for records
    whole = replay([record for each in written for record in each])
    restored = through_a_file(state)
    assert in_order(whole) == in_order(state)
    assert in_order(restored) == in_order(state)
    rng = Random(seed + 1)
    assert run(restored, after, Random(seed + 1)) == run(state, after, rng)
    assert in_order(restored) == in_order(state)


@settings(max_examples=150, deadline=None)
@given(st.lists(commands, max_size=40), st.integers(0, 2**16))
def test_ids_are_never_given_again(wanted: list[dict[str, Any]], seed: int) -> None:
    """With a checkpoint in the place of the log after every command."""
    state, rng = ControllerState(), Random(seed)
    topic_ids: list[str] = []
    replica_ids: dict[int, str] = {}
    blocks: list[int] = []
    for command in wanted:
        for record in records_for(command, state, rng):
            if record["type"] == "topic":
                topic_ids.append(record["id"])
            elif record["type"] == "node":
                owner = replica_ids.setdefault(record["replica"], record["directory"])
                assert owner == record["directory"]
            elif record["type"] == "producer ids":
                blocks.append(record["next"])
            state.apply(record)
        state = through_a_file(state)
    assert len(set(topic_ids)) == len(topic_ids)
    assert blocks == sorted(set(blocks))


@settings(max_examples=150, deadline=None)
@given(st.lists(commands, max_size=30), st.lists(commands, max_size=30), st.integers(0, 2**16))
def test_who_jumps_hears_of_every_difference(
    known: list[dict[str, Any]], missed: list[dict[str, Any]], seed: int
) -> None:
    state, rng, hosted = ControllerState(), Random(seed), Hosted()
    run(state, known, rng)
    for topic in state.topics.values():
        hosted.topic_added(topic)
    before = state.copy()
    as_it_was = in_order(before)
    run(state, missed, rng)
    assert in_order(before) == as_it_was
    tell_topics(before, through_a_file(state), hosted)
    assert hosted.topics == state.by_id
    assert hosted.configs == {each: topic.configs for each, topic in state.by_id.items()}
