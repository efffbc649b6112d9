"""Records of `_schemas`, byte for byte, and how a log that others wrote is gone on with."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import pytest
from registry_world import World, facts

from sprawl.schema_registry.model.contracts import parse_metadata, parse_rule_set
from sprawl.schema_registry.model.deleting import delete_subject, delete_version
from sprawl.schema_registry.model.entities import Config, Mode, StoredSchema, content_digest
from sprawl.schema_registry.model.listings import get_by_id
from sprawl.schema_registry.model.records import (
    ClearSubjectKey,
    ConfigKey,
    ContextKey,
    DeleteSubjectKey,
    ForeignKey,
    MaxId,
    ModeKey,
    NoopKey,
    Present,
    RecordFault,
    SchemaKey,
    UpTo,
    barrier,
    decode,
    encode_key,
    encode_value,
)
from sprawl.schema_registry.model.scopes import delete_config
from sprawl.schema_registry.schemas import Reference

CONTRACT = (
    {"tags": {"b": ["Y", "X"], "a": ["PII"]}, "properties": {"k": "v"}, "sensitive": ["k"]},
    {"domainRules": [{"name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL"}]},
)


def stored(**changes: object) -> StoredSchema:
    fields: dict[str, object] = {
        "subject": "s",
        "version": 1,
        "id": 7,
        "schema_type": "AVRO",
        "references": (),
        "metadata": None,
        "rule_set": None,
        "schema": '"string"',
        "deleted": False,
        **changes,
    }
    names = ("schema", "references", "metadata", "rule_set")
    fields["digest"] = content_digest(*(fields[name] for name in names))  # type: ignore[arg-type]
    return StoredSchema(**fields)  # type: ignore[arg-type]


RECORDS = [
    (
        SchemaKey("s", 1),
        stored(),
        '{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
        '{"subject":"s","version":1,"id":7,"schema":"\\"string\\"","deleted":false}',
    ),
    (
        SchemaKey(":.c:é", 2),
        stored(
            subject=":.c:é",
            version=2,
            schema_type="JSON",
            references=(Reference("r", "t", 3),),
            metadata=parse_metadata(CONTRACT[0]),
            rule_set=parse_rule_set(CONTRACT[1]),
            schema="{}",
            deleted=True,
        ),
        '{"keytype":"SCHEMA","subject":":.c:é","version":2,"magic":1}',
        '{"subject":":.c:é","version":2,"id":7,"schemaType":"JSON",'
        '"references":[{"name":"r","subject":"t","version":3}],'
        '"metadata":{"tags":{"a":["PII"],"b":["X","Y"]},"properties":{"k":"v"},"sensitive":["k"]},'
        '"ruleSet":{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL",'
        '"disabled":false}]},"schema":"{}","deleted":true}',
    ),
    (
        ConfigKey(None),
        decode(b'{"keytype":"CONFIG","magic":0}', b'{"compatibilityLevel":"FULL"}').value,
        '{"keytype":"CONFIG","magic":0}',
        '{"compatibilityLevel":"FULL"}',
    ),
    (
        ConfigKey("s"),
        Config(alias="t", normalize=False, compatibility_group="g"),
        '{"keytype":"CONFIG","subject":"s","magic":0}',
        '{"subject":"s","alias":"t","normalize":false,"compatibilityGroup":"g"}',
    ),
    (
        ModeKey(":.c:"),
        Mode.IMPORT,
        '{"keytype":"MODE","subject":":.c:","magic":0}',
        '{"subject":":.c:","mode":"IMPORT"}',
    ),
    (ModeKey(None), Mode.READONLY, '{"keytype":"MODE","magic":0}', '{"mode":"READONLY"}'),
    (
        DeleteSubjectKey("s"),
        UpTo(3),
        '{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}',
        '{"subject":"s","version":3}',
    ),
    (
        ClearSubjectKey("s"),
        Present(),
        '{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}',
        '{"subject":"s"}',
    ),
    (ClearSubjectKey(None), Present(), '{"keytype":"CLEAR_SUBJECT","magic":0}', "{}"),
    (
        ContextKey(".c"),
        Present(),
        '{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}',
        '{"tenant":"default","context":".c"}',
    ),
    (NoopKey(), None, '{"keytype":"NOOP","magic":0}', None),
    (NoopKey("."), MaxId(9), '{"keytype":"NOOP","subject":"","magic":0}', '{"maxId":9}'),
    (
        NoopKey(".c"),
        MaxId(9),
        '{"keytype":"NOOP","subject":":.c:","magic":0}',
        '{"maxId":9}',
    ),
]


@pytest.mark.parametrize(("key", "value", "key_text", "value_text"), RECORDS)
def test_bytes(key: object, value: object, key_text: str, value_text: str | None) -> None:
    data = None if value_text is None else value_text.encode()
    assert encode_key(key) == key_text.encode()  # type: ignore[arg-type]
    assert encode_value(key, value) == data  # type: ignore[arg-type]
    assert decode(key_text.encode(), data) == (key, value, None)
    assert decode(key_text.encode(), None).value is None


def test_a_barrier_changes_nothing() -> None:
    world = World()
    world.take(*barrier())
    assert world.log == [(b'{"keytype":"NOOP","magic":0}', None)]
    assert facts(world.state) == facts(World().state)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"{}"),
        (b"", None),
        (b"{", None),
        (b"\xff\xfe\xfa", None),
        (b"[]", None),
        (b"{}", None),
        (b'{"keytype":1}', None),
        (b"[" * 100_000, None),
        (b'{"keytype":"SCHEMA","subject":"s"}', None),
        (b'{"keytype":"SCHEMA","subject":"s","version":0}', None),
        (b'{"keytype":"SCHEMA","subject":"s","version":true}', None),
        (b'{"keytype":"SCHEMA","subject":"s","version":2147483648}', None),
        (b'{"keytype":"SCHEMA","subject":"s","version":' + b"9" * 9999 + b"}", None),
        (b'{"keytype":"SCHEMA","subject":null,"version":1}', None),
        (b'{"keytype":"CONTEXT","tenant":"default"}', None),
        (b'{"keytype":"MODE","magic":0}', b'{"mode":"SOMETIMES"}'),
        (b'{"keytype":"MODE","magic":0}', b"{}"),
        (b'{"keytype":"MODE","magic":0}', b"null"),
        (b'{"keytype":"CONFIG","magic":0}', b'{"compatibilityLevel":"HALF"}'),
        (b'{"keytype":"CONFIG","magic":0}', b'{"normalize":"yes"}'),
        (b'{"keytype":"CONFIG","magic":0}', b'{"defaultMetadata":[]}'),
        (b'{"keytype":"DELETE_SUBJECT","subject":"s"}', b'{"subject":"s"}'),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"id":1}'),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"schema":"a"}'),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"id":1,"schema":2}'),
        (b'{"keytype":"SCHEMA","subject":"s","version":1}', b'{"id":1,"schema":"a","md5":"!"}'),
        (
            b'{"keytype":"SCHEMA","subject":"s","version":1}',
            b'{"id":1,"schema":"a","references":{}}',
        ),
        (
            b'{"keytype":"SCHEMA","subject":"s","version":1}',
            b'{"id":1,"schema":"a","md5":"AAAA"}',
        ),
        (
            b'{"keytype":"SCHEMA","subject":"s","version":1}',
            b'{"id":1,"schema":"a","references":[{"name":"r"}]}',
        ),
        (
            b'{"keytype":"SCHEMA","subject":"s","version":1}',
            b'{"id":1,"schema":"a","ruleSet":{"domainRules":[{"tags":[null]}]}}',
        ),
    ],
)
def test_a_bad_record_is_a_fault_and_changes_nothing(
    key: bytes | None, value: bytes | None
) -> None:
    world = World()
    world.register("s", "a")
    before = facts(world.state)
    with pytest.raises(RecordFault):
        world.state.apply(key, value)
    assert facts(world.state) == before


def test_other_record_types_are_left_alone() -> None:
    world = World()
    for key in (
        b'{"keytype":"ASSOC","tenant":"default","guid":"g","magic":0}',
        b'{"keytype":"CONTEXT","tenant":"other","context":".c","magic":0}',
    ):
        world.take(key, b"anything")
        assert isinstance(decode(key, None).key, ForeignKey)
    assert facts(world.state) == facts(World().state)


def test_a_schema_of_an_unknown_type_is_kept() -> None:
    world = World()
    world.take(
        b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
        b'{"subject":"s","version":1,"id":3,"schemaType":"THRIFT","schema":"x","deleted":false}',
    )
    assert get_by_id(world.registry, 3).schema_type == "THRIFT"
    assert world.register("t", "a").id == 4


def test_an_id_that_belongs_to_another_schema_is_not_taken_over() -> None:
    world = World()
    world.register("s", "a")
    with pytest.raises(RecordFault, match="belongs to another"):
        world.state.apply(
            b'{"keytype":"SCHEMA","subject":"t","version":1,"magic":1}',
            b'{"subject":"t","version":1,"id":1,"schema":"b","deleted":false}',
        )
    assert world.state.latest("t") is None


KARAPACE_GLOBAL = b'{"keytype":"CONFIG","subject":null,"magic":0}'
GLOBAL = b'{"keytype":"CONFIG","magic":0}'


def test_the_global_config_is_written_as_the_log_spells_it() -> None:
    world = World()
    world.take(KARAPACE_GLOBAL, b'{"compatibilityLevel":"NONE"}')
    world.config(compatibility="FULL")
    assert world.log[-1] == (KARAPACE_GLOBAL, b'{"compatibilityLevel":"FULL"}')
    assert len(world.compacted()) == 1
    world.run(delete_config, None)
    assert world.compacted() == []
    world.config(compatibility="FULL")
    assert world.log[-1][0] == GLOBAL


@pytest.mark.parametrize("order", [(GLOBAL, KARAPACE_GLOBAL), (KARAPACE_GLOBAL, GLOBAL)])
def test_of_two_global_configs_one_is_left(order: tuple[bytes, bytes]) -> None:
    world = World()
    world.take(order[0], b'{"compatibilityLevel":"NONE"}')
    world.take(order[1], b'{"compatibilityLevel":"FORWARD"}')
    world.config(compatibility="FULL")
    assert world.compacted() == [(order[1], b'{"compatibilityLevel":"FULL"}')]
    world.run(delete_config, None)
    assert world.compacted() == []


def test_a_version_with_an_old_key_is_deleted_under_that_key() -> None:
    world = World()
    key = b'{"magic": 1, "keytype": "SCHEMA", "version": 1, "subject": "s"}'
    world.take(key, b'{"subject":"s","version":1,"id":1,"schema":"a","deleted":false}')
    world.run(delete_version, "s", 1)
    assert world.log[-1][0] == key
    world.run(delete_version, "s", 1, permanent=True)
    assert world.log[-1] == (key, None)
    assert list(world.state.subjects) == []


def test_karapace_takes_a_version_away_with_an_empty_value() -> None:
    world = World()
    key = b'{"subject":"s","version":1,"magic":1,"keytype":"SCHEMA"}'
    world.take(key, b'{"subject":"s","version":1,"id":1,"schema":"a","deleted":true}')
    world.take(key, b"")
    assert list(world.state.subjects) == []
    world.register("s", "b")
    assert world.log[-1][0] == b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}'


def test_delete_subject_is_replayed_onto_the_versions_up_to_its_own() -> None:
    world = World()
    world.config(compatibility="NONE")
    for text in "abc":
        world.register("s", text)
    world.take(
        b'{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}', b'{"subject":"s","version":2}'
    )
    assert [schema.deleted for schema in world.state.versions("s", deleted=True)] == [
        True,
        True,
        False,
    ]


def test_no_value_for_types_that_mean_something_only_with_one() -> None:
    world = World()
    world.register("s", "a")
    before = facts(world.state)
    for keytype in ("DELETE_SUBJECT", "CLEAR_SUBJECT", "NOOP"):
        key = json.dumps({"keytype": keytype, "subject": "s", "magic": 0}).encode()
        world.state.apply(key, None)
        world.state.apply(key, b"")
    assert facts(world.state) == before


def test_clear_subject_takes_away_only_what_is_soft_deleted() -> None:
    world = World()
    world.register("s", "a")
    world.register(":.c:t", "b")
    world.register(":.c:u", "c")
    world.run(delete_subject, ":.c:t")
    world.take(b'{"keytype":"CLEAR_SUBJECT","subject":":.c:","magic":0}', b'{"subject":":.c:"}')
    assert sorted(world.state.subjects) == [":.c:u", "s"]


def test_the_digest_is_the_md5_of_all_that_counts() -> None:
    metadata, rule_set = parse_metadata(CONTRACT[0]), parse_rule_set(CONTRACT[1])
    references = (Reference("n", "s", 3),)
    expected = hashlib.md5(
        b"text" + b"ns\x00\x00\x00\x03" + b"\x01aPIIbXYkvk" + b"\x01rCONDITIONWRITECEL"
    ).digest()
    assert content_digest("text", references, metadata, rule_set) == expected
    assert content_digest("text", (), None, None) == hashlib.md5(b"text").digest()
    assert content_digest("text", (), parse_metadata({}), None) != hashlib.md5(b"text").digest()
    assert stored().guid == str(UUID(hashlib.md5(b'"string"').hexdigest()))


def test_the_digest_of_a_rule_with_everything() -> None:
    rule = {
        "name": "n",
        "doc": "d",
        "type": "T",
        "tags": ["b", "a"],
        "params": {"q": "2", "p": "1"},
        "expr": "e",
        "onSuccess": "s",
        "onFailure": "f",
        "disabled": True,
    }
    rule_set = parse_rule_set({"encodingRules": [rule], "enableAt": "GATEWAY"})
    expected = b"x" + b"\x01ndTRANSFORMWRITEREADTabp1q2esf\x01GATEWAY"
    assert content_digest("x", (), None, rule_set) == hashlib.md5(expected).digest()


def test_a_digest_that_the_record_states_is_the_one_that_counts() -> None:
    world = World()
    value = {"subject": "s", "version": 1, "id": 1, "md5": "AAECAwQFBgcICQoLDA0ODw=="}
    key = b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}'
    world.take(key, json.dumps({**value, "schema": "a", "deleted": False}).encode())
    assert world.state.id_of_digest(".", bytes(range(16))) == 1
    world.run(delete_version, "s", 1)
    assert json.loads(world.log[-1][1] or b"")["md5"] == value["md5"]
