"""Config and mode: what holds for a subject, and who may change it."""

from __future__ import annotations

from typing import Any

import pytest
from registry_world import World, refusal

from sprawl.schema_registry.model.contracts import MalformedContract
from sprawl.schema_registry.model.deleting import delete_subject
from sprawl.schema_registry.model.entities import Config, Level, Mode
from sprawl.schema_registry.model.records import config_to_json
from sprawl.schema_registry.model.registry import Settings
from sprawl.schema_registry.model.scopes import (
    config_in_scope,
    delete_config,
    delete_mode,
    get_config,
    get_mode,
    mode_in_scope,
    put_config,
    put_mode,
    resolve_alias,
)


@pytest.mark.parametrize(
    ("set_for", "subject", "holds"),
    [
        ([], "s", None),
        ([None], "s", None),
        (["s", None], "s", "s"),
        ([None], "t", None),
        ([None, ":.__GLOBAL:"], "t", None),
        ([":.__GLOBAL:"], "t", ":.__GLOBAL:"),
        ([":.__GLOBAL:"], None, ":.__GLOBAL:"),
        ([":.c:s", ":.c:", ":.__GLOBAL:"], ":.c:s", ":.c:s"),
        ([":.c:", ":.__GLOBAL:"], ":.c:s", ":.c:"),
        ([":.__GLOBAL:"], ":.c:s", ":.__GLOBAL:"),
        ([":.c:"], ":.d:s", "settings"),
        ([None], ":.c:s", "settings"),
    ],
)
def test_the_nearest_scope_counts(
    set_for: list[str | None], subject: str | None, holds: str | None
) -> None:
    levels: dict[str | None, Level] = {
        "s": Level.NONE,
        ":.c:s": Level.FULL,
        None: Level.FORWARD,
        ":.c:": Level.FULL_TRANSITIVE,
        ":.__GLOBAL:": Level.BACKWARD_TRANSITIVE,
    }
    modes = {
        "s": Mode.READONLY,
        ":.c:s": Mode.IMPORT,
        None: Mode.READONLY_OVERRIDE,
        ":.c:": Mode.READONLY,
        ":.__GLOBAL:": Mode.FORWARD,
    }
    world = World()
    for scope in set_for:
        world.config(scope, compatibility=levels[scope].value)
    for scope in set_for:
        world.mode(modes[scope].value, scope, force=True)
    expected = holds if set_for else "settings"
    level = levels.get(expected, Level.BACKWARD)
    assert config_in_scope(world.registry, subject).compatibility_level is level
    assert mode_in_scope(world.registry, subject) is modes.get(expected, Mode.READWRITE)


def test_a_subjects_config_leaves_open_what_it_does_not_say() -> None:
    world = World()
    world.config(
        compatibility="FULL",
        normalize=True,
        compatibilityGroup="g",
        compatibilityPolicy="LENIENT",
        alias="other",
        defaultMetadata={"properties": {"k": "v"}},
    )
    world.config("s", alias="t")
    config = config_in_scope(world.registry, "s")
    assert config_to_json(config) == {
        "alias": "t",
        "normalize": True,
        "compatibilityLevel": "BACKWARD",
        "compatibilityPolicy": "LENIENT",
        "compatibilityGroup": "g",
    }


def test_config_is_told_as_it_is_set_or_as_it_holds() -> None:
    world = World()
    registry = world.registry
    assert get_config(registry, None, default_to_global=False).compatibility_level is Level.BACKWARD
    assert refusal(get_config, registry, "s", default_to_global=False) == (
        40408,
        "Subject 's' does not have subject-level compatibility configured",
    )
    assert get_config(registry, "s", default_to_global=True).compatibility_level is Level.BACKWARD
    assert get_config(registry, ":.__GLOBAL:", default_to_global=False) == Config(
        compatibility_level=Level.BACKWARD
    )
    world.config(":.:", compatibility="full")
    assert get_config(registry, None, default_to_global=False).compatibility_level is Level.FULL


@pytest.mark.parametrize("name", ["lenientt", "LOGICAL", ""])
def test_a_policy_that_is_none_is_refused(name: str) -> None:
    world = World()
    world.config(compatibilityPolicy="lenient")
    assert refusal(put_config, world.registry, None, {"compatibilityPolicy": name}) == (
        42203,
        "Invalid compatibility policy. Valid values are STRICT and LENIENT",
    )
    world.config(compatibilityPolicy=None)
    assert config_in_scope(world.registry, None).compatibility_policy is None


def test_fields_that_are_there_replace_and_null_takes_away() -> None:
    world = World()
    world.config("s", compatibility="FULL", normalize=True, alias="t")
    answer = world.run(put_config, "s", {"alias": None, "compatibilityGroup": "g"})
    assert config_to_json(answer) == {
        "normalize": True,
        "compatibilityLevel": "FULL",
        "compatibilityGroup": "g",
    }
    assert world.run(put_config, "s", {}) == answer


LEVELS = (
    "Invalid compatibility level. Valid values are none, backward, forward, full, "
    "backward_transitive, forward_transitive, and full_transitive"
)


@pytest.mark.parametrize(
    ("subject", "body", "code", "message"),
    [
        (None, {"compatibility": "HALF"}, 42203, LEVELS),
        (None, {"compatibility": ""}, 42203, LEVELS),
        ("s", {"defaultRuleSet": {"domainRules": [{"name": "r"}]}}, 42210, "Missing rule type"),
        ("__EMPTY", {}, 42208, "The specified subject '__EMPTY' is not a valid."),
    ],
)
def test_configs_that_are_refused(
    subject: str | None, body: dict[str, Any], code: int, message: str
) -> None:
    assert refusal(World().run, put_config, subject, body) == (code, message)


