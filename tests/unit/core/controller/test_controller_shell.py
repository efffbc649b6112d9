"""Order, restarts and other nodes, as the controller's shell sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from controller_log import MemoryMetadataLog

from sprawl.core.config.alteration import Change, Operation
from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller import controller as shell
from sprawl.core.controller.commands import Sender
from sprawl.core.controller.controller import Controller
from sprawl.core.controller.identity import DataDirectory, IdentityFault
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.state import ControllerState, encode_record, node_record
from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId

NODE = NodeInfo(
    node_id=BrokerId(1), replica_id=ReplicaId(1), directory_id=UUID(int=1), endpoints={}
)

MEMBER = Sender(NODE.node_id, NODE.directory_id)
TOPIC, BROKER = 2, 4


def node(number: int) -> NodeInfo:
    return replace(
        NODE, node_id=BrokerId(number), replica_id=ReplicaId(0), directory_id=UUID(int=number)
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


class Nobody:
    """A remote that reaches no other node, or only the given controller."""

    def __init__(self, other: Controller | None = None) -> None:
        self.other = other
        self.is_cut = other is None

    async def command(self, node: BrokerId, command: bytes) -> bytes:
        if self.is_cut or self.other is None:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER)
        return await self.other.execute(command, MEMBER)


def controller_over(
    log: MemoryMetadataLog,
    follower: Follower,
    *,
    seed: int = 1,
    node_id: int = 1,
    remote: Nobody | None = None,
) -> Controller:
    if not log.records:
        log.records.append(encode_record(node_record(NODE)))
    made = Controller(
        ControllerState(),
        log,
        node_id=BrokerId(node_id),
        cluster_id="test",
        broker_config=lambda: BrokerConfig.from_overrides({}),
        rng=Random(seed),
        listener=follower,
        remote=remote,
    )
    made.load()
    follower.told.clear()
    return made


async def test_followers_hear_of_every_change_in_order() -> None:
    follower = Follower()
    controller = controller_over(MemoryMetadataLog([]), follower)
    topic = await controller.create_topic(TopicSpec(name="t", partition_count=2))
    await controller.create_partitions("t", 4, None, validate_only=False)
    await controller.replace_configs(2, "t", {"retention.ms": "7"})
    await controller.delete_topic(topic_id=topic.id)
    assert follower.told == [
        "t has 2",
        "t has 4",
        "t goes by {'retention.ms': '7'}",
        "t is gone",
    ]


async def test_a_restart_finds_everything_again() -> None:
    log = MemoryMetadataLog([])
    controller = controller_over(log, Follower())
    kept = await controller.create_topic(TopicSpec(name="kept", configs={"retention.ms": "7"}))
    await controller.create_topic(TopicSpec(name="gone"))
    await controller.delete_topic(name="gone")
    again = controller_over(MemoryMetadataLog(log.records), Follower(), seed=2)
    assert list(again.topics) == ["kept"]
    assert again.topics["kept"] == kept


async def test_producer_ids_are_never_given_twice() -> None:
    log = MemoryMetadataLog([])
    first = controller_over(log, Follower())
    given = [await first.next_producer_id() for _ in range(1_500)]
    second = controller_over(MemoryMetadataLog(log.records), Follower())
    given += [await second.next_producer_id() for _ in range(10)]
    assert len(set(given)) == len(given)


async def test_validating_changes_nothing() -> None:
    controller = controller_over(MemoryMetadataLog([]), Follower())
    found = await controller.create_topic(TopicSpec(name="t"), validate_only=True)
    assert found.partition_count == 1
    assert not controller.topics
    with pytest.raises(KafkaFault) as raised:
        await controller.create_topic(
            TopicSpec(name="t", configs={"nope": "1"}), validate_only=True
        )
    assert raised.value.code is ErrorCode.INVALID_CONFIG


async def test_what_could_not_be_stored_did_not_happen() -> None:
    log, follower = MemoryMetadataLog([]), Follower()
    controller = controller_over(log, follower)
    log.is_full = True
    with pytest.raises(KafkaFault) as raised:
        await controller.create_topic(TopicSpec(name="t"))
    assert raised.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert not controller.topics
    assert not follower.told
    log.is_full = False
    await controller.create_topic(TopicSpec(name="t"))


async def test_the_same_topic_wanted_twice_at_once_is_made_once() -> None:
    controller = controller_over(MemoryMetadataLog([]), Follower())
    made = await asyncio.gather(*(controller.ensure_topic(TopicSpec(name="t")) for _ in range(5)))
    assert len({topic.id for topic in made}) == 1


async def test_a_command_whose_caller_is_gone_is_judged_before_the_next_one() -> None:
    log = MemoryMetadataLog([])
    controller = controller_over(log, Follower())
    log.is_holding = True
    spec = TopicSpec(name="t")
    first = asyncio.create_task(controller.create_topic(spec))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(controller.create_topic(spec))
    for _ in range(10):
        await asyncio.sleep(0)
    assert first.cancelled()
    assert not second.done()
    log.release()
    with pytest.raises(KafkaFault) as raised:
        await second
    assert raised.value.code is ErrorCode.TOPIC_ALREADY_EXISTS
    assert [json.loads(each)["type"] for each in log.records] == ["node", "topic"]


@pytest.mark.parametrize(
    ("kind", "name", "first", "second", "both"),
    [
        (
            TOPIC,
            "t",
            Change("retention.ms", Operation.SET, "7"),
            Change("segment.ms", Operation.SET, "8"),
            {"retention.ms": "7", "segment.ms": "8"},
        ),
        (
            TOPIC,
            "t",
            Change("cleanup.policy", Operation.APPEND, "compact"),
            Change("cleanup.policy", Operation.SUBTRACT, "delete"),
            {"cleanup.policy": "compact"},
        ),
        (
            BROKER,
            "",
            Change("message.max.bytes", Operation.SET, "7000"),
            Change("log.retention.ms", Operation.SET, "8"),
            {"message.max.bytes": "7000", "log.retention.ms": "8"},
        ),
        (
            BROKER,
            "1",
            Change("cordoned.log.dirs", Operation.APPEND, "/a"),
            Change("cordoned.log.dirs", Operation.APPEND, "/b"),
            {"cordoned.log.dirs": "/a,/b"},
        ),
    ],
    ids=["two keys", "one list", "cluster defaults", "a broker's list"],
)
async def test_config_changes_that_come_at_once_by_two_nodes_all_count(
    kind: int, name: str, first: Change, second: Change, both: dict[str, str]
) -> None:
    log = MemoryMetadataLog([])
    leader = controller_over(log, Follower())
    await leader.create_topic(TopicSpec(name="t"))
    other = controller_over(
        MemoryMetadataLog(log.records, node_id=1), Follower(), node_id=2, remote=Nobody(leader)
    )
    log.is_holding = True
    below = {first.name: "delete" if kind == TOPIC else ""}
    waiting = [
        asyncio.create_task(controller.alter_configs(kind, name, [change], below=below))
        for controller, change in ((leader, first), (other, second))
    ]
    for _ in range(10):
        await asyncio.sleep(0)
    log.release()
    await asyncio.gather(*waiting)
    state = leader.state
    assert both == (state.topics["t"].configs if kind == TOPIC else state.broker_configs[name])


async def test_config_changes_are_judged_where_they_are_decided() -> None:
    controller = controller_over(MemoryMetadataLog([]), Follower())
    await controller.create_topic(TopicSpec(name="t"))
    for kind, name, change, code in (
        (TOPIC, "u", ("retention.ms", "7"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "t", ("retention.ms", "x"), ErrorCode.INVALID_CONFIG),
        (BROKER, "1", ("message.max.bytes", "x"), ErrorCode.INVALID_CONFIG),
        (BROKER, "1", ("no.such", "x"), ErrorCode.INVALID_CONFIG),
        (BROKER, "1", ("log.dirs", "/x"), ErrorCode.INVALID_REQUEST),
        (BROKER, "9", ("message.max.bytes", "7"), ErrorCode.INVALID_REQUEST),
    ):
        set_it = Change(change[0], Operation.SET, change[1])
        for attempt in (
            controller.alter_configs(kind, name, [set_it], below={}),
            controller.replace_configs(kind, name, dict([change])),
        ):
            with pytest.raises(KafkaFault) as raised:
                await attempt
            assert raised.value.code is code
    good = Change("retention.ms", Operation.SET, "7")
    await controller.alter_configs(TOPIC, "t", [good], below={}, validate_only=True)
    await controller.replace_configs(TOPIC, "t", {"retention.ms": "7"}, validate_only=True)
    assert controller.topics["t"].configs == {}


async def test_a_topic_is_deleted_by_name_though_the_node_asked_does_not_know_it_yet() -> None:
    records: list[bytes] = []
    leader = controller_over(MemoryMetadataLog(records), Follower())
    other = controller_over(
        MemoryMetadataLog(records, node_id=1), Follower(), node_id=2, remote=Nobody(leader)
    )
    made = await leader.create_topic(TopicSpec(name="t"))
    assert "t" not in other.topics
    assert await other.delete_topic(name="t") == ("t", made.id)
    assert "t" not in leader.topics
    with pytest.raises(KafkaFault) as raised:
        await leader.delete_topic(name="t")
    assert raised.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    with pytest.raises(KafkaFault) as raised:
        await leader.delete_topic(topic_id=made.id)
    assert raised.value.code is ErrorCode.UNKNOWN_TOPIC_ID


async def test_who_leads_no_more_refuses_nothing_by_what_it_knew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "COMMAND_TIMEOUT_S", 0.0)
    log = MemoryMetadataLog([])
    controller = controller_over(log, Follower())
    await controller.create_topic(TopicSpec(name="t"))
    log.is_deposed = True  # it has not heard of it
    for command in (
        controller.create_topic(TopicSpec(name="t")),
        controller.create_topic(TopicSpec(name="u"), validate_only=True),
        controller.delete_topic(name="nope"),
        controller.create_partitions("t", 1, None, validate_only=False),
    ):
        with pytest.raises(KafkaFault) as raised:
            await command
        assert raised.value.code is ErrorCode.NOT_CONTROLLER


async def test_a_node_that_does_not_lead_sends_its_commands_to_the_one_that_does() -> None:
    records: list[bytes] = []
    leader = controller_over(MemoryMetadataLog(records), Follower())
    log = MemoryMetadataLog(records, node_id=1)
    other = controller_over(log, Follower(), node_id=2, remote=Nobody(leader))
    made = await other.create_topic(TopicSpec(name="t", partition_count=3))
    assert leader.topics["t"] == made
    with pytest.raises(KafkaFault) as raised:
        await other.create_topic(TopicSpec(name="t"))
    assert raised.value.code is ErrorCode.TOPIC_ALREADY_EXISTS


async def test_a_command_waits_for_a_controller_and_gives_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "COMMAND_TIMEOUT_S", 0.3)
    records: list[bytes] = []
    leader = controller_over(MemoryMetadataLog(records), Follower())
    remote = Nobody(leader)
    remote.is_cut = True
    other = controller_over(
        MemoryMetadataLog(records, node_id=1), Follower(), node_id=2, remote=remote
    )
    with pytest.raises(KafkaFault) as raised:
        await other.create_topic(TopicSpec(name="t"))
    assert raised.value.code is ErrorCode.NOT_CONTROLLER
    waiting = asyncio.ensure_future(other.create_topic(TopicSpec(name="t")))
    await asyncio.sleep(0)
    remote.is_cut = False
    assert (await waiting).name == "t"


async def test_a_node_whose_copy_of_the_log_is_stuck_says_that_a_change_may_have_been_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "APPLY_TIMEOUT_S", 0.0)
    records: list[bytes] = []
    leader = controller_over(MemoryMetadataLog(records), Follower())
    log = MemoryMetadataLog(records, node_id=1)
    other = controller_over(log, Follower(), node_id=2, remote=Nobody(leader))
    log.is_stuck = True
    for command in (other.create_topic(TopicSpec(name="t")), other.barrier()):
        with pytest.raises(KafkaFault) as raised:
            await asyncio.wait_for(command, 5)
        assert raised.value.code is ErrorCode.REQUEST_TIMED_OUT
    assert "t" in leader.topics


async def test_those_who_only_ask_keep_no_change_waiting_and_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any client may ask for topics that are not there, as often as it likes."""
    log = MemoryMetadataLog([])
    controller = controller_over(log, Follower())
    append = log.append
    is_open = asyncio.Event()

    async def confirmed_late(records: Sequence[bytes]) -> None:
        if not records:
            await is_open.wait()
        await append(records)

    monkeypatch.setattr(log, "append", confirmed_late)
    asking = [asyncio.ensure_future(controller.barrier()) for _ in range(100)]
    made = await asyncio.wait_for(controller.create_topic(TopicSpec(name="t")), 5)
    assert made.name == "t"
    for each in asking[1:]:
        each.cancel()
    await asyncio.gather(*asking[1:], return_exceptions=True)
    assert not controller._turns
    is_open.set()
    await asyncio.wait_for(asking[0], 5)


