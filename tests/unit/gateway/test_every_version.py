"""Every announced version of the admin APIs is answered: through a socket, by a node in memory.

A field that a version cannot carry would fail in the encoder and close the connection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sprawl.core.controller.features import FEATURE, SUPPORTED
from sprawl.core.errors import ErrorCode
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec import RequestHeader, decode_response, encode_request
from sprawl.gateway.codec._generated.k03_metadata import MetadataRequest, MetadataRequestTopic
from sprawl.gateway.codec._generated.k18_api_versions import ApiVersionsRequest
from sprawl.gateway.codec._generated.k19_create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from sprawl.gateway.codec._generated.k20_delete_topics import DeleteTopicsRequest, DeleteTopicState
from sprawl.gateway.codec._generated.k22_init_producer_id import InitProducerIdRequest
from sprawl.gateway.codec._generated.k32_describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from sprawl.gateway.codec._generated.k33_alter_configs import (
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
)
from sprawl.gateway.codec._generated.k34_alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from sprawl.gateway.codec._generated.k35_describe_log_dirs import DescribeLogDirsRequest
from sprawl.gateway.codec._generated.k37_create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from sprawl.gateway.codec._generated.k43_elect_leaders import (
    ElectLeadersRequest,
    TopicPartitions,
)
from sprawl.gateway.codec._generated.k45_alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from sprawl.gateway.codec._generated.k46_list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
)
from sprawl.gateway.codec._generated.k55_describe_quorum import (
    DescribeQuorumRequest,
    RequestPartitionData,
    RequestTopicData,
)
from sprawl.gateway.codec._generated.k57_update_features import (
    FeatureUpdateKey,
    UpdateFeaturesRequest,
)
from sprawl.gateway.codec._generated.k60_describe_cluster import DescribeClusterRequest
from sprawl.gateway.codec._generated.k64_unregister_broker import UnregisterBrokerRequest
from sprawl.gateway.codec._generated.k75_describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    RequestCursor,
    TopicRequest,
)
from sprawl.node import Node


class Wire:
    """A connection that speaks whole messages."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)

    def ask(self, key: int, version: int, request: Any) -> Any:
        header = RequestHeader(key, version, version + 7, "test")
        self._socket.sendall(b"".join(encode_request(header, request)))
        size = int.from_bytes(self._read(4), "big")
        correlation_id, body = decode_response(key, version, memoryview(self._read(size)))
        assert correlation_id == version + 7
        return body

    def close(self) -> None:
        self._socket.close()

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            assert part, "the node closed the connection"
            data += part
        return data


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node(num_partitions=2) as running:
        yield running


@pytest.fixture
def wire(node: Node) -> Iterator[Wire]:
    connection = Wire(node.bootstrap)
    yield connection
    connection.close()


def topic(wire: Wire, name: str) -> None:
    made = wire.ask(
        19,
        7,
        CreateTopicsRequest(
            topics=[CreatableTopic(name=name, num_partitions=1, replication_factor=1)]
        ),
    )
    assert made.topics[0].error_code in (0, 36)


@pytest.mark.parametrize("version", range(14))
def test_metadata(wire: Wire, node: Node, version: int) -> None:
    topic(wire, "known")
    names = [MetadataRequestTopic(name="known"), MetadataRequestTopic(name=f"made-{version}")]
    answer = wire.ask(3, version, MetadataRequest(topics=names, allow_auto_topic_creation=True))
    assert [each.error_code for each in answer.topics] == [0, 0]
    assert [len(each.partitions) for each in answer.topics] == [1, 2]
    assert f"{answer.brokers[0].host}:{answer.brokers[0].port}" == node.bootstrap
    everything = wire.ask(3, version, MetadataRequest(topics=None if version else []))
    assert {"known", f"made-{version}"} <= {each.name for each in everything.topics}
    if version:
        assert wire.ask(3, version, MetadataRequest(topics=[])).topics == []


