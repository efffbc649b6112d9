"""`sprawl cluster members`: the registered nodes, and what membership says of each."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from sprawl.cli.common import (
    bootstrap_of,
    bootstrap_option,
    json_option,
    load_settings,
    print_json,
    print_table,
    show_time,
    with_cluster,
)
from sprawl.cli.node_http import HTTP_PORT, read_page
from sprawl.core.clock import SystemClock

if TYPE_CHECKING:
    from sprawl.client.cluster import Cluster
    from sprawl.client.nodes import Member

HTTP_TIMEOUT_S: Final = 5.0
_KIB: Final = 1024


@click.command(name="members")
@bootstrap_option
@click.option(
    "--http",
    "http_address",
    metavar="HOST:PORT",
    help=f"The HTTP port of a node. Default: {HTTP_PORT} on the bootstrap's host.",
)
@json_option
def members(bootstrap: str | None, http_address: str | None, as_json: bool) -> int:
    """The registered nodes, also those that are away, and how one node sees them.

    STATE is whether the node that was asked reaches it; SEEMS, SINCE and the load are what
    membership says, as the node at --http heard it. Exit code 1 when a node is away.
    """
    from sprawl.client.nodes import read_nodes

    async def work(cluster: Cluster) -> tuple[str, list[Member]]:
        return (await cluster.metadata()).cluster_id, await read_nodes(cluster)

    cluster_id, found = with_cluster(bootstrap, work)
    seen = _seen(http_address or _default_http(bootstrap), cluster_id)
    if as_json:
        print_json([asdict(each) | {"membership": seen.get(each.node_id)} for each in found])
    else:
        now_ms = SystemClock().now_ms()
        print_table(
            ("node", "address", "rack", "state", "seems", "since", "life", "load"),
            [
                (
                    each.node_id,
                    f"{each.host}:{each.port}",
                    each.rack,
                    each.state.value,
                    *_cells(seen.get(each.node_id), now_ms),
                )
                for each in found
            ],
        )
    return 0 if all(each.state.is_alive for each in found) else 1


def _default_http(bootstrap: str | None) -> str:
    from sprawl.client.cluster import parse_addresses

    host = parse_addresses(bootstrap_of(bootstrap))[0][0]
    return f"{host}:{load_settings({}).http_port or HTTP_PORT}"


def _seen(address: str, cluster_id: str) -> dict[int, dict[str, Any]]:
    """What the node at `address` knows of the registered nodes, by their ids; nothing, and a line
    that says why, when it cannot be asked."""
    try:
        found = _read(address)
        if found["cluster_id"] != cluster_id:
            raise ValueError(f"a node of another cluster ({found['cluster_id']}) answers")
        return {each["node_id"]: each for each in found["members"] if each["is_registered"]}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as failure:
        click.echo(
            f"membership is not shown: {address}: {failure}\n"
            "  try: sprawl cluster members --http HOST:PORT, the HTTP port of a node",
            err=True,
        )
        return {}


def _read(address: str) -> dict[str, Any]:
    from sprawl.client.cluster import parse_addresses

    host, port = parse_addresses(address)[0]
    page = read_page(host, port, "/members", timeout_s=HTTP_TIMEOUT_S)
    if page.status != http.client.OK:
        raise ValueError(f"{page.status}: {page.text}")
    found = json.loads(page.body)
    if not isinstance(found, dict):
        raise TypeError("no document of members")
    return found


def _cells(seen: Mapping[str, Any] | None, now_ms: int) -> tuple[str | None, ...]:
    if seen is None:
        return None, None, None, None
    since = show_time(now_ms - seen["age_ms"])
    return seen["state"], since, f"{seen['epoch']}.{seen['incarnation']}", load_text(seen["load"])


def load_text(load: Mapping[str, Any] | None) -> str | None:
    """A load in a table: what its node told last; None for one that told nothing."""
    if load is None:
        return None
    text = (
        f"cpu {load['cpu_percent']:.0f} %, leads {load['led']} of {load['partitions']},"
        f" in {load['bytes_in_per_s'] / _KIB:.0f} KiB/s, out {load['bytes_out_per_s'] / _KIB:.0f}"
        " KiB/s"
    )
    if load["produce_p99_us"]:
        text += f", produce p99 {load['produce_p99_us'] / 1_000:g} ms"
    return text
