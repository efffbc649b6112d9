"""Reading: versions, ids, GUIDs, lists and their pages."""

from __future__ import annotations

from typing import Any

import pytest
from registry_world import World, new, refusal

from sprawl.schema_registry.model.deleting import delete_subject, delete_version
from sprawl.schema_registry.model.listings import (
    get_by_guid,
    get_by_id,
    list_contexts,
    list_ids_of_guid,
    list_schemas,
    list_subjects,
    list_subjects_of_id,
    list_versions_of_id,
)
from sprawl.schema_registry.model.lookups import (
    Shown,
    get_latest_with_metadata,
    get_referrers,
    get_version,
    list_versions,
    look_up,
    qualified_references,
)
from sprawl.schema_registry.model.parsing import formatted
from sprawl.schema_registry.schemas import Reference


@pytest.fixture
def world() -> World:
    """`s` has versions 1 (soft-deleted), 2 and 3; `t` is soft-deleted; `.c` has one of each."""
    world = World()
    world.config(compatibility="NONE")
    for text in "abc":
        world.register("s", text)
    world.register("t", "a")
    world.register(":.c:s", "c")
    world.register(":.c:u", "x")
    world.run(delete_version, "s", 1)
    world.run(delete_subject, "t")
    return world


def test_a_version_or_the_latest(world: World) -> None:
    registry = world.registry
    assert get_version(registry, "s", 2).schema == "b"
    assert get_version(registry, ":.:s", -1).schema == "c"
    assert get_version(registry, "s", 1, deleted=True).schema == "a"
    assert refusal(get_version, registry, "s", 9) == (40402, "Version 9 not found.")
    assert refusal(get_version, registry, "t", -1) == (40401, "Subject 't' not found.")
    assert refusal(get_version, registry, "t", 9, deleted=True) == (40402, "Version 9 not found.")


def test_a_subject_without_a_context_is_looked_for_in_all(world: World) -> None:
    assert get_version(world.registry, "u", 1).subject == ":.c:u"
    assert get_version(world.registry, "s", 1).subject == ":.c:s", "its own version 1 is deleted"
    assert look_up(world.registry, "u", new("x")).subject == ":.c:u"
    assert get_by_id(world.registry, 2, "u").schema == "x"
    assert refusal(get_version, world.registry, ":.d:u", 1)[0] == 40401


@pytest.mark.parametrize(
    ("shown", "versions"),
    [
        (Shown.ALIVE, [2, 3]),
        (Shown.ALL, [1, 2, 3]),
        (Shown.ONLY_DELETED, [1]),
        (Shown.DELETED_AS_NEGATIVE, [-1, 2, 3]),
    ],
)
def test_versions_of_a_subject(world: World, shown: Shown, versions: list[int]) -> None:
    assert list_versions(world.registry, "s", shown) == versions


def test_versions_of_a_soft_deleted_subject(world: World) -> None:
    for shown in (Shown.ALIVE, Shown.DELETED_AS_NEGATIVE):
        assert refusal(list_versions, world.registry, "t", shown) == (
            40401,
            "Subject 't' not found.",
        )
    assert list_versions(world.registry, "t", Shown.ONLY_DELETED) == [1]


@pytest.mark.parametrize(
    ("offset", "limit", "versions"),
    [(0, -1, [1, 2, 3]), (1, 1, [2]), (2, 9, [3]), (5, 1, []), (-4, 0, [1, 2, 3])],
)
def test_pages(world: World, offset: int, limit: int, versions: list[int]) -> None:
    pages: dict[str, Any] = {"offset": offset, "limit": limit}
    assert list_versions(world.registry, "s", Shown.ALL, **pages) == versions


@pytest.mark.parametrize(
    ("prefix", "shown", "subjects"),
    [
        (":*:", Shown.ALIVE, [":.c:s", ":.c:u", "s"]),
        (":*:", Shown.ALL, [":.c:s", ":.c:u", "s", "t"]),
        (":*:", Shown.ONLY_DELETED, ["t"]),
        (":*:s", Shown.ALIVE, [":.c:s", "s"]),
        ("", Shown.ALIVE, ["s"]),
        (":.c:", Shown.ALIVE, [":.c:s", ":.c:u"]),
        (":.c:u", Shown.ALIVE, [":.c:u"]),
    ],
)
def test_subjects(world: World, prefix: str, shown: Shown, subjects: list[str]) -> None:
    assert list_subjects(world.registry, prefix, shown) == subjects
    assert list_subjects(world.registry, prefix, shown, offset=1, limit=1) == subjects[1:2]


