"""What the nodes' parts of the DHT raise alarm about, for somebody who judges it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sim.world import World

from sprawl.core.cluster.overlay import Overlay
from sprawl.core.dht.effects import Alarm


@contextmanager
def heard_alarms(world: World) -> Iterator[list[Alarm]]:
    """The alarms of all nodes in all their lives; none of a node's own counters outlives it."""
    heard: list[Alarm] = []
    sound = Overlay._sound

    def listened(overlay: Overlay, alarm: Alarm) -> None:
        heard.append(alarm)
        world.note("alarm", (alarm.kind.name, alarm.record.node, alarm.record.claim))
        sound(overlay, alarm)

    Overlay._sound = listened  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        Overlay._sound = sound  # type: ignore[method-assign]
