"""A metadata log in memory: what is appended is committed and applied at once, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from sprawl.core.controller.ports import StateMachine
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId


class MemoryMetadataLog:
    """Implements the controller's MetadataLog; `records` outlive it, for another one to follow.

    `leader` may be set to another node, `is_full` to let every append fail, `is_holding` to have
    what is appended wait for `release` until it is committed, `is_deposed` to let the leader learn
    from its next append that it leads no more, `is_stuck` to let nothing be applied any more.
    """

    def __init__(self, records: list[bytes], node_id: int = 1) -> None:
        self.records = records
        self.leader: BrokerId | None = BrokerId(node_id)
        self.is_full = False
        self.is_holding = False
        self.is_deposed = False
        self.is_stuck = False
        self._held: list[tuple[Sequence[bytes], asyncio.Future[None]]] = []
        self._machine: StateMachine | None = None

    @property
    def end_offset(self) -> int:
        return len(self.records)

    def read_all(self) -> Iterator[bytes]:
        return iter(list(self.records))

    def follow(self, machine: StateMachine) -> None:
        self._machine = machine

    async def append(self, records: Sequence[bytes]) -> None:
        if self.is_deposed:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER)
        if self.is_full:
            raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR)
        if self.is_holding:
            committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._held.append((records, committed))
            await committed
        else:
            self._commit(records)

    def release(self) -> None:
        """Commit what was held, whoever still waits for it."""
        held, self._held, self.is_holding = self._held, [], False
        for records, committed in held:
            self._commit(records)
            if not committed.done():
                committed.set_result(None)

    def _commit(self, records: Sequence[bytes]) -> None:
        self.records += records
        if self._machine is not None and records:
            self._machine.apply(records)

    async def wait_for(self, offset: int) -> None:
        if self.is_stuck:
            await asyncio.Event().wait()
        assert offset <= len(self.records)
