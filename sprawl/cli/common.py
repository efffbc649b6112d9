"""What the verbs share: settings, the bootstrap option, tables and JSON."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from sprawl.config import Settings, broker_keys, read_file, resolve
from sprawl.faults import EXIT_USAGE, CommandFault

if TYPE_CHECKING:
    from sprawl.client.cluster import Cluster

FILE_NAME = "sprawl.toml"
Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., object])


def load_settings(flags: Mapping[str, str], file: str | None = None) -> Settings:
    """Resolves the settings of this process.

    Args:
        file: path of the settings file; ./sprawl.toml is read when it exists and this is None.

    Raises:
        SettingFault: as `sprawl.config.resolve` and `read_file`.
    """
    named = file or os.environ.get("SPRAWL_CONFIG")
    path = Path(named or FILE_NAME)
    table = read_file(path) if named or path.exists() else {}
    return resolve(
        flags=flags,
        environment=os.environ,
        file=table,
        file_name=str(path),
        broker_keys=broker_keys(),
    )


def bootstrap_option(command: Command) -> Command:
    """Adds `--bootstrap`; the parameter is None unless given."""
    return click.option(
        "-b",
        "--bootstrap",
        metavar="HOST:PORT",
        help="Brokers to connect to first. Default: SPRAWL_BOOTSTRAP, sprawl.toml, localhost:9092.",
    )(command)


def json_option(command: Command) -> Command:
    """Adds `--json` as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def bootstrap_of(option: str | None) -> str:
    """The address that a client command connects to."""
    flags = {} if option is None else {"bootstrap": option}
    return load_settings(flags).required("bootstrap")


def with_cluster(bootstrap: str | None, work: Callable[[Cluster], Awaitable[Result]]) -> Result:
    """Connects, runs `work` and disconnects.

    Raises:
        CommandFault: from the connection or from `work`.
    """
    from sprawl.client.cluster import Cluster

    async def connected() -> Result:
        async with Cluster(bootstrap_of(bootstrap)) as cluster:
            return await work(cluster)

    return asyncio.run(connected())


def print_json(value: object, *, one_line: bool = False) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if one_line else 2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints `table_of` the same."""
    click.echo(table_of(columns, rows))


def table_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Left-aligned text, numbers to the right; columns as wide as they need to be."""
    table = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [
        max(len(column), *(len(row[at]) for row in table)) if table else len(column)
        for at, column in enumerate(columns)
    ]
    numeric = [
        any(row[at] != "-" for row in table)
        and all(row[at].lstrip("-").isdigit() or row[at] == "-" for row in table)
        for at in range(len(columns))
    ]
    lines = []
    for row in ([column.upper() for column in columns], *table):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def parse_assignments(pairs: Iterable[str]) -> dict[str, str]:
    """Splits `name=value` arguments.

    Raises:
        CommandFault: one has no `=` (exit code 2).
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise CommandFault(
                f"{pair!r} is not NAME=VALUE",
                next_step="--set retention.ms=3600000",
                exit_code=EXIT_USAGE,
            )
        values[name.strip()] = value.strip()
    return values


def parse_time(text: str) -> int:
    """Milliseconds since the epoch, from that number itself or from an ISO 8601 date or time;
    without an offset it is local time.

    Raises:
        CommandFault: neither (exit code 2).
    """
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError as error:
        raise CommandFault(
            f"{text!r} is no time",
            next_step="2026-01-31, 2026-01-31T10:00, 2026-01-31T10:00:00Z or milliseconds",
            exit_code=EXIT_USAGE,
        ) from error


def show_time(timestamp_ms: int) -> str:
    """ISO 8601 in UTC; `-` for a record without a timestamp."""
    if timestamp_ms < 0:
        return "-"
    moment = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
