"""Plain asyncio servers and clients on three simulated machines, and how networks fail them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from sim.network import LinkQuality, Mishaps
from sim.processes import Process
from sim.world import World

T = TypeVar("T")
PORT = 7000


class Echo:
    """Three machines a, b, c; on each a process that echoes lines and tells what it heard."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heard: dict[str, list[str]] = {"a": [], "b": [], "c": []}
        self.ends: dict[str, list[str]] = {"a": [], "b": [], "c": []}
        self.processes: dict[str, Process] = {}

    async def start(self, *hosts: str) -> None:
        for host in hosts or ("a", "b", "c"):
            self.processes[host] = self.world.process(host, host)
            await self.inside(host, self._listen(host))

    async def inside(self, host: str, coro: Coroutine[Any, Any, T]) -> T:
        process = self.processes[host]
        return await self.world.outcome(process, self.world.spawn(process, coro))

    async def _listen(self, host: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    self.heard[host].append(line.decode().strip())
                    writer.write(line)
                    await writer.drain()
                self.ends[host].append("eof")
            except ConnectionError as error:
                self.ends[host].append(type(error).__name__)
            finally:
                writer.close()

        await asyncio.start_server(serve, host, PORT)


async def ask(host: str, text: str, *, patience_s: float = 5.0) -> str:
    async with asyncio.timeout(patience_s):
        reader, writer = await asyncio.open_connection(host, PORT)
        try:
            return await exchange(reader, writer, text)
        finally:
            writer.close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> str:
    writer.write(text.encode() + b"\n")
    await writer.drain()
    return (await reader.readline()).decode().strip()


def play(story: Callable[[Echo], Coroutine[Any, Any, T]], *, seed: int = 1) -> T:
    with World(seed) as world:
        return world.run(story(Echo(world)), limit_s=10_000)


def test_lines_come_back() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        assert await echo.inside("a", ask("b", "hello")) == "hello"
        assert await echo.inside("c", ask("10.0.0.1", "by address")) == "by address"
        await asyncio.sleep(1)
        assert echo.ends["b"] == ["eof"]

    play(story)


def test_large_transfers_arrive_whole_and_wait_for_a_slow_reader() -> None:
    data = bytes(range(256)) * 8_000

    async def send(paused: list[int]) -> None:
        _, writer = await asyncio.open_connection("b", PORT + 1)
        writer.write(data)
        paused.append(writer.transport.get_write_buffer_size())
        await writer.drain()
        writer.close()

    async def story(world: World) -> tuple[bytes, list[int]]:
        received: asyncio.Future[bytes] = world.loop.create_future()
        paused: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(5)
            received.set_result(await reader.read())
            writer.close()

        server, client = world.process("b", "b"), world.process("a", "a")
        await world.spawn(server, asyncio.start_server(serve, "b", PORT + 1))
        task = world.spawn(client, send(paused))
        got = await received
        await task
        return got, paused

    with World(3) as world:
        got, paused = world.run(story(world), limit_s=100)
        assert world.loop.now > 5
    assert got == data
    assert paused[0] > 1_000_000


def test_nobody_listens() -> None:
    async def story(echo: Echo) -> None:
        await echo.start("a")
        echo.world.network.add_host("b")
        with pytest.raises(ConnectionRefusedError):
            await echo.inside("a", ask("b", "hello"))

    play(story)


def test_a_cut_network_answers_nothing_until_it_heals() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world
        world.network.cut("a", "b")
        start = world.loop.now
        with pytest.raises(TimeoutError):
            await echo.inside("a", ask("b", "lost"))
        assert world.loop.now - start == pytest.approx(5, abs=0.1)
        assert await echo.inside("c", ask("b", "another way")) == "another way"
        world.network.heal("a", "b")
        assert await echo.inside("a", ask("b", "back")) == "back"
        assert echo.heard["b"] == ["another way", "back"]

    play(story)


def test_a_connection_attempt_into_a_void_fails_in_the_end() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        echo.world.network.cut("a", "b")
        with pytest.raises(TimeoutError):
            await echo.inside("a", ask("b", "lost", patience_s=1_000))
        assert 60 < echo.world.loop.now < 200

    play(story)


def test_a_cut_connection_goes_on_when_it_heals_in_time() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world

        async def talk() -> list[str]:
            reader, writer = await asyncio.open_connection("b", PORT)
            answers = [await exchange(reader, writer, "one")]
            world.loop.after(0, world.network.cut, "a", "b")
            world.loop.after(20, world.network.heal, "a", "b")
            await asyncio.sleep(1)
            answers.append(await exchange(reader, writer, "two"))
            writer.close()
            return answers

        assert await echo.inside("a", talk()) == ["one", "two"]
        assert world.loop.now > 20

    play(story)


def test_a_connection_that_stays_cut_is_half_open() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world

        async def talk() -> None:
            reader, writer = await asyncio.open_connection("b", PORT)
            await exchange(reader, writer, "one")
            world.network.cut("a", "b")
            await exchange(reader, writer, "two")

        with pytest.raises(TimeoutError):
            await echo.inside("a", talk())
        assert world.loop.now > 100
        assert echo.ends["b"] == []  # it was never told

    play(story)


def test_a_one_way_cut_loses_answers_only() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world

        async def talk() -> str:
            reader, writer = await asyncio.open_connection("b", PORT)
            await exchange(reader, writer, "one")
            world.network.cut("b", "a", both_ways=False)
            world.loop.after(30, world.network.heal, "b", "a")
            answer = await exchange(reader, writer, "two")
            writer.close()
            return answer

        task = world.spawn(echo.processes["a"], talk())
        await asyncio.sleep(10)
        assert echo.heard["b"] == ["one", "two"]
        assert not task.done()
        assert await task == "two"
        assert world.loop.now > 30

    play(story)


def test_a_partition_separates_groups() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        network = echo.world.network
        network.partition(["a"], ["b", "c"])
        assert await echo.inside("b", ask("c", "same side")) == "same side"
        for one, other in (("a", "b"), ("c", "a")):
            with pytest.raises(TimeoutError):
                await echo.inside(one, ask(other, "lost"))
        network.heal_all()
        assert await echo.inside("a", ask("b", "back")) == "back"

    play(story)


def test_a_killed_process_hangs_up_and_its_port_refuses() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world

        async def talk() -> str:
            reader, writer = await asyncio.open_connection("b", PORT)
            await exchange(reader, writer, "one")
            world.loop.after(1, world.kill, echo.processes["b"])
            line = await reader.readline()
            writer.close()
            return line.decode()

        assert await echo.inside("a", talk()) == ""
        with pytest.raises(ConnectionRefusedError):
            await echo.inside("a", ask("b", "gone"))
        await echo.start("b")
        assert await echo.inside("a", ask("b", "again")) == "again"

    play(story)


def test_a_machine_without_power_says_nothing_and_resets_when_it_is_back() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world

        async def talk() -> None:
            reader, writer = await asyncio.open_connection("b", PORT)
            await exchange(reader, writer, "one")
            world.bury(echo.processes["b"], "power")
            world.network.power_off("b")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20):
                    await exchange(reader, writer, "two")
            world.network.power_on("b")
            with pytest.raises(ConnectionResetError):
                await reader.readline()

        await echo.inside("a", talk())

    play(story)


