"""Many of confluent-kafka's clients at once, and a node that is killed under them."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.common.schema_registry_client import ConfigCompatibilityLevel

from sprawl.node import Node
from tests.node_process import NodeProcess

CLIENTS = 10
SUBJECTS = ("orders-value", "refunds-value")
SCHEMAS = 20
ACKNOWLEDGED_BEFORE_KILL = 40
"""Of CLIENTS * SCHEMAS_EACH, so that all clients are at work when the node dies."""
SCHEMAS_EACH = 20
NOTHING_REFUSED = ServerConfig(compatibility=ConfigCompatibilityLevel.NONE)


def connect(url: str) -> SchemaRegistryClient:
    """A client of its own: nothing in its caches, and what fails fails."""
    return SchemaRegistryClient({"url": url, "max.retries": 0})


def schema(name: str) -> Schema:
    return Schema(json.dumps({"type": "record", "name": name, "fields": []}), "AVRO")


def test_a_schema_has_one_id_however_many_clients_register_it() -> None:
    with Node(schema_registry_port=0) as node:
        with connect(node.schema_registry) as client:
            client.set_config(config=NOTHING_REFUSED)

        def register(place: int) -> list[tuple[str, str, int]]:
            """All schemas under one subject, each client beginning with another one."""
            subject = SUBJECTS[place % len(SUBJECTS)]
            with connect(node.schema_registry) as client:
                names = [f"R{(place + step) % SCHEMAS}" for step in range(SCHEMAS)]
                return [(subject, n, client.register_schema(subject, schema(n))) for n in names]

        with ThreadPoolExecutor(CLIENTS) as threads:
            told = [each for several in threads.map(register, range(CLIENTS)) for each in several]
        assert len(told) == CLIENTS * SCHEMAS == 200
        ids = {name: found for _, name, found in told}
        assert sorted(ids.values()) == list(range(1, SCHEMAS + 1))
        assert all(ids[name] == found for _, name, found in told)
        with connect(node.schema_registry) as client:
            for subject in SUBJECTS:
                assert client.get_versions(subject) == list(range(1, SCHEMAS + 1))
            for name, found in ids.items():
                kept = client.get_schema(found)
                assert json.loads(str(kept.schema_str))["name"] == name


def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[tuple[str, str], int] = {}
    asked: set[tuple[str, str]] = set()
    enough = threading.Event()
    node = NodeProcess(tmp_path / "data", "--schema-registry-port", "0", log=tmp_path / "node.log")

    def register(url: str, place: int) -> None:
        subject = SUBJECTS[place % len(SUBJECTS)]
        with connect(url) as client:
            for step in range(SCHEMAS_EACH):
                name = f"R{place}x{step}"
                asked.add((subject, name))
                acknowledged[subject, name] = client.register_schema(subject, schema(name))
                if len(acknowledged) >= ACKNOWLEDGED_BEFORE_KILL:
                    enough.set()

    with node:
        url = node.facts["schema_registry"]
        with connect(url) as client:
            client.set_config(config=NOTHING_REFUSED)
        with ThreadPoolExecutor(CLIENTS) as threads:
            running = [threads.submit(register, url, place) for place in range(CLIENTS)]
            assert enough.wait(60)
            node.kill()
        failures = [each.exception() for each in running]
        unknown = asked - acknowledged.keys()
        assert len(unknown) == sum(failure is not None for failure in failures)
        assert unknown, "the node was killed after all was done"
        node.start()
        with connect(node.facts["schema_registry"]) as client:
            assert client.get_config().compatibility_level == "NONE"
            for (subject, name), found in acknowledged.items():
                assert json.loads(str(client.get_schema(found).schema_str))["name"] == name
                assert client.lookup_schema(subject, schema(name)).schema_id == found
            again = {key: client.register_schema(key[0], schema(key[1])) for key in unknown}
            everything = acknowledged | again
            assert len(set(everything.values())) == len(everything)
            for subject in SUBJECTS:
                versions = client.get_versions(subject)
                assert versions == list(range(1, len(versions) + 1))
                assert len(versions) == sum(key[0] == subject for key in everything)
