"""Where datagrams for a node go: a name is looked up once, and again when there is a reason."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.cluster.places import Places
from sprawl.core.ids import BrokerId
from sprawl.core.limits import GOSSIP_LOOKUPS_MAX

NODE = BrokerId(7)


class Names:
    """A resolver that counts, and answers when it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int | None, **_: object) -> list[object]:
        self.asked.append(host)
        await self.may_answer.wait()
        if host not in self.known:
            raise socket.gaierror(-2, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 2, 17, "", (each, 0))
            for each in self.known[host]
        ]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.fixture
def book() -> dict[BrokerId, PeerAddress]:
    return {NODE: PeerAddress("seven", 9093)}


@pytest.fixture
async def places(book: dict[BrokerId, PeerAddress]) -> Places:
    return Places(book.get, has_ipv4=True, has_ipv6=False)


async def test_a_name_is_looked_up_once(names: Names, places: Places) -> None:
    names.known["seven"] = ["::1", "10.0.0.7"]
    assert places.of(NODE) is None
    assert places.of(NODE) is None
    await settle()
    assert places.of(NODE) == ("10.0.0.7", 9093)
    assert names.asked == ["seven"]


async def test_an_address_is_not_looked_up(
    names: Names, places: Places, book: dict[BrokerId, PeerAddress]
) -> None:
    book[NODE] = PeerAddress("10.1.2.3", 1)
    assert places.of(NODE) == ("10.1.2.3", 1)
    assert places.of(BrokerId(8)) is None
    assert names.asked == []


async def test_the_former_place_serves_until_a_new_one_is_found(
    names: Names, places: Places
) -> None:
    names.known["seven"] = ["10.0.0.7"]
    places.of(NODE)
    await settle()
    names.known["seven"] = ["10.0.0.8"]
    names.may_answer.clear()
    places.look_again(NODE)
    await settle()
    assert places.of(NODE) == ("10.0.0.7", 9093)
    names.may_answer.set()
    await settle()
    assert places.of(NODE) == ("10.0.0.8", 9093)


async def test_what_is_not_found_is_said_once_and_not_asked_for_again_at_once(
    names: Names, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert places.of(NODE) is None
        await settle()
    assert names.asked == ["seven"]
    assert caplog.text.count("the address of seven is not found") == 1


async def test_few_names_are_looked_up_at_once(
    names: Names, places: Places, book: dict[BrokerId, PeerAddress]
) -> None:
    names.may_answer.clear()
    for number in range(2 * GOSSIP_LOOKUPS_MAX):
        book[BrokerId(number)] = PeerAddress(f"n{number}", 9093)
        assert places.of(BrokerId(number)) is None
    await settle()
    assert len(names.asked) == GOSSIP_LOOKUPS_MAX
    await places.close()
