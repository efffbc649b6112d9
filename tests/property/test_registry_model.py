"""Random lives of a registry: whatever clients do, its log says all of it.

1. The state is what a replay of the log gives, and what a replay of the compacted log gives.
2. In a context an id means one schema: none is given out for a second content, not even after a
   restart on a compacted log. Only an import may take an id anew that no version has any more.
3. What is soft-deleted can still be had by its id; what is deleted for good was soft-deleted.
4. No version that another one refers to ever goes for good.
5. A refused command appends nothing.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from registry_world import World, facts, new

from sprawl.schema_registry.model.contracts import parse_rule_set
from sprawl.schema_registry.model.deleting import delete_context, delete_subject, delete_version
from sprawl.schema_registry.model.faults import RegistryFault
from sprawl.schema_registry.model.listings import get_by_id
from sprawl.schema_registry.model.records import SchemaKey, decode, encode_key
from sprawl.schema_registry.model.registering import change_contracts, register
from sprawl.schema_registry.model.scopes import delete_config, delete_mode, put_config, put_mode
from sprawl.schema_registry.model.state import State
from sprawl.schema_registry.model.subjects import QualifiedSubject, context_of, qualified_by_parent

SUBJECTS = st.sampled_from(["s", "t", ":.c:s", ":.c:u", ":.:v"])
SCOPES = st.sampled_from([None, "s", ":.c:", ":.c:s", ":.__GLOBAL:"])
VERSIONS = st.sampled_from([-1, 1, 2, 3])
TEXTS = st.sampled_from(["a", "a b?", "b  a", "b?", "@R a", "a !", "", "c"])
METADATA = st.sampled_from([None, {}, {"properties": {"k": "1"}}, {"properties": {"k": "2"}}])
REFERENCES = st.lists(st.tuples(st.just("R"), SUBJECTS, VERSIONS), max_size=1)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "compatibility": st.sampled_from(["NONE", "backward", "FULL_TRANSITIVE", None]),
        "normalize": st.booleans(),
        "compatibilityGroup": st.sampled_from(["k", None]),
        "overrideMetadata": METADATA,
    },
)
MODES = st.sampled_from(["READWRITE", "READONLY", "import", "FORWARD", None])
OLD_KEY = b'{"magic":1,"keytype":"SCHEMA","subject":"%s","version":%d}'


class RegistryLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.meant: dict[tuple[str, int], str] = {}
        self.alive_before: set[SchemaKey] = set()

    def do(self, command: Any, *args: Any, **options: Any) -> Any:
        length = len(self.world.log)
        try:
            return self.world.run(command, *args, **options)
        except RegistryFault:
            assert len(self.world.log) == length
            return None

    @rule(subject=SUBJECTS, text=TEXTS, metadata=METADATA, references=REFERENCES)
    def register(self, subject: str, text: str, metadata: Any, references: Any) -> None:
        schema = new(text, metadata=metadata, references=references)
        self.do(register, subject, schema, force=True)

    @rule(subject=SUBJECTS, text=TEXTS, version=VERSIONS, new_id=st.integers(1, 9))
    def import_version(self, subject: str, text: str, version: int, new_id: int) -> None:
        self.do(put_mode, subject, "IMPORT", force=True)
        context = context_of(subject)
        is_free = not self.world.state.holders(context, new_id)
        self.do(register, subject, new(text, version=max(version, 0), id=new_id))
        if is_free and self.world.state.holders(context, new_id):
            self.meant.pop((context, new_id), None)
        self.do(delete_mode, subject)

    @rule(subject=SUBJECTS, version=VERSIONS, permanent=st.booleans())
    def delete_version(self, subject: str, version: int, permanent: bool) -> None:
        self.do(delete_version, subject, version, permanent=permanent)

    @rule(subject=SUBJECTS, permanent=st.booleans())
    def delete_subject(self, subject: str, permanent: bool) -> None:
        self.do(delete_subject, subject, permanent=permanent)

    @rule(context=st.sampled_from([".", ".c"]))
    def delete_context(self, context: str) -> None:
        self.do(delete_context, context)

    @rule(subject=SUBJECTS, version=VERSIONS)
    def change_rules(self, subject: str, version: int) -> None:
        rules = parse_rule_set({"domainRules": [{"name": "n", "type": "CEL", "mode": "WRITE"}]})
        self.do(change_contracts, subject, version, rules_to_merge=rules)

    @rule(scope=SCOPES, body=BODIES)
    def put_config(self, scope: str | None, body: dict[str, object]) -> None:
        self.do(put_config, scope, body)

    @rule(scope=SCOPES)
    def delete_config(self, scope: str | None) -> None:
        self.do(delete_config, scope)

    @rule(scope=SCOPES, mode=MODES, force=st.booleans())
    def put_mode(self, scope: str | None, mode: str | None, force: bool) -> None:
        self.do(put_mode, scope, mode, force=force)

    @rule(scope=SCOPES, recursive=st.booleans())
    def delete_mode(self, scope: str | None, recursive: bool) -> None:
        self.do(delete_mode, scope, recursive=recursive)

    @rule(subject=st.sampled_from(["s", "t"]))
    def spell_otherwise(self, subject: str) -> None:
        """Another registry, with other spellings of keys, writes the latest version anew."""
        schema = self.world.state.latest(subject)
        if schema is not None:
            key = encode_key(SchemaKey(subject, schema.version))
            value = next(value for name, value in reversed(self.world.log) if decode(name, None).key
                         == decode(key, None).key)  # fmt: skip
            self.world.take(OLD_KEY % (subject.encode(), schema.version), value)

    @rule()
    def restart(self) -> None:
        """On the compacted log, as a node that comes late."""
        self.world.log = self.world.compacted()
        self.world.registry = self.world.registry._replace(state=self.world.replayed())

    @invariant()
    def replays(self) -> None:
        now = facts(self.world.state)
        assert facts(self.world.replayed()) == now
        assert facts(self.world.replayed(self.world.compacted())) == now

    @invariant()
    def an_id_means_one_schema(self) -> None:
        for schema in self.versions(self.world.state):
            key = (context_of(schema.subject), schema.id)
            assert self.meant.setdefault(key, schema.schema) == schema.schema
            scope = QualifiedSubject(key[0], "").name
            assert get_by_id(self.world.registry, schema.id, scope).schema == schema.schema
        for context in (".", ".c"):
            given = [given_id for holder, given_id in self.meant if holder == context]
            assert self.world.state.highest_id(context) >= max(given, default=0)

    @invariant()
    def what_is_living_goes_softly_first(self) -> None:
        now = {SchemaKey(s.subject, s.version) for s in self.versions(self.world.state)}
        assert self.alive_before <= now
        self.alive_before = {
            SchemaKey(schema.subject, schema.version)
            for schema in self.versions(self.world.state)
            if not schema.deleted
        }

    @invariant()
    def what_is_referred_to_stays(self) -> None:
        for schema in self.versions(self.world.state):
            for reference in schema.references:
                name = qualified_by_parent(reference.subject, schema.subject)
                assert self.world.state.version(name, reference.version) is not None

    @staticmethod
    def versions(state: State) -> list[Any]:
        return [
            schema
            for subject in list(state.subjects)
            for schema in state.versions(subject, deleted=True)
        ]


TestRegistryLife = RegistryLife.TestCase
TestRegistryLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