def test_metadata_by_id(wire: Wire) -> None:
    topic(wire, "known")
    [known] = wire.ask(3, 13, MetadataRequest(topics=[MetadataRequestTopic(name="known")])).topics
    by_id = [MetadataRequestTopic(topic_id=known.topic_id, name=None)]
    [found] = wire.ask(3, 12, MetadataRequest(topics=by_id)).topics
    assert (found.name, found.error_code) == ("known", 0)
    unknown = [MetadataRequestTopic(topic_id=type(known.topic_id)(int=5), name=None)]
    assert wire.ask(3, 12, MetadataRequest(topics=unknown)).topics[0].error_code == 100
    assert wire.ask(3, 10, MetadataRequest(topics=by_id)).topics[0].error_code == 42


@pytest.mark.parametrize("version", range(4, 14))
def test_metadata_creates_only_what_is_wanted(wire: Wire, version: int) -> None:
    asked = [MetadataRequestTopic(name="never"), MetadataRequestTopic(name="not/a name")]
    answer = wire.ask(3, version, MetadataRequest(topics=asked, allow_auto_topic_creation=False))
    assert [each.error_code for each in answer.topics] == [3, 17]
    allowed = wire.ask(
        3, version, MetadataRequest(topics=asked[1:], allow_auto_topic_creation=True)
    )
    assert allowed.topics[0].error_code == 17


@pytest.mark.parametrize("version", range(2, 8))
def test_create_topics(wire: Wire, version: int) -> None:
    config = CreatableTopicConfig(name="retention.ms", value="5000")
    good = CreatableTopic(
        name=f"c-{version}", num_partitions=3, replication_factor=1, configs=[config]
    )
    wide = CreatableTopic(name=f"w-{version}", num_partitions=1, replication_factor=3)
    odd = CreatableTopic(
        name=f"o-{version}",
        num_partitions=1,
        replication_factor=1,
        configs=[CreatableTopicConfig(name="no.such", value="1")],
    )
    answer = wire.ask(19, version, CreateTopicsRequest(topics=[good, wide, odd]))
    assert [each.error_code for each in answer.topics] == [0, 38, 40]
    if version >= 5:
        told = {each.name: each.value for each in answer.topics[0].configs}
        assert told["retention.ms"] == "5000"
        assert answer.topics[0].num_partitions == 3
    if version >= 7:
        assert answer.topics[0].topic_id != ZERO_UUID
    again = wire.ask(19, version, CreateTopicsRequest(topics=[good], validate_only=True))
    assert again.topics[0].error_code == 36
    twice = wire.ask(19, version, CreateTopicsRequest(topics=[wide, wide]))
    assert {each.error_code for each in twice.topics} == {42}


@pytest.mark.parametrize("version", range(1, 7))
def test_delete_topics(wire: Wire, version: int) -> None:
    name = f"d-{version}"
    topic(wire, name)
    if version < 6:
        request = DeleteTopicsRequest(topic_names=[name, "absent"])
    else:
        request = DeleteTopicsRequest(
            topics=[DeleteTopicState(name=name), DeleteTopicState(name="absent")]
        )
    answer = wire.ask(20, version, request)
    assert [each.error_code for each in answer.responses] == [0, 3]


@pytest.mark.parametrize("version", range(6))
def test_init_producer_id(wire: Wire, version: int) -> None:
    ids = {
        wire.ask(22, version, InitProducerIdRequest(transactional_id=None)).producer_id
        for _ in range(3)
    }
    assert len(ids) == 3
    assert min(ids) >= 0
    refused = wire.ask(22, version, InitProducerIdRequest(transactional_id="t"))
    assert refused.error_code != 0
    assert refused.producer_id == -1