def test_contexts(world: World) -> None:
    world.register(":.b:s", "a")
    assert list_contexts(world.registry) == [".", ".b", ".c"]
    assert list_contexts(world.registry, ".c") == [".c"]
    assert list_contexts(world.registry, offset=1, limit=1) == [".b"]


def test_ids_give_soft_deleted_schemas_too(world: World) -> None:
    registry = world.registry
    assert get_by_id(registry, 1).schema == "a"
    assert get_by_id(registry, 1, "t").subject == "t"
    assert get_by_id(registry, 1, "nobody").schema == "a"
    assert get_by_id(registry, 1, ":.c:").schema == "c"
    assert get_by_id(registry, 1, ":.c:s").version == 1
    assert refusal(get_by_id, registry, 9) == (40403, "Schema 9 not found")
    assert refusal(get_by_id, registry, 1, ":.c:u")[0] == 40403


def test_who_has_an_id(world: World) -> None:
    registry = world.registry
    assert list_versions_of_id(registry, 1) == []
    assert list_versions_of_id(registry, 1, deleted=True) == [("s", 1), ("t", 1)]
    assert list_subjects_of_id(registry, 1, deleted=True, offset=1) == ["t"]
    assert list_subjects_of_id(registry, 3) == ["s"]
    assert list_subjects_of_id(registry, 1, ":.c:") == [":.c:s"]
    assert refusal(list_subjects_of_id, registry, 9) == (40403, "Schema not found")


def test_guids_are_the_same_in_every_context(world: World) -> None:
    registry = world.registry
    guid = get_version(registry, "s", 3).guid
    assert get_by_guid(registry, guid).subject == "s"
    assert get_by_guid(registry, guid.replace("-", "")).id == 3
    assert list_ids_of_guid(registry, guid) == [(".", 3), (".c", 1)]
    for unknown in ("x", "00000000-0000-0000-0000-000000000000"):
        assert list_ids_of_guid(registry, unknown) == []
        assert refusal(get_by_guid, registry, unknown) == (40403, f"Schema {unknown} not found")


def test_a_schema_is_looked_up_by_its_content(world: World) -> None:
    registry = world.registry
    assert look_up(registry, "s", new(" b ")).version == 2
    assert look_up(registry, "s", new("a"), deleted=True).version == 1
    assert refusal(look_up, registry, "s", new("a")) == (40403, "Schema not found")
    assert refusal(look_up, registry, "t", new("a")) == (40401, "Subject 't' not found.")
    assert refusal(look_up, registry, "s", new("")) == (40403, "Schema not found")
    assert refusal(look_up, registry, "s", new("!"))[0] == 42201


def test_a_lookup_fills_in_the_contracts_as_registering_does(world: World) -> None:
    registered = world.register("m", "a", metadata={"properties": {"k": "1"}})
    assert look_up(world.registry, "m", new("a")) == registered
    numbered = world.register("n", "a", version=1)
    assert look_up(world.registry, "n", new("a")) == numbered
    other = new("a", metadata={"properties": {"k": "2"}})
    assert refusal(look_up, world.registry, "m", other)[0] == 40403


def test_a_lookup_in_other_contexts_passes_over_what_is_not_there(world: World) -> None:
    world.register("r", "a")
    world.register("p", "@R", references=[("R", "r", 1)])
    world.register(":.c:p", "q")
    unknown = new("@R x", references=[("R", "r", 1)])
    assert refusal(look_up, world.registry, "p", unknown) == (40403, "Schema not found")


def test_other_rules_and_other_version_numbers_are_another_schema(world: World) -> None:
    world.register("n", "a", version=1)
    rules = {"domainRules": [{"name": "n", "type": "CEL"}]}
    for contracts in (
        {"rule_set": rules},
        {"metadata": {"properties": {"confluent:version": "2"}}},
        {"metadata": {"properties": {"confluent:version": "x"}}},
    ):
        assert refusal(look_up, world.registry, "n", new("a", **contracts))[0] == 40403


