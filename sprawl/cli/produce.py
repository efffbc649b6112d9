"""`sprawl produce`: writes records from the command line or from standard input."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence

import click

from sprawl.cli.common import bootstrap_option, json_option, print_json, with_cluster
from sprawl.client.cluster import Cluster
from sprawl.client.producing import COMPRESSIONS, NewRecord, Producer, Written
from sprawl.core.clock import SystemClock
from sprawl.faults import EXIT_USAGE, CommandFault

CHUNK_BYTES = 262_144
"""Read from standard input at most this much at a time; the lines of a chunk are one batch for
each partition, so a pipe is written in large batches and a keyboard line by line."""
ACKS = {"0": 0, "1": 1, "all": -1}
STANDARD_INPUT = 0


@click.command(name="produce")
@click.argument("topic")
@click.argument("values", nargs=-1, metavar="[VALUE]...")
@click.option("-k", "--key", help="Key of every record.")
@click.option("-K", "--key-separator", metavar="TEXT", help="Splits each record into key, value.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header.")
@click.option("-p", "--partition", type=click.IntRange(0), help="Default: by key, as Java does.")
@click.option("--acks", type=click.Choice(list(ACKS)), default="all", show_default=True)
@click.option(
    "-z", "--compression", type=click.Choice(list(COMPRESSIONS)), default="none", show_default=True
)
@click.option("--null", "empty_is_null", is_flag=True, help="An empty value is a tombstone.")
@bootstrap_option
@json_option
def command(
    *,
    topic: str,
    values: tuple[str, ...],
    key: str | None,
    key_separator: str | None,
    headers: tuple[str, ...],
    partition: int | None,
    acks: str,
    compression: str,
    empty_is_null: bool,
    bootstrap: str | None,
    as_json: bool,
) -> None:
    """Write each VALUE as a record of TOPIC; without one, each line of standard input.

    \b
    sprawl produce hello "first message"
    sprawl produce -K : users alice:1 bob:2
    cat access.log | sprawl produce -z zstd log
    """
    if key is not None and key_separator is not None:
        raise CommandFault(
            "--key and --key-separator exclude each other",
            next_step="sprawl produce --help",
            exit_code=EXIT_USAGE,
        )
    separator = key_separator.encode() if key_separator else None
    shape = _Shape(
        key=None if key is None else key.encode(),
        separator=separator,
        headers=[_header(text) for text in headers],
        empty_is_null=empty_is_null,
    )

    async def work(cluster: Cluster) -> list[Written]:
        view = await cluster.topic(topic, create=True)
        producer = Producer(
            cluster, view, acks=ACKS[acks], compression=compression, partition=partition
        )
        written: list[Written] = []
        if values:
            written += await producer.send(shape.records([v.encode() for v in values]))
            return written
        if sys.stdin.isatty():
            click.echo("One record a line; Ctrl-D ends.", err=True)
        async for lines in _chunks_of_lines():
            for entry in await producer.send(shape.records(lines)):
                written.append(entry)
                if as_json:
                    print_json_line(topic, entry)
        return written

    written = with_cluster(bootstrap, work)
    if as_json:
        if values:
            for entry in written:
                print_json_line(topic, entry)
        return
    count = sum(entry.record_count for entry in written)
    places = sorted({entry.partition for entry in written})
    click.echo(
        f"{count} record{'s' if count != 1 else ''} written to {topic}"
        f" (partition{'s' if len(places) != 1 else ''} {', '.join(map(str, places)) or '-'})",
        err=True,
    )


def print_json_line(topic: str, entry: Written) -> None:
    """One batch as one line."""
    print_json(
        {
            "topic": topic,
            "partition": entry.partition,
            "base_offset": entry.base_offset,
            "record_count": entry.record_count,
        },
        one_line=True,
    )


class _Shape:
    """How a line becomes a record."""

    def __init__(
        self,
        *,
        key: bytes | None,
        separator: bytes | None,
        headers: list[tuple[str, bytes | None]],
        empty_is_null: bool,
    ) -> None:
        self._key = key
        self._separator = separator
        self._headers = headers
        self._empty_is_null = empty_is_null
        self._clock = SystemClock()

    def records(self, lines: Sequence[bytes]) -> list[NewRecord]:
        """Raises: CommandFault when a line lacks the key separator."""
        now_ms = self._clock.now_ms()
        return [self._record(line, now_ms) for line in lines]

    def _record(self, line: bytes, now_ms: int) -> NewRecord:
        key, value = self._key, line
        if self._separator is not None:
            before, found, value = line.partition(self._separator)
            if not found:
                raise CommandFault(
                    f"the record {line.decode(errors='replace')!r} has no key separator",
                    next_step="KEY:VALUE with --key-separator :",
                    exit_code=EXIT_USAGE,
                )
            key = before
        return NewRecord(
            timestamp_ms=now_ms,
            key=key,
            value=None if self._empty_is_null and not value else value,
            headers=self._headers,
        )


def _header(text: str) -> tuple[str, bytes | None]:
    name, separator, value = text.partition("=")
    return name, value.encode() if separator else None


async def _chunks_of_lines() -> AsyncIterator[list[bytes]]:
    """The lines of standard input as they come. A daemon thread reads, because an interrupted
    command must not wait for the next line; it reads the descriptor itself, because a thread
    inside Python's buffered reader cannot be left behind at exit."""
    loop = asyncio.get_running_loop()
    rest = b""
    while True:
        future: asyncio.Future[bytes] = loop.create_future()
        threading.Thread(target=_read_into, args=(loop, future), daemon=True).start()
        chunk = await future
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield [line.removesuffix(b"\r") for line in lines]
    if rest:
        yield [rest]


def _read_into(loop: asyncio.AbstractEventLoop, future: asyncio.Future[bytes]) -> None:
    try:
        chunk = os.read(STANDARD_INPUT, CHUNK_BYTES)
    except OSError:
        chunk = b""
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, future, chunk)


def _settle(future: asyncio.Future[bytes], chunk: bytes) -> None:
    if not future.done():
        future.set_result(chunk)
