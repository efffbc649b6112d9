"""Every topic config of Apache Kafka 4.3, and Confluent Server's for the validation of schema ids:
their defaults, the values they take, and what they do here.

A config that this broker does not honour takes its default only; another value is refused with the
reason, never stored and ignored.

Source: Kafka's TopicConfig and LogConfig; KIP-1030 for the bounds and defaults new in 4.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from sprawl.core.config.definition import (
    ConfigFault,
    ConfigKey,
    ConfigSource,
    ConfigType,
    ConfigValue,
    Synonym,
    between,
    list_of,
    one_of,
    only,
    table,
)
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.schema_ids import NameStrategy

if TYPE_CHECKING:
    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.log.config import LogConfig

LONG_MAX = 2**63 - 1
_B, _S, _I, _L, _D, _LIST = (
    ConfigType.BOOLEAN,
    ConfigType.STRING,
    ConfigType.INT,
    ConfigType.LONG,
    ConfigType.DOUBLE,
    ConfigType.LIST,
)
_NO_TIER = "tiered storage is not available in this version of Sprawl"


def _key(name: str, kind: ConfigType, default: str, doc: str, **more: Any) -> ConfigKey:
    return ConfigKey(name=name, type=kind, default=default, doc=doc, dynamic=True, **more)


def _gzip_level(value: ConfigValue) -> str | None:
    if isinstance(value, int) and (value == -1 or 1 <= value <= 9):
        return None
    return "Value must be between 1 and 9 or equal to -1"


def _schema_validation(part: str) -> tuple[ConfigKey, ConfigKey]:
    """Confluent Server's configs of this name, for keys or values."""
    return (
        _key(
            f"confluent.{part}.schema.validation",
            _B,
            "false",
            f"Whether a record is refused with INVALID_RECORD unless its {part} names a schema that"
            " is registered under the right subject. What stands behind the schema's id is not"
            " looked at; a null carries no schema and is taken.",
        ),
        _key(
            f"confluent.{part}.subject.name.strategy",
            _S,
            NameStrategy.TOPIC,
            f"Which subject that is: <topic>-{part}, the name of the record's type, or both as"
            " <topic>-<type>.",
            check=one_of(*NameStrategy),
        ),
    )