def test_a_lookup_is_normalized_when_asked(world: World) -> None:
    world.register("n", "a b")
    assert refusal(look_up, world.registry, "n", new("b a"))[0] == 40403
    assert look_up(world.registry, "n", new("b a"), normalize=True).version == 1


def test_a_log_with_texts_that_are_not_canonical(world: World) -> None:
    for version, text in ((1, "a   b"), (2, "c   d"), (3, "!"), (4, "@R")):
        world.take(
            b'{"keytype":"SCHEMA","subject":"k","version":%d,"magic":1}' % version,
            b'{"subject":"k","version":%d,"id":4%d,"schema":"%s","deleted":false}'
            % (version, version, text.encode()),
        )
    assert look_up(world.registry, "k", new("a b")).id == 41
    assert world.register("k", "c d").version == 2
    assert world.register("k", "e").version == 5


def test_the_latest_version_with_these_properties(world: World) -> None:
    for number in "121":
        world.register("m", f"m{number}", metadata={"properties": {"k": number, "l": "x"}})
    world.register("m", "m1", metadata={"properties": {"k": "1"}})
    registry = world.registry
    assert get_latest_with_metadata(registry, "m", {"k": "2", "l": "x"}).version == 2
    assert get_latest_with_metadata(registry, "m", {"k": "1"}).version == 3
    assert refusal(get_latest_with_metadata, registry, "m", {"k": "3"})[0] == 40403
    assert refusal(get_latest_with_metadata, registry, "nobody", {})[0] == 40401


def test_who_refers_to_a_version(world: World) -> None:
    registry = world.registry
    first = world.register("r", "@S", references=[("S", "s", 2)])
    second = world.register("r", "@S z", references=[("S", "s", 2)])
    other = world.register(":.c:r", "@S", references=[("S", "s", 1)])
    assert get_referrers(registry, "s", 2) == [first.id, second.id]
    assert get_referrers(registry, "s", 2, offset=1) == [second.id]
    assert get_referrers(registry, ":.c:s", -1) == [other.id]
    world.run(delete_version, "r", 1)
    assert get_referrers(registry, "s", 2) == [second.id]
    assert get_referrers(registry, "s", 2, deleted=True) == [first.id, second.id]
    assert refusal(get_referrers, registry, "s", 9)[0] == 40402


def test_schemas_by_prefix(world: World) -> None:
    def told(**options: Any) -> list[tuple[str, int]]:
        found = list_schemas(world.registry, **options)
        return [(listed.schema.subject, listed.schema.version) for listed in found]

    assert told(prefix="") == [("s", 2), ("s", 3)]
    assert told(prefix="", deleted=True) == [("s", 1), ("s", 2), ("s", 3), ("t", 1)]
    assert told(latest_only=True) == [(":.c:s", 1), (":.c:u", 1), ("s", 3)]
    assert told(prefix="", limit=1) == [("s", 2)]
    world.register("r", "a", rule_set={"domainRules": [{"name": "n", "type": "CEL"}]})
    assert told(rule_type="CEL") == [("r", 1)]


def test_schemas_under_their_aliases(world: World) -> None:
    world.config("old", alias="s")
    assert list_schemas(world.registry, "o") == []
    found = list_schemas(world.registry, "o", aliases=True, latest_only=True)
    assert [(listed.schema.subject, listed.aliases) for listed in found] == [("s", ("old",))]


def test_references_with_their_context(world: World) -> None:
    schema = world.register(":.c:r", "@S", references=[("S", "s", 1)])
    assert schema.references == (Reference("S", "s", 1),)
    assert qualified_references(schema) == (Reference("S", ":.c:s", 1),)


def test_formats(world: World) -> None:
    world.register("r", "@S z", references=[("S", "s", 2)])
    schema = get_version(world.registry, "r", 1)
    assert formatted(world.registry, schema, None) == "@S z"
    assert formatted(world.registry, schema, " ") == "@S z"
    assert formatted(world.registry, schema, "resolved") == "b z"
