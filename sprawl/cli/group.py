"""`sprawl group`: list, describe with lag, delete, move and forget offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from sprawl.cli.common import (
    bootstrap_option,
    json_option,
    parse_time,
    print_json,
    print_table,
    with_cluster,
)
from sprawl.client.cluster import Cluster
from sprawl.client.faults import Refused
from sprawl.client.fetching import EARLIEST, LATEST, list_offsets
from sprawl.client.groups import (
    GroupListing,
    GroupView,
    TopicPartitionKey,
    commit_offsets,
    committed_offsets,
    delete_group,
    delete_offsets,
    describe_group,
    list_groups,
)
from sprawl.core.errors import ErrorCode
from sprawl.faults import EXIT_USAGE, CommandFault


@click.group(name="group")
def command() -> None:
    """Consumer groups: lag, members, offsets."""


@command.command(name="list")
@bootstrap_option
@json_option
def list_all(*, bootstrap: str | None, as_json: bool) -> None:
    """List groups and their states."""
    groups: list[GroupListing] = with_cluster(bootstrap, list_groups)
    if as_json:
        print_json(
            [
                {
                    "group": entry.group,
                    "state": entry.state,
                    "type": entry.group_type,
                    "protocol_type": entry.protocol_type,
                }
                for entry in groups
            ]
        )
        return
    print_table(
        ["group", "state", "type"],
        [(entry.group, entry.state, entry.group_type) for entry in groups],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lag:
    """A partition of a group: what it has committed against where the log ends."""

    topic: str
    partition: int
    committed: int | None
    start: int | None
    end: int | None
    member_id: str | None
    client_id: str | None
    host: str | None

    @property
    def lag(self) -> int | None:
        """Records the group has still to read; None when it has committed nothing or the topic
        is gone."""
        if self.committed is None or self.end is None or self.start is None:
            return None
        return max(0, self.end - max(self.committed, self.start))


@command.command()
@click.argument("groups", nargs=-1, required=True, metavar="GROUP...")
@bootstrap_option
@json_option
def describe(*, groups: tuple[str, ...], bootstrap: str | None, as_json: bool) -> None:
    """Show members, committed offsets and lag."""

    async def work(cluster: Cluster) -> list[tuple[GroupView, list[_Lag]]]:
        return [await _with_lag(cluster, group) for group in groups]

    found = with_cluster(bootstrap, work)
    if as_json:
        print_json([_as_json(view, lags) for view, lags in found])
        return
    for view, lags in found:
        lag = sum(entry.lag or 0 for entry in lags)
        click.echo(
            f"{view.group}  {view.state}  members {len(view.members)}  lag {lag}"
            f"  assignor {view.assignor or '-'}  coordinator {view.coordinator}"
        )
        print_table(
            ["topic", "partition", "committed", "end", "lag", "client", "host", "member"],
            [
                (
                    entry.topic,
                    entry.partition,
                    entry.committed,
                    entry.end,
                    entry.lag,
                    entry.client_id,
                    entry.host,
                    entry.member_id,
                )
                for entry in lags
            ],
        )


@command.command()
@click.argument("groups", nargs=-1, required=True, metavar="GROUP...")
@bootstrap_option
def delete(*, groups: tuple[str, ...], bootstrap: str | None) -> None:
    """Delete groups that have no members, with their offsets."""

    async def work(cluster: Cluster) -> None:
        for group in groups:
            await delete_group(cluster, group)

    with_cluster(bootstrap, work)
    click.echo(f"Deleted {', '.join(groups)}.")


@command.command(name="reset-offsets")
@click.argument("group")
@click.option(
    "-t",
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC[:P,P]",
    help="Default: every topic the group has committed.",
)
@click.option("--to", "target", metavar="WHERE", help="earliest, latest, N, or +N and -N to shift.")
@click.option("--to-time", metavar="TIME", help="The first record at or after that time.")
@click.option("--execute", is_flag=True, help="Do it; without this, only show.")
@click.option("--dry-run", is_flag=True, help="Only show (the default).")
@bootstrap_option
@json_option
def reset_offsets(
    *,
    group: str,
    topics: tuple[str, ...],
    target: str | None,
    to_time: str | None,
    execute: bool,
    dry_run: bool,
    bootstrap: str | None,
    as_json: bool,
) -> None:
    """Move the committed offsets of GROUP; it must have no members.

    \b
    sprawl group reset-offsets g --to earliest
    sprawl group reset-offsets g -t orders:0,1 --to -100 --execute
    sprawl group reset-offsets g --to-time 2026-01-31T10:00 --execute
    """
    if (target is None) == (to_time is None) or (execute and dry_run):
        raise CommandFault(
            "say where to with one of --to and --to-time, and at most one of --dry-run and"
            " --execute",
            next_step="sprawl group reset-offsets --help",
            exit_code=EXIT_USAGE,
        )
    where = _parse_target(target, to_time)

    async def work(cluster: Cluster) -> list[tuple[TopicPartitionKey, int | None, int]]:
        committed = {
            key: entry.offset for key, entry in (await committed_offsets(cluster, group)).items()
        }
        wanted = await _partitions(cluster, group, topics, committed)
        moves = await _moves(cluster, wanted, committed, where)
        if execute:
            view = await _existing(cluster, group)
            if view is not None and view.members:
                raise Refused(ErrorCode.NON_EMPTY_GROUP, f"group {group}")
            await commit_offsets(cluster, group, {key: new for key, _, new in moves})
        return moves

    moves = with_cluster(bootstrap, work)
    if as_json:
        print_json(
            [
                {"topic": t, "partition": p, "from": old, "to": new, "executed": execute}
                for (t, p), old, new in moves
            ]
        )
        return
    print_table(
        ["topic", "partition", "from", "to"], [(t, p, old, new) for (t, p), old, new in moves]
    )
    if not execute:
        click.echo("Nothing changed; --execute does it.", err=True)


@command.command(name="delete-offsets")
@click.argument("group")
@click.option("-t", "--topic", "topics", multiple=True, required=True, metavar="TOPIC[:P,P]")
@bootstrap_option
def forget_offsets(*, group: str, topics: tuple[str, ...], bootstrap: str | None) -> None:
    """Forget committed offsets of topics that no member reads."""

    async def work(cluster: Cluster) -> int:
        committed = await committed_offsets(cluster, group)
        wanted = [parse_partitions(text) for text in topics]
        keys = [
            key
            for key in committed
            if any(key[0] == topic and (not ps or key[1] in ps) for topic, ps in wanted)
        ]
        if keys:
            await delete_offsets(cluster, group, keys)
        return len(keys)

    count = with_cluster(bootstrap, work)
    click.echo(f"Forgot {count} offset{'s' if count != 1 else ''} of {group}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where offsets move: to an offset, by a shift, or to a time (EARLIEST and LATEST too)."""

    offset: int | None = None
    shift: int | None = None
    timestamp_ms: int | None = None


