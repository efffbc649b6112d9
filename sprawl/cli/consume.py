"""`sprawl consume`: prints the records of a topic."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import click

from sprawl.cli.common import (
    bootstrap_option,
    parse_time,
    show_time,
    with_cluster,
)
from sprawl.client.cluster import Cluster, TopicView
from sprawl.client.fetching import EARLIEST, LATEST, Fetched, Reader, list_offsets
from sprawl.client.membership import Member
from sprawl.core.records.record import Record
from sprawl.faults import EXIT_USAGE, CommandFault

FORMAT_HELP = (
    "Text for each record: %t topic, %p partition, %o offset, %k key, %s value, %T timestamp in"
    " ms, %D date, %h headers, %K and %S lengths of key and value, %% a percent sign, \\n \\t."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where to begin: one of an offset, a time or an end of the log.

    Args:
        offset: a negative one counts back from the end.
    """

    offset: int | None = None
    timestamp_ms: int = LATEST


@click.command(name="consume")
@click.argument("topic")
@click.option("--from-beginning", is_flag=True, help="Start at the oldest record.")
@click.option(
    "-o", "--offset", metavar="OFFSET", help="Start there: earliest, latest, N, or -N for the last."
)
@click.option("--at", "at_time", metavar="TIME", help="Start at the first record of that time.")
@click.option("-p", "--partition", "partitions", type=click.IntRange(0), multiple=True)
@click.option("-n", "--count", type=click.IntRange(1), help="Stop after so many records.")
@click.option("-e", "--exit-at-end", is_flag=True, help="Stop at the end, as of the start.")
@click.option("-g", "--group", help="Read as a member of a consumer group and commit.")
@click.option("-f", "--format", "form", default="%s\\n", help=FORMAT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@bootstrap_option
def command(
    *,
    topic: str,
    from_beginning: bool,
    offset: str | None,
    at_time: str | None,
    partitions: tuple[int, ...],
    count: int | None,
    exit_at_end: bool,
    group: str | None,
    form: str,
    as_json: bool,
    bootstrap: str | None,
) -> None:
    """Print records of TOPIC, new ones unless told where to start.

    \b
    sprawl consume hello --from-beginning
    sprawl consume hello --at 2026-01-31T10:00 -e --json
    sprawl consume hello -o -5 -f '%p %o %k %s\\n'
    """
    start = _parse_start(from_beginning=from_beginning, offset=offset, at_time=at_time)
    if group and partitions:
        raise CommandFault(
            "--group assigns the partitions, so --partition has no place beside it",
            next_step="sprawl consume --help",
            exit_code=EXIT_USAGE,
        )
    printer = _Printer(topic, count, json_line if as_json else formatter(form))

    async def work(cluster: Cluster) -> None:
        view = await cluster.topic(topic)
        if start == _Start() and not exit_at_end and group is None and sys.stderr.isatty():
            click.echo(
                f"Waiting for new records of {topic}; --from-beginning shows the older ones.",
                err=True,
            )
        if group:
            await _read_as_member(
                cluster, view, group, start=start, exit_at_end=exit_at_end, printer=printer
            )
        else:
            await _read(
                cluster,
                view,
                _chosen(view, partitions),
                start=start,
                exit_at_end=exit_at_end,
                printer=printer,
            )

    with_cluster(bootstrap, work)


class _Printer:
    """Writes records to standard output until there are enough."""

    def __init__(
        self, topic: str, count: int | None, show: Callable[[str, Fetched], bytes]
    ) -> None:
        self._topic = topic
        self._left = count
        self._show = show

    @property
    def enough(self) -> bool:
        return self._left == 0

    def write(self, records: Sequence[Fetched]) -> dict[int, int]:
        """Returns: the next offset of each partition after what was printed."""
        taken = records if self._left is None else records[: self._left]
        if self._left is not None:
            self._left -= len(taken)
        sys.stdout.buffer.write(b"".join(self._show(self._topic, entry) for entry in taken))
        sys.stdout.buffer.flush()
        return {entry.partition: entry.record.offset + 1 for entry in taken}


async def _read(
    cluster: Cluster,
    view: TopicView,
    partitions: Sequence[int],
    *,
    start: _Start,
    exit_at_end: bool,
    printer: _Printer,
) -> None:
    positions = await _positions(cluster, view, partitions, start)
    ends = await _ends(cluster, view, partitions) if exit_at_end else None
    reader = Reader(cluster, view, positions)
    while not printer.enough and not _finished(reader.positions, ends):
        printer.write(await reader.poll(wanted=ends))


async def _read_as_member(
    cluster: Cluster,
    view: TopicView,
    group: str,
    *,
    start: _Start,
    exit_at_end: bool,
    printer: _Printer,
) -> None:
    member = Member(cluster, group, view)
    finished = False
    try:
        while not finished:
            partitions = await member.join()
            committed = await member.committed(partitions)
            fresh = [partition for partition in partitions if partition not in committed]
            positions = committed | await _positions(cluster, view, fresh, start)
            ends = await _ends(cluster, view, partitions) if exit_at_end else None
            reader = Reader(cluster, view, positions)
            while not member.rebalance.is_set():
                finished = printer.enough or _finished(reader.positions, ends)
                if finished:
                    break
                if not partitions:
                    await member.rebalance.wait()
                    break
                await member.commit(printer.write(await reader.poll(wanted=ends)))
    finally:
        await member.leave()


def _finished(positions: Mapping[int, int], ends: Mapping[int, int] | None) -> bool:
    return ends is not None and all(positions[p] >= ends[p] for p in ends)


def _chosen(view: TopicView, partitions: Sequence[int]) -> list[int]:
    known = [entry.partition for entry in view.partitions]
    for partition in partitions:
        if partition not in known:
            raise CommandFault(
                f"topic {view.name} has no partition {partition}",
                next_step=f"sprawl topic describe {view.name}",
            )
    return list(partitions) or known


async def _ends(cluster: Cluster, view: TopicView, partitions: Sequence[int]) -> dict[int, int]:
    found = await list_offsets(cluster, view, dict.fromkeys(partitions, LATEST))
    return {partition: entry.offset for partition, entry in found.items()}


async def _positions(
    cluster: Cluster, view: TopicView, partitions: Sequence[int], start: _Start
) -> dict[int, int]:
    if start.offset is not None and start.offset >= 0:
        return dict.fromkeys(partitions, start.offset)
    if start.offset is not None:
        starts = await list_offsets(cluster, view, dict.fromkeys(partitions, EARLIEST))
        ends = await _ends(cluster, view, partitions)
        return {p: max(starts[p].offset, ends[p] + start.offset) for p in partitions}
    found = await list_offsets(cluster, view, dict.fromkeys(partitions, start.timestamp_ms))
    if any(entry.offset < 0 for entry in found.values()):
        # No record is that recent: the next one to be written is the first to show.
        ends = await _ends(cluster, view, partitions)
        return {p: found[p].offset if found[p].offset >= 0 else ends[p] for p in partitions}
    return {partition: entry.offset for partition, entry in found.items()}


def _parse_start(*, from_beginning: bool, offset: str | None, at_time: str | None) -> _Start:
    if sum((from_beginning, offset is not None, at_time is not None)) > 1:
        raise CommandFault(
            "--from-beginning, --offset and --at exclude each other",
            next_step="sprawl consume --help",
            exit_code=EXIT_USAGE,
        )
    if from_beginning or offset == "earliest":
        return _Start(timestamp_ms=EARLIEST)
    if at_time is not None:
        return _Start(timestamp_ms=parse_time(at_time))
    if offset is None or offset == "latest":
        return _Start()
    try:
        return _Start(offset=int(offset))
    except ValueError as error:
        raise CommandFault(
            f"{offset!r} is no offset",
            next_step="--offset earliest, latest, 42 or -5",
            exit_code=EXIT_USAGE,
        ) from error


def json_line(topic: str, entry: Fetched) -> bytes:
    """A record as one JSON object; bytes that are not UTF-8 come as `key_base64`."""
    record = entry.record
    line: dict[str, object] = {
        "topic": topic,
        "partition": entry.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "time": show_time(record.timestamp_ms),
    }
    line.update(_named("key", record.key))
    line.update(_named("value", record.value))
    line["headers"] = [{"name": name, **_named("value", data)} for name, data in record.headers]
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _named(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


_ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}


def formatter(form: str) -> Callable[[str, Fetched], bytes]:
    """Compiles a `-f` format.

    Raises:
        CommandFault: an unknown %-letter (exit code 2).
    """
    pieces: list[bytes | str] = []
    at = 0
    while at < len(form):
        pair = form[at : at + 2]
        if pair[0] == "%" and len(pair) == 2 and (pair[1] in _FIELDS or pair[1] == "%"):
            pieces.append(b"%" if pair[1] == "%" else pair[1])
            at += 2
        elif pair[0] == "%":
            raise CommandFault(
                f"{pair!r} in the format is unknown",
                next_step="sprawl consume --help",
                exit_code=EXIT_USAGE,
            )
        elif pair[0] == "\\" and pair[1:] in _ESCAPES:
            pieces.append(_ESCAPES[pair[1]])
            at += 2
        else:
            pieces.append(pair[0].encode())
            at += 1

    def show(topic: str, entry: Fetched) -> bytes:
        return b"".join(
            piece
            if isinstance(piece, bytes)
            else _FIELDS[piece](topic, entry.partition, entry.record)
            for piece in pieces
        )

    return show


def _length(data: bytes | None) -> bytes:
    """-1 for null, as kcat prints it."""
    return b"-1" if data is None else str(len(data)).encode()


def _headers(record: Record) -> bytes:
    return b",".join(
        name.encode() + b"=" + (b"NULL" if value is None else value)
        for name, value in record.headers
    )


_FIELDS: Mapping[str, Callable[[str, int, Record], bytes]] = {
    "t": lambda topic, partition, record: topic.encode(),
    "p": lambda topic, partition, record: str(partition).encode(),
    "o": lambda topic, partition, record: str(record.offset).encode(),
    "k": lambda topic, partition, record: record.key or b"",
    "s": lambda topic, partition, record: record.value or b"",
    "K": lambda topic, partition, record: _length(record.key),
    "S": lambda topic, partition, record: _length(record.value),
    "T": lambda topic, partition, record: str(record.timestamp_ms).encode(),
    "D": lambda topic, partition, record: show_time(record.timestamp_ms).encode(),
    "h": lambda topic, partition, record: _headers(record),
}
