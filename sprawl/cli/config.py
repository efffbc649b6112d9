"""`sprawl config`: where this program's settings come from, and the cluster's configs."""

from __future__ import annotations

import click

from sprawl.cli.common import (
    bootstrap_option,
    json_option,
    load_settings,
    parse_assignments,
    print_json,
    print_table,
    with_cluster,
)
from sprawl.client.topics import (
    CONFIG_SOURCES,
    DEFAULT_SOURCE,
    ConfigView,
    ResourceType,
    alter_configs,
    describe_configs,
)
from sprawl.config import broker_keys
from sprawl.faults import EXIT_USAGE, CommandFault

KINDS = {"topic": ResourceType.TOPIC, "broker": ResourceType.BROKER, "group": ResourceType.GROUP}


@click.group(name="config", invoke_without_command=True)
@click.option("--explain", is_flag=True, help="Every setting of a node started here.")
@click.option("--config", "file", metavar="FILE", help="Settings file. Default: ./sprawl.toml.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="As for sprawl serve.")
@click.option("--all", "everything", is_flag=True, help="With broker configs left at defaults.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    explain: bool,
    file: str | None,
    pairs: tuple[str, ...],
    everything: bool,
    as_json: bool,
) -> None:
    """Settings of this program (--explain), configs of topics, brokers and groups."""
    if context.invoked_subcommand is not None:
        return
    if not explain:
        click.echo(context.get_help())
        return
    settings = load_settings(parse_assignments(pairs), file)
    rows = [*settings.own.values(), *(settings.broker[name] for name in sorted(settings.broker))]
    lines = [
        {"name": row.name, "value": row.value, "source": row.source, "unit": row.unit}
        | ({"doc": row.doc} if as_json else {})
        for row in rows
    ]
    if everything:
        set_names = {row.name for row in rows}
        lines += [
            {"name": key.name, "value": key.default, "source": "default", "unit": key.unit}
            | ({"doc": key.doc} if as_json else {})
            for key in broker_keys()
            if key.name not in set_names
        ]
    for warning in settings.warnings:
        click.echo(f"sprawl: {warning}", err=True)
    if as_json:
        print_json(lines)
        return
    print_table(
        ["setting", "value", "source", "unit"],
        [(line["name"], line["value"], line["source"], line["unit"]) for line in lines],
    )
    if not everything:
        click.echo("Broker configs at their defaults are left out; --all shows them.", err=True)


@command.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name", required=False, default="")
@click.option("--all", "everything", is_flag=True, help="Defaults too.")
@bootstrap_option
@json_option
def describe(
    *, kind: str, name: str, everything: bool, bootstrap: str | None, as_json: bool
) -> None:
    """Show the configs of a topic, broker or group that differ from the defaults."""
    _require_name(kind, name)
    configs: list[ConfigView] = with_cluster(
        bootstrap, lambda cluster: describe_configs(cluster, KINDS[kind], name)
    )
    shown = [entry for entry in configs if everything or entry.source != DEFAULT_SOURCE]
    if as_json:
        print_json(
            [
                {
                    "name": entry.name,
                    "value": entry.value,
                    "source": CONFIG_SOURCES.get(entry.source, "unknown"),
                    "read_only": entry.read_only,
                    "sensitive": entry.sensitive,
                    "documentation": entry.documentation,
                }
                for entry in shown
            ]
        )
        return
    print_table(
        ["config", "value", "source"],
        [
            (
                entry.name,
                "(hidden)" if entry.sensitive else entry.value,
                CONFIG_SOURCES.get(entry.source, "unknown"),
            )
            for entry in shown
        ],
    )
    if not everything:
        click.echo("Configs at their defaults are left out; --all shows them.", err=True)


@command.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("name", required=False, default="")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a config.")
@click.option("--unset", multiple=True, metavar="NAME", help="Return a config to its default.")
@click.option("--dry-run", is_flag=True, help="Let the broker check, change nothing.")
@bootstrap_option
def alter(
    *,
    kind: str,
    name: str,
    pairs: tuple[str, ...],
    unset: tuple[str, ...],
    dry_run: bool,
    bootstrap: str | None,
) -> None:
    """Change configs of a topic, a broker (no NAME: all brokers) or a group."""
    if kind != "broker":
        _require_name(kind, name)
    values = parse_assignments(pairs)
    if not values and not unset:
        raise CommandFault(
            "nothing to change",
            next_step=f"sprawl config alter {kind} NAME --set name=value",
            exit_code=EXIT_USAGE,
        )
    with_cluster(
        bootstrap,
        lambda cluster: alter_configs(
            cluster,
            KINDS[kind],
            name,
            set_values=values,
            delete=unset,
            validate_only=dry_run,
        ),
    )
    click.echo(f"{kind} {name or '(all)'} {'can be changed' if dry_run else 'changed'}.")


def _require_name(kind: str, name: str) -> None:
    if not name:
        raise CommandFault(
            f"which {kind}?",
            next_step=f"sprawl config describe {kind} {'1' if kind == 'broker' else 'NAME'}",
            exit_code=EXIT_USAGE,
        )
