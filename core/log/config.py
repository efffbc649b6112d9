"""The configs of one topic as its logs see them: Kafka's names with `_` for `.`, Kafka's defaults.

core/config builds a `LogConfig` from a topic's overrides and the broker's own values; nothing here
checks ranges.
"""

from __future__ import annotations

from dataclasses import dataclass

from sprawl.core.records.schema_ids import NameStrategy

LONG_MAX = 2**63 - 1
"""Kafka's "never" and "no limit" of configs with 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Topic configs that decide how a log is written, kept and cleaned.

    Args:
        cleanup_policy: `delete`, `compact`, both, or neither (then nothing is ever removed).
        confluent_key_schema_validation, confluent_value_schema_validation: whether keys and values
            have to name a schema that is registered; under the subject that
            `confluent_key_subject_name_strategy` and its sibling say.
        compression_type: `producer`, `uncompressed`, `gzip`, `snappy`, `lz4` or `zstd`.
        file_delete_delay_ms: how long a removed file stays on disk under another name.
        flush_messages: records after which an append waits for a sync.
        flush_ms: time after which appended records are synced.
        index_interval_bytes: distance of the sparse index's entries.
        max_message_bytes: largest batch, after compression.
        message_timestamp_type: `CreateTime` or `LogAppendTime`.
        min_insync_replicas: copies on disk before acks=all is answered.
        preallocate: accepted as Kafka's; segment files grow as they are written.
        retention_bytes: size of a partition beyond which old segments go; -1 for no limit.
        retention_ms: age beyond which segments go; -1 for no limit.
        segment_bytes: size at which a segment is sealed and the next one begun.
        segment_index_bytes: bound of the index of a segment; a full one seals the segment.
        segment_jitter_ms: at most this much is taken off `segment_ms`, by partition.
        segment_ms: age at which a segment is sealed even when it is small.
        storage_type: `memory`, `disk` or `s3`.
    """

    cleanup_policy: frozenset[str] = frozenset({"delete"})
    compression_type: str = "producer"
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_zstd_level: int = 3
    confluent_key_schema_validation: bool = False
    confluent_key_subject_name_strategy: str = NameStrategy.TOPIC
    confluent_value_schema_validation: bool = False
    confluent_value_subject_name_strategy: str = NameStrategy.TOPIC
    delete_retention_ms: int = 86_400_000
    file_delete_delay_ms: int = 60_000
    flush_messages: int = LONG_MAX
    flush_ms: int = LONG_MAX
    index_interval_bytes: int = 4_096
    max_compaction_lag_ms: int = LONG_MAX
    max_message_bytes: int = 1_048_588
    message_timestamp_after_max_ms: int = 3_600_000
    message_timestamp_before_max_ms: int = LONG_MAX
    message_timestamp_type: str = "CreateTime"
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    min_insync_replicas: int = 1
    preallocate: bool = False
    retention_bytes: int = -1
    retention_ms: int = 604_800_000
    segment_bytes: int = 1_073_741_824
    segment_index_bytes: int = 10_485_760
    segment_jitter_ms: int = 0
    segment_ms: int = 604_800_000
    storage_type: str = "disk"
