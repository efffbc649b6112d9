"""Whether records of a topic may name a schema, with the three schema types."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from registry_world import World

from sprawl.core.records.schema_ids import BY_MESSAGE, FITS, NameStrategy, Part, SchemaUse
from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.deleting import delete_subject
from sprawl.schema_registry.model.uses import judge_use
from sprawl.schema_registry.serving.formats import schema_formats

ORDER = json.dumps({"type": "record", "name": "Order", "namespace": "shop", "fields": []})
TRIP = 'syntax = "proto3"; package t; message Bill {} message Trip { message Ride {} }'


@pytest.fixture
def world() -> World:
    made = World()
    made.registry = made.registry._replace(schemas=ParsedSchemas(schema_formats()))
    return made


def use(schema: int | UUID, strategy: NameStrategy = NameStrategy.TOPIC, **more) -> SchemaUse:
    return SchemaUse("t", more.pop("part", Part.VALUE), strategy, schema, **more)


def reason(world: World, asked: SchemaUse) -> str:
    verdict = judge_use(world.registry, asked)
    assert verdict.reason is not None
    return verdict.reason


def test_a_schema_fits_under_the_subject_of_its_topic_and_part(world: World) -> None:
    stored = world.register("t-value", ORDER)
    assert judge_use(world.registry, use(stored.id)) == FITS
    assert judge_use(world.registry, use(UUID(stored.guid))) == FITS
    assert reason(world, use(stored.id, part=Part.KEY)).endswith("not registered under t-key")
    assert "does not know" in reason(world, use(99))
    assert "does not know" in reason(world, use(UUID(int=9)))


def test_the_same_schema_in_two_subjects_fits_under_both(world: World) -> None:
    stored = world.register("t-value", ORDER)
    assert world.register("t-key", ORDER).id == stored.id
    assert judge_use(world.registry, use(stored.id)) == FITS
    assert judge_use(world.registry, use(stored.id, part=Part.KEY)) == FITS


def test_a_soft_deleted_version_fits_and_one_deleted_for_good_does_not(world: World) -> None:
    stored = world.register("t-value", ORDER)
    world.run(delete_subject, "t-value")
    assert judge_use(world.registry, use(stored.id)) == FITS
    world.run(delete_subject, "t-value", permanent=True)
    assert "does not know" in reason(world, use(stored.id))


def test_an_alias_stands_for_the_other_subject(world: World) -> None:
    stored = world.register("orders", ORDER)
    world.config("t-value", alias="orders")
    assert judge_use(world.registry, use(stored.id)) == FITS


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("AVRO", ORDER, "shop.Order"),
        ("AVRO", '"string"', "string"),
        ("JSON", '{"title": "Place"}', "Place"),
    ],
)
def test_types_have_names(world: World, kind: str, text: str, name: str) -> None:
    stored = world.register(name, text, schema_type=kind)
    assert judge_use(world.registry, use(stored.id, NameStrategy.RECORD)) == FITS
    assert reason(world, use(stored.id, NameStrategy.TOPIC_RECORD)).endswith(f"t-{name}")
    world.register(f"t-{name}", text, schema_type=kind)
    assert judge_use(world.registry, use(stored.id, NameStrategy.TOPIC_RECORD)) == FITS


def test_a_schema_without_a_title_has_no_name(world: World) -> None:
    stored = world.register("x", "{}", schema_type="JSON")
    assert "has no name" in reason(world, use(stored.id, NameStrategy.RECORD))


def test_a_protobuf_message_is_found_by_its_way(world: World) -> None:
    stored = world.register("t.Trip.Ride", TRIP, schema_type="PROTOBUF")
    strategy = NameStrategy.RECORD
    assert judge_use(world.registry, use(stored.id, strategy)) == BY_MESSAGE
    assert judge_use(world.registry, use(stored.id, strategy, message=(1, 0))) == FITS
    bill = reason(world, use(stored.id, strategy, message=(0,)))
    assert bill.endswith("not registered under t.Bill")
    assert "has no name" in reason(world, use(stored.id, strategy, message=(2,)))
    assert "has no name" in reason(world, use(stored.id, strategy, message=(1, -1)))
    world.register("t-value", TRIP, schema_type="PROTOBUF")
    assert judge_use(world.registry, use(stored.id)) == FITS
