"""What every command and every lookup works on, and what a command gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from sprawl.schema_registry.model import limits
from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.entities import Level, Mode
from sprawl.schema_registry.model.records import LogRecord
from sprawl.schema_registry.model.state import State

Answer = TypeVar("Answer")


class Settings(NamedTuple):
    """The registry's own settings, with the anchor registry's defaults.

    Args:
        compatibility_level: schema.compatibility.level, where no scope has one.
        mode: where no scope has one.
        mode_mutability: mode.mutability; modes cannot be changed without it.
        validate_new_schemas: schema.validate.new.schemas: a new schema may not refer to versions
            that are deleted.
        validate_fields: schema.validate.fields; only told in messages, see the README.
        reject_empty_subject: schema.reject.empty.subject.
    """

    compatibility_level: Level = Level.BACKWARD
    mode: Mode = Mode.READWRITE
    mode_mutability: bool = True
    validate_new_schemas: bool = True
    validate_fields: bool = False
    reject_empty_subject: bool = False
    record_bytes_max: int = limits.RECORD_BYTES_MAX


class Registry(NamedTuple):
    """A registry as of one place in the log."""

    state: State
    schemas: ParsedSchemas
    settings: Settings = Settings()


class Judged(NamedTuple, Generic[Answer]):
    """A command that is right.

    Args:
        records: to append to the topic together, in this order; the state knows them when they
            have been applied. None: there is nothing to change.
        answer: for the client, once the records are committed.
    """

    records: tuple[LogRecord, ...]
    answer: Answer


def judged(records: Iterable[LogRecord], answer: Answer) -> Judged[Answer]:
    return Judged(tuple(records), answer)
