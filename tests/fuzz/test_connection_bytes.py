"""The promise of a connection: whatever bytes come, they are answered or the connection closes.

Nothing else: no other connection notices, no handler fails, nothing stays behind.
"""

from __future__ import annotations

import logging
import random

import pytest
from server_world import (
    HEARTBEATS,
    PRODUCE,
    World,
    api_versions,
    heartbeat,
    produce,
    produced,
    serving,
    until,
)

from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.server import ServerLimits

SEEDS = range(40)
REQUEST_BYTES_MAX = 100_000
HOSTILE = (
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\0\0\0\0",
    b"GET /",
    b"",
)


def conversation(rng: random.Random) -> bytes:
    """Honest requests with some damage done to them."""
    makers = (
        heartbeat,
        produce,
        lambda number: produce(number, rng.randbytes(5_000)),
        api_versions,
    )
    data = bytearray(b"".join(rng.choice(makers)(number) for number in range(rng.randint(1, 8))))
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + rng.randint(1, 30)]
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 30))
            case 3:
                hostile = rng.choice(HOSTILE)
                data[at : at + len(hostile)] = hostile
    return bytes(data)


@pytest.mark.parametrize("seed", SEEDS)
async def test_any_bytes_are_answered_or_close_their_connection(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(seed)
    produces = HandlerSpec(PRODUCE, 3, 13, lambda _, request: produced(request), pipelined=True)
    with serving(HEARTBEATS, produces):
        async with World(ServerLimits(request_bytes_max=REQUEST_BYTES_MAX)) as world:
            bystander = await world.connect()
            for _ in range(10):
                peer = await world.connect()
                data = conversation(rng)
                while data:
                    size = rng.randint(1, len(data))
                    peer.send(data[:size])
                    data = data[size:]
                    if rng.random() < 0.5:
                        await peer.drained()
                peer.finish()
                await peer.rest()
                bystander.send(heartbeat(seed))
                assert await bystander.correlation_ids(1) == [seed]
            await until(lambda: world.server.connections_open == 1)
            assert not world.server.tasks
            assert world.metrics.handler_failures == 0
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]
