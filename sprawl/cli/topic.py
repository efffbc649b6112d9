"""`sprawl topic`: list, create, describe, alter, add partitions, delete."""

from __future__ import annotations

import click

from sprawl.cli.common import (
    bootstrap_option,
    json_option,
    parse_assignments,
    print_json,
    print_table,
    with_cluster,
)
from sprawl.client.cluster import Cluster, TopicView
from sprawl.client.fetching import EARLIEST, LATEST, list_offsets
from sprawl.client.topics import (
    TOPIC_SOURCE,
    ConfigView,
    ResourceType,
    add_partitions,
    alter_configs,
    create_topic,
    delete_topics,
    describe_configs,
)
from sprawl.faults import EXIT_USAGE, CommandFault


@click.group(name="topic")
def command() -> None:
    """List, create, describe, change and delete topics."""


@command.command(name="list")
@click.option("--internal", is_flag=True, help="Include Kafka's internal topics.")
@bootstrap_option
@json_option
def list_topics(*, internal: bool, bootstrap: str | None, as_json: bool) -> None:
    """List topics."""

    async def work(cluster: Cluster) -> list[TopicView]:
        return list((await cluster.metadata()).topics.values())

    topics = sorted(with_cluster(bootstrap, work), key=lambda view: view.name)
    topics = [view for view in topics if internal or not view.internal]
    if as_json:
        print_json(
            [
                {
                    "topic": view.name,
                    "partitions": len(view.partitions),
                    "replication_factor": _replication(view),
                    "internal": view.internal,
                }
                for view in topics
            ]
        )
        return
    print_table(
        ["topic", "partitions", "replicas"],
        [(view.name, len(view.partitions), _replication(view)) for view in topics],
    )
    if not topics:
        click.echo("No topics yet. Try: sprawl topic create hello", err=True)


@command.command()
@click.argument("name")
@click.option("-p", "--partitions", type=click.IntRange(1), help="Default: num.partitions.")
@click.option("-r", "--replication", type=click.IntRange(1), help="Default: the broker's.")
@click.option("--set", "configs", multiple=True, metavar="NAME=VALUE", help="A topic config.")
@click.option("--if-not-exists", is_flag=True, help="An existing topic is no error.")
@click.option("--dry-run", is_flag=True, help="Let the broker check, create nothing.")
@bootstrap_option
@json_option
def create(
    *,
    name: str,
    partitions: int | None,
    replication: int | None,
    configs: tuple[str, ...],
    if_not_exists: bool,
    dry_run: bool,
    bootstrap: str | None,
    as_json: bool,
) -> None:
    """Create the topic NAME."""
    values = parse_assignments(configs)

    async def work(cluster: Cluster) -> tuple[bool, int]:
        if if_not_exists:
            existing = (await cluster.metadata()).topics.get(name)
            if existing is not None:
                return False, len(existing.partitions)
        count = await create_topic(
            cluster,
            name,
            partitions=partitions or -1,
            replication=replication or -1,
            configs=values,
            validate_only=dry_run,
        )
        return not dry_run, count

    created, count = with_cluster(bootstrap, work)
    if as_json:
        print_json({"topic": name, "partitions": count, "created": created})
    elif created:
        click.echo(f"Created {name} with {count} partition{'s' if count != 1 else ''}.")
    else:
        click.echo(f"{name} {'can be created' if dry_run else 'exists already'}.")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@bootstrap_option
@json_option
def describe(*, names: tuple[str, ...], bootstrap: str | None, as_json: bool) -> None:
    """Show partitions, offsets and the configs that differ from the defaults."""

    async def work(cluster: Cluster) -> list[dict[str, object]]:
        return [await _description(cluster, name) for name in names]

    descriptions = with_cluster(bootstrap, work)
    if as_json:
        print_json(descriptions)
        return
    for description in descriptions:
        click.echo(f"{description['topic']}  id {description['topic_id']}")
        configs = description["configs"]
        assert isinstance(configs, dict)
        for key, value in configs.items():
            click.echo(f"  {key}={value}")
        partitions = description["partitions"]
        assert isinstance(partitions, list)
        columns = ["partition", "leader", "epoch", "replicas", "isr", "start", "end", "records"]
        print_table(
            columns,
            [
                (
                    entry["partition"],
                    entry["leader"],
                    entry["leader_epoch"],
                    ",".join(map(str, entry["replicas"])),
                    ",".join(map(str, entry["isr"])),
                    entry["start"],
                    entry["end"],
                    entry["end"] - entry["start"],
                )
                for entry in partitions
            ],
        )


@command.command()
@click.argument("name")
@click.option("--set", "configs", multiple=True, metavar="NAME=VALUE", help="Set a config.")
@click.option("--unset", multiple=True, metavar="NAME", help="Return a config to its default.")
@click.option("--dry-run", is_flag=True, help="Let the broker check, change nothing.")
@bootstrap_option
def alter(
    *,
    name: str,
    configs: tuple[str, ...],
    unset: tuple[str, ...],
    dry_run: bool,
    bootstrap: str | None,
) -> None:
    """Change configs of the topic NAME."""
    if not configs and not unset:
        raise CommandFault(
            "nothing to change",
            next_step=f"sprawl topic alter {name} --set retention.ms=3600000",
            exit_code=EXIT_USAGE,
        )
    values = parse_assignments(configs)

    async def work(cluster: Cluster) -> None:
        await alter_configs(
            cluster,
            ResourceType.TOPIC,
            name,
            set_values=values,
            delete=unset,
            validate_only=dry_run,
        )

    with_cluster(bootstrap, work)
    click.echo(f"{name} {'can be changed' if dry_run else 'changed'}.")


@command.command(name="add-partitions")
@click.argument("name")
@click.option("--total", type=click.IntRange(1), required=True, help="Partitions afterwards.")
@bootstrap_option
def grow(*, name: str, total: int, bootstrap: str | None) -> None:
    """Grow the topic NAME. Keys move to other partitions for new records."""
    with_cluster(bootstrap, lambda cluster: add_partitions(cluster, name, total=total))
    click.echo(f"{name} has {total} partitions.")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@bootstrap_option
def delete(*, names: tuple[str, ...], yes: bool, bootstrap: str | None) -> None:
    """Delete topics with all their records."""
    if not yes:
        click.confirm(f"Delete {', '.join(names)} and all records?", abort=True, err=True)
    with_cluster(bootstrap, lambda cluster: delete_topics(cluster, names))
    click.echo(f"Deleted {', '.join(names)}.")


async def _description(cluster: Cluster, name: str) -> dict[str, object]:
    view = await cluster.topic(name)
    numbers = [partition.partition for partition in view.partitions]
    starts = await list_offsets(cluster, view, dict.fromkeys(numbers, EARLIEST))
    ends = await list_offsets(cluster, view, dict.fromkeys(numbers, LATEST))
    configs: list[ConfigView] = await describe_configs(cluster, ResourceType.TOPIC, name)
    return {
        "topic": name,
        "topic_id": view.topic_id,
        "internal": view.internal,
        "configs": {c.name: c.value for c in configs if c.source == TOPIC_SOURCE},
        "partitions": [
            {
                "partition": partition.partition,
                "leader": partition.leader,
                "leader_epoch": partition.leader_epoch,
                "replicas": partition.replicas,
                "isr": partition.isr,
                "start": starts[partition.partition].offset,
                "end": ends[partition.partition].offset,
            }
            for partition in view.partitions
        ],
    }


def _replication(view: TopicView) -> int:
    return len(view.partitions[0].replicas) if view.partitions else 0