def test_a_paused_process_is_connected_to_and_answers_later() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world
        world.pause(echo.processes["b"])
        world.loop.after(3, world.resume, echo.processes["b"])
        assert await echo.inside("a", ask("b", "patience")) == "patience"
        assert world.loop.now > 3

    play(story)


def test_a_reset_ends_both_sides() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world

        async def talk() -> None:
            reader, writer = await asyncio.open_connection("b", PORT)
            await exchange(reader, writer, "one")
            world.loop.after(1, world.network.reset_connections, "a", "b")
            with pytest.raises(ConnectionResetError):
                await reader.readline()

        await echo.inside("a", talk())
        await asyncio.sleep(1)
        assert echo.ends["b"] == ["ConnectionResetError"]

    play(story)


def test_a_port_can_be_told_to_refuse() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        network = echo.world.network
        network.refuse("b", PORT)
        with pytest.raises(ConnectionRefusedError):
            await echo.inside("a", ask("b", "no"))
        network.refuse("b", PORT, refuses=False)
        assert await echo.inside("a", ask("b", "yes")) == "yes"

    play(story)


def test_a_slow_link_takes_its_time() -> None:
    async def story(echo: Echo) -> None:
        await echo.start()
        world = echo.world
        world.network.slow("a", "b", LinkQuality(latency_s=1.0, jitter_s=0.0))
        start = world.loop.now
        await echo.inside("a", ask("b", "slow"))
        assert world.loop.now - start == pytest.approx(4, abs=0.2)

    play(story)


