"""Feature levels: who may take part at which, and when the cluster's level may change."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest

from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller import planning
from sprawl.core.controller.commands import Circumstances, plan
from sprawl.core.controller.features import (
    CHECKPOINTS,
    FEATURE,
    FIRST,
    UNTOLD,
    FeatureUpdate,
    Levels,
    UpgradeType,
)
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace
from sprawl.core.controller.state import (
    ControllerState,
    Record,
    decode_record,
    encode_record,
    level_record,
    node_record,
)
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId

BOTH = Levels(FIRST, CHECKPOINTS)


def node(number: int, levels: Levels = BOTH) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(number),
        directory_id=UUID(int=number),
        endpoints={},
        levels=levels,
    )


def cluster(*levels: Levels, level: int = FIRST, epoch: int = 0) -> ControllerState:
    """Nodes 1 to n, whose programs know these levels."""
    state = ControllerState()
    if level != FIRST:
        state.apply(level_record(level, epoch))
    for number, each in enumerate(levels, start=1):
        state.apply(node_record(node(number, each)))
    return state


def update(
    state: ControllerState,
    level: int,
    kind: int = UpgradeType.UPGRADE,
    *,
    feature: str = FEATURE,
    levels: Levels = BOTH,
    epoch: int = 40,
) -> Record | None:
    return planning.plan_features(
        state, [FeatureUpdate(feature, level, kind)], own=BrokerId(1), levels=levels, epoch=epoch
    )


def refused(state: ControllerState, level: int, kind: int = 1, **named: Any) -> str:
    with pytest.raises(KafkaFault) as raised:
        update(state, level, kind, **named)
    assert raised.value.code is ErrorCode.INVALID_UPDATE_VERSION
    return raised.value.message


def command(state: ControllerState, levels: Levels = BOTH, **asked: Any) -> list[Record]:
    by = Circumstances(
        state=state,
        config=BrokerConfig.from_overrides({}),
        rng=Random(1),
        node_id=BrokerId(1),
        levels=levels,
        end_offset=1,
        space=IdSpace("test", {}),
    )
    return plan(asked, by)


def register(number: int, levels: Levels = BOTH) -> dict[str, Any]:
    found = replace(node(number, levels), replica_id=ReplicaId(0)).to_json()
    return {"do": "register", "node": found, "may_replace": False}


# --- founding ------------------------------------------------------------------------------------


def test_a_cluster_is_founded_at_the_highest_level_by_its_first_record() -> None:
    state = ControllerState()
    first, second = command(state, **register(1))
    assert (first["type"], first["level"]) == ("feature level", CHECKPOINTS)
    assert second["type"] == "node"
    for record in (first, second):
        state.apply(decode_record(encode_record(record)))
    assert state.level == CHECKPOINTS
    assert [each["type"] for each in command(state, **register(2))] == ["node"]


def test_data_from_before_levels_stays_at_the_first() -> None:
    before = node_record(node(1))
    del before["features"]
    state = ControllerState()
    state.apply(before)
    assert (state.level, state.level_epoch) == (FIRST, 0)
    assert state.nodes[BrokerId(1)].levels == UNTOLD
    [record] = command(state, **register(1))
    assert (record["type"], record["features"]) == ("node", {FEATURE: [FIRST, CHECKPOINTS]})


def test_a_program_from_before_levels_can_read_what_is_kept_at_the_first_level() -> None:
    records = cluster(BOTH, BOTH).snapshot()
    assert "feature level" not in {each["type"] for each in records}


def test_a_snapshot_keeps_the_level_and_its_epoch() -> None:
    for state in (cluster(BOTH, level=CHECKPOINTS, epoch=40), cluster(BOTH)):
        rebuilt = ControllerState()
        for record in state.snapshot():
            rebuilt.apply(record)
        assert (rebuilt.level, rebuilt.level_epoch) == (state.level, state.level_epoch)
        assert rebuilt.nodes == state.nodes


def test_a_feature_that_is_not_known_is_no_record_to_skip() -> None:
    with pytest.raises(ValueError, match=r"unknown feature 'sprawl\.other'"):
        ControllerState().apply(level_record(3, 1) | {"feature": "sprawl.other"})


# --- registering ---------------------------------------------------------------------------------


def test_a_node_whose_program_does_not_know_the_level_is_refused() -> None:
    state = cluster(BOTH, level=CHECKPOINTS)
    for levels in (UNTOLD, Levels(CHECKPOINTS + 1, CHECKPOINTS + 2)):
        with pytest.raises(KafkaFault) as raised:
            command(state, **register(2, levels))
        assert raised.value.code is ErrorCode.UNSUPPORTED_VERSION
        assert raised.value.message == (
            f"The cluster is at {FEATURE} 2, but the program of node 2 knows {levels} only."
        )


def test_a_registration_without_a_word_on_levels_is_from_before() -> None:
    asked = register(2)
    del asked["node"]["features"]
    [record] = command(cluster(BOTH), **asked)
    assert NodeInfo.from_json(record).levels == UNTOLD
    with pytest.raises(KafkaFault) as raised:
        command(cluster(BOTH, level=CHECKPOINTS), **asked)
    assert raised.value.code is ErrorCode.UNSUPPORTED_VERSION


def test_a_node_that_came_back_with_another_program_is_registered_again() -> None:
    state = cluster(UNTOLD)
    asked = register(1)
    [record] = command(state, **asked)
    state.apply(record)
    assert state.nodes[BrokerId(1)].levels == BOTH
    assert command(state, **asked) == []


# --- changing the level --------------------------------------------------------------------------


def test_the_level_is_raised_once_every_node_knows_the_new_one() -> None:
    assert refused(cluster(BOTH, UNTOLD, BOTH), CHECKPOINTS) == (
        f"Invalid update version 2 for feature {FEATURE}. Broker 2 only supports versions 1-1."
    )
    state = cluster(BOTH, BOTH, BOTH)
    record = update(state, CHECKPOINTS)
    assert record is not None
    state.apply(decode_record(encode_record(record)))
    assert (state.level, state.level_epoch) == (CHECKPOINTS, 40)
    assert update(state, CHECKPOINTS) is None


def test_the_controller_that_judges_must_know_the_level_too() -> None:
    assert "Broker 1 only supports versions 1-1" in refused(cluster(), CHECKPOINTS, levels=UNTOLD)


@pytest.mark.parametrize(
    ("level", "kind", "reason"),
    [
        (CHECKPOINTS, UpgradeType.SAFE_DOWNGRADE, "Can't downgrade to a newer version."),
        (CHECKPOINTS, UpgradeType.UNSAFE_DOWNGRADE, "Can't downgrade to a newer version."),
        (CHECKPOINTS, 0, "The controller does not support the given upgrade type."),
        (CHECKPOINTS, 9, "The controller does not support the given upgrade type."),
        (CHECKPOINTS + 1, UpgradeType.UPGRADE, "Broker 1 only supports versions 1-2."),
        (0, UpgradeType.UNSAFE_DOWNGRADE, "Broker 1 only supports versions 1-2."),
        (-1, UpgradeType.UNSAFE_DOWNGRADE, "A feature version cannot be less than 0."),
    ],
)
def test_what_no_level_can_become(level: int, kind: int, reason: str) -> None:
    state = cluster(BOTH)
    expected = f"Invalid update version {level} for feature {FEATURE}. {reason}"
    assert refused(state, level, kind) == expected


def test_a_feature_that_is_not_known_is_refused_by_its_name() -> None:
    assert refused(cluster(BOTH), 1, feature="metadata.version") == (
        "Invalid update version 1 for feature metadata.version. The controller does not support"
        " the feature metadata.version."
    )


def test_a_feature_that_is_named_twice_is_an_invalid_request() -> None:
    twice = [FeatureUpdate(FEATURE, level, UpgradeType.UPGRADE) for level in (1, 2)]
    with pytest.raises(KafkaFault) as raised:
        planning.plan_features(cluster(BOTH), twice, own=BrokerId(1), levels=BOTH, epoch=1)
    assert raised.value.code is ErrorCode.INVALID_REQUEST


def test_a_downgrade_is_refused_unless_it_is_asked_for_and_safe_or_meant_unsafe() -> None:
    state = cluster(BOTH, level=CHECKPOINTS, epoch=7)
    assert "without setting the upgrade type" in refused(state, FIRST)
    assert "Refusing to perform the requested downgrade" in refused(
        state, FIRST, UpgradeType.SAFE_DOWNGRADE
    )
    record = update(state, FIRST, UpgradeType.UNSAFE_DOWNGRADE)
    assert record is not None
    state.apply(record)
    assert (state.level, state.level_epoch) == (FIRST, 40)
    assert "feature level" in {each["type"] for each in state.snapshot()}
