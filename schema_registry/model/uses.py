"""Whether records of a topic may name a schema: the registry's side of validation by the broker.

Soft-deleted versions count: what producers write with them can be read, and a producer that knows
its schema does not ask the registry again. A subject with an alias stands for the other one, as
where schemas are registered. Ids are those of the default context.

Source: Confluent Server's broker-side validation of schema ids.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sprawl.core.records.schema_ids import BY_MESSAGE, FITS, NameStrategy, SchemaUse, Verdict
from sprawl.schema_registry.model.faults import RegistryFault
from sprawl.schema_registry.model.parsing import parse_stored
from sprawl.schema_registry.model.records import SchemaKey
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.model.scopes import resolve_alias
from sprawl.schema_registry.model.subjects import DEFAULT_CONTEXT
from sprawl.schema_registry.schemas import SchemaType


def judge_use(registry: Registry, use: SchemaUse) -> Verdict:
    """Say whether a schema is registered where a topic wants it."""
    shown = f"schema {use.schema}"
    holders = _holders(registry, use.schema)
    if not holders:
        return Verdict(f"names {shown}, which the registry does not know")
    if use.strategy is NameStrategy.TOPIC:
        subject = f"{use.topic}-{use.part}"
    else:
        key = next(iter(holders))
        stored = registry.state.version(key.subject, key.version)
        assert stored is not None
        if stored.schema_type == SchemaType.PROTOBUF.value and use.message is None:
            return BY_MESSAGE
        try:
            name = parse_stored(registry, stored).record_name(use.message or ())
        except RegistryFault as fault:
            return Verdict(f"names {shown}, which cannot be read: {fault.message}")
        if name is None:
            strategy = use.strategy.name
            return Verdict(f"names {shown}, whose type has no name for the strategy {strategy}")
        subject = name if use.strategy is NameStrategy.RECORD else f"{use.topic}-{name}"
    wanted = resolve_alias(registry, subject)
    if any(key.subject == wanted for key in holders):
        return FITS
    return Verdict(f"names {shown}, which is not registered under {wanted}")


def _holders(registry: Registry, schema: int | UUID) -> Collection[SchemaKey]:
    state = registry.state
    if isinstance(schema, UUID):
        found = state.id_of_digest(DEFAULT_CONTEXT, schema.bytes)
        if found is None:
            return ()
        schema = found
    return state.holders(DEFAULT_CONTEXT, schema)
