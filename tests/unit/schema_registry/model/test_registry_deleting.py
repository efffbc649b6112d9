"""Soft and permanent deletes, of versions, subjects and contexts."""

from __future__ import annotations

import pytest
from registry_world import World, refusal

from sprawl.schema_registry.model.deleting import delete_context, delete_subject, delete_version
from sprawl.schema_registry.model.listings import get_by_id, list_contexts


@pytest.fixture
def world() -> World:
    world = World()
    world.config(compatibility="NONE")
    world.register("s", "a")
    world.register("s", "b")
    return world


def test_a_version_goes_softly_and_then_for_good(world: World) -> None:
    assert world.run(delete_version, "s", -1) == 2
    assert [schema.version for schema in world.state.versions("s")] == [1]
    assert get_by_id(world.registry, 2).schema == "b"
    assert world.run(delete_version, "s", 2, permanent=True) == 2
    assert refusal(get_by_id, world.registry, 2) == (40403, "Schema 2 not found")


@pytest.mark.parametrize(
    ("arguments", "permanent", "expected"),
    [
        (("nobody", 1), False, (40401, "Subject 'nobody' not found.")),
        (("s", 3), False, (40402, "Version 3 not found.")),
        (
            ("s", 2),
            True,
            (
                40407,
                "Subject 's' Version 2 was not deleted first before being permanently deleted",
            ),
        ),
    ],
)
def test_versions_that_cannot_go(
    world: World, arguments: tuple[str, int], permanent: bool, expected: tuple[int, str]
) -> None:
    assert refusal(world.run, delete_version, *arguments, permanent=permanent) == expected


def test_a_version_is_soft_deleted_once(world: World) -> None:
    world.run(delete_version, "s", 1)
    assert refusal(world.run, delete_version, "s", 1) == (
        40406,
        "Subject 's' Version 1 was soft deleted.Set permanent=true to delete permanently",
    )


def test_a_subject_goes_softly_and_then_for_good(world: World) -> None:
    world.run(delete_version, "s", 1)
    assert world.run(delete_subject, "s") == [2]
    assert refusal(world.run, delete_subject, "s") == (
        40404,
        "Subject 's' was soft deleted.Set permanent=true to delete permanently",
    )
    assert world.run(delete_subject, "s", permanent=True) == [1, 2]
    assert refusal(world.run, delete_subject, "s") == (40401, "Subject 's' not found.")
    assert world.register("s", "c").version == 1


def test_a_subject_with_a_living_version_does_not_go_for_good(world: World) -> None:
    world.run(delete_version, "s", 1)
    assert refusal(world.run, delete_subject, "s", permanent=True) == (
        40405,
        "Subject 's' was not deleted first before being permanently deleted",
    )


def test_config_and_mode_go_with_the_last_version(world: World) -> None:
    world.config("s", compatibility="FULL")
    world.mode("READWRITE", "s")
    world.run(delete_subject, "s")
    world.run(delete_version, "s", 1, permanent=True)
    assert "s" in world.state.configs
    world.run(delete_version, "s", 2, permanent=True)
    assert "s" not in world.state.configs
    assert "s" not in world.state.modes
    assert None in world.state.configs


def test_a_subject_without_a_name_has_no_settings_of_its_own(world: World) -> None:
    world.register("", "a")
    world.run(delete_subject, "")
    world.run(delete_subject, "", permanent=True)
    assert None in world.state.configs, "the global one"


def test_what_is_referred_to_stays(world: World) -> None:
    world.register("r", "@S", references=[("S", "s", 1)])
    refused = (
        42206,
        "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=s,version=1}.",
    )
    assert refusal(world.run, delete_version, "s", 1) == refused
    assert refusal(world.run, delete_subject, "s") == refused
    world.run(delete_subject, "r")
    world.run(delete_subject, "s")
    assert refusal(world.run, delete_version, "s", 1, permanent=True) == refused
    assert refusal(world.run, delete_subject, "s", permanent=True) == refused
    world.run(delete_subject, "r", permanent=True)
    assert world.run(delete_subject, "s", permanent=True) == [1, 2]


def test_references_within_a_subject_do_not_keep_it(world: World) -> None:
    world.register("s", "@S", references=[("S", "s", 1)])
    assert refusal(world.run, delete_version, "s", 1)[0] == 42206
    assert world.run(delete_subject, "s") == [1, 2, 3]
    assert world.run(delete_subject, "s", permanent=True) == [1, 2, 3]


def test_nothing_is_deleted_in_a_scope_that_is_only_read(world: World) -> None:
    world.register(":.c:s", "a")
    world.mode("READONLY", ":.c:")
    refused = (42205, "Subject :.c:s in context :.c: is in read-only mode")
    assert refusal(world.run, delete_version, ":.c:s", 1) == refused
    assert refusal(world.run, delete_subject, ":.c:s") == refused
    assert world.run(delete_subject, "s") == [1, 2]


def test_a_context_goes_when_nothing_is_in_it(world: World) -> None:
    world.register(":.c:s", "a")
    world.run(delete_subject, ":.c:s")
    assert refusal(world.run, delete_context, ".c") == (
        42211,
        "The specified context ':.c:' is not empty.",
    )
    world.run(delete_subject, ":.c:s", permanent=True)
    world.run(delete_context, ":.c:")
    assert list_contexts(world.registry) == ["."]
    length = len(world.log)
    world.run(delete_context, ":.c:")
    assert len(world.log) == length
    assert world.register(":.c:s", "b").id == 2, "ids are not given out again"


def test_a_second_delete_keeps_what_the_first_one_deleted(world: World) -> None:
    """The second DELETE_SUBJECT record is all that compaction leaves of the two."""
    world.run(delete_subject, "s")
    world.mode("IMPORT", "s", force=True)
    world.register("s", "c", version=1, id=3)
    world.run(delete_subject, "s")
    late = world.replayed(world.compacted())
    assert [schema.deleted for schema in late.versions("s", deleted=True)] == [True, True]
