"""Registering: versions, ids, modes, references, contracts, in the order that clients rely on."""

from __future__ import annotations

import pytest
from registry_world import World, new, refusal

from sprawl.schema_registry.model import limits
from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.deleting import delete_subject, delete_version
from sprawl.schema_registry.model.listings import get_by_id, list_contexts
from sprawl.schema_registry.model.records import ContextKey, SchemaKey, decode
from sprawl.schema_registry.model.registering import change_contracts, register
from sprawl.schema_registry.model.registry import Settings
from sprawl.schema_registry.model.scopes import put_mode
from sprawl.schema_registry.schemas import Reference, SchemaType

RULE = {"name": "r", "type": "CEL", "mode": "WRITE"}


@pytest.fixture
def world() -> World:
    world = World()
    world.config(compatibility="NONE")
    return world


def test_versions_and_ids_count_up(world: World) -> None:
    told = [
        (schema.version, schema.id)
        for schema in (
            world.register("s", "a"),
            world.register("s", "b"),
            world.register("t", "c"),
            world.register("t", "a"),
        )
    ]
    assert told == [(1, 1), (2, 2), (1, 3), (2, 1)]


def test_the_same_schema_again_is_the_same_version_and_appends_nothing(world: World) -> None:
    first = world.register("s", "a  b")
    length = len(world.log)
    assert world.register("s", "a b") == first
    assert world.register("s", "a b", version=-1) == first
    assert len(world.log) == length


def test_a_schema_that_is_there_is_answered_whatever_the_mode(world: World) -> None:
    first = world.register("s", "a")
    world.mode("READONLY")
    assert world.register("s", "a") == first
    assert refusal(world.register, "s", "b") == (
        42205,
        "Subject s in context  is in read-only mode",
    )


def test_each_context_has_its_own_ids(world: World) -> None:
    world.register("s", "a")
    world.register("s", "b")
    assert world.register(":.c:s", "b").id == 1
    assert world.register(":.c:t", "b").id == 1
    assert world.register("t", "c").id == 3
    assert list_contexts(world.registry) == [".", ".c"]
    contexts = [key for key, _ in world.log if b"CONTEXT" in key]
    assert contexts == [b'{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}']


def test_other_metadata_or_rules_are_another_schema(world: World) -> None:
    ids = {
        world.register("s", "a").id,
        world.register("t", "a", metadata={"properties": {"k": "1"}}).id,
        world.register("u", "a", metadata={}).id,
        world.register("v", "a", rule_set={"domainRules": [RULE]}).id,
    }
    assert len(ids) == 4


def test_after_a_soft_delete_the_same_schema_has_its_id_and_the_next_version(world: World) -> None:
    world.register("s", "a")
    world.run(delete_subject, "s")
    again = world.register("s", "a")
    assert (again.version, again.id) == (2, 1)
    assert world.state.version("s", 1) is None, "its tombstone is written"
    assert get_by_id(world.registry, 1).schema == "a"


def test_a_soft_deleted_version_with_the_same_id_stays_while_it_is_referred_to(
    world: World,
) -> None:
    world.register("s", "a")
    world.register("r", "@S", references=[("S", "s", 1)])
    world.run(delete_subject, "r")
    world.run(delete_subject, "s")
    world.register("s", "a")
    assert [schema.version for schema in world.state.versions("s", deleted=True)] == [1, 2]


def test_the_next_version_counts_soft_deleted_ones(world: World) -> None:
    world.register("s", "a")
    world.register("s", "b")
    world.run(delete_version, "s", 2)
    assert world.register("s", "c").version == 3