@pytest.mark.parametrize("version", range(1, 5))
def test_describe_configs(wire: Wire, version: int) -> None:
    topic(wire, "known")
    resources = [
        DescribeConfigsResource(resource_type=2, resource_name="known", configuration_keys=None),
        DescribeConfigsResource(
            resource_type=2, resource_name="known", configuration_keys=["cleanup.policy", "no.such"]
        ),
        DescribeConfigsResource(resource_type=4, resource_name="1", configuration_keys=None),
        DescribeConfigsResource(resource_type=4, resource_name="", configuration_keys=None),
        DescribeConfigsResource(resource_type=2, resource_name="absent", configuration_keys=None),
        DescribeConfigsResource(resource_type=4, resource_name="9", configuration_keys=None),
    ]
    answer = wire.ask(
        32, version, DescribeConfigsRequest(resources=resources, include_synonyms=True)
    )
    assert [each.error_code for each in answer.results] == [0, 0, 0, 0, 3, 42]
    assert len(answer.results[0].configs) > 30
    assert [each.name for each in answer.results[1].configs] == ["cleanup.policy"]
    partitions = {each.name: each for each in answer.results[2].configs}["num.partitions"]
    assert (partitions.value, partitions.config_source) == ("2", 4)


@pytest.mark.parametrize("version", range(3))
def test_alter_configs(wire: Wire, version: int) -> None:
    topic(wire, "known")

    def alter(name: str, value: str) -> int:
        change = AlterConfigsResource(
            resource_type=2,
            resource_name="known",
            configs=[AlterableConfig(name=name, value=value)],
        )
        answer = wire.ask(33, version, AlterConfigsRequest(resources=[change]))
        return int(answer.responses[0].error_code)

    assert alter("retention.ms", "77") == 0
    assert alter("retention.ms", "x") == 40
    assert alter("no.such", "1") == 40


@pytest.mark.parametrize("version", range(1, 6))
def test_describe_log_dirs(wire: Wire, version: int) -> None:
    topic(wire, "known")
    [found] = wire.ask(35, version, DescribeLogDirsRequest(topics=None)).results
    assert found.error_code == 0
    assert "known" in [each.name for each in found.topics]


@pytest.mark.parametrize("version", range(4))
def test_create_partitions(wire: Wire, version: int) -> None:
    name = f"p-{version}"
    topic(wire, name)
    more = [CreatePartitionsTopic(name=name, count=4, assignments=None)]
    fewer = [CreatePartitionsTopic(name=name, count=2, assignments=None)]
    assert wire.ask(37, version, CreatePartitionsRequest(topics=more)).results[0].error_code == 0
    assert wire.ask(37, version, CreatePartitionsRequest(topics=fewer)).results[0].error_code == 37


@pytest.mark.parametrize("version", range(3))
def test_describe_cluster(wire: Wire, node: Node, version: int) -> None:
    answer = wire.ask(60, version, DescribeClusterRequest())
    assert (answer.error_code, answer.controller_id) == (0, 1)
    assert f"{answer.brokers[0].host}:{answer.brokers[0].port}" == node.bootstrap


def test_nothing_is_being_reassigned(wire: Wire) -> None:
    answer = wire.ask(46, 0, ListPartitionReassignmentsRequest(topics=None))
    assert (answer.error_code, answer.topics) == (0, [])


@pytest.mark.parametrize("version", [1, 2])
def test_a_replica_moves_only_to_the_directory_where_it_is(wire: Wire, version: int) -> None:
    topic(wire, "known")
    [directory] = wire.ask(35, 1, DescribeLogDirsRequest(topics=None)).results

    def move(path: str, name: str, partition: int) -> int:
        wanted = AlterReplicaLogDirTopic(name=name, partitions=[partition])
        request = AlterReplicaLogDirsRequest(dirs=[AlterReplicaLogDir(path=path, topics=[wanted])])
        [result] = wire.ask(34, version, request).results
        assert result.topic_name == name
        return int(result.partitions[0].error_code)

    assert move(directory.log_dir, "known", 0) == 0
    assert move(directory.log_dir, "known", 1) == 3
    assert move(directory.log_dir, "absent", 0) == 3
    assert move("/elsewhere", "known", 0) == 57