TOPIC_CONFIGS: Mapping[str, ConfigKey] = table(
    _key(
        "cleanup.policy",
        _LIST,
        "delete",
        "What happens to old segments: delete them by time and size, compact them to the newest"
        " record of each key, or both.",
        check=list_of("compact", "delete"),
    ),
    _key(
        "compression.gzip.level",
        _I,
        "-1",
        "Level used when batches are recompressed with gzip; -1 is the library's default.",
        check=_gzip_level,
    ),
    _key(
        "compression.lz4.level",
        _I,
        "9",
        "Level used when batches are recompressed with lz4.",
        check=between(1, 17),
    ),
    _key(
        "compression.type",
        _S,
        "producer",
        "Codec in which batches are stored; `producer` keeps what the producer chose.",
        check=one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    ),
    _key(
        "compression.zstd.level",
        _I,
        "3",
        "Level used when batches are recompressed with zstd.",
        check=between(-131_072, 22),
    ),
    *_schema_validation("key"),
    *_schema_validation("value"),
    _key(
        "delete.retention.ms",
        _L,
        "86400000",
        "How long compaction keeps a tombstone, so that readers can see the deletion.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "file.delete.delay.ms",
        _L,
        "60000",
        "Pause between retiring a file and removing it.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "flush.messages",
        _L,
        str(LONG_MAX),
        "Records after which the log is synced to disk before a produce is answered; 1 syncs"
        " every batch.",
        unit="records",
        check=between(1),
    ),
    _key(
        "flush.ms",
        _L,
        str(LONG_MAX),
        "Longest time appended records stay unsynced.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "follower.replication.throttled.replicas",
        _LIST,
        "",
        "Replicas whose catching up is throttled. A single replica never catches up.",
    ),
    _key(
        "index.interval.bytes",
        _I,
        "4096",
        "Bytes of log between two entries of the sparse index.",
        unit="bytes",
        check=between(0),
    ),
    _key(
        "leader.replication.throttled.replicas",
        _LIST,
        "",
        "Replicas whose serving of followers is throttled. A single replica has no followers.",
    ),
    _key(
        "local.retention.bytes",
        _L,
        "-2",
        "Size kept locally with tiered storage; -2 follows retention.bytes.",
        unit="bytes",
        check=only(-2, _NO_TIER),
    ),
    _key(
        "local.retention.ms",
        _L,
        "-2",
        "Time kept locally with tiered storage; -2 follows retention.ms.",
        unit="ms",
        check=only(-2, _NO_TIER),
    ),
    _key(
        "max.compaction.lag.ms",
        _L,
        str(LONG_MAX),
        "Longest time a record stays uncompacted.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "max.message.bytes",
        _I,
        "1048588",
        "Largest batch that is accepted, after compression.",
        unit="bytes",
        check=between(0),
    ),
    _key(
        "message.timestamp.after.max.ms",
        _L,
        "3600000",
        "How far a record's timestamp may lie in the broker's future.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "message.timestamp.before.max.ms",
        _L,
        str(LONG_MAX),
        "How far a record's timestamp may lie in the broker's past.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "message.timestamp.type",
        _S,
        "CreateTime",
        "Whose time a record carries: the producer's or the broker's at append.",
        check=one_of("CreateTime", "LogAppendTime"),
    ),
    _key(
        "min.cleanable.dirty.ratio",
        _D,
        "0.5",
        "Share of a compacted log that must be uncompacted before it is compacted again.",
        check=between(0, 1),
    ),
    _key(
        "min.compaction.lag.ms",
        _L,
        "0",
        "Shortest time a record stays uncompacted.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "min.insync.replicas",
        _I,
        "1",
        "Replicas that must have a record on disk before acks=all is answered; with fewer of them"
        " in sync such writes are refused with NOT_ENOUGH_REPLICAS.",
        check=between(1),
    ),
    _key(
        "preallocate",
        _B,
        "false",
        "Whether files are allocated at full size.",
        check=only(False, "segment files grow as they are written"),
    ),
    _key(
        "remote.log.copy.disable",
        _B,
        "false",
        "Stops copying to tiered storage.",
        check=only(False, _NO_TIER),
    ),
    _key(
        "remote.log.delete.on.disable",
        _B,
        "false",
        "Deletes the tiered data when tiering is switched off.",
        check=only(False, _NO_TIER),
    ),
    _key(
        "remote.storage.enable",
        _B,
        "false",
        "Moves sealed segments to an object store.",
        check=only(False, _NO_TIER),
    ),
    _key(
        "retention.bytes",
        _L,
        "-1",
        "Size of a partition beyond which its oldest segments are deleted; -1 for no limit.",
        unit="bytes",
        check=between(-1),
    ),
    _key(
        "retention.ms",
        _L,
        "604800000",
        "Age beyond which segments are deleted; -1 for no limit.",
        unit="ms",
        check=between(-1),
    ),
    _key(
        "segment.bytes",
        _I,
        "1073741824",
        "Size at which a new segment file is begun.",
        unit="bytes",
        check=between(1_048_576),
    ),
    _key(
        "segment.index.bytes",
        _I,
        "10485760",
        "Largest size of a segment's index; a new segment is begun when it is reached.",
        unit="bytes",
        check=between(4),
    ),
    _key(
        "segment.jitter.ms",
        _L,
        "0",
        "Random time taken off segment.ms, so that partitions do not roll together.",
        unit="ms",
        check=between(0),
    ),
    _key(
        "segment.ms",
        _L,
        "604800000",
        "Age at which a new segment file is begun even if the old one is not full.",
        unit="ms",
        check=between(1),
    ),
    _key(
        "unclean.leader.election.enable",
        _B,
        "false",
        "Whether a replica that may lack records can lead.",
        check=only(False, "Sprawl never elects a leader that may lack acknowledged records"),
    ),
)

