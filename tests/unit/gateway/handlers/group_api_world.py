"""Group APIs through the codec, with a real coordinator behind them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from group_log import Coordination, FakeLog
from group_world import subscription

from sprawl.core.cluster.view import BrokerView
from sprawl.core.groups.model import CommitRequest, GroupConfig, OffsetToCommit
from sprawl.gateway.codec import (
    RequestHeader,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from sprawl.gateway.codec._generated import (
    k11_join_group as k11,
)
from sprawl.gateway.codec._generated import (
    k14_sync_group as k14,
)
from sprawl.gateway.handlers import (
    k08_offset_commit,
    k09_offset_fetch,
    k10_find_coordinator,
    k11_join_group,
    k12_heartbeat,
    k13_leave_group,
    k14_sync_group,
    k15_describe_groups,
    k16_list_groups,
    k42_delete_groups,
    k47_offset_delete,
)

HANDLERS = {
    module.HANDLER.api_key: module.HANDLER
    for module in (
        k08_offset_commit,
        k09_offset_fetch,
        k10_find_coordinator,
        k11_join_group,
        k12_heartbeat,
        k13_leave_group,
        k14_sync_group,
        k15_describe_groups,
        k16_list_groups,
        k42_delete_groups,
        k47_offset_delete,
    )
}
T_ID = UUID(int=0x11111111111141118111111111111111)
NO_ID = UUID(int=0x22222222222242228222222222222222)


class Controller:
    """Topics as a controller has them: one, and the offsets topic once it exists."""

    def __init__(self, log: FakeLog, info: SimpleNamespace) -> None:
        self._log = log
        self._info = info
        self.by_id = {T_ID: info}

    @property
    def topics(self) -> dict[str, SimpleNamespace]:
        found = {"t": self._info}
        if self._log.partition_count:
            found["__consumer_offsets"] = SimpleNamespace(partition_count=self._log.partition_count)
        return found


class Cluster:
    """Nodes 5 and 6, and who leads which offsets partition."""

    def __init__(self) -> None:
        self.leaders: dict[int, int] = {}
        self.addresses = {
            5: BrokerView(5, "broker.example", 9092, None),
            6: BrokerView(6, "other.example", 9093, None),
        }

    def find_leaders(self, places: object) -> None:
        """All are known."""

    def leader(self, topic: SimpleNamespace, index: int) -> int:
        assert 0 <= index < topic.partition_count
        return self.leaders.get(index, 5)

    def broker(self, node: int, listener: str) -> BrokerView | None:
        assert listener == "PLAIN"
        return self.addresses.get(node)


class World(Coordination):
    def __init__(self, log: FakeLog | None = None) -> None:
        super().__init__(
            FakeLog() if log is None else log, GroupConfig(group_initial_rebalance_delay_ms=0)
        )
        info = SimpleNamespace(name="t", id=T_ID, partitions=(object(), object()))
        self.broker = SimpleNamespace(
            node_id=5,
            cluster=Cluster(),
            controller=Controller(self.log, info),
            groups=self.groups,
        )

    @property
    def cluster(self) -> Cluster:
        found: Cluster = self.broker.cluster
        return found

    def begin(self, api_key: int, version: int, request: Any) -> Any:
        """Send a request through the codec to its handler; the answer, or an awaitable of it."""
        sent = b"".join(encode_request(RequestHeader(api_key, version, 9, "app"), request))
        header, body = decode_request(memoryview(sent)[4:])
        handler = HANDLERS[api_key]
        assert handler.min_version <= version <= handler.max_version
        ctx = SimpleNamespace(
            api_key=api_key,
            api_version=version,
            correlation_id=9,
            client_id=header.client_id,
            connection=SimpleNamespace(listener_name="PLAIN", peer_host="10.0.0.9"),
            broker=self.broker,
        )
        return handler.handle(ctx, body)  # type: ignore[arg-type]

    async def ask(self, api_key: int, version: int, request: Any) -> Any:
        """The response as a client decodes it."""
        answer = self.begin(api_key, version, request)
        if asyncio.iscoroutine(answer):
            answer = await self.patiently(answer)
        sent = b"".join(encode_response(api_key, version, 9, answer))
        correlation_id, response = decode_response(api_key, version, memoryview(sent)[4:])
        assert correlation_id == 9
        return response

    async def patiently(self, answer: Any) -> Any:
        """Wait for an answer, ending join phases that only wait for their (zero) delay."""
        task = asyncio.ensure_future(answer)
        await asyncio.sleep(0)
        self.tick()
        return await asyncio.wait_for(task, 5)

    def committed(self, partition: int = 0) -> tuple[int, int, str]:
        found = self.groups.fetch("g", "t", [partition], require_stable=False)[0]
        return found.offset, found.leader_epoch, found.metadata

    def commit(self, topic: str = "t", partition: int = 0, offset: int = 7) -> None:
        row = OffsetToCommit(topic, partition, offset, 3, "m")
        self.groups.commit(CommitRequest(group_id="g", offsets=[row]))

    async def member(self, **fields: Any) -> tuple[str, int]:
        """A Stable group of one; its member id and generation."""
        joined = await self.ask(11, 3, join_request(**fields))
        request = k14.SyncGroupRequest(
            group_id="g",
            generation_id=joined.generation_id,
            member_id=joined.member_id,
            assignments=[
                k14.SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"A")
            ],
        )
        synced = await self.ask(14, 3, request)
        assert (synced.error_code, synced.assignment) == (0, b"A")
        return joined.member_id, joined.generation_id


def join_request(**fields: Any) -> k11.JoinGroupRequest:
    return k11.JoinGroupRequest(
        **{
            "group_id": "g",
            "session_timeout_ms": 10_000,
            "rebalance_timeout_ms": 60_000,
            "protocol_type": "consumer",
            "protocols": [k11.JoinGroupRequestProtocol(name="range", metadata=subscription("t"))],
            **fields,
        }
    )
