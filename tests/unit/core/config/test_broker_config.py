"""Layers, synonyms and units of the broker's configuration."""

from __future__ import annotations

import pytest

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.config.broker_keys import RACK_AWARE
from sprawl.core.config.definition import ConfigFault, ConfigSource, Synonym


def test_defaults_are_kafkas() -> None:
    config = BrokerConfig.from_overrides({})
    assert config.num_partitions == 1
    assert config.auto_create_topics_enable is True
    assert config.group_initial_rebalance_delay_ms == 3_000
    assert config.offsets_topic_num_partitions == 50
    assert config.socket_request_max_bytes == 104_857_600
    assert config.text("log.retention.ms") == "604800000"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigFault, match="Unknown broker config name: num\\.partition"):
        BrokerConfig.from_overrides({"num.partition": "3"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("num.partitions", "0"),
        ("num.partitions", "many"),
        ("auto.create.topics.enable", "yes"),
        ("default.replication.factor", "0"),
        ("min.insync.replicas", "0"),
        ("offsets.topic.num.partitions", str(2**31)),
        ("replica.selector.class", "org.example.MySelector"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigFault, match=f"Invalid value {text} for configuration {name}"):
        BrokerConfig.from_overrides({name: text})


def test_the_replica_selector_that_is_built_in() -> None:
    name = "replica.selector.class"
    assert BrokerConfig.from_overrides({}).value(name) == ""
    assert BrokerConfig.from_overrides({name: RACK_AWARE}).value(name) == RACK_AWARE
    with pytest.raises(ConfigFault, match=f"built in is {RACK_AWARE}"):
        BrokerConfig.from_overrides({name: "org.example.MySelector"})


def test_the_strongest_layer_wins() -> None:
    config = BrokerConfig.from_overrides({"message.max.bytes": "1"})
    config = config.with_dynamic({"message.max.bytes": "2"}, {"message.max.bytes": "3"})
    assert config.value("message.max.bytes") == 3
    assert config.synonyms("message.max.bytes") == [
        Synonym("message.max.bytes", "3", ConfigSource.DYNAMIC_BROKER_CONFIG),
        Synonym("message.max.bytes", "2", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
        Synonym("message.max.bytes", "1", ConfigSource.STATIC_BROKER_CONFIG),
        Synonym("message.max.bytes", "1048588", ConfigSource.DEFAULT_CONFIG),
    ]


def test_hours_and_minutes_stand_for_milliseconds() -> None:
    assert BrokerConfig.from_overrides({"log.retention.hours": "2"}).text("log.retention.ms") == (
        "7200000"
    )
    both = BrokerConfig.from_overrides({"log.retention.hours": "2", "log.retention.minutes": "3"})
    assert both.text("log.retention.ms") == "180000"
    forever = BrokerConfig.from_overrides({"log.retention.hours": "-1"})
    assert forever.text("log.retention.ms") == "-1"


def test_a_weaker_name_in_a_stronger_layer_does_not_win() -> None:
    config = BrokerConfig.from_overrides({"log.retention.ms": "5"})
    assert config.text("log.retention.ms") == "5"
    assert config.synonyms("log.retention.ms")[0].name == "log.retention.ms"