BROKER_SYNONYMS: Mapping[str, str] = {
    "cleanup.policy": "log.cleanup.policy",
    "compression.gzip.level": "compression.gzip.level",
    "compression.lz4.level": "compression.lz4.level",
    "compression.type": "compression.type",
    "compression.zstd.level": "compression.zstd.level",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "flush.messages": "log.flush.interval.messages",
    "flush.ms": "log.flush.interval.ms",
    "index.interval.bytes": "log.index.interval.bytes",
    "local.retention.bytes": "log.local.retention.bytes",
    "local.retention.ms": "log.local.retention.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
    "message.timestamp.type": "log.message.timestamp.type",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "min.insync.replicas": "min.insync.replicas",
    "preallocate": "log.preallocate",
    "retention.bytes": "log.retention.bytes",
    "retention.ms": "log.retention.ms",
    "segment.bytes": "log.segment.bytes",
    "segment.index.bytes": "log.index.size.max.bytes",
    "segment.jitter.ms": "log.roll.jitter.ms",
    "segment.ms": "log.roll.ms",
    "unclean.leader.election.enable": "unclean.leader.election.enable",
}
"""The broker config that gives a topic config its default."""


def topic_synonyms(name: str, overrides: Mapping[str, str], broker: BrokerConfig) -> list[Synonym]:
    """Every place that gives this topic config a value, the one in force first."""
    found = []
    if name in overrides:
        found.append(Synonym(name, overrides[name], ConfigSource.DYNAMIC_TOPIC_CONFIG))
    if name in BROKER_SYNONYMS:
        return found + broker.synonyms(BROKER_SYNONYMS[name])
    return [*found, Synonym(name, TOPIC_CONFIGS[name].default, ConfigSource.DEFAULT_CONFIG)]


def effective_value(name: str, overrides: Mapping[str, str], broker: BrokerConfig) -> str:
    """The text in force for a topic config."""
    if name in overrides:
        return overrides[name]
    if name in BROKER_SYNONYMS:
        text = broker.text(BROKER_SYNONYMS[name])
    else:
        text = TOPIC_CONFIGS[name].default
    assert text is not None
    return text


def validate_topic_configs(overrides: Mapping[str, str], broker: BrokerConfig) -> None:
    """Check configs given for a topic, each alone and together.

    Raises:
        KafkaFault: INVALID_CONFIG with Kafka's message.
    """
    try:
        for name, text in overrides.items():
            key = TOPIC_CONFIGS.get(name)
            if key is None:
                raise ConfigFault(f"Unknown topic config name: {name}")
            key.parse(text)
        low, high = (
            TOPIC_CONFIGS[name].parse(effective_value(name, overrides, broker))
            for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
        )
    except ConfigFault as fault:
        raise KafkaFault(ErrorCode.INVALID_CONFIG, str(fault)) from None
    assert isinstance(low, int)
    assert isinstance(high, int)
    if low > high:
        raise KafkaFault(
            ErrorCode.INVALID_CONFIG,
            "conflict topic config setting min.compaction.lag.ms"
            f" ({low}) > max.compaction.lag.ms ({high})",
        )


def topic_config(overrides: Mapping[str, str], broker: BrokerConfig) -> LogConfig:
    """The configuration of a topic's logs: its own configs over the broker's defaults."""
    from sprawl.core.log.config import LogConfig

    values: dict[str, Any] = {
        field: TOPIC_CONFIGS[name].parse(effective_value(name, overrides, broker))
        for field, name in _log_fields()
    }
    return LogConfig(**values)


@cache
def _log_fields() -> tuple[tuple[str, str], ...]:
    """(field, topic config) of the settings that a log takes."""
    from sprawl.core.log.config import LogConfig

    names = ((field.name, field.name.replace("_", ".")) for field in fields(LogConfig))
    return tuple((field, name) for field, name in names if name in TOPIC_CONFIGS)