@pytest.mark.parametrize(
    "body",
    [
        {"normalize": "yes"},
        {"alias": 1},
        {"alias": "\ud800"},
        {"overrideMetadata": []},
        {"defaultMetadata": {"properties": {"\ud800": "x"}}},
    ],
)
def test_bodies_that_are_no_config(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedContract):
        put_config(World().registry, "s", body)


def test_a_config_that_is_taken_away_is_told_once_more() -> None:
    world = World()
    world.config("s", compatibility="FULL")
    assert world.run(delete_config, "s").compatibility_level is Level.FULL
    assert refusal(world.run, delete_config, "s") == (40401, "Subject 's' not found.")
    length = len(world.log)
    assert world.run(delete_config, None).compatibility_level is Level.BACKWARD
    assert len(world.log) == length, "there was none"


def test_config_is_not_changed_in_a_scope_that_is_only_read() -> None:
    world = World()
    world.mode("READONLY")
    for command, arguments in ((put_config, (None, {})), (delete_config, (None,))):
        assert refusal(world.run, command, *arguments) == (
            42205,
            "Subject null in context  is in read-only mode",
        )


def test_modes() -> None:
    world = World()
    registry = world.registry
    assert get_mode(registry, None, default_to_global=False) is Mode.READWRITE
    assert refusal(get_mode, registry, "s", default_to_global=False) == (
        40409,
        "Subject 's' does not have subject-level mode configured",
    )
    assert get_mode(registry, "s", default_to_global=True) is Mode.READWRITE
    assert world.run(put_mode, "s", "readonly") is Mode.READONLY
    assert get_mode(registry, "s", default_to_global=False) is Mode.READONLY
    assert world.run(put_mode, "s", None) is None
    assert refusal(world.run, delete_mode, "s") == (40401, "Subject 's' not found.")


@pytest.mark.parametrize(
    ("subject", "name", "code", "message"),
    [
        (
            "s",
            "SOMETIMES",
            42204,
            "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.",
        ),
        (None, "FORWARD", 42204, "Forward mode only supported on global level"),
        (":.c:", "FORWARD", 42204, "Forward mode only supported on global level"),
        ("__EMPTY", "IMPORT", 42208, "The specified subject '__EMPTY' is not a valid."),
    ],
)
def test_modes_that_are_refused(subject: str | None, name: str, code: int, message: str) -> None:
    assert refusal(World().run, put_mode, subject, name) == (code, message)


def test_modes_may_be_fixed() -> None:
    world = World(Settings(mode=Mode.IMPORT, mode_mutability=False))
    for command, arguments in ((put_mode, (None, "READWRITE")), (delete_mode, (None,))):
        assert refusal(world.run, command, *arguments) == (
            42205,
            "Mode changes are not allowed",
        )


def test_import_wants_an_empty_scope() -> None:
    world = World()
    world.register("s", "a")
    world.register(":.c:s", "a")
    for scope in ("s", None, ":.:", ":.c:", ":.__GLOBAL:"):
        assert refusal(world.run, put_mode, scope, "IMPORT") == (
            42205,
            "Cannot import since found existing subjects",
        )
    world.mode("IMPORT", "t")
    world.mode("IMPORT", ":.d:")
    world.mode("IMPORT", None, force=True)


def test_import_takes_away_for_good_what_is_soft_deleted() -> None:
    world = World()
    world.register(":.c:s", "a")
    world.register(":.c:r", "@S", references=[("S", "s", 1)])
    world.register("s", "a")
    world.run(delete_subject, ":.c:r")
    world.run(delete_subject, ":.c:s")
    assert refusal(world.run, put_mode, ":.c:s", "IMPORT")[0] == 42206
    assert refusal(world.run, put_mode, ":.c:", "IMPORT")[0] == 42206
    world.run(delete_subject, ":.c:r", permanent=True)
    world.mode("IMPORT", ":.c:")
    assert list(world.state.subjects) == ["s"]
    clear = b'{"keytype":"CLEAR_SUBJECT","subject":":.c:","magic":0}'
    assert (clear, b'{"subject":":.c:"}') in world.log
    world.mode(None, ":.c:")
    assert world.register(":.c:t", "b").id == 3, "ids are not given out again"


def test_modes_of_a_contexts_subjects_go_with_it_when_asked() -> None:
    world = World()
    for scope in (":.c:s", ":.c:t", "s", ":.c:"):
        world.mode("READONLY", scope)
    assert world.run(delete_mode, ":.c:", recursive=True) is Mode.READONLY
    assert list(world.state.modes) == ["s"]
    assert world.run(delete_mode, ":.c:", recursive=True) is None
    assert world.run(delete_mode, None, recursive=True) is Mode.READWRITE
    assert list(world.state.modes) == []


@pytest.mark.parametrize(
    ("subject", "alias", "works_on"),
    [
        ("s", "t", "t"),
        (":.c:s", "t", ":.c:t"),
        (":.c:s", ":.d:t", ":.d:t"),
        ("s", "", "s"),
    ],
)
def test_an_alias_stands_for_another_subject(subject: str, alias: str, works_on: str) -> None:
    world = World()
    world.config(subject, alias=alias)
    assert resolve_alias(world.registry, subject) == works_on
    assert resolve_alias(world.registry, "other") == "other"


def test_an_alias_of_an_alias_is_not_followed() -> None:
    world = World()
    world.config("a", alias="b")
    world.config("b", alias="c")
    assert resolve_alias(world.registry, "a") == "b"
