"""Basic authentication and TLS."""

from __future__ import annotations

import asyncio
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from rest_certificates import Certificates
from rest_world import MemoryService, Reply, rest_world

from sprawl.schema_registry.rest import auth, hash_password, limits, parse_users
from sprawl.schema_registry.service import NotTheLeader


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


ALICE = {"Authorization": basic("alice", "pass:wörd")}


@pytest.fixture(scope="module", autouse=True)
def _quick_hashes() -> Iterator[None]:
    """A hash of the real cost would take most of the time of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "_LN", 4)
        yield


@pytest.fixture
def users() -> auth.Users:
    return parse_users(f"# who may\n\nalice:{hash_password('pass:wörd')}\n")


async def test_only_users_are_let_in(users: auth.Users) -> None:
    async with rest_world(auth=users) as world:
        for given in (
            {},
            *({"Authorization": basic(*pair)} for pair in (("alice", "no"), ("bob", "pass"))),
        ):
            reply = await world.ask("GET", "/subjects", headers=given)
            assert reply.fault == (401, 401, "Unauthorized")
            assert reply.headers["WWW-Authenticate"].startswith('Basic realm="schema-registry"')
        for _ in range(2):
            assert (await world.ask("GET", "/subjects", headers=ALICE)).status == 200
        assert (await world.ask("GET", "/nowhere")).status == 401, "strangers learn no paths"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer abc",
        "Basic",
        "Basic ?",
        "Basic " + b64encode(b"alice").decode(),
        "Basic /w==",
        "Basic ü",
    ],
)
async def test_headers_that_are_no_credentials(users: auth.Users, header: str) -> None:
    assert not await users.admits(header)


async def test_a_right_password_is_hashed_once(
    users: auth.Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = ALICE["Authorization"]
    assert await users.admits(header)
    monkeypatch.setattr(auth.PasswordHash, "fits", lambda *_: pytest.fail("hashed again"))
    assert await users.admits(header)


async def test_a_wrong_password_is_hashed_once_too(
    users: auth.Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not await users.admits(basic("alice", "wrong"))
    monkeypatch.setattr(auth.PasswordHash, "fits", lambda *_: pytest.fail("hashed again"))
    assert not await users.admits(basic("alice", "wrong"))


async def test_many_first_requests_of_a_client_are_hashed_no_more_often_than_at_once(
    users: auth.Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    fits = auth.PasswordHash.fits

    def counted(known: auth.PasswordHash, password: str) -> bool:
        hashed.append(password)
        return fits(known, password)

    monkeypatch.setattr(auth.PasswordHash, "fits", counted)
    asked = (users.admits(ALICE["Authorization"]) for _ in range(20))
    assert all(await asyncio.gather(*asked))
    assert len(hashed) <= limits.PASSWORD_CHECKS_MAX


async def test_wrong_passwords_hold_no_more_places_than_the_limit_and_no_known_client_up(
    users: auth.Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PASSWORD_CHECKS_WAITING_MAX", 3)
    assert await users.admits(ALICE["Authorization"])
    begun, may_end = threading.Semaphore(0), threading.Event()

    def slow(*_: object) -> bool:
        begun.release()
        return not may_end.wait(60)

    monkeypatch.setattr(auth.PasswordHash, "fits", slow)
    async with rest_world(auth=users) as world:

        async def guess(number: int) -> Reply:
            given = {"Authorization": basic("alice", str(number))}
            return await world.ask("GET", "/subjects", headers=given)

        guesses = [asyncio.ensure_future(guess(number)) for number in range(20)]
        for _ in range(limits.PASSWORD_CHECKS_MAX):
            await asyncio.to_thread(begun.acquire)
        refused: set[asyncio.Task[Reply]] = set()
        while len(refused) < 20 - limits.PASSWORD_CHECKS_MAX - 3:
            refused, _ = await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        for each in refused:
            assert each.result().status == 503
            assert each.result().headers["Retry-After"] == "1"
        assert (await world.ask("GET", "/subjects", headers=ALICE)).status == 200
        may_end.set()
        statuses = [reply.status for reply in await asyncio.gather(*guesses)]
        assert statuses.count(401) == limits.PASSWORD_CHECKS_MAX + 3


async def test_a_check_that_waits_too_long_is_refused(
    users: auth.Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PASSWORD_WAIT_S", 0.01)
    may_end = threading.Event()
    monkeypatch.setattr(auth.PasswordHash, "fits", lambda *_: not may_end.wait(60))
    checks = [
        asyncio.ensure_future(users.admits(basic("alice", str(number))))
        for number in range(limits.PASSWORD_CHECKS_MAX)
    ]
    await asyncio.sleep(0)
    with pytest.raises(auth.TooManyChecks):
        await users.admits(basic("alice", "late"))
    may_end.set()
    assert not any(await asyncio.gather(*checks))


async def test_the_password_that_was_used_last_is_forgotten_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PASSWORDS_KEPT_MAX", 2)
    users = parse_users("\n".join(f"{name}:{hash_password(name)}" for name in "abc"))
    for name in "abac":
        assert await users.admits(basic(name, name))
    monkeypatch.setattr(auth.PasswordHash, "fits", lambda *_: pytest.fail("hashed again"))
    assert await users.admits(basic("a", "a"))


async def test_remembered_passwords_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PASSWORDS_KEPT_MAX", 1)
    users = parse_users("\n".join(f"{name}:{hash_password(name)}" for name in "abc"))
    for name in "abca":
        assert await users.admits(basic(name, name))
        assert not await users.admits(basic(name, "x"))


def test_a_hash_is_never_the_same() -> None:
    assert hash_password("a") != hash_password("a")
    assert hash_password("a").startswith("$scrypt$ln=4,r=8,p=1$")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("alice", "line 2: not \\$scrypt"),
        ("alice:secret", "line 2: not \\$scrypt"),
        (":$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "line 2: a name"),
        ("a:$scrypt$ln=40,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "line 2: parameters"),
        ("a:$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ1a$aGFzaGhhc2hoYXNoaGFzaA", "line 2: salt"),
        ("root:{again}", "line 2: a name"),
    ],
)
def test_lines_that_are_none(line: str, told: str) -> None:
    known = hash_password("a")
    with pytest.raises(auth.UserFileFault, match=told):
        parse_users(f"root:{known}\n{line.replace('{again}', known)}\n")


def test_too_many_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USERS_MAX", 1)
    line = hash_password("a")
    with pytest.raises(auth.UserFileFault, match="more than 1 users"):
        parse_users(f"a:{line}\nb:{line}")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("has_tls", [False, True])
def test_no_more_connections_than_the_limit_and_handshakes_count(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    has_tls: bool,
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 2)
    certificates = Certificates(tmp_path)
    context = certificates.server_context() if has_tls else None

    async def try_it() -> None:
        async with rest_world(ssl_context=context) as world:
            place = ("127.0.0.1", int(world.url.rpartition(":")[2]))

            async def counted(count: int) -> None:
                while world.server.connections_count != count:
                    await asyncio.sleep(0)

            silent = [await asyncio.open_connection(*place) for _ in range(2)]
            await counted(2)
            reader, writer = await asyncio.open_connection(*place)
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
            silent[0][1].write(b"neither HTTP nor TLS\r\n\r\n")
            await counted(1)
            trusting = certificates.client_context() if has_tls else None
            reader, writer = await asyncio.open_connection(*place, ssl=trusting)
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b" 200 " in await reader.readline()
                await reader.readuntil(b"{}")
            assert world.server.connections_count == 2
            writer.close()
            silent[1][1].close()
            await counted(0)
            silent[0][1].close()

    run(try_it())
    assert not caplog.records


async def test_a_handshake_that_is_under_way_does_not_hold_a_stop_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STOP_S", 30.0)
    async with asyncio.timeout(20):
        async with rest_world(ssl_context=Certificates(tmp_path).server_context()) as world:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", int(world.url.rpartition(":")[2])
            )
            while not world.server.connections_count:
                await asyncio.sleep(0)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_tls_and_a_follower_that_forwards_over_it(tmp_path: Path, users: auth.Users) -> None:
    certificates = Certificates(tmp_path)
    trusting = certificates.client_context()
    async with rest_world(ssl_context=certificates.server_context(), auth=users) as leader:
        async with leader.session.get(
            f"{leader.url}/subjects", ssl=trusting, headers=ALICE
        ) as response:
            assert await response.json(content_type=None) == []
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await leader.ask("GET", "/subjects")

        service = MemoryService()
        service.failure = NotTheLeader(leader.url)
        async with rest_world(service, leader_ssl_context=trusting, auth=users) as follower:
            body = {"schema": '"int"'}
            reply = await follower.ask("POST", "/subjects/s/versions", body, headers=ALICE)
            assert reply.json["id"] == 1
        async with rest_world(service, leader_ssl_context=ssl.create_default_context()) as wary:
            reply = await wary.ask("POST", "/subjects/s/versions", body, headers=ALICE)
            assert reply.code == 50003
