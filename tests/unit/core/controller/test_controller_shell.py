"""Durability, order and restarts of the controller, over a store that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller.controller import Controller
from sprawl.core.controller.identity import DataDirectory, IdentityFault
from sprawl.core.controller.metadata_log import KeyValueMetadataLog
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.state import ControllerState, encode_record, node_record
from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId
from sprawl.core.storage.memory import MemoryKeyValueStore

NODE = NodeInfo(
    node_id=BrokerId(1), replica_id=ReplicaId(1), directory_id=UUID(int=1), endpoints={}
)


class Follower:
    """Notes what the controller tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def topic_added(self, topic: TopicInfo) -> None:
        self.told.append(f"{topic.name} has {topic.partition_count}")

    def topic_configured(self, topic: TopicInfo) -> None:
        self.told.append(f"{topic.name} goes by {dict(topic.configs)}")

    def topic_moved(self, topic: TopicInfo) -> None:
        self.told.append(f"{topic.name} moves {dict(topic.moving)}")

    def nodes_changed(self) -> None:
        self.told.append("nodes")

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None:
        self.told += [f"{topic.name} is gone" for topic in topics]

    def broker_configured(self, dynamic_default: Mapping[str, str], own: Mapping[str, str]) -> None:
        self.told.append(f"broker goes by {dict(dynamic_default)} {dict(own)}")


async def at_once(job: Callable[[], object]) -> object:
    return job()


def controller_over(kv: MemoryKeyValueStore, follower: Follower, *, seed: int = 1) -> Controller:
    made = Controller(
        ControllerState(),
        KeyValueMetadataLog(kv, BrokerId(1), at_once),
        node_id=BrokerId(1),
        broker_config=lambda: BrokerConfig.from_overrides({}),
        rng=Random(seed),
        listener=follower,
    )
    if not list(kv.iterate(b"")):
        kv.put(b"controller/record/" + bytes(8), encode_record(node_record(NODE)))
    made.load()
    follower.told.clear()
    return made


async def test_followers_hear_of_every_change_after_it_is_durable() -> None:
    kv, follower = MemoryKeyValueStore(), Follower()
    controller = controller_over(kv, follower)
    topic = await controller.create_topic(TopicSpec(name="t", partition_count=2))
    await controller.create_partitions("t", 4, None, validate_only=False)
    await controller.alter_configs(2, "t", {"retention.ms": "7"})
    await controller.delete_topic(topic)
    assert follower.told == [
        "t has 2",
        "t has 4",
        "t goes by {'retention.ms': '7'}",
        "t is gone",
    ]


async def test_a_restart_finds_everything_again() -> None:
    kv = MemoryKeyValueStore()
    controller = controller_over(kv, Follower())
    kept = await controller.create_topic(TopicSpec(name="kept", configs={"retention.ms": "7"}))
    gone = await controller.create_topic(TopicSpec(name="gone"))
    await controller.delete_topic(gone)
    again = controller_over(kv, Follower(), seed=2)
    assert list(again.topics) == ["kept"]
    assert again.topics["kept"] == kept


async def test_producer_ids_are_never_given_twice() -> None:
    kv = MemoryKeyValueStore()
    first = controller_over(kv, Follower())
    given = [await first.next_producer_id() for _ in range(1_500)]
    second = controller_over(kv, Follower())
    given += [await second.next_producer_id() for _ in range(10)]
    assert len(set(given)) == len(given)


async def test_validating_changes_nothing() -> None:
    controller = controller_over(MemoryKeyValueStore(), Follower())
    found = await controller.create_topic(TopicSpec(name="t"), validate_only=True)
    assert found.partition_count == 1
    assert not controller.topics
    with pytest.raises(KafkaFault) as raised:
        await controller.create_topic(
            TopicSpec(name="t", configs={"nope": "1"}), validate_only=True
        )
    assert raised.value.code is ErrorCode.INVALID_CONFIG


async def test_what_could_not_be_stored_did_not_happen() -> None:
    class FullStore(MemoryKeyValueStore):
        is_full = False

        def write_batch(
            self,
            *,
            puts: Sequence[tuple[bytes, bytes]] = (),
            deletes: Sequence[bytes] = (),
            sync: bool = False,
        ) -> None:
            if self.is_full:
                raise OSError("No space left on device")
            super().write_batch(puts=puts, deletes=deletes, sync=sync)

    kv, follower = FullStore(), Follower()
    controller = controller_over(kv, follower)
    kv.is_full = True
    with pytest.raises(KafkaFault) as raised:
        await controller.create_topic(TopicSpec(name="t"))
    assert raised.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert not controller.topics
    assert not follower.told
    kv.is_full = False
    await controller.create_topic(TopicSpec(name="t"))


async def test_the_same_topic_wanted_twice_at_once_is_made_once() -> None:
    controller = controller_over(MemoryKeyValueStore(), Follower())
    made = await asyncio.gather(*(controller.ensure_topic(TopicSpec(name="t")) for _ in range(5)))
    assert len({topic.id for topic in made}) == 1


async def test_a_snapshot_replaces_the_records() -> None:
    kv = MemoryKeyValueStore()
    log = KeyValueMetadataLog(kv, BrokerId(1), at_once)
    await log.append([b"1", b"2"])
    await log.compact([b"snapshot"])
    await log.append([b"3"])
    assert list(KeyValueMetadataLog(kv, BrokerId(1), at_once).read_all()) == [b"snapshot", b"3"]


def test_a_data_directory_has_one_node_and_one_process(tmp_path: Path) -> None:
    rng = Random(1)
    first = DataDirectory(tmp_path)
    identity = first.open(1, None, rng)
    assert len(identity.cluster_id) == 22
    with pytest.raises(IdentityFault, match="in use by process"):
        DataDirectory(tmp_path).open(1, None, rng)
    first.close()
    with pytest.raises(IdentityFault, match="belongs to node 1, not to node 2"):
        DataDirectory(tmp_path).open(2, None, rng)
    with pytest.raises(IdentityFault, match="belongs to cluster"):
        DataDirectory(tmp_path).open(1, "x" * 22, rng)
    again = DataDirectory(tmp_path)
    assert again.open(1, None, rng) == identity
    again.close()