async def test_producers_begin_at_a_node_whose_copy_of_the_log_is_stuck() -> None:
    records: list[bytes] = []
    leader = controller_over(MemoryMetadataLog(records), Follower())
    log = MemoryMetadataLog(records, node_id=1)
    other = controller_over(log, Follower(), node_id=2, remote=Nobody(leader))
    log.is_stuck = True
    given = [await asyncio.wait_for(other.next_producer_id(), 5) for _ in range(1_001)]
    given.append(await leader.next_producer_id())
    assert len(set(given)) == 1_002


async def test_nothing_is_changed_on_the_word_of_a_node_that_was_removed() -> None:
    controller = controller_over(MemoryMetadataLog([]), Follower())
    await controller.register(node(2))
    known = controller.nodes[BrokerId(2)]
    member = Sender(BrokerId(2), known.directory_id)
    await controller.execute(b'{"do": "nothing"}', member)
    await controller.remove_node(2)
    before = dict(controller.nodes)
    in_the_name_of_another = {**NODE.to_json(), "directory": str(known.directory_id), "replica": 0}
    for command in (
        {"do": "nothing"},
        {"do": "create topic", "spec": TopicSpec(name="t").to_json(), "validate_only": False},
        {"do": "register", "node": in_the_name_of_another, "may_replace": True},
        {"do": "remove node", "node": 1},
    ):
        with pytest.raises(KafkaFault) as raised:
            await controller.execute(json.dumps(command).encode(), member)
        assert raised.value.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert controller.nodes == before
    assert not controller.topics
    # About itself it may ask, and hears the truth.
    ask = {"do": "register", "node": known.to_json(), "may_replace": False}
    with pytest.raises(KafkaFault) as raised:
        await controller.execute(json.dumps(ask).encode(), member)
    assert raised.value.code is ErrorCode.BROKER_ID_NOT_REGISTERED


