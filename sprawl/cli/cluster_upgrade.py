"""`sprawl cluster upgrade`: let nodes use what their new program brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sprawl.cli.common import bootstrap_option, json_option, print_json, with_cluster
from sprawl.faults import CommandFault

if TYPE_CHECKING:
    from sprawl.client.cluster import Cluster
    from sprawl.client.features import FeatureLevel

_LEVEL_MAX = 32_767
"""An int16 of Kafka's protocol."""


@click.command(name="upgrade")
@click.option(
    "--to",
    "target",
    type=click.IntRange(1, _LEVEL_MAX),
    metavar="N",
    help="The level. Default: the highest that every node knows.",
)
@click.option("--check", is_flag=True, help="Only say what would be done.")
@bootstrap_option
@json_option
def upgrade(target: int | None, check: bool, bootstrap: str | None, as_json: bool) -> int:
    """Raise the cluster's feature level, once every node runs the new program.

    Older programs cannot take part from then on. Exit code 1 when a node does not know the level;
    the message names it.

    \b
    sprawl cluster upgrade --check
    sprawl cluster upgrade
    """

    async def work(cluster: Cluster) -> tuple[FeatureLevel, int]:
        from sprawl.client.features import highest_level, raise_level, read_level

        now = await read_level(cluster)
        if now is None:
            raise CommandFault(
                f"the node at {cluster.bootstrap} runs a program from before feature levels",
                next_step="replace the program on every node first",
            )
        wanted = target or await highest_level(cluster, now) or now.known.max
        if wanted != now.level:
            await raise_level(cluster, wanted, validate_only=check)
        return now, wanted

    now, wanted = with_cluster(bootstrap, work)
    changes = wanted != now.level
    if as_json:
        print_json(
            {
                "level": now.level if check else wanted,
                "before": now.level,
                "to": wanted,
                "known": list(now.known),
                "changed": changes and not check,
            }
        )
    elif not changes:
        click.echo(f"the cluster is at level {wanted} already; this version knows {now.known}")
    elif check:
        click.echo(f"every node knows level {wanted}; the cluster is at {now.level}")
    else:
        click.echo(f"the cluster is at level {wanted}, it was at {now.level}")
    return 0