@pytest.mark.parametrize("version", range(3))
def test_no_election_is_needed(wire: Wire, version: int) -> None:
    topic(wire, "known")
    asked = [
        TopicPartitions(topic="known", partitions=[0, 1]),
        TopicPartitions(topic="absent", partitions=[0]),
    ]
    answer = wire.ask(43, version, ElectLeadersRequest(topic_partitions=asked))
    found = {
        (each.topic, part.partition_id): part.error_code
        for each in answer.replica_election_results
        for part in each.partition_result
    }
    assert found == {("known", 0): 84, ("known", 1): 3, ("absent", 0): 3}
    everything = wire.ask(43, version, ElectLeadersRequest(topic_partitions=None))
    assert (everything.error_code, everything.replica_election_results) == (0, [])
    if version:
        odd = wire.ask(43, version, ElectLeadersRequest(election_type=7, topic_partitions=None))
        assert odd.error_code == 42


def test_no_unclean_election_is_held(wire: Wire) -> None:
    topic(wire, "known")
    asked = [TopicPartitions(topic="known", partitions=[0])]
    answer = wire.ask(43, 2, ElectLeadersRequest(election_type=1, topic_partitions=asked))
    [result] = answer.replica_election_results
    assert result.partition_result[0].error_code == 84


def test_a_broker_is_unregistered_only_when_it_holds_nothing(wire: Wire) -> None:
    topic(wire, "known")
    own = wire.ask(64, 0, UnregisterBrokerRequest(broker_id=1))
    assert own.error_code == 42
    assert "still holds" in own.error_message
    assert wire.ask(64, 0, UnregisterBrokerRequest(broker_id=7)).error_code == 102


@pytest.mark.parametrize("version", range(3))
def test_no_broker_is_fenced(wire: Wire, version: int) -> None:
    request = DescribeClusterRequest(include_fenced_brokers=version >= 2)
    answer = wire.ask(60, version, request)
    assert [(each.broker_id, each.is_fenced) for each in answer.brokers] == [(1, False)]


@pytest.mark.parametrize("version", range(2))
def test_a_partition_is_reassigned_only_to_this_node(wire: Wire, version: int) -> None:
    topic(wire, "known")

    def assign(name: str, partition: int, replicas: list[int] | None) -> int:
        wanted = ReassignablePartition(partition_index=partition, replicas=replicas)
        topics = [ReassignableTopic(name=name, partitions=[wanted])]
        answer = wire.ask(45, version, AlterPartitionReassignmentsRequest(topics=topics))
        assert answer.error_code == 0
        return int(answer.responses[0].partitions[0].error_code)

    assert assign("known", 0, [1]) == 0
    assert assign("known", 0, [2]) == 39
    assert assign("known", 0, []) == 39
    assert assign("known", 0, None) == 85
    assert assign("known", 5, [1]) == 3
    assert assign("absent", 0, [1]) == 3


@pytest.mark.parametrize("version", range(3))
def test_the_quorum_is_this_node(wire: Wire, node: Node, version: int) -> None:
    def describe(name: str) -> Any:
        partitions = [RequestPartitionData(partition_index=0)]
        topics = [RequestTopicData(topic_name=name, partitions=partitions)]
        answer = wire.ask(55, version, DescribeQuorumRequest(topics=topics))
        assert answer.error_code == 0
        if version >= 2:
            [listener] = answer.nodes[0].listeners
            assert f"{listener.host}:{listener.port}" == node.bootstrap
        return answer.topics[0].partitions[0]

    before = describe("__cluster_metadata")
    assert (before.error_code, before.leader_id, before.leader_epoch) == (0, 1, 1)
    [voter] = before.current_voters
    assert (voter.replica_directory_id.int != 0) == (version >= 2)
    assert (voter.replica_id, voter.log_end_offset) == (1, before.high_watermark)
    assert voter.last_caught_up_timestamp > 0 or version == 0
    topic(wire, f"more-{version}")
    assert describe("__cluster_metadata").high_watermark == before.high_watermark + 1
    assert describe("known").error_code == 3


