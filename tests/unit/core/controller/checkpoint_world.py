"""A node that is alone with its controller, on storage that can lose power before any change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any
from uuid import UUID

from crash_storage import Choose
from fused_storage import Fuse, FusedDirectory, FusedStore

from sprawl.core.clock import SystemClock
from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.config.broker import BrokerConfig
from sprawl.core.controller.checkpoints import CheckpointFiles
from sprawl.core.controller.controller import Controller
from sprawl.core.controller.metadata_log import (
    METADATA_CONFIG,
    METADATA_TOPIC_ID,
    METADATA_TP,
    RaftMetadataLog,
)
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.state import ControllerState
from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.ids import BrokerId, LogKey, ReplicaId, Term
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.refusals import Refusals
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.replica import RaftReplica
from sprawl.core.replication.surroundings import Target
from sprawl.core.storage.port import Buffer

NO_FUSE = 10**9
KEY = LogKey(METADATA_TOPIC_ID, 0)
NODE = NodeInfo(
    node_id=BrokerId(1), replica_id=ReplicaId(1), directory_id=UUID(int=1), endpoints={}
)
BETWEEN_BYTES = 700


class _Deaf:
    """A listener, and a node with nobody to tell."""

    def __init__(self, node: MetadataNode) -> None:
        self._node = node

    def topic_added(self, topic: TopicInfo) -> None: ...

    def topic_moved(self, topic: TopicInfo) -> None: ...

    def topic_configured(self, topic: TopicInfo) -> None: ...

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None: ...

    def broker_configured(
        self, dynamic_default: Mapping[str, str], own: Mapping[str, str]
    ) -> None: ...

    def nodes_changed(self) -> None: ...

    def announce(self, key: LogKey, hint: LeaderHint) -> None: ...

    def led(self, partition: Partition, *, is_leader: bool) -> None: ...

    def committed(self, partition: Partition) -> None:
        self._node.metadata.committed()

    def target(self, key: LogKey) -> Target | None:
        return None

    def fell_behind(self, key: LogKey, follower: ReplicaId) -> None: ...

    def arrived(self, key: LogKey) -> None: ...

    def send(self, to: ReplicaId, frame: Sequence[Buffer]) -> bool:
        return False

    def is_in_sight(self, replica: ReplicaId) -> bool:
        return False


def at_once(job: Callable[[], object]) -> asyncio.Future[object]:
    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    try:
        done.set_result(job())
    except Exception as failure:  # noqa: BLE001 told to who waits
        done.set_exception(failure)
    return done


class MetadataNode:
    """`begin` it within a running loop; `lose_power` leaves what the next `begin` finds."""

    def __init__(self, changes: int = NO_FUSE) -> None:
        self.fuse = Fuse(changes)
        self.directory = FusedDirectory(self.fuse)
        self.kv = FusedStore(self.fuse)
        self.files = CheckpointFiles(self.directory)

    def begin(self, seed: int = 1) -> None:
        clock, deaf = SystemClock(), _Deaf(self)
        self.host = RaftHost(
            replica_id=ReplicaId(1),
            kv=self.kv,
            run_blocking=at_once,
            peers=deaf,
            clock=clock,
            rng=Random(seed),
            settings=RaftSettings(),
        )
        self.log = PartitionLog.open(
            tp=METADATA_TP,
            topic_id=METADATA_TOPIC_ID,
            config=METADATA_CONFIG,
            directory=self.directory,
            kv=self.kv,
            now_ms=1_000,
            clean_shutdown=False,
        )

        def replicate(partition: Partition) -> RaftReplica:
            self.replica = RaftReplica(
                partition,
                key=KEY,
                log=GroupLog(partition.log, KEY, self.kv),
                host=self.host,
                founding=Configuration.of([1]),
                is_preferred=True,
                clock=clock,
                around=deaf,
            )
            return self.replica

        self.metadata = RaftMetadataLog(
            kv=self.kv, clock=clock, node_id=BrokerId(1), node_of=lambda _: BrokerId(1)
        )
        partition = Partition(
            self.log,
            topic_id=METADATA_TOPIC_ID,
            term=Term(0),
            high_watermark=self.log.log_start_offset,
            refusals=Refusals(SystemClock()),
            replicate=replicate,
        )
        self.metadata.attach(partition, self.replica, self.files, at_once)
        config = BrokerConfig.from_overrides(
            {"metadata.log.max.record.bytes.between.snapshots": str(BETWEEN_BYTES)}
        )
        self.controller = Controller(
            ControllerState(),
            self.metadata,
            node_id=BrokerId(1),
            cluster_id="test",
            broker_config=lambda: config,
            rng=Random(seed),
            listener=deaf,
        )
        self.controller.load()

    async def lead(self) -> None:
        """Until this controller knows all that was committed."""
        while self.fuse.left > 0 and not self.controller.is_leader:
            await asyncio.sleep(0)

    async def end(self) -> None:
        await self.host.close()

    def lose_power(self, choose: Choose) -> None:
        self.fuse.left = NO_FUSE
        self.directory.crash(choose)
        self.kv.crash(choose)


async def do(controller: Controller, at: int) -> None:
    """The command with this number: topics come, change and go, some stay."""
    if at == 0:
        await controller.register(NODE)
    elif at % 5 == 1:
        await controller.create_topic(TopicSpec(name=f"t{at}", configs={"retention.ms": "5"}))
    elif at % 5 == 2:
        await controller.replace_configs(2, f"t{at - 1}", {"retention.ms": str(at)})
    elif at % 5 == 3:
        await controller._submit({"do": "producer ids"})
    elif at % 5 == 4:
        await controller.create_partitions(f"t{at - 3}", 2, None, validate_only=False)
    elif at % 10:
        await controller.delete_topic(name=f"t{at - 4}")
    else:
        await controller.replace_configs(4, "", {"log.retention.ms": str(at)})


def facts(controller: Controller) -> dict[str, Any]:
    """The state, without the ids that chance chose."""
    state = controller.state
    return {
        "topics": {
            name: (topic.replicas, topic.moving, topic.configs)
            for name, topic in state.topics.items()
        },
        "nodes": dict(state.nodes),
        "configs": dict(state.broker_configs),
        "next": (state.next_producer_id, state.next_replica_id),
    }