async def test_nor_of_one_that_was_replaced() -> None:
    controller = controller_over(MemoryMetadataLog([]), Follower())
    await controller.register(node(2))
    former = Sender(BrokerId(2), controller.nodes[BrokerId(2)].directory_id)
    await controller.register(replace(node(2), directory_id=UUID(int=22)), may_replace=True)
    with pytest.raises(KafkaFault) as raised:
        await controller.execute(b'{"do": "nothing"}', former)
    assert raised.value.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED


async def test_a_deposed_controller_refuses_nobody() -> None:
    """It may not have heard yet that the node joined."""
    log = MemoryMetadataLog([])
    controller = controller_over(log, Follower())
    log.is_deposed = True
    with pytest.raises(KafkaFault) as raised:
        await controller.execute(b'{"do": "nothing"}', Sender(BrokerId(2), UUID(int=2)))
    assert raised.value.code is ErrorCode.NOT_CONTROLLER


async def test_a_command_that_is_not_known_is_refused() -> None:
    controller = controller_over(MemoryMetadataLog([]), Follower())
    with pytest.raises(KafkaFault) as raised:
        await controller.execute(b'{"do": "dance"}', MEMBER)
    assert raised.value.code is ErrorCode.UNSUPPORTED_VERSION


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


def test_a_directory_that_joins_a_cluster_belongs_to_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    before = directory.open(1, None, Random(1))
    assert directory.adopt("x" * 22) == before._replace(cluster_id="x" * 22)
    directory.close()
    assert directory.open(1, None, Random(2)).directory_id == before.directory_id
    directory.close()


def test_a_directory_from_before_ids_gets_one_for_good(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"version": 1, "cluster_id": "c", "node_id": 1}')
    directory = DataDirectory(tmp_path)
    found = directory.open(1, None, Random(1))
    directory.close()
    assert directory.open(1, None, Random(2)) == found
    directory.close()