def test_ids_are_not_given_out_twice_after_compaction(world: World) -> None:
    world.register("s", "a")
    world.register("s", "b")
    world.run(delete_version, "s", 2)
    world.run(delete_version, "s", 2, permanent=True)
    late = World()
    for key, value in world.compacted():
        late.take(key, value)
    assert late.register("s", "c", force=True).id == 3


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("!", {}, "Invalid schema of type AVRO, details: '!' in !"),
        ("!", {"schema_type": "JSON"}, "Invalid schema of type JSON, details: '!' in !"),
        ("a", {"schema_type": "THRIFT"}, "Invalid schema type THRIFT"),
        ("@R", {}, "Invalid schema of type AVRO, details: @R is not there"),
        (
            "@R",
            {"references": [("R", "r", 2)]},
            'Invalid schema of type AVRO, details: No schema reference found for subject "r" '
            "and version 2",
        ),
        (None, {}, "Empty schema"),
        ("  ", {}, "Empty schema"),
        ("a", {"version": 3}, "Version is not one more than previous version"),
        ("\ud800", {}, "Invalid schema: a text in it is not Unicode"),
    ],
)
def test_invalid_schemas(
    world: World, text: str | None, options: dict[str, object], message: str
) -> None:
    assert refusal(world.register, "s", text, **options) == (42201, message)
    assert list(world.state.subjects) == []


def test_a_blank_schema_means_the_latest_one(world: World) -> None:
    world.register("s", "a")
    schema = world.register("s", None, metadata={"properties": {"k": "1"}})
    assert (schema.version, schema.schema, schema.id) == (2, "a", 2)


def test_names_rules_and_sizes_are_checked(world: World) -> None:
    assert refusal(world.register, "__EMPTY", "a")[0] == 42208
    assert refusal(world.register, ":.__GLOBAL:s", "a")[0] == 42208
    strict = World(Settings(reject_empty_subject=True))
    assert refusal(strict.register, "", "a")[0] == 42208
    assert world.register("", "a").subject == ""
    no_type = {"domainRules": [{"name": "r"}]}
    assert refusal(world.register, "s", "a", rule_set=no_type) == (42210, "Missing rule type")
    assert refusal(world.register, "s", "a" * limits.RECORD_BYTES_MAX) == (
        42209,
        "Register operation failed because schema is too large",
    )


def test_normalized_when_the_request_or_a_config_says_so(world: World) -> None:
    assert world.register("s", "b a").schema == "b a"
    assert world.register("s", "c b a", normalize=True).schema == "a b c"
    world.config("t", normalize=True, compatibility="NONE")
    assert world.register("t", "d c").schema == "c d"
    assert world.register("t", "c d").version == 1


# --- references ----------------------------------------------------------------------------------


def test_latest_in_a_reference_is_fixed_when_it_is_registered(world: World) -> None:
    world.register("r", "a")
    world.register("r", "b")
    schema = world.register("s", "@R", references=[("R", "r", -1)])
    assert schema.references == (Reference("R", "r", 2),)
    world.register("r", "c")
    assert world.register("s", "@R", references=[("R", "r", 2)]) == schema


def test_a_reference_belongs_to_its_parents_context(world: World) -> None:
    world.register(":.c:r", "a")
    world.register(":.c:s", "@R", references=[("R", "r", 1)])
    assert refusal(world.register, "s", "@R", references=[("R", "r", 1)])[0] == 42201
    schema = world.register("s", "@R", references=[("R", ":.c:r", 1)])
    assert schema.references == (Reference("R", ":.c:r", 1),)


def test_references_of_references_are_there_by_their_names(world: World) -> None:
    world.register("x", "a")
    world.register("y", "@X", references=[("X", "x", 1)])
    world.register("z", "@Y @X", references=[("Y", "y", 1)])


