"""What the node's part of the DHT costs: leaders tell, and one node looks everything up."""

from __future__ import annotations

import asyncio
import time

from overlay_world import OverlayWorld

from overlay.dht_runs import Row

NODES = 20
PARTITIONS = 1_000
QUIET_TURNS = 20


def telling() -> list[Row]:
    """Twenty nodes in this process, every message as bytes, nothing signed."""
    return [asyncio.run(_tell())]


async def _tell() -> Row:
    with OverlayWorld(NODES) as world:
        topic = world.topic(PARTITIONS)
        begun = time.process_time()
        for index in range(PARTITIONS):
            world.lead(topic, index, leader=topic.replicas[index][0])
        await _quiet(world)
        told_s = time.process_time() - begun
        told = sum(len(node.hints) for node in world.nodes.values()) - PARTITIONS

        node = world.nodes[1]
        frames = len(node.frames)
        begun = time.process_time()
        search = node.routing.search([(topic, range(PARTITIONS))])
        assert search is not None
        await search
        sought_s = time.process_time() - begun
        return {
            "nodes": NODES,
            "partitions": PARTITIONS,
            "told": told,
            "tell s": told_s,
            "us a told": told_s / told * 1e6,
            "sought": node.routing.counters.sought,
            "frames": len(node.frames) - frames,
            "seek s": sought_s,
        }


async def _quiet(world: OverlayWorld) -> None:
    """Until no node sends anything any more."""
    sent, turns = -1, 0
    while turns < QUIET_TURNS:
        await asyncio.sleep(0)
        now = sum(len(node.frames) for node in world.nodes.values())
        turns, sent = (turns + 1 if now == sent else 0), now
