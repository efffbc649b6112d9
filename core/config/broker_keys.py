"""Every broker config this broker knows: Kafka's names and defaults, and what each does here.

`host`, `port`, `data` and the other settings of the command line are in sprawl/config.py; those
that have a Kafka name stand here too, so that tools can read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sprawl.core.config.definition import (
    ConfigKey,
    ConfigType,
    ConfigValue,
    between,
    one_of,
    only,
    table,
)
from sprawl.core.config.topic import BROKER_SYNONYMS, TOPIC_CONFIGS

RACK_AWARE = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
"""Consumers are sent on to a replica in their rack (KIP-392)."""
CORDON = "cordoned.log.dirs"
"""A node with this set gets no new replicas (KIP-1066)."""

_B, _S, _I, _L, _LIST = (
    ConfigType.BOOLEAN,
    ConfigType.STRING,
    ConfigType.INT,
    ConfigType.LONG,
    ConfigType.LIST,
)


def _key(name: str, kind: ConfigType, default: str | None, doc: str, **more: Any) -> ConfigKey:
    return ConfigKey(name=name, type=kind, default=default, doc=doc, **more)


def _known_selector(value: ConfigValue) -> str | None:
    if value in ("", RACK_AWARE):
        return None
    return f"No classes are loaded; built in is {RACK_AWARE}, and empty stands for leaders only"


def _topic_default(topic_name: str, name: str, **more: Any) -> ConfigKey:
    """The broker config that gives a topic config its default."""
    topic = TOPIC_CONFIGS[topic_name]
    changes: dict[str, Any] = {"default": topic.default, "unit": topic.unit, **more}
    check = topic.check

    def check_or_null(value: ConfigValue) -> str | None:
        return None if value is None or check is None else check(value)

    return ConfigKey(
        name=name,
        type=topic.type,
        doc=f"Default of the topic config {topic_name}: {topic.doc[0].lower()}{topic.doc[1:]}",
        check=check_or_null,
        dynamic=True,
        **changes,
    )


_LADDER_TOPS = {"retention.ms", "segment.ms", "segment.jitter.ms", "flush.ms"}
"""Topic configs whose broker default has a null of its own and weaker names with the value."""

_TOPIC_DEFAULTS = (
    _topic_default(topic, name, **({"default": None} if topic in _LADDER_TOPS else {}))
    for topic, name in BROKER_SYNONYMS.items()
)

_TIME_LADDERS = (
    _key(
        "log.retention.minutes",
        _I,
        None,
        "log.retention.ms in minutes, used when that is not set.",
        unit="min",
    ),
    _key(
        "log.retention.hours",
        _I,
        "168",
        "log.retention.ms in hours, used when neither ms nor minutes are set.",
        unit="h",
    ),
    _key(
        "log.roll.hours",
        _I,
        "168",
        "log.roll.ms in hours, used when that is not set.",
        unit="h",
        check=between(1),
    ),
    _key(
        "log.roll.jitter.hours",
        _I,
        "0",
        "log.roll.jitter.ms in hours, used when that is not set.",
        unit="h",
        check=between(0),
    ),
    _key(
        "log.flush.scheduler.interval.ms",
        _L,
        str(2**63 - 1),
        "log.flush.interval.ms when that is not set.",
        unit="ms",
    ),
)

_IDENTITY = (
    _key("broker.id", _I, "1", "This node's id.", check=between(-1)),
    _key("node.id", _I, "1", "This node's id.", check=between(0)),
    _key("broker.rack", _S, None, "Where this node stands, for rack-aware clients."),
    _key(
        "replica.selector.class",
        _S,
        "",
        f"`{RACK_AWARE}` sends consumers that say their rack (client.rack) on to a replica in it."
        " Empty: all read from leaders.",
        check=_known_selector,
    ),
    _key(
        "process.roles",
        _LIST,
        "broker,controller",
        "A node is broker and controller in one.",
        check=only(frozenset({"broker", "controller"}), "a Sprawl node has both roles"),
    ),
    _key("listeners", _LIST, "PLAINTEXT://localhost:9092", "Where the node accepts clients."),
    _key("advertised.listeners", _LIST, None, "What clients are told to connect to."),
    _key("log.dir", _S, "./data", "Directory of the data."),
    _key("log.dirs", _LIST, None, "Directory of the data, as Kafka's list; one is used."),
    _key(
        CORDON,
        _LIST,
        "",
        "Directories that take no new replicas; any value stands for the one there is. The node"
        " also gives up its voice in the controller's quorum: `sprawl cluster drain` sets it.",
        dynamic=True,
    ),
    _key(
        "inter.broker.protocol.version",
        _S,
        "4.3",
        "The release whose protocol is spoken; older tools read it here.",
        check=only("4.3", "the protocol version cannot be chosen"),
    ),
    _key(
        "controller.quorum.voters", _LIST, "", "No separate controllers: this node is the quorum."
    ),
)

_TOPICS = (
    _key(
        "num.partitions",
        _I,
        "1",
        "Partitions of a topic created without a number.",
        check=between(1),
    ),
    _key(
        "default.replication.factor",
        _I,
        "1",
        "Replicas of a topic created without a number.",
        check=between(1, 32_767),
    ),
    _key(
        "auto.create.topics.enable", _B, "true", "Create a topic when a client first asks for it."
    ),
    _key("delete.topic.enable", _B, "true", "Whether topics can be deleted."),
)

_LIMITS = (
    _key(
        "connections.max.idle.ms",
        _L,
        "600000",
        "Idle connections are closed after this.",
        unit="ms",
        check=between(1000),
    ),
    _key(
        "fetch.max.bytes",
        _I,
        "57671680",
        "Largest fetch answer, whatever the client asks.",
        unit="bytes",
        check=between(1024),
    ),
    _key("max.connections", _I, str(2**31 - 1), "Connections at once.", check=between(0)),
    _key(
        "max.connections.per.ip",
        _I,
        str(2**31 - 1),
        "Connections at once from one address.",
        check=between(0),
    ),
    _key(
        "socket.request.max.bytes",
        _I,
        "104857600",
        "Largest request.",
        unit="bytes",
        check=between(1024, 2**30),
    ),
)

_LOG_CARE = (
    _key("log.cleaner.enable", _B, "true", "Whether compacted topics are compacted."),
    _key(
        "log.cleaner.backoff.ms",
        _L,
        "15000",
        "Pause between looks for something to compact.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "log.retention.check.interval.ms",
        _L,
        "300000",
        "How often old segments are looked for.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "log.scrub.interval.ms",
        _L,
        "604800000",
        "Pause between two slow readings of all sealed segments of replicas, in search of damage;"
        " -1 for none. Not a key of Kafka.",
        unit="ms",
        check=between(-1),
    ),
    _key(
        "metadata.log.max.record.bytes.between.snapshots",
        _L,
        "20971520",
        "How much the metadata log grows before a checkpoint is written and older records go"
        " (KIP-630).",
        unit="bytes",
        check=between(1),
    ),
)

_GROUPS = (
    _key(
        "group.initial.rebalance.delay.ms",
        _I,
        "3000",
        "How long an empty group waits for more members before its first rebalance.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "group.min.session.timeout.ms",
        _I,
        "6000",
        "Shortest session timeout of a member.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "group.max.session.timeout.ms",
        _I,
        "1800000",
        "Longest session timeout of a member.",
        unit="ms",
        check=between(1),
    ),
    _key("group.max.size", _I, str(2**31 - 1), "Members of one group.", check=between(1)),
    _key(
        "group.coordinator.rebalance.protocols",
        _LIST,
        "classic",
        "Group protocols that are served.",
        check=only(frozenset({"classic"}), "only the classic protocol is served yet"),
    ),
    _key(
        "offset.metadata.max.bytes",
        _I,
        "4096",
        "Longest metadata text of an offset commit.",
        unit="bytes",
        check=between(0),
    ),
    _key(
        "offsets.retention.minutes",
        _I,
        "10080",
        "How long offsets of an empty group are kept.",
        unit="min",
        check=between(1),
    ),
    _key(
        "offsets.retention.check.interval.ms",
        _L,
        "600000",
        "How often expired offsets are looked for.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "offsets.topic.num.partitions",
        _I,
        "50",
        "Partitions of __consumer_offsets; settled when the topic is created.",
        check=between(1),
    ),
    _key(
        "offsets.topic.replication.factor",
        _I,
        "3",
        "Replicas of __consumer_offsets; settled when the topic is created, one a node if there are"
        " fewer nodes.",
        check=between(1, 32_767),
    ),
    _key(
        "offsets.topic.segment.bytes",
        _I,
        "104857600",
        "segment.bytes of __consumer_offsets.",
        unit="bytes",
        check=between(1_048_576),
    ),
)

_PRODUCERS = (
    _key(
        "producer.id.expiration.ms",
        _I,
        "86400000",
        "How long the sequence state of a producer that sends nothing is kept.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "producer.id.expiration.check.interval.ms",
        _I,
        "600000",
        "How often it is looked for.",
        unit="ms",
        check=between(1),
    ),
)

_SECURITY = (
    _key(
        "authorizer.class.name",
        _S,
        "",
        "No authorizer: everybody may do everything.",
        check=only("", "access control is not served yet"),
    ),
    _key(
        "sasl.enabled.mechanisms",
        _LIST,
        "",
        "No SASL mechanism is served yet.",
        check=only(frozenset(), "SASL is not served yet"),
    ),
    _key(
        "security.inter.broker.protocol",
        _S,
        "PLAINTEXT",
        "A single node talks to no other.",
        check=one_of("PLAINTEXT"),
    ),
)

BROKER_CONFIGS: Mapping[str, ConfigKey] = table(
    *sorted(
        (
            *_IDENTITY,
            *_TOPICS,
            *_TOPIC_DEFAULTS,
            *_TIME_LADDERS,
            *_LIMITS,
            *_LOG_CARE,
            *_GROUPS,
            *_PRODUCERS,
            *_SECURITY,
        ),
        key=lambda key: key.name,
    )
)
"""By name, in alphabetical order."""