def _parse_target(target: str | None, to_time: str | None) -> Target:
    if to_time is not None:
        return Target(timestamp_ms=parse_time(to_time))
    assert target is not None
    named = {"earliest": EARLIEST, "latest": LATEST}
    if target in named:
        return Target(timestamp_ms=named[target])
    try:
        number = int(target)
    except ValueError as error:
        raise CommandFault(
            f"{target!r} is no place to reset to",
            next_step="--to earliest, latest, 42, +10, -10 or --to-time 2026-01-31T10:00",
            exit_code=EXIT_USAGE,
        ) from error
    return Target(shift=number) if target[0] in "+-" else Target(offset=number)


def parse_partitions(text: str) -> tuple[str, list[int]]:
    """Splits `TOPIC` or `TOPIC:0,1`; no partitions means all.

    Raises:
        CommandFault: what follows the colon is no list of numbers (exit code 2).
    """
    topic, separator, numbers = text.partition(":")
    if not separator:
        return topic, []
    try:
        return topic, [int(number) for number in numbers.split(",")]
    except ValueError as error:
        raise CommandFault(
            f"{text!r} is not TOPIC:P,P", next_step="--topic orders:0,1", exit_code=EXIT_USAGE
        ) from error


async def _existing(cluster: Cluster, group: str) -> GroupView | None:
    try:
        return await describe_group(cluster, group)
    except Refused as error:
        if error.code is ErrorCode.GROUP_ID_NOT_FOUND:
            return None
        raise


