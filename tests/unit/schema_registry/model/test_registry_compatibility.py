"""Which versions a new schema is compared with, which way, and what the client is told."""

from __future__ import annotations

import pytest
from registry_world import World, new, refusal

from sprawl.schema_registry.model import limits
from sprawl.schema_registry.model.deleting import delete_version
from sprawl.schema_registry.model.registering import compare_with_all, compare_with_version


def world_with(*texts: str, level: str, subject: str = "s", **config: object) -> World:
    world = World()
    world.config(subject, compatibility="NONE")
    for text in texts:
        world.register(subject, text)
    world.config(subject, compatibility=level, **config)
    return world


@pytest.mark.parametrize(
    ("level", "older", "text", "fits"),
    [
        ("NONE", ["a"], "b", True),
        ("BACKWARD", ["a b"], "a", True),
        ("BACKWARD", ["a"], "a b", False),
        ("BACKWARD", ["a"], "a b?", True),
        ("BACKWARD", ["a", "a b"], "b", True),
        ("BACKWARD_TRANSITIVE", ["a", "a b"], "b", False),
        ("BACKWARD_TRANSITIVE", ["a b", "a b c"], "b", True),
        ("FORWARD", ["a"], "a b", True),
        ("FORWARD", ["a b"], "a", False),
        ("FORWARD", ["a c", "a"], "a b", True),
        ("FORWARD_TRANSITIVE", ["a c", "a"], "a b", False),
        ("FULL", ["a"], "a b", False),
        ("FULL", ["a b"], "a", False),
        ("FULL", ["a b?"], "a c?", True),
        ("FULL", ["a b", "a"], "a c?", True),
        ("FULL_TRANSITIVE", ["a b", "a"], "a c?", False),
        ("backward", ["a"], "a b", False),
    ],
)
def test_levels(level: str, older: list[str], text: str, fits: bool) -> None:
    world = world_with(*older, level=level)
    assert compare_with_all(world.registry, "s", new(text)).is_compatible is fits
    if fits:
        assert world.register("s", text).version == len(older) + 1
    else:
        assert refusal(world.register, "s", text)[0] == 409
        assert world.register("s", text, force=True).version == len(older) + 1


def test_what_a_client_is_told() -> None:
    world = world_with("a", level="BACKWARD")
    messages = (
        "{errorType:'MISSING', description:'nobody wrote b', additionalInfo:'/b'}",
        "{oldSchemaVersion: 1}",
        "{oldSchema: 'a'}",
        "{validateFields: 'false', compatibility: 'BACKWARD'}",
    )
    assert compare_with_all(world.registry, "s", new("a b")).messages == messages
    assert refusal(world.register, "s", "a b") == (
        409,
        "Schema being registered is incompatible with an earlier schema for subject "
        f'"s", details: [{", ".join(messages)}]',
    )


def test_both_ways_are_told_once_with_the_older_schema() -> None:
    world = world_with("a", level="FULL")
    messages = compare_with_all(world.registry, "s", new("b")).messages
    assert [message.partition("description:")[2][:17] for message in messages[:2]] == [
        "'nobody wrote a',",
        "'nobody wrote b',",
    ]
    assert messages[2] == "{oldSchemaVersion: 1}"
    assert messages[-1].endswith("compatibility: 'FULL'}")


def test_transitive_stops_at_the_highest_version_that_does_not_fit() -> None:
    world = world_with("a", "a b", "a b c", level="BACKWARD_TRANSITIVE")
    messages = compare_with_all(world.registry, "s", new("c")).messages
    assert "{oldSchemaVersion: 2}" in messages
    assert "{oldSchemaVersion: 1}" not in messages


def test_a_long_schema_is_cut_in_messages() -> None:
    long = " ".join(["a"] * limits.SHOWN_SCHEMA_CHARS_MAX)
    world = world_with(long, level="BACKWARD")
    shown = compare_with_all(world.registry, "s", new("b")).messages[-2]
    assert shown.startswith("{oldSchema: <truncated> 'a a")
    assert shown.endswith("...'}")
    assert len(shown) < limits.SHOWN_SCHEMA_CHARS_MAX + 50


def test_another_type_fits_only_with_none() -> None:
    world = world_with("a", level="BACKWARD")
    other = new("a", schema_type="JSON")
    messages = compare_with_all(world.registry, "s", other).messages
    assert messages[0] == "Incompatible because of different schema type"
    assert messages[-1] == "{validateFields: 'false', compatibility: 'BACKWARD'}"
    world.config("s", compatibility="NONE")
    assert compare_with_all(world.registry, "s", other).is_compatible


def test_soft_deleted_versions_do_not_count() -> None:
    world = world_with("a", "b", level="BACKWARD")
    world.run(delete_version, "s", 2)
    assert refusal(world.register, "s", "c")[0] == 409
    assert world.register("s", "a d?").version == 3


def test_lenient_is_the_formats_affair() -> None:
    world = world_with("a", level="BACKWARD", compatibilityPolicy="lenient")
    assert compare_with_all(world.registry, "s", new("b")).is_compatible


def test_a_compatibility_group_compares_within_a_line_of_versions() -> None:
    world = World()
    world.config("s", compatibilityGroup="major")
    first, second = ({"properties": {"major": number}} for number in "12")
    world.register("s", "a", metadata=first)
    assert world.register("s", "b", metadata=second).version == 2
    assert refusal(world.register, "s", "b c", metadata=second)[0] == 409
    assert refusal(world.register, "s", "b", metadata=first)[0] == 409
    assert world.register("s", "a c?", metadata=first).version == 3


def test_one_version_is_asked_for() -> None:
    world = world_with("a", "a b", level="BACKWARD")
    registry = world.registry
    assert not compare_with_version(registry, "s", 1, new("b")).is_compatible
    assert compare_with_version(registry, "s", 2, new("b")).is_compatible
    assert compare_with_version(registry, "s", -1, new("b")).is_compatible
    assert refusal(compare_with_version, registry, "s", 3, new("b")) == (
        40402,
        "Version 3 not found.",
    )
    assert compare_with_version(registry, "nobody", -1, new("b")).is_compatible


def test_an_invalid_schema_is_a_fault_or_a_message() -> None:
    world = world_with("a", level="BACKWARD")
    told = "Invalid schema of type AVRO, details: '!' in !"
    assert refusal(compare_with_version, world.registry, "s", 1, new("!")) == (42201, told)
    for text, message in (("!", told), ("", "Empty schema")):
        answer = compare_with_all(world.registry, "s", new(text), verbose=True)
        assert answer == (False, (message,))


def test_normalize_is_for_the_new_schema() -> None:
    world = world_with("a b", level="NONE")
    assert compare_with_all(world.registry, "s", new("b a"), normalize=True).is_compatible


def test_a_version_that_this_node_cannot_read_fits_nothing_but_none() -> None:
    world = World()
    world.take(
        b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
        b'{"subject":"s","version":1,"id":1,"schema":"!","deleted":false}',
    )
    assert refusal(world.register, "s", "a") == (
        42201,
        "Invalid schema of type AVRO, details: '!' in !",
    )
    world.config("s", compatibility="NONE")
    assert world.register("s", "a").version == 2
