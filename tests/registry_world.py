"""A registry with its log, and a schema type small enough to see through.

A schema is a line of fields: `a b? @Name`. A field with `?` may be missing in what is read; `@Name`
is a reference. Blanks mean nothing, and normalized is sorted. `!` makes a text that is no schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.contracts import parse_metadata, parse_rule_set
from sprawl.schema_registry.model.entities import StoredSchema
from sprawl.schema_registry.model.faults import RegistryFault
from sprawl.schema_registry.model.parsing import NewSchema
from sprawl.schema_registry.model.records import LogRecord
from sprawl.schema_registry.model.registering import register
from sprawl.schema_registry.model.registry import Judged, Registry, Settings
from sprawl.schema_registry.model.scopes import put_config, put_mode
from sprawl.schema_registry.model.state import State
from sprawl.schema_registry.model.subjects import context_of
from sprawl.schema_registry.schemas import (
    Incompatibility,
    InvalidSchema,
    Policy,
    Reference,
    SchemaType,
)

T = TypeVar("T")


class Fields:
    """A parsed line."""

    def __init__(self, fields: tuple[str, ...], texts: Mapping[str, str]) -> None:
        self.fields = fields
        self.texts = texts

    @property
    def canonical(self) -> str:
        return " ".join(self.fields)

    def normalized(self) -> Fields:
        return Fields(tuple(sorted(self.fields)), self.texts)

    def formatted(self, name: str) -> str:
        return self.inlined(self.canonical) if name == "resolved" else self.canonical

    def record_name(self, message: Sequence[int]) -> str | None:
        """The first field."""
        return self.fields[0] if self.fields else None

    def inlined(self, text: str) -> str:
        words = text.split()
        return " ".join(
            self.inlined(self.texts[word[1:]]) if word.startswith("@") else word for word in words
        )


class FieldsFormat:
    """Counts what it parses."""

    def __init__(self) -> None:
        self.parsed_count = 0

    def parse(self, text: str, references: Sequence[Reference], texts: Mapping[str, str]) -> Fields:
        self.parsed_count += 1
        fields = tuple(text.split())
        if "!" in text:
            raise InvalidSchema(f"'!' in {text}")
        for field in fields:
            if field.startswith("@") and field[1:] not in texts:
                raise InvalidSchema(f"{field} is not there")
        return Fields(fields, texts)

    def incompatibilities(
        self, reader: Any, writer: Any, policy: Policy = Policy.STRICT
    ) -> list[Incompatibility]:
        if policy is Policy.LENIENT:
            return []
        written = {field.rstrip("?") for field in writer.fields}
        return [
            Incompatibility("MISSING", f"/{field}", f"nobody wrote {field}")
            for field in reader.fields
            if not field.endswith("?") and field not in written
        ]


class World:
    """What a shell does: judge, append, apply."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.format = FieldsFormat()
        self.log: list[LogRecord] = []
        self.registry = Registry(
            State(),
            ParsedSchemas(dict.fromkeys(SchemaType, self.format)),
            settings or Settings(),
        )

    @property
    def state(self) -> State:
        return self.registry.state

    def run(self, command: Callable[..., Judged[T]], *args: Any, **options: Any) -> T:
        """Judge a command, and take in what it appends."""
        judged = command(self.registry, *args, **options)
        for key, value in judged.records:
            self.take(key, value)
        return judged.answer

    def take(self, key: bytes, value: bytes | None) -> None:
        self.log.append((key, value))
        self.state.apply(key, value)

    def register(self, subject: str, text: str | None, **options: Any) -> StoredSchema:
        command = {name: options.pop(name) for name in ("normalize", "force") if name in options}
        return self.run(register, subject, new(text, **options), **command)

    def config(self, subject: str | None = None, **body: object) -> None:
        self.run(put_config, subject, body)

    def mode(self, name: str | None, subject: str | None = None, *, force: bool = False) -> None:
        self.run(put_mode, subject, name, force=force)

    def replayed(self, log: Sequence[LogRecord] | None = None) -> State:
        state = State()
        for key, value in self.log if log is None else log:
            state.apply(key, value)
        return state

    def compacted(self) -> list[LogRecord]:
        """The log as compaction leaves it, once tombstones are gone too."""
        last = {key: offset for offset, (key, _) in enumerate(self.log)}
        return [
            (key, value)
            for offset, (key, value) in enumerate(self.log)
            if last[key] == offset and value is not None
        ]


def new(text: str | None, **options: Any) -> NewSchema:
    """A schema as a request has it: `references` as triples, contracts as JSON."""
    options["references"] = tuple(Reference(*item) for item in options.pop("references", ()))
    options["metadata"] = parse_metadata(options.pop("metadata", None))
    options["rule_set"] = parse_rule_set(options.pop("rule_set", None))
    return NewSchema(text, **options)


def refusal(command: Callable[..., object], *args: Any, **options: Any) -> tuple[int, str]:
    """The code and the message with which a command is refused."""
    with pytest.raises(RegistryFault) as refused:
        command(*args, **options)
    fault = refused.value
    assert str(fault.code).startswith(str(fault.status))
    return int(fault.code), fault.message


def facts(state: State) -> dict[str, object]:
    """All that can be asked of a state, to compare two of them."""
    schemas = [
        schema
        for subject in sorted(state.subjects)
        for schema in state.versions(subject, deleted=True)
    ]
    assert state.schemas_count == len(schemas)
    contexts = {".", *state.contexts, *(context_of(schema.subject) for schema in schemas)}
    return {
        "schemas": schemas,
        "configs": dict(state.configs),
        "modes": dict(state.modes),
        "contexts": state.contexts,
        "highest": {context: state.highest_id(context) for context in sorted(contexts)},
        "holders": {
            (context, schema.id): list(state.holders(context, schema.id))
            for context in contexts
            for schema in schemas
        },
        "digests": {
            (context, schema.digest): state.id_of_digest(context, schema.digest)
            for context in contexts
            for schema in schemas
        },
        "referrers": {
            (schema.subject, schema.version): sorted(
                (referrer.subject, referrer.version)
                for referrer in state.referrers(schema.subject, schema.version, deleted=True)
            )
            for schema in schemas
        },
    }
