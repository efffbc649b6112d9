"""Some nodes of one kind in one process: `python cage.py sprawl|kinship PLAN`.

PLAN is JSON: the ports and numbers of all nodes, and which of them live here. Lines on standard
input crash or have leave one of them (`crash 3`); each event is a JSON line on standard output,
stamped with the machine's monotonic clock. Imports nothing of the tests, so that it also runs with
an interpreter that has only kinship installed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
import time
from typing import Any, Protocol

HOST = "127.0.0.1"


def tell(observer: int, kind: str, subject: int) -> None:
    line = {"t": time.monotonic(), "observer": observer, "kind": kind, "subject": subject}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


KINSHIP_KINDS = {
    "MemberJoined": "JOINED",
    "MemberSuspect": "SUSPECT",
    "MemberRecovered": "ALIVE",
    "MemberDead": "DEAD",
    "MemberLeft": "LEFT",
}


class Caged(Protocol):
    """A node of either kind."""

    async def start(self) -> None: ...

    async def crash(self) -> None: ...

    async def leave(self) -> None: ...


class SprawlNode:
    """Ours, with the settings of a cluster and encryption, on the transport that nodes use. All are
    called at their fronts, on connections that end when they are idle, as the rival's do."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        import random
        from uuid import UUID

        from sprawl.core.cluster.peers import PeerAddress, PeerIdentity
        from sprawl.core.cluster.transport import Transport
        from sprawl.core.gossip.keyring import Keyring
        from sprawl.core.gossip.model import MemberId, next_epoch
        from sprawl.core.gossip.settings import GossipSettings
        from sprawl.core.gossip.shell import GossipShell
        from sprawl.core.ids import BrokerId

        self._own, front = plan["nodes"][number]
        me = MemberId(BrokerId(number), UUID(int=number + 1))
        rng = random.SystemRandom()
        self._seeds = [PeerAddress(HOST, plan["nodes"][seed][1]) for seed in plan["seeds"]]
        self._transport = Transport(
            identity=PeerIdentity(
                node_id=me.node_id, directory_id=me.directory_id, incarnation=rng.getrandbits(64)
            ),
            cluster_id="rival",
            rng=rng,
            addresses=lambda node: None,
            expected_directory=lambda node: UUID(int=node + 1),
        )
        self._shell = GossipShell(
            settings=GossipSettings(),
            me=me,
            told=PeerAddress(HOST, front),
            epoch=next_epoch(None, time.time_ns() // 1_000_000),
            rng=rng,
            calls=self._transport,
            place_of=lambda member, told: told,
            peer_of=lambda member, told: told,
            on_event=lambda event: tell(number, event.kind.name, event.id.node_id),
            keyring=Keyring(me, [base64.b64decode(plan["key"])], os.urandom(4)),
        )

    async def start(self) -> None:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((HOST, self._own))
        datagrams.setblocking(False)
        await self._transport.listen(HOST, self._own)
        await self._shell.start([datagrams], self._seeds)

    async def crash(self) -> None:
        await self._shell.close()
        await self._transport.close()

    async def leave(self) -> None:
        self._shell.leave()
        await self._shell.departed()
        await self.crash()


class KinshipNode:
    """The rival, with its own settings for a LAN, which are the same, and encryption."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        import kinship  # type: ignore[import-not-found,unused-ignore]

        own, front = plan["nodes"][number]
        self._number = number
        self._cluster = kinship.Cluster(
            kinship.Config.lan(
                name=f"n{number}",
                bind=f"{HOST}:{own}",
                advertise=f"{HOST}:{front}",
                keys=[plan["key"]],
                seeds=[f"{HOST}:{plan['nodes'][seed][1]}" for seed in plan["seeds"]],
            )
        )
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._cluster.start()
        events = self._cluster.events()
        for member in self._cluster.members():  # those that came before we could listen
            if member.name != f"n{self._number}":
                tell(self._number, "JOINED", int(member.name[1:]))

        async def watch() -> None:
            async for event in events:
                kind = KINSHIP_KINDS.get(type(event).__name__)
                if kind is not None:
                    tell(self._number, kind, int(event.member.name[1:]))

        self._watch = asyncio.create_task(watch())

    async def crash(self) -> None:
        await self._cluster.close()

    async def leave(self) -> None:
        await self._cluster.leave()
        await self._cluster.close()


KINDS: dict[str, Any] = {"sprawl": SprawlNode, "kinship": KinshipNode}


async def main(kind: str, plan: dict[str, Any]) -> None:
    nodes: dict[int, Caged] = {}
    for number in plan["here"]:
        nodes[number] = KINDS[kind](number, plan)
        await nodes[number].start()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    jobs = set()
    while line := await reader.readline():
        act, number = line.decode().split()
        node = nodes.pop(int(number))
        jobs.add(asyncio.create_task(node.crash() if act == "crash" else node.leave()))
    for node in nodes.values():
        await node.crash()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
