"""`sprawl cluster ring` and `lookup`, against nodes that run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cluster_world import ClusterWorld

from sprawl import overlay_facts
from sprawl.cli import run
from sprawl.cli.cluster_overlay import is_right, lookup_text
from sprawl.faults import EXIT_USAGE

COUNTED = (
    "sprawl_dht_lookups_total",
    "sprawl_dht_lookup_hops_total",
    "sprawl_dht_lookup_ms_total",
    "sprawl_dht_records_stale_total",
    "sprawl_dht_records_forged_total",
    "sprawl_dht_records_sent_total",
    "sprawl_routes_cached_total",
    "sprawl_routes_sought_total",
    "sprawl_routes_not_found_total",
)


async def said(world: ClusterWorld, number: int, *words: str) -> int:
    """The exit code of `sprawl cluster ...` against a node."""
    address = str(world.nodes[number].http).removeprefix("http://")
    return await asyncio.to_thread(run, ["cluster", *words, "--http", address])


async def test_the_ring_and_a_route_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async with ClusterWorld(3, http_port=0) as world:
        await world.topic("orders", partitions=2)
        code = await said(world, 2, "ring")
        text = capsys.readouterr().out
        assert code == 0
        assert "3 nodes, 3 reached from node 2; every node is told of every partition" in text
        assert text.count("100%") == 3

        code = await said(world, 2, "lookup", "orders/1")
        text = capsys.readouterr().out
        leader = world.leader("orders", 1)
        assert code == 0
        assert f"node {leader} leads" in text.splitlines()[-1]
        assert "wrong" not in text

        code = await said(world, 2, "lookup", "orders/1", "--json")
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert code == 0
        assert found["leader"] == found["record"]["leader"] == leader
        assert found["record"]["expires_in_ms"] > 1_700_000
        assert sorted(each["node"] for each in found["dht"]["nodes"]) == [1, 3]
        assert [each["answered"] for each in found["replicas"]] == [True] * 3

        code = await said(world, 2, "lookup", "orders/7")
        assert code == 1
        assert "orders has no partition 7" in capsys.readouterr().err
        code = await said(world, 2, "lookup", "nothing/0")
        assert "this node knows no topic 'nothing'" in capsys.readouterr().err

        shown = {name: value for name, _, value in world.nodes[2]._running._gauges()}
        assert shown.keys() >= set(COUNTED)
        assert shown["sprawl_dht_lookups_total"] >= 2
        assert shown["sprawl_dht_nodes"] == 2
        assert shown["sprawl_dht_records"] > 0


def test_what_is_no_partition_is_a_mistake_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "lookup", "orders"]) == EXIT_USAGE
    assert run(["cluster", "ring", "--http", "nowhere"]) == EXIT_USAGE
    assert "--http 127.0.0.1:9644" in capsys.readouterr().err


def trace(**changes: object) -> dict[str, Any]:
    right = {"leader": 2, "term": 3, "sequence": 1, "in_sync": [2, 3], "right": True}
    found = {
        "partition": "t/0",
        "asked": 1,
        "key": "ab" * 32,
        "told": True,
        "leader": 2,
        "cache": right,
        "dht": {"hops": 1, "requests": 3, "took_ms": 2, "nodes": [], "found": True, "right": True},
        "record": {**right, "config_index": 1, "expires_in_ms": 5_000, "signed": False},
        "replicas": [{"node": 2, "answered": True, **right}, {"node": 3, "answered": False}],
        "controller": {"node": 1, "replicas": [2, 3], "moves_to": None},
    }
    return found | changes


def test_a_cache_that_is_wrong_is_told_in_the_last_line() -> None:
    stale = {"leader": 3, "term": 2, "sequence": 1, "in_sync": [], "right": False}
    found = trace(cache=stale)
    assert not is_right(found)
    assert lookup_text(found).endswith("node 2 leads, and clients of node 1 are sent elsewhere")
    assert "node 3 leads in term 2, sequence 1, in sync -: wrong" in lookup_text(found)


def test_no_route_in_the_cache_is_a_fault_only_of_who_is_told() -> None:
    assert not is_right(trace(cache=None))
    assert is_right(trace(cache=None, told=False))


def test_no_leader_and_no_answer_are_told() -> None:
    found = trace(leader=None, dht=None, record=None)
    assert not is_right(found)
    text = lookup_text(found)
    assert "no end within the time" in text
    assert text.endswith("an election is under way, or no majority is left")


def test_shares_add_up_to_what_is_kept() -> None:
    places = [number << 250 for number in range(20)]
    shares = overlay_facts.shares_of(places, 8)
    assert sum(shares.values()) == pytest.approx(8)
    assert overlay_facts.shares_of(places[:5], 8) == dict.fromkeys(places[:5], 1.0)
