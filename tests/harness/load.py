"""What clients do while the acts of `twenty` are played: bounded, so that two cores hold it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.harness.endings import await_progress, end
from tests.harness.recorder import Recorder
from tests.harness.workloads import ClientKit, Consumer, Member, Place, Producer, Reader, Worker

LIFE_S = (20.0, 60.0)
"""Lives of consumers: each end and beginning costs the group a rebalance."""


@dataclass(slots=True, kw_only=True)
class Load:
    """A producer of each library, a reader, and a group of two.

    Args:
        kits: the first one's library is the group's, the second one's the reader's.
        rate: texts a second and producer.
        first_process: they have this number and the next ones in the history.
        group: where the members belong, also those of another load.
    """

    kits: Sequence[ClientKit]
    bootstrap: str
    recorder: Recorder
    seed: int
    rate: float
    first_process: int
    places: Sequence[Place]
    group: str
    producers: list[Worker] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    groups: dict[int, str] = field(default_factory=dict)

    @property
    def workers(self) -> list[Worker]:
        return [*self.producers, *self.consumers]

    def start(self) -> None:
        """All of them begin; returns when each producer has been answered.

        kafka-python's producer ends for good when nobody answers its request for an id.
        """
        for process, kit in enumerate(self.kits, self.first_process):
            producer = Producer("producer", process, kit, self.bootstrap, self.recorder, self.seed)
            producer.rate = self.rate
            self.producers.append(producer)
        process = self.first_process + len(self.kits)
        kit = self.kits[1 % len(self.kits)]
        self.consumers.append(
            Reader("reader", process, kit, self.bootstrap, self.recorder, self.seed)
        )
        for member in (process + 1, process + 2):
            self.consumers.append(
                Member(
                    f"member {member}",
                    member,
                    self.kits[0],
                    self.bootstrap,
                    self.recorder,
                    self.seed,
                    group=self.group,
                )
            )
            self.groups[member] = self.group
        for worker in self.workers:
            worker.places = self.places
        for consumer in self.consumers:
            consumer.life_s = LIFE_S
        for worker in self.workers:
            worker.start()
        await_progress(self.producers, self.recorder)

    def end(self) -> None:
        """Everybody is answered once more, and stops; consumers last, to read what was written."""
        await_progress(self.workers, self.recorder)
        end(self.producers, self.recorder)
        time.sleep(1.0)
        end(self.consumers, self.recorder)