async def _partitions(
    cluster: Cluster,
    group: str,
    topics: Sequence[str],
    committed: Mapping[TopicPartitionKey, int],
) -> dict[str, list[int]]:
    wanted: dict[str, list[int]] = {}
    if not topics:
        for topic, partition in sorted(committed):
            wanted.setdefault(topic, []).append(partition)
        if not wanted:
            raise CommandFault(
                f"group {group} has committed no offsets",
                next_step=f"sprawl group reset-offsets {group} --topic TOPIC --to earliest",
            )
        return wanted
    for text in topics:
        topic, numbers = parse_partitions(text)
        view = await cluster.topic(topic)
        wanted[topic] = numbers or [entry.partition for entry in view.partitions]
    return wanted


async def _moves(
    cluster: Cluster,
    wanted: Mapping[str, Sequence[int]],
    committed: Mapping[TopicPartitionKey, int],
    where: Target,
) -> list[tuple[TopicPartitionKey, int | None, int]]:
    """The new offset of each partition, held within its log."""
    moves: list[tuple[TopicPartitionKey, int | None, int]] = []
    for topic, partitions in wanted.items():
        view = await cluster.topic(topic)
        starts = await list_offsets(cluster, view, dict.fromkeys(partitions, EARLIEST))
        ends = await list_offsets(cluster, view, dict.fromkeys(partitions, LATEST))
        found = None
        if where.timestamp_ms is not None:
            times = dict.fromkeys(partitions, where.timestamp_ms)
            found = await list_offsets(cluster, view, times)
        for partition in partitions:
            old = committed.get((topic, partition))
            start, end = starts[partition].offset, ends[partition].offset
            if found is not None:
                new = found[partition].offset if found[partition].offset >= 0 else end
            elif where.shift is not None:
                new = (start if old is None else old) + where.shift
            else:
                new = where.offset or 0
            moves.append(((topic, partition), old, min(max(new, start), end)))
    return moves


async def _with_lag(cluster: Cluster, group: str) -> tuple[GroupView, list[_Lag]]:
    view = await describe_group(cluster, group)
    committed = await committed_offsets(cluster, group)
    owners = {key: member for member in view.members for key in member.assigned}
    by_topic: dict[str, list[int]] = {}
    for topic, partition in sorted({*committed, *owners}):
        by_topic.setdefault(topic, []).append(partition)
    lags: list[_Lag] = []
    for topic, partitions in by_topic.items():
        starts, ends = await _bounds(cluster, topic, partitions)
        for partition in partitions:
            owner = owners.get((topic, partition))
            offset = committed.get((topic, partition))
            lags.append(
                _Lag(
                    topic=topic,
                    partition=partition,
                    committed=None if offset is None else offset.offset,
                    start=starts.get(partition),
                    end=ends.get(partition),
                    member_id=owner.member_id if owner else None,
                    client_id=owner.client_id if owner else None,
                    host=owner.client_host if owner else None,
                )
            )
    return view, lags


async def _bounds(
    cluster: Cluster, topic: str, partitions: Sequence[int]
) -> tuple[dict[int, int], dict[int, int]]:
    """Log start and end offsets; empty for a topic that has been deleted."""
    try:
        view = await cluster.topic(topic)
    except Refused as error:
        if error.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            return {}, {}
        raise
    starts = await list_offsets(cluster, view, dict.fromkeys(partitions, EARLIEST))
    ends = await list_offsets(cluster, view, dict.fromkeys(partitions, LATEST))
    return (
        {partition: entry.offset for partition, entry in starts.items()},
        {partition: entry.offset for partition, entry in ends.items()},
    )


def _as_json(view: GroupView, lags: Sequence[_Lag]) -> dict[str, object]:
    return {
        "group": view.group,
        "state": view.state,
        "protocol_type": view.protocol_type,
        "assignor": view.assignor,
        "coordinator": view.coordinator,
        "lag": sum(entry.lag or 0 for entry in lags),
        "members": [
            {
                "member_id": member.member_id,
                "instance_id": member.instance_id,
                "client_id": member.client_id,
                "host": member.client_host,
                "partitions": [{"topic": t, "partition": p} for t, p in sorted(member.assigned)],
            }
            for member in view.members
        ],
        "partitions": [
            {
                "topic": entry.topic,
                "partition": entry.partition,
                "committed": entry.committed,
                "start": entry.start,
                "end": entry.end,
                "lag": entry.lag,
                "member_id": entry.member_id,
            }
            for entry in lags
        ],
    }
