"""Validation of schema ids on every node of a cluster, with and without a replica of `_schemas`."""

from __future__ import annotations

import asyncio
import json
from urllib.request import Request, urlopen

import pytest
from cluster_world import ClusterWorld

from sprawl.core.errors import KafkaFault
from sprawl.core.records.schema_ids import FITS, NameStrategy, Part, SchemaUse, Verdict


def post(url: str, text: str) -> int:
    request = Request(
        f"{url}/subjects/t-value/versions",
        data=json.dumps({"schema": text}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urlopen(request, timeout=30) as answer:
        found: int = json.load(answer)["id"]
    return found


def use(schema: int) -> SchemaUse:
    return SchemaUse("t", Part.VALUE, NameStrategy.TOPIC, schema)


async def learned(world: ClusterWorld, number: int, schema: int) -> Verdict:
    """As a producer that tries again while nobody can be asked."""
    while True:
        try:
            found: Verdict = (await world.broker(number).schemas.learn({use(schema)}))[use(schema)]
        except KafkaFault:
            continue
        return found


@pytest.mark.parametrize("has_port", [True, False])
async def test_every_node_knows_at_once_what_was_registered(has_port: bool) -> None:
    """Args: has_port: the node without a replica of `_schemas`, a port of its own for schemas."""
    async with ClusterWorld(3, schema_registry_port=0) as world:
        url = world.nodes[1].schema_registry
        await asyncio.to_thread(post, url, '"string"')
        world._settings["schema_registry_port"] = 0 if has_port else None
        await world.start(4)
        for count in range(5):
            text = json.dumps({"type": "string", "logicalType": f"n{count}"})
            schema = await asyncio.to_thread(post, url, text)
            for number in world.nodes:
                assert await learned(world, number, schema) == FITS
                assert (await learned(world, number, 1_000 + count)).reason is not None
        hosts = world.broker(1).controller.topics["_schemas"].replicas[0]
        assert len(hosts) == 3