def test_topics_are_described_in_pages(wire: Wire) -> None:
    names = ["page-a", "page-b", "page-c"]
    for name in names:
        topic(wire, name)
    more = [CreatePartitionsTopic(name=name, count=3, assignments=None) for name in names]
    wire.ask(37, 3, CreatePartitionsRequest(topics=more))
    asked = [TopicRequest(name=name) for name in reversed(names)]
    pages = []
    cursor = None
    while True:
        answer = wire.ask(
            75,
            0,
            DescribeTopicPartitionsRequest(topics=asked, response_partition_limit=4, cursor=cursor),
        )
        pages.append(
            [
                (each.name, [part.partition_index for part in each.partitions])
                for each in answer.topics
            ]
        )
        if answer.next_cursor is None:
            break
        cursor = RequestCursor(
            topic_name=answer.next_cursor.topic_name,
            partition_index=answer.next_cursor.partition_index,
        )
    assert pages == [
        [("page-a", [0, 1, 2]), ("page-b", [0])],
        [("page-b", [1, 2]), ("page-c", [0, 1])],
        [("page-c", [2])],
    ]


def test_topics_described_with_odd_requests(wire: Wire) -> None:
    def describe(**request: Any) -> Any:
        return wire.ask(75, 0, DescribeTopicPartitionsRequest(**request))

    topic(wire, "known")
    both = [TopicRequest(name="known"), TopicRequest(name="absent")]
    found = {each.name: each.error_code for each in describe(topics=both).topics}
    assert found == {"known": 0, "absent": 3}
    assert "known" in {each.name for each in describe().topics}
    backwards = RequestCursor(topic_name="known", partition_index=-1)
    assert [each.error_code for each in describe(topics=both, cursor=backwards).topics] == [42, 42]
    past = RequestCursor(topic_name="known", partition_index=9)
    [empty] = describe(topics=both, cursor=past).topics
    assert (empty.name, empty.partitions) == ("known", [])
    one = describe(topics=both, response_partition_limit=0)
    assert sum(len(each.partitions) for each in one.topics) == 1


@pytest.mark.parametrize("version", range(3))
def test_the_feature_level_is_updated(wire: Wire, version: int) -> None:
    def update(level: int, *, validate_only: bool = False, **kind: Any) -> Any:
        asked = FeatureUpdateKey(feature=FEATURE, max_version_level=level, **kind)
        request = UpdateFeaturesRequest(feature_updates=[asked], validate_only=validate_only)
        return wire.ask(57, version, request)

    done = update(SUPPORTED.max)
    assert (done.error_code, done.error_message) == (ErrorCode.NONE, None)
    assert [(each.feature, each.error_code) for each in done.results] == (
        [(FEATURE, ErrorCode.NONE)] if version < 2 else []
    )
    beyond = update(SUPPORTED.max + 1)
    assert beyond.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert beyond.error_message == (
        "The update failed for all features since the following feature had an error: Invalid"
        f" update version {SUPPORTED.max + 1} for feature {FEATURE}. Broker 1 only supports"
        f" versions {SUPPORTED}."
    )
    safely = {"upgrade_type": 2} if version else {"allow_downgrade": True}
    refused = update(1, **safely)
    assert refused.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert "Refusing to perform the requested downgrade" in refused.error_message
    if version:
        assert update(1, validate_only=True, upgrade_type=3).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", range(5))
def test_api_versions_announces_what_is_served(wire: Wire, version: int) -> None:
    asked = ApiVersionsRequest(client_software_name="test", client_software_version="1")
    ranges = {
        each.api_key: (each.min_version, each.max_version)
        for each in wire.ask(18, version, asked).api_keys
    }
    assert ranges[0] == (0, 13)
    assert ranges[3] == (0, 13)
    assert {24, 28, 29, 36, 68, 71}.isdisjoint(ranges)


def test_a_cluster_is_founded_at_the_highest_level_and_says_so_from_version_3(wire: Wire) -> None:
    asked = ApiVersionsRequest(client_software_name="test", client_software_version="1")
    assert wire.ask(18, 2, asked).finalized_features == []
    for version in (3, 4):
        answer = wire.ask(18, version, asked)
        [known], [final] = answer.supported_features, answer.finalized_features
        assert (known.name, known.min_version, known.max_version) == (FEATURE, *SUPPORTED)
        assert (final.min_version_level, final.max_version_level) == (SUPPORTED.max,) * 2
        assert answer.finalized_features_epoch >= 0