def test_too_many_references(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFERRED_SCHEMAS_MAX", 1)
    world.register("x", "a")
    world.register("y", "@X", references=[("X", "x", 1)])
    code, message = refusal(world.register, "z", "@Y", references=[("Y", "y", 1)])
    assert code == 42201
    assert message.endswith("more than 1 schemas are referred to")


@pytest.mark.parametrize(("validates", "allowed"), [(None, False), (True, False), (False, True)])
def test_references_to_deleted_versions(
    world: World, validates: bool | None, allowed: bool
) -> None:
    world.config("s", compatibility="NONE", validateNewSchemas=validates)
    world.register("r", "a")
    world.run(delete_subject, "r")
    if allowed:
        assert world.register("s", "@R", references=[("R", "r", 1)]).version == 1
    else:
        assert refusal(world.register, "s", "@R", references=[("R", "r", 1)])[0] == 42201


def test_a_schema_with_its_references_inlined_is_the_same_schema(world: World) -> None:
    world.register("r", "a b")
    first = world.register("s", "@R c", references=[("R", "r", 1)])
    assert world.register("s", "a b c") == first
    assert world.register("s", "a b c d").version == 2


# --- ids and versions from elsewhere -------------------------------------------------------------


def test_ids_need_import_mode_and_import_mode_needs_ids(world: World) -> None:
    assert refusal(world.register, ":.c:s", "a", id=9) == (
        42205,
        "Subject :.c:s in context :.c: is not in import mode",
    )
    world.mode("IMPORT")
    assert refusal(world.register, "s", "a") == (
        42205,
        "Subject s in context  is not in read-write mode",
    )


def test_import_takes_ids_and_versions_as_they_are(world: World) -> None:
    world.mode("IMPORT", ":.c:")
    first = world.register(":.c:s", "b a", id=7, version=3, normalize=True)
    assert (first.id, first.version, first.schema) == (7, 3, "b a")
    assert world.register(":.c:s", "c", id=5, version=1).version == 1
    assert world.register(":.c:s", "d", id=9).version == 4
    assert world.register(":.c:s", "b a", id=7, version=3) == first
    world.mode(None, ":.c:")
    assert world.register(":.c:t", "e").id == 10


def test_an_imported_id_must_not_mean_another_schema(world: World) -> None:
    world.mode("IMPORT")
    world.register("s", "a", id=1)
    assert refusal(world.register, "t", "b", id=1) == (
        42205,
        "Overwrite new schema with id 1 in context  is not permitted.",
    )
    world.mode("IMPORT", ":.c:")
    assert world.register(":.c:t", "b", id=1).id == 1
    assert world.register("t", "a", id=1, version=2).id == 1


def test_import_asks_neither_for_compatibility_nor_for_contracts(world: World) -> None:
    world.register("s", "a", metadata={"properties": {"k": "1"}})
    world.config(compatibility="FULL", overrideMetadata={"properties": {"o": "1"}})
    world.mode("IMPORT", force=True)
    schema = world.register("s", "b", id=5)
    assert (schema.version, schema.metadata) == (2, None)


def test_what_import_refuses(world: World) -> None:
    world.mode("IMPORT")
    world.register("s", "a", id=1)
    assert refusal(world.register, "s", " ", id=2) == (42201, "Empty schema")
    assert refusal(world.register, "s", "a", id=2, version=2**31)[0] == 42201
    assert world.register("s", "a", id=2).version == 2, "one content may have two ids there"
    assert world.register("s", "b", id=1 + 2**30, version=2**31 - 1).version == 2**31 - 1


def test_ids_end(world: World) -> None:
    world.mode("IMPORT")
    world.register("s", "a", id=2**31 - 1)
    world.mode(None)
    assert refusal(world.register, "s", "b") == (
        50001,
        "All ids of context . have been given out",
    )


def test_a_mode_for_all_contexts(world: World) -> None:
    world.mode("FORWARD", ":.__GLOBAL:")
    assert world.register(":.c:s", "a", id=4).id == 4
    world.mode("READWRITE", ":.c:")
    assert world.register(":.c:s", "a b?").id == 5


# --- contracts -----------------------------------------------------------------------------------


def test_metadata_and_rules_come_from_the_version_before(world: World) -> None:
    world.register("s", "a", metadata={"properties": {"k": "1"}}, rule_set={"domainRules": [RULE]})
    second = world.register("s", "b")
    assert second.metadata is not None
    assert second.metadata.properties == (("k", "1"),)
    assert second.rule_set is not None
    assert second.rule_set.domain_rules[0].name == "r"
    third = world.register("s", "c", metadata={"properties": {"j": "2"}})
    assert third.metadata is not None
    assert third.metadata.properties == (("j", "2"),)


def test_defaults_stand_behind_and_overrides_before(world: World) -> None:
    world.config(
        "s",
        compatibility="NONE",
        defaultMetadata={"properties": {"a": "default", "b": "default", "c": "default"}},
        overrideMetadata={"properties": {"a": "override"}},
        defaultRuleSet={"domainRules": [RULE]},
    )
    schema = world.register("s", "x", metadata={"properties": {"a": "own", "b": "own"}})
    assert schema.metadata is not None
    assert dict(schema.metadata.properties) == {"a": "override", "b": "own", "c": "default"}
    assert schema.rule_set is not None
    assert [rule.name for rule in schema.rule_set.rules] == ["r"]


def test_the_version_in_the_metadata_follows_the_version(world: World) -> None:
    first = world.register("s", "a", version=1)
    assert first.metadata is not None
    assert first.metadata.confluent_version == 1
    second = world.register("s", "b")
    assert second.metadata is not None
    assert second.metadata.confluent_version == 2
    assert world.register("s", "b") == second


def test_changing_rules_registers_the_schema_anew(world: World) -> None:
    world.register("s", "a", rule_set={"domainRules": [RULE, {**RULE, "name": "q"}]})
    merged = new("", rule_set={"domainRules": [{**RULE, "doc": "newer"}]}).rule_set
    schema = world.run(
        change_contracts, "s", -1, new_version=2, rules_to_merge=merged, rules_to_remove=["q"]
    )
    assert (schema.version, schema.schema) == (2, "a")
    assert schema.rule_set is not None
    assert [(rule.name, rule.doc) for rule in schema.rule_set.rules] == [("r", "newer")]
    assert schema.metadata is not None
    assert schema.metadata.confluent_version == 2


def test_changes_of_rules_that_are_refused(world: World) -> None:
    world.register("s", "a")
    rules = new("", rule_set={"domainRules": [RULE]}).rule_set
    bad = new("", rule_set={"domainRules": [{"name": "r"}]}).rule_set
    for options, expected in (
        ({"rule_set": rules, "rules_to_remove": ["q"]}, 42210),
        ({"rules_to_merge": bad}, 42210),
        ({"rule_set": bad}, 42210),
        ({"new_version": 5, "rule_set": rules}, 42201),
    ):
        assert refusal(world.run, change_contracts, "s", 1, **options)[0] == expected
    assert refusal(world.run, change_contracts, "t", 1)[0] == 40401
    assert refusal(world.run, change_contracts, "s", 2)[0] == 40402


def test_the_same_schema_under_defaults_is_still_the_same(world: World) -> None:
    world.config("s", compatibility="NONE", overrideMetadata={"properties": {"o": "1"}})
    first = world.register("s", "a")
    length = len(world.log)
    assert world.register("s", "a") == first
    assert world.register("s", "a", metadata={"properties": {"o": "2"}}) == first
    assert len(world.log) == length
    world.config("t", compatibility="NONE", defaultRuleSet={"domainRules": [RULE]})
    first = world.register("t", "@R", references=[("R", "s", 1)])
    assert world.register("t", "a") == first, "with what it refers to in its text"


# --- what it costs -------------------------------------------------------------------------------


def test_a_new_version_parses_itself_and_not_the_ones_before() -> None:
    world = World()
    world.config(compatibility="BACKWARD_TRANSITIVE")
    for number in range(200):
        world.register("s", f"a{number}?")
    assert world.format.parsed_count == 200
    world.register("s", "another?")
    assert world.format.parsed_count == 201


def test_after_a_restart_each_version_is_parsed_once() -> None:
    world = World()
    for number in range(200):
        world.register("s", f"a{number}?")
    late = World()
    for key, value in world.log:
        late.take(key, value)
    assert late.format.parsed_count == 0
    late.register("s", "another?")
    assert late.format.parsed_count == 201
    late.register("s", "third?")
    assert late.format.parsed_count == 202


def test_more_versions_than_are_kept_parsed_are_not_parsed_again() -> None:
    world = World()
    few = ParsedSchemas(dict.fromkeys(SchemaType, world.format), schemas_max=3)
    world.registry = world.registry._replace(schemas=few)
    for number in range(50):
        world.register("s", f"a{number}?")
    before = world.format.parsed_count
    world.register("s", "another?")
    assert world.format.parsed_count <= before + 2


def test_records_are_what_the_shell_appends(world: World) -> None:
    judged = register(world.registry, ":.c:s", new("a"))
    keys = [decode(key, value).key for key, value in judged.records]
    assert keys == [ContextKey(".c"), SchemaKey(":.c:s", 1)]
    assert list(world.state.subjects) == [], "nothing is known before it is applied"
    assert put_mode(world.registry, "s", None).records == ()
