"""What IncrementalAlterConfigs and AlterConfigs leave."""

from __future__ import annotations

import pytest

from sprawl.core.config.alteration import Change, Operation, altered, check_dynamic, replaced
from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.topic import TOPIC_CONFIGS
from sprawl.core.errors import ErrorCode, KafkaFault


def alter(overrides: dict[str, str], *changes: Change, in_force: str = "delete") -> dict[str, str]:
    return altered(overrides, changes, keys=TOPIC_CONFIGS, in_force=lambda _: in_force)


def code_of(*changes: Change) -> ErrorCode:
    with pytest.raises(KafkaFault) as raised:
        alter({}, *changes)
    return raised.value.code


def test_set_and_delete_leave_the_others() -> None:
    before = {"retention.ms": "1", "segment.ms": "2"}
    after = alter(
        before,
        Change("retention.ms", Operation.SET, "9"),
        Change("segment.ms", Operation.DELETE, None),
    )
    assert after == {"retention.ms": "9"}
    assert before == {"retention.ms": "1", "segment.ms": "2"}


def test_append_and_subtract_build_on_the_list_in_force() -> None:
    appended = alter({}, Change("cleanup.policy", Operation.APPEND, "compact,delete"))
    assert appended == {"cleanup.policy": "delete,compact"}
    taken = alter(
        {}, Change("cleanup.policy", Operation.SUBTRACT, "delete"), in_force="delete,compact"
    )
    assert taken == {"cleanup.policy": "compact"}


def test_what_is_refused() -> None:
    assert code_of(Change("retention.ms", Operation.APPEND, "1")) is ErrorCode.INVALID_CONFIG
    assert code_of(Change("no.such", Operation.APPEND, "1")) is ErrorCode.INVALID_CONFIG
    assert code_of(Change("retention.ms", Operation.SET, None)) is ErrorCode.INVALID_REQUEST
    assert code_of(Change("retention.ms", 9, "1")) is ErrorCode.INVALID_REQUEST
    twice = Change("retention.ms", Operation.SET, "1")
    assert code_of(twice, twice) is ErrorCode.INVALID_REQUEST


def test_replace_names_everything() -> None:
    assert replaced([("a", "1"), ("b", "2")]) == {"a": "1", "b": "2"}
    with pytest.raises(KafkaFault):
        replaced([("a", "1"), ("a", "2")])
    with pytest.raises(KafkaFault):
        replaced([("a", None)])


def test_only_dynamic_broker_configs_change_at_run_time() -> None:
    check_dynamic(["log.retention.ms", "message.max.bytes"], BROKER_CONFIGS)
    with pytest.raises(KafkaFault, match="Cannot update these configs dynamically: node\\.id"):
        check_dynamic(["node.id"], BROKER_CONFIGS)
    with pytest.raises(KafkaFault, match="Unknown broker config name: nope"):
        check_dynamic(["nope"], BROKER_CONFIGS)
