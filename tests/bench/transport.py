"""Traffic between two nodes on loopback: `python -m tests.bench.transport` prints tables.

Back of an envelope, for each end: a small message costs about 3 us (a head, an event, a buffer, a
call), so 300,000 a second when they share system calls. A large one costs one copy into the socket
and one out of it, with what the kernel adds 0.3 to 0.5 CPU-s/GB. A call costs two turns of two
event loops: 60 to 100 us.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from random import Random
from uuid import UUID

import uvloop

from sprawl.core.cluster.transport import PeerAddress, PeerIdentity, Transport
from sprawl.core.ids import BrokerId

SIZES = (100, 16_384, 1_048_576)
KIND = 1
MESSAGE_S = 3.0
CALLS = 5_000
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
SENDER, RECEIVER = BrokerId(1), BrokerId(2)


def transport(node: BrokerId, peer: PeerAddress | None) -> Transport:
    identity = PeerIdentity(node_id=node, directory_id=UUID(int=node), incarnation=node)
    return Transport(
        identity=identity,
        cluster_id="bench",
        rng=Random(node),
        addresses=lambda _: peer,
        expected_directory=lambda _: None,
        tls=None,
    )


def serve(loop: str, pipe: Connection) -> None:
    """The receiving process: counts messages, answers calls, and tells its CPU time."""

    async def run() -> None:
        receiver = transport(RECEIVER, None)
        received = 0

        def receive(peer: PeerIdentity, body: memoryview) -> None:
            nonlocal received
            received += 1

        async def facts(peer: PeerIdentity, body: memoryview) -> bytes:
            return f"{received} {time.process_time()}".encode()

        async def echo(peer: PeerIdentity, body: memoryview) -> bytes:
            return bytes(body)

        receiver.on_message(KIND, receive)
        receiver.serve("facts", facts)
        receiver.serve("echo", echo)
        pipe.send(await receiver.listen("127.0.0.1", 0))
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        await receiver.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())


async def facts_of(sender: Transport) -> tuple[int, float]:
    answer = await sender.call(RECEIVER, "facts", b"", timeout_ms=60_000)
    received, cpu_s = answer.split()
    return int(received), float(cpu_s)


async def stream(sender: Transport, size: int) -> None:
    """Send as fast as the receiver takes it."""
    body = bytes(size)
    received_before, cpu_before = await facts_of(sender)
    own_before = time.process_time()
    sent = 0
    began = time.perf_counter()
    while time.perf_counter() - began < MESSAGE_S:
        for _ in range(64):
            while not sender.send(RECEIVER, KIND, (body,)):
                await asyncio.sleep(0.001)
            sent += 1
        await asyncio.sleep(0)
    received, cpu_s = await facts_of(sender)
    took_s = time.perf_counter() - began
    assert received - received_before == sent
    gigabytes = sent * size / 1e9
    print(
        f"| {size:>9,} | {sent / took_s:>11,.0f} | {gigabytes / took_s * 1_000:>8,.0f}"
        f" | {(time.process_time() - own_before) / gigabytes:>11.2f}"
        f" | {(cpu_s - cpu_before) / gigabytes:>13.2f} |"
    )


async def calls(sender: Transport, size: int, at_once: int) -> None:
    body = bytes(size)
    took_us: list[float] = []

    async def one_after_another() -> None:
        for _ in range(CALLS // at_once):
            began = time.perf_counter()
            await sender.call(RECEIVER, "echo", body, timeout_ms=60_000)
            took_us.append((time.perf_counter() - began) * 1e6)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    took_s = time.perf_counter() - began
    p50, p99 = statistics.median(took_us), sorted(took_us)[int(len(took_us) * 0.99)]
    print(
        f"| {size:>9,} | {at_once:>7} | {len(took_us) / took_s:>7,.0f} | {p50:>6,.0f}"
        f" | {p99:>6,.0f} |"
    )


async def measure(port: int) -> None:
    sender = transport(SENDER, PeerAddress("127.0.0.1", port))
    await facts_of(sender)
    print("|     bytes |  messages/s |     MB/s | sender s/GB | receiver s/GB |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        await stream(sender, size)
    print("\n|     bytes | at once | calls/s | p50 us | p99 us |")
    print("|---|---|---|---|---|")
    for size in SIZES[:2]:
        for at_once in (1, 64):
            await calls(sender, size, at_once)
    await sender.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=list(LOOPS), default="uvloop")
    loop = parser.parse_args().loop
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=serve, args=(loop, theirs))
    child.start()
    try:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(measure(ours.recv()))
    finally:
        ours.send("stop")
        child.join()


if __name__ == "__main__":
    main()
