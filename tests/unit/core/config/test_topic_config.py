"""Topic configs: values, refusals, and the log settings they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.config.definition import ConfigSource
from sprawl.core.config.document import document
from sprawl.core.config.topic import (
    TOPIC_CONFIGS,
    effective_value,
    topic_config,
    topic_synonyms,
    validate_topic_configs,
)
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log.config import LogConfig

BROKER = BrokerConfig.from_overrides({})


def refusal(**overrides: str) -> str:
    with pytest.raises(KafkaFault) as raised:
        validate_topic_configs({k.replace("_", "."): v for k, v in overrides.items()}, BROKER)
    assert raised.value.code is ErrorCode.INVALID_CONFIG
    return raised.value.message


def test_a_topic_without_configs_has_the_logs_defaults() -> None:
    assert topic_config({}, BROKER) == LogConfig()


def test_overrides_reach_the_log() -> None:
    overrides = {
        "retention.ms": "-1",
        "cleanup.policy": "compact,delete",
        "segment.bytes": "2000000",
    }
    validate_topic_configs(overrides, BROKER)
    config = topic_config(overrides, BROKER)
    assert config.retention_ms == -1
    assert config.cleanup_policy == {"compact", "delete"}
    assert config.segment_bytes == 2_000_000


def test_the_brokers_configs_are_the_topics_defaults() -> None:
    broker = BrokerConfig.from_overrides({"log.retention.hours": "1", "message.max.bytes": "77"})
    config = topic_config({}, broker)
    assert (config.retention_ms, config.max_message_bytes) == (3_600_000, 77)
    assert effective_value("retention.ms", {}, broker) == "3600000"
    [first, *_] = topic_synonyms("retention.ms", {"retention.ms": "5"}, broker)
    assert first.source is ConfigSource.DYNAMIC_TOPIC_CONFIG


def test_an_unknown_name_is_refused_in_kafkas_words() -> None:
    assert refusal(no_such="1") == "Unknown topic config name: no.such"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cleanup.policy", "shred"),
        ("cleanup.policy", ""),
        ("compression.type", "brotli"),
        ("retention.ms", "-2"),
        ("segment.bytes", "100"),
        ("max.message.bytes", "1e6"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("message.timestamp.type", "Now"),
        ("remote.storage.enable", "true"),
        ("preallocate", "true"),
        ("min.insync.replicas", "0"),
        ("compression.gzip.level", "0"),
    ],
)
def test_a_value_that_cannot_be_honoured_is_refused(name: str, text: str) -> None:
    message = refusal(**{name: text})
    assert message.startswith(f"Invalid value {text} for configuration {name}: ")


def test_lags_must_not_contradict_each_other() -> None:
    assert "min.compaction.lag.ms" in refusal(min_compaction_lag_ms="10", max_compaction_lag_ms="5")


def test_every_default_is_a_value_it_accepts() -> None:
    for key in TOPIC_CONFIGS.values():
        key.parse(key.default)


def test_the_reference_page_is_fresh() -> None:
    page = Path(__file__).parents[4] / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == document()
