"""A client that creates, configures and deletes topics, so that the metadata log grows and goes.

With a small `metadata.log.max.record.bytes.between.snapshots` every node writes checkpoints all the
time, and one that was away has to have the log copied, checkpoint included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sim.clients import Client

from sprawl.client.faults import Refused
from sprawl.client.topics import ResourceType, alter_configs, create_topic, delete_topics
from sprawl.core.errors import ErrorCode
from sprawl.faults import CommandFault

CONFIG = "retention.ms"
KEPT_MAX = 3
"""Topics of one client that are there at a time."""


@dataclass(slots=True)
class Administered:
    """What was promised about topics; it outlives the clients that asked for them.

    Args:
        created: names whose creation was answered, and whose deletion was not asked for.
        deleted: names whose deletion was answered.
        configured: values by name that were answered, the last one for certain.
        uncertain: values by name that may have been set, or be set yet.
    """

    created: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    configured: dict[str, str] = field(default_factory=dict)
    uncertain: dict[str, set[str]] = field(default_factory=dict)

    def check(self, controllers: Iterable[Any]) -> None:
        """Judge controllers that have heard of everything."""
        states = [vars(each.state) for each in controllers]
        assert all(each == states[0] for each in states), "controllers disagree"
        topics = states[0]["topics"]
        assert not self.created - set(topics), f"lost: {sorted(self.created - set(topics))}"
        assert not self.deleted & set(topics), f"came back: {sorted(self.deleted & set(topics))}"
        for name, value in self.configured.items():
            if name in self.created:
                found = topics[name].configs[CONFIG]
                assert found in {value, *self.uncertain.get(name, ())}, (
                    f"{name} is kept for {found}, which is to be {value}"
                )


class Administrator(Client):
    """Each topic gets a few configs, and goes when there are too many."""

    def __init__(self, *args: Any, told: Administered, **options: Any) -> None:
        super().__init__(*args, **options)
        self._told = told
        self._count = 0
        self._own: list[str] = []

    async def _step(self) -> None:
        self._count += 1
        try:
            if not self._own or self.rng.random() < 0.4:
                await self._create(f"passing-{self.number}-{self._count}")
            elif len(self._own) > KEPT_MAX:
                await self._delete(self._own.pop(0))
            else:
                await self._configure(self.rng.choice(self._own), str(10**9 + self._count))
        except CommandFault as fault:
            self._went_wrong(fault)
        else:
            self._succeeded()

    async def _create(self, name: str) -> None:
        try:
            await create_topic(self.cluster, name, partitions=1)
        except Refused as fault:
            if fault.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
                raise
        self._told.created.add(name)
        self._own.append(name)

    async def _configure(self, name: str, value: str) -> None:
        told = self._told
        uncertain = told.uncertain.setdefault(name, set())
        uncertain.add(value)
        await alter_configs(self.cluster, ResourceType.TOPIC, name, set_values={CONFIG: value})
        uncertain.discard(value)
        told.configured[name] = value

    async def _delete(self, name: str) -> None:
        self._told.created.discard(name)
        await delete_topics(self.cluster, [name])
        self._told.deleted.add(name)
