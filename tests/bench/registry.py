"""The schema registry of one node: `python -m tests.bench.registry` prints its figures.

Back of an envelope: a record of `_schemas` is 300 bytes, and takes 40 us to be parsed and applied,
so 20,000 of them 0.8 s; a look-up by id is a dictionary's and an HTTP request, 0.2 ms; a version on
top of 200 is one parse and 400 comparisons of records, 1 us a field.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp

from tests.node_process import NodeProcess

SUBJECTS: Final = 5_000
VERSIONS: Final = 4
DEEP: Final = 200
"""Versions of the one subject that is compared transitively, before those that are timed."""
TIMED: Final = 20
FIELDS: Final = 20
RATE: Final = 2_000
"""Look-ups a second."""
LOOKUPS_S: Final = 10.0
CONNECTIONS: Final = 16


class Client:
    """One connection that stays open."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._http = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Returns: status and JSON."""
        data = None if body is None else json.dumps(body)
        self._http.request(method, path, data, {"Content-Type": "application/json"})
        answer = self._http.getresponse()
        return answer.status, json.loads(answer.read())

    def register(self, subject: str, schema: str) -> int:
        status, found = self.ask(
            "POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": schema}
        )
        assert status == 200, found
        return int(found["id"])


def record(name: str, fields: int, *more: str) -> str:
    """An Avro record; all its fields may be missing."""
    names = [*(f"f{at}" for at in range(fields)), *more]
    listed = [{"name": each, "type": ["null", "string"], "default": None} for each in names]
    return json.dumps({"type": "record", "name": name, "fields": listed})


def fill(client: Client, subjects: int) -> int:
    """Register; returns the highest id."""
    highest = 0
    for number in range(subjects):
        for version in range(VERSIONS):
            subject = f"subject-{number}-value"
            highest = max(highest, client.register(subject, record(f"R{number}", version + 1)))
    return highest


def deep(client: Client, subject: str, *, grows: bool) -> list[float]:
    """Seconds of each registration on top of DEEP versions with FULL_TRANSITIVE.

    Args:
        grows: each version has a field more than the last; else FIELDS, and one of its own.
    """
    client.ask("PUT", f"/config/{subject}", {"compatibility": "FULL_TRANSITIVE"})
    taken = []
    for version in range(DEEP + TIMED):
        schema = record("Deep", version + 1) if grows else record("Deep", FIELDS, f"own{version}")
        start = time.perf_counter()
        client.register(subject, schema)
        taken.append(time.perf_counter() - start)
    return taken[DEEP:]


async def lookups(url: str, ids: int, seconds: float) -> tuple[list[float], list[float]]:
    """Seconds of each look-up by id, at RATE a second: from when it was due, and from when it was
    sent. The first has the lateness of this process in it, whose timers count whole milliseconds;
    the second leaves out what waits for a connection."""
    taken: list[float] = []
    asked: list[float] = []
    loop = asyncio.get_running_loop()
    begun = loop.time() + 0.1

    async def worker(session: aiohttp.ClientSession, number: int) -> None:
        for at in range(number, int(RATE * seconds), CONNECTIONS):
            due = begun + at / RATE
            await asyncio.sleep(due - loop.time())
            sent = loop.time()
            async with session.get(f"{url}/schemas/ids/{at * 7919 % ids + 1}") as answer:
                assert answer.status == 200
                await answer.read()
            now = loop.time()
            taken.append(now - due)
            asked.append(now - sent)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        await asyncio.gather(*(worker(session, number) for number in range(CONNECTIONS)))
    return taken, asked


def until_read(url: str) -> float:
    """Seconds until the registry answers from its topic."""
    start = time.perf_counter()
    client = Client(url)
    while client.ask("GET", "/subjects?limit=1")[0] != 200:
        time.sleep(0.01)
    return time.perf_counter() - start


def shown(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return (
        f"p50 {statistics.median(ordered) * 1e3:.2f} ms,"
        f" p99 {ordered[int(len(ordered) * 0.99)] * 1e3:.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of subjects")
    given = parser.parse_args()
    subjects = max(1, int(SUBJECTS * given.scale))
    count = subjects * VERSIONS
    with tempfile.TemporaryDirectory() as folder:
        node = NodeProcess(Path(folder) / "data", "--schema-registry-port", "0")
        with node:
            empty_mib = node.resident_mib()
            client = Client(node.facts["schema_registry"])
            cpu_s, start = node.cpu_s(), time.perf_counter()
            ids = fill(client, subjects)
            rate = count / (time.perf_counter() - start)
            each_ms = (node.cpu_s() - cpu_s) / count * 1e3
            print(f"registered {count:,} schemas: {rate:,.0f}/s, {each_ms:.2f} CPU-ms each")
            for grows, shape in ((False, f"{FIELDS} fields"), (True, "a field more each")):
                taken = deep(client, f"deep-{grows}", grows=grows)
                print(f"on top of {DEEP} versions, FULL_TRANSITIVE, {shape}: {shown(taken)}")
        with node:
            ready_ms = node.facts["ready_ms"]
            read_s = until_read(node.facts["schema_registry"])
            print(f"restart: ready after {ready_ms} ms, all schemas read {read_s:.2f} s later")
            cpu_s = node.cpu_s()
            taken, asked = asyncio.run(lookups(node.facts["schema_registry"], ids, LOOKUPS_S))
            each_ms = (node.cpu_s() - cpu_s) / len(taken) * 1e3
            print(f"look-ups by id at {RATE:,}/s: {shown(taken)}, {each_ms:.2f} CPU-ms each")
            print(f"the same from when each was sent: {shown(asked)}")
            print(
                f"memory: {empty_mib:.0f} MiB empty, {node.resident_mib():.0f} MiB with all of it"
            )


if __name__ == "__main__":
    main()
