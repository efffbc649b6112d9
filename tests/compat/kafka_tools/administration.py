"""Kafka's administration tools: each case asserts what a person would read off the terminal."""

from __future__ import annotations

import json

from tests.compat.kafka_tools.tools import Tools, expect

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
QUORUM = "org.apache.kafka.tools.MetadataQuorumCommand"


def topics(kafka: Tools) -> None:
    words = ("--topic", "tools-topics")
    made = kafka.at(
        TOPICS, "--create", *words, "--partitions", "3", "--config", "retention.ms=60000"
    )
    expect(made, "Created topic tools-topics.")
    expect(kafka.at(TOPICS, "--list"), "tools-topics")
    expect(kafka.at(TOPICS, "--describe", *words), "PartitionCount: 3", "retention.ms=60000")
    kafka.at(TOPICS, "--alter", *words, "--partitions", "5")
    expect(kafka.at(TOPICS, "--describe", *words), "PartitionCount: 5", "Partition: 4")
    kafka.at(TOPICS, "--delete", *words)
    assert "tools-topics" not in kafka.at(TOPICS, "--list").split()


def configs_of_topics(kafka: Tools) -> None:
    topic = kafka.topic("tools-configs")
    where = ("--entity-type", "topics", "--entity-name", topic)
    change = "cleanup.policy=compact,max.message.bytes=5000"
    done = kafka.at(CONFIGS, "--alter", *where, "--add-config", change)
    expect(done, f"Completed updating config for topic {topic}.")
    expect(
        kafka.at(CONFIGS, "--describe", *where), "cleanup.policy=compact", "max.message.bytes=5000"
    )
    kafka.at(CONFIGS, "--alter", *where, "--delete-config", "cleanup.policy")
    assert "cleanup.policy=compact" not in kafka.at(CONFIGS, "--describe", *where)
    expect(kafka.at(CONFIGS, "--describe", "--all", *where), "cleanup.policy=delete")


def configs_of_brokers(kafka: Tools) -> None:
    where = ("--entity-type", "brokers", "--entity-name", "1")
    kafka.at(CONFIGS, "--alter", *where, "--add-config", "log.retention.ms=123456789")
    expect(kafka.at(CONFIGS, "--describe", *where), "log.retention.ms=123456789")
    kafka.at(CONFIGS, "--alter", *where, "--delete-config", "log.retention.ms")
    default = ("--entity-type", "brokers", "--entity-default")
    kafka.at(CONFIGS, "--alter", *default, "--add-config", "message.max.bytes=2000000")
    expect(kafka.at(CONFIGS, "--describe", *default), "message.max.bytes=2000000")
    kafka.at(CONFIGS, "--alter", *default, "--delete-config", "message.max.bytes")


def consumer_groups(kafka: Tools) -> None:
    topic, group = kafka.topic("tools-groups", 2), ("--group", "tools-group")
    kafka.produce(topic, [str(number) for number in range(10)])
    kafka.consume(topic, 10, *group)
    expect(kafka.at(GROUPS, "--list"), "tools-group")
    expect(kafka.at(GROUPS, "--list", "--state"), "tools-group")
    described = kafka.at(GROUPS, "--describe", *group)
    expect(described, topic, "CURRENT-OFFSET", "LAG")
    expect(kafka.at(GROUPS, "--describe", *group, "--state"), "Empty")
    reset = ("--reset-offsets", "--topic", topic)
    kafka.at(GROUPS, *group, *reset, "--to-earliest", "--execute")
    assert sorted(kafka.consume(topic, 10, *group)) == [str(number) for number in range(10)]
    expect(kafka.at(GROUPS, *group, *reset, "--shift-by", "-2", "--dry-run"), topic)
    deleted = kafka.at(GROUPS, "--delete-offsets", *group, "--topic", topic)
    expect(deleted, "Successful")
    expect(kafka.at(GROUPS, "--delete", *group), "was successful")


