"""Where settings come from and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprawl.config import BrokerKey, Rank, Settings, read_file, resolve
from sprawl.faults import EXIT_USAGE, SettingFault

KEYS = [
    BrokerKey(name="num.partitions", default="1", unit="", doc="Partitions of a new topic."),
    BrokerKey(name="log.retention.ms", default=None, unit="ms", doc="Age of records to keep."),
    BrokerKey(name="node.id", default="1", unit="", doc="Also one of the node's own settings."),
]


def settle(
    flags: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
    file: dict[str, object] | None = None,
) -> Settings:
    return resolve(
        flags=flags or {},
        environment=environment or {},
        file=file or {},
        file_name="sprawl.toml",
        broker_keys=KEYS,
    )


def test_defaults_are_a_persistent_node_on_the_usual_ports() -> None:
    settings = settle()
    assert settings.data == Path("data")
    assert settings.storage == "disk"
    assert settings.listeners == "PLAINTEXT://localhost:9092"
    assert settings.http_port == 9644
    assert settings.http_host == "localhost"
    assert settings.own["data"].source == "default"
    assert settings.broker == {}


def test_each_source_loses_to_the_stronger_one() -> None:
    file: dict[str, object] = {"num": {"partitions": 2}}
    kafka = {"KAFKA_NUM_PARTITIONS": "3"}
    ours = {"SPRAWL_NUM_PARTITIONS": "4"}
    flag = {"num.partitions": "5"}
    expected = [
        (settle(file=file), "2", "sprawl.toml"),
        (settle(file=file, environment=kafka), "3", "env KAFKA_NUM_PARTITIONS"),
        (settle(file=file, environment=kafka | ours), "4", "env SPRAWL_NUM_PARTITIONS"),
        (settle(flag, ours | kafka, file), "5", "flag"),
    ]
    for settings, value, source in expected:
        found = settings.broker["num.partitions"]
        assert (found.value, found.source) == (value, source)


@pytest.mark.parametrize(
    "file",
    [
        {"log.retention.ms": 5},
        {"log_retention_ms": 5},
        {"log": {"retention": {"ms": 5}}},
        {"log": {"retention-ms": "5"}},
    ],
)
def test_a_name_may_be_spelled_with_dots_dashes_underscores_or_tables(
    file: dict[str, object],
) -> None:
    assert settle(file=file).broker["log.retention.ms"].value == "5"


def test_booleans_and_lists_of_the_file_become_kafka_text() -> None:
    file: dict[str, object] = {"num.partitions": True, "log.retention.ms": ["a", 1]}
    settings = settle(file=file)
    assert settings.broker["num.partitions"].value == "true"
    assert settings.broker["log.retention.ms"].value == "a,1"


def test_kafka_names_of_own_settings_are_aliases() -> None:
    settings = settle(
        environment={
            "KAFKA_LOG_DIRS": "/var/lib/kafka/one,/var/lib/kafka/two",
            "KAFKA_BROKER_ID": "7",
            "CLUSTER_ID": "MkU3OEVBNTcwNTJENDM2Qg",
        }
    )
    assert settings.data == Path("/var/lib/kafka/one")
    assert settings.node_id == 7
    assert settings.text("cluster.id") == "MkU3OEVBNTcwNTJENDM2Qg"
    assert "node.id" not in settings.broker


def test_listeners_win_over_a_port_of_a_weaker_source_only() -> None:
    listeners: dict[str, object] = {"listeners": "PLAINTEXT://0.0.0.0:19092"}
    assert settle(file=listeners).listeners == "PLAINTEXT://0.0.0.0:19092"
    assert settle({"port": "0"}, file=listeners).listeners == "PLAINTEXT://localhost:0"


def test_an_ipv6_host_is_put_in_brackets() -> None:
    assert settle({"host": "::1", "port": "0"}).listeners == "PLAINTEXT://[::1]:0"


def test_a_misspelt_name_in_the_file_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SettingFault, match=r"did you mean num\.partitions") as caught:
        settle(file={"num.partition": 3})
    assert caught.value.exit_code == EXIT_USAGE


def test_a_misspelt_flag_is_refused() -> None:
    with pytest.raises(SettingFault, match="the command line"):
        settle({"num.partition": "3"})


def test_unknown_variables_warn_when_ours_and_pass_when_kafkas() -> None:
    settings = settle(
        environment={"SPRAWL_PROT": "1", "KAFKA_HEAP_OPTS": "-Xmx1G", "SPRAWL_SEED": "1"}
    )
    assert len(settings.warnings) == 1
    assert "SPRAWL_PROT" in settings.warnings[0]
    assert "did you mean port?" in settings.warnings[0]


def test_a_value_outside_the_choices_is_refused() -> None:
    with pytest.raises(SettingFault, match="disk, memory"):
        settle({"storage": "cloud"})


@pytest.mark.parametrize("value", ["-1", "65536", "nine", ""])
def test_an_impossible_port_is_refused_with_its_source(value: str) -> None:
    settings = settle(environment={"SPRAWL_PORT": value})
    with pytest.raises(SettingFault, match="env SPRAWL_PORT"):
        _ = settings.port


def test_the_http_port_can_be_off() -> None:
    assert settle({"http.port": "off"}).http_port is None


def test_every_setting_knows_the_rank_of_its_source() -> None:
    settings = settle({"port": "1"}, {"SPRAWL_HOST": "h", "KAFKA_NODE_ID": "2"}, {"data": "d"})
    ranks = {name: settings.own[name].rank for name in ("port", "host", "node.id", "data")}
    assert ranks == {
        "port": Rank.FLAG,
        "host": Rank.ENVIRONMENT,
        "node.id": Rank.KAFKA_ENVIRONMENT,
        "data": Rank.FILE,
    }


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "sprawl.toml"
    path.write_text("port = = 1")
    with pytest.raises(SettingFault, match=r"sprawl\.toml is not valid TOML"):
        read_file(path)
    with pytest.raises(SettingFault, match="cannot read"):
        read_file(tmp_path / "absent.toml")
