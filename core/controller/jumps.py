"""What became of the topics between two states of the controller, for who follows them. Pure.

A node that was away for long jumps to a checkpoint instead of following every record. It hears of
each difference once, as if the records had led there directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sprawl.core.controller.ports import Listener
    from sprawl.core.controller.state import ControllerState


def tell_topics(before: ControllerState, after: ControllerState, listener: Listener) -> None:
    """Tell of topics that are gone, new, larger, elsewhere or configured otherwise, in this order:
    a topic that was deleted and created again is another one with the same name."""
    gone = [topic for each, topic in before.by_id.items() if each not in after.by_id]
    if gone:
        listener.topics_removed(gone)
    all_configured = before.broker_configs != after.broker_configs
    for each, topic in after.by_id.items():
        old = before.by_id.get(each)
        if old is None:
            listener.topic_added(topic)
            continue
        if old.partition_count != topic.partition_count:
            listener.topic_added(topic)
        elif (old.replicas, old.moving) != (topic.replicas, topic.moving):
            listener.topic_moved(topic)
        if all_configured or old.configs != topic.configs:
            listener.topic_configured(topic)