def groups(kafka: Tools) -> None:
    topic = kafka.topic("tools-all-groups")
    kafka.produce(topic, ["x"])
    kafka.consume(topic, 1, "--group", "tools-listed")
    expect(kafka.at("org.apache.kafka.tools.GroupsCommand", "--list"), "tools-listed", "Classic")


def get_offsets(kafka: Tools) -> None:
    topic = kafka.topic("tools-offsets")
    kafka.produce(topic, ["a", "b", "c"])
    where = ("--topic", topic)
    expect(kafka.at(OFFSETS, *where), f"{topic}:0:3")
    expect(kafka.at(OFFSETS, *where, "--time", "earliest"), f"{topic}:0:0")
    expect(kafka.at(OFFSETS, *where, "--time", "max-timestamp"), f"{topic}:0:")
    expect(kafka.at(OFFSETS, *where, "--time", "1"), f"{topic}:0:0")


def delete_records(kafka: Tools) -> None:
    topic = kafka.topic("tools-delete")
    kafka.produce(topic, ["a", "b", "c", "d"])
    wanted = {"partitions": [{"topic": topic, "partition": 0, "offset": 3}], "version": 1}
    path = kafka.file("delete.json", json.dumps(wanted))
    said = kafka.at("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", path)
    expect(said, "low_watermark: 3")
    expect(kafka.at(OFFSETS, "--topic", topic, "--time", "earliest"), f"{topic}:0:3")
    assert kafka.consume(topic, 1) == ["d"]


def log_dirs(kafka: Tools) -> None:
    topic = kafka.topic("tools-dirs")
    kafka.produce(topic, ["a"])
    main = "org.apache.kafka.tools.LogDirsCommand"
    expect(
        kafka.at(main, "--describe", "--topic-list", topic), f'"partition":"{topic}-0"', '"size"'
    )


def leader_election(kafka: Tools) -> None:
    topic = kafka.topic("tools-election")
    said = kafka.at(
        "org.apache.kafka.tools.LeaderElectionCommand",
        *("--election-type", "preferred", "--topic", topic, "--partition", "0"),
    )
    expect(said, "Valid replica already elected")


def reassign_partitions(kafka: Tools) -> None:
    topic = kafka.topic("tools-reassign")
    move = {"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [1]}]}
    path = kafka.file("reassign.json", json.dumps(move))
    chosen = ("--reassignment-json-file", path)
    expect(kafka.at(REASSIGN, *chosen, "--execute"), "Successfully started partition reassignment")
    expect(kafka.at(REASSIGN, *chosen, "--verify"), "is completed")
    expect(kafka.at(REASSIGN, "--list"), "No partition reassignments found")


def metadata_quorum(kafka: Tools) -> None:
    expect(kafka.at(QUORUM, "describe", "--status"), "LeaderId", "HighWatermark")
    expect(kafka.at(QUORUM, "describe", "--replication"), "LogEndOffset", "Leader")


def cluster(kafka: Tools) -> None:
    main = "org.apache.kafka.tools.ClusterTool"
    expect(kafka.run(main, "cluster-id", "--bootstrap-server", kafka.bootstrap), "Cluster ID: ")
    listed = kafka.run(main, "list-endpoints", "--bootstrap-server", kafka.bootstrap)
    expect(listed, kafka.bootstrap.rpartition(":")[2])


def broker_api_versions(kafka: Tools) -> None:
    said = kafka.at("org.apache.kafka.tools.BrokerApiVersionsCommand")
    expect(said, "Produce(0): ", "Fetch(1): ", "ApiVersions(18): ")


def features(kafka: Tools) -> None:
    expect(kafka.at("org.apache.kafka.tools.FeatureCommand", "describe"), "Feature: ")


def transactions(kafka: Tools) -> None:
    expect(kafka.at("org.apache.kafka.tools.TransactionsCommand", "list"), "TransactionalId")


CASES = (
    topics,
    configs_of_topics,
    configs_of_brokers,
    consumer_groups,
    groups,
    get_offsets,
    delete_records,
    log_dirs,
    leader_election,
    reassign_partitions,
    metadata_quorum,
    cluster,
    broker_api_versions,
    features,
    transactions,
)