async def send_stamped(times: list[tuple[int, float]], world: World) -> None:
    """Numbers on one connection, each followed by when it came."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            times.append((int(line), world.loop.now))
        writer.close()

    await world.spawn(world.process("b", "b"), asyncio.start_server(serve, "b", PORT))

    async def send() -> None:
        _, writer = await asyncio.open_connection("b", PORT)
        for number in range(100):
            writer.write(b"%d\n" % number)
            await asyncio.sleep(0.1)
        writer.close()

    await world.spawn(world.process("a", "a"), send())
    await asyncio.sleep(5)


def test_a_lost_segment_comes_later_and_all_behind_it_waits() -> None:
    times: list[tuple[int, float]] = []
    with World(6, quality=LinkQuality(segment_loss=0.1)) as world:
        world.run(send_stamped(times, world))
        assert world.network.mishaps.segments_lost > 5
    assert [number for number, _ in times] == list(range(100))
    steps = [after - before for (_, before), (_, after) in itertools.pairwise(times)]
    assert max(steps) > 0.2
    assert sum(step < 0.01 for step in steps) > 5  # these had waited, and came at once


def test_a_healed_network_loses_nothing() -> None:
    quality = LinkQuality(loss=0.5, duplication=0.5, reordering=0.5, segment_loss=0.5)
    with World(6, quality=quality) as world:
        world.network.heal_all()
        times: list[tuple[int, float]] = []
        world.run(send_stamped(times, world))
        assert world.network.mishaps == Mishaps()
    assert quality == LinkQuality()


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: list[int] = []

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.received.append(int(data))


def datagrams(quality: LinkQuality, *, cut: bool = False) -> list[int]:
    async def story(world: World) -> list[int]:
        loop = asyncio.get_running_loop()
        world.network.slow("a", "b", quality)
        inbox = Inbox()
        await world.spawn(
            world.process("b", "b"),
            loop.create_datagram_endpoint(lambda: inbox, local_addr=("b", PORT)),
        )

        async def send() -> None:
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=("b", PORT)
            )
            for number in range(200):
                transport.sendto(str(number).encode())
            transport.close()

        if cut:
            world.network.cut("a", "b")
        await world.spawn(world.process("a", "a"), send())
        await asyncio.sleep(5)
        return inbox.received

    with World(5) as world:
        world.network.add_host("a")
        world.network.add_host("b")
        return world.run(story(world))


def test_datagrams_are_lost_doubled_and_overtaken() -> None:
    assert datagrams(LinkQuality(jitter_s=0.0)) == list(range(200))
    lost = datagrams(LinkQuality(loss=0.3, jitter_s=0.0))
    assert 100 < len(lost) < 180
    assert lost == sorted(lost)
    assert len(datagrams(LinkQuality(duplication=0.2))) > 210
    assert len(datagrams(LinkQuality(reordering=1.0, late_s=10.0))) < 150  # the rest comes later
    mixed = datagrams(LinkQuality(reordering=0.5))
    assert mixed != sorted(mixed)
    assert sorted(mixed) == list(range(200))
    assert datagrams(LinkQuality(), cut=True) == []
