"""Who is cut off with some of the nodes, and asks them all the time to take records.

For each partition the island holds a majority of its replicas, or it does not:

    it does not   every node of the island that has a replica is asked; none may acknowledge
    it does       who the island says leads is asked; it should acknowledge within the cut

The nodes are asked directly, not through the proxy, whose links for clients are cut. Every record
is in the history like those of other producers, so that one that was acknowledged has to be found.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack

from sprawl.client.faults import Unreachable
from sprawl.client.producing import PRODUCE
from sprawl.core.records.record import encode_batch
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from tests.harness.processes import ClusterNode
from tests.harness.recorder import Recorder
from tests.harness.routes import Asked, Place, View

PAUSE_S = 1.0
PATIENCE_MS = 3_000
"""How long a node may wait for its replicas; below what a connection waits for its answer."""


def led_by(numbers: Collection[int], view: View) -> set[Place]:
    """The partitions that nodes can lead without the others: they are most of its replicas."""
    return {
        place
        for place, route in view.items()
        if 2 * len(set(numbers) & set(route.replicas)) > len(route.replicas)
    }


class Islander(threading.Thread):
    """Asks until it is told to stop.

    Args:
        process: its number in the history.
        island: the nodes that are cut off.
        before: every partition and its replicas.
        places: the partitions to write to.
    """

    def __init__(
        self,
        process: int,
        island: Sequence[ClusterNode],
        before: View,
        places: Sequence[Place],
        recorder: Recorder,
    ) -> None:
        super().__init__(name="islander", daemon=True)
        self.process = process
        self.refusals: Counter[int] = Counter()
        self.served: set[Place] = set()
        self.stopping = threading.Event()
        self._ports = {node.place.number: node.place.port for node in island}
        self._recorder = recorder
        self._sent = 0
        self.held = led_by(self._ports.keys(), before) & set(places)
        self._asked_for: dict[int, list[Place]] = {
            number: [p for p in places if number in before[p].replicas and p not in self.held]
            for number in self._ports
        }
        self.not_held = {place for places in self._asked_for.values() for place in places}

    def run(self) -> None:
        try:
            asyncio.run(self._work())
        except Exception as error:  # noqa: BLE001 one that ends early proves nothing
            self._recorder.problem(f"the islander ended with {error!r}")

    async def _work(self) -> None:
        async with AsyncExitStack() as stack:
            asked = Asked(stack, self._ports)
            while not self.stopping.is_set():
                views = await asked.views()
                wanted = {n: list(places) for n, places in self._asked_for.items()}
                for place in self.held:
                    leaders = {view[place].leader for view in views.values() if place in view}
                    for leader in leaders & self._ports.keys():
                        wanted[leader].append(place)
                await asyncio.gather(
                    *(self._ask(asked, n, places) for n, places in wanted.items() if places)
                )
                await asyncio.sleep(PAUSE_S)

    async def _ask(self, asked: Asked, number: int, places: Sequence[Place]) -> None:
        texts = {place: self._next_text() for place in places}
        for place, text in texts.items():
            self._recorder.add(self.process, "invoke", "send", (*place, None, text))
        try:
            connection = await asked.connection(number)
            answer = await connection.request(PRODUCE, _request(texts), ProduceResponse)
        except Unreachable:
            for place, text in texts.items():
                self._recorder.add(self.process, "info", "send", (*place, None, text))
            return
        for topic in answer.responses:
            for each in topic.partition_responses:
                place = (topic.name, each.index)
                sent = (*place, None if each.error_code else each.base_offset, texts[place])
                self._recorder.add(self.process, "info" if each.error_code else "ok", "send", sent)
                if each.error_code:
                    self.refusals[each.error_code] += 1
                    continue
                self.served.add(place)
                if place not in self.held:
                    self._recorder.problem(
                        f"node {number}, cut off, acknowledged {texts[place]!r} in {place}, at"
                        f" offset {each.base_offset}"
                    )

    def _next_text(self) -> str:
        self._sent += 1
        return f"{self.process}/{self._sent}"


def _request(texts: Mapping[Place, str]) -> ProduceRequest:
    topics: dict[str, list[PartitionProduceData]] = {}
    now_ms = int(time.time() * 1000)
    for (topic, partition), text in texts.items():
        batch = encode_batch([(now_ms, None, text.encode(), [])])
        topics.setdefault(topic, []).append(PartitionProduceData(index=partition, records=batch))
    data = [TopicProduceData(name=name, partition_data=parts) for name, parts in topics.items()]
    return ProduceRequest(acks=-1, timeout_ms=PATIENCE_MS, topic_data=data)
