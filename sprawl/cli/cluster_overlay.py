"""`sprawl cluster ring` and `lookup`: how a node finds who leads a partition.

Both ask one node's HTTP port: Kafka has no API that says such things.
"""

from __future__ import annotations

import http.client
import json
from typing import Any, Final
from urllib.parse import quote

import click

from sprawl.cli.common import json_option, print_json, table_of
from sprawl.cli.node_http import HTTP_PORT, read_page
from sprawl.faults import EXIT_USAGE, CommandFault

TIMEOUT_S: Final = 10.0
"""A lookup goes around nodes that do not answer, which takes a second or two."""
DEFAULT_ADDRESS: Final = f"127.0.0.1:{HTTP_PORT}"
_ID_SHOWN: Final = 12

http_option = click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    default=DEFAULT_ADDRESS,
    show_default=True,
    help="A node's HTTP port.",
)


@click.command(name="ring")
@http_option
@json_option
def ring(address: str, as_json: bool) -> int:
    """The nodes by where they stand in the DHT, and which share of all partitions' records each
    keeps.

    Exit code 1 when one is away from the node that is asked.
    """
    found = ask(address, "/cluster/ring")
    if as_json:
        print_json(found)
    else:
        click.echo(ring_text(found))
    return 0 if all(each["alive"] for each in found["nodes"]) else 1


@click.command(name="lookup")
@click.argument("partition", metavar="TOPIC/PARTITION")
@http_option
@json_option
def lookup(partition: str, address: str, as_json: bool) -> int:
    """The way in which a node finds a partition's leader, each step of it, and whether it is right.

    Exit code 1 when no replica says that it leads, or when clients of the node are sent elsewhere.

    \b
    sprawl cluster lookup orders/0
    sprawl cluster lookup orders/0 --http node7:9644
    """
    topic, _, number = partition.rpartition("/")
    if not topic or not number.isdecimal():
        raise CommandFault(
            f"{partition!r} is no partition",
            next_step="sprawl cluster lookup orders/0",
            exit_code=EXIT_USAGE,
        )
    found = ask(address, f"/cluster/lookup?partition={quote(partition)}")
    if as_json:
        print_json(found)
    else:
        click.echo(lookup_text(found))
    return 0 if is_right(found) else 1


def ask(address: str, path: str) -> dict[str, Any]:
    """A page of a node's HTTP port.

    Raises:
        CommandFault: it does not answer, or not with that.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise CommandFault(
            f"{address!r} is no HOST:PORT",
            next_step=f"--http {DEFAULT_ADDRESS}",
            exit_code=EXIT_USAGE,
        )
    try:
        page = read_page(host.strip("[]"), int(port), path, timeout_s=TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        raise CommandFault(
            f"the HTTP port at {address} does not answer: {error}",
            next_step="name a node's HTTP port: --http HOST:PORT",
        ) from error
    if page.status != http.client.OK:
        raise CommandFault(page.text, next_step="sprawl topic list; sprawl serve --help")
    found: dict[str, Any] = json.loads(page.body)
    return found


def ring_text(found: dict[str, Any]) -> str:
    """For a person."""
    nodes = found["nodes"]
    alive = sum(each["alive"] for each in nodes)
    told = (
        "every node is told of every partition"
        if found["everybody_is_told"]
        else f"the {found['holders']} nearest to a partition's key keep its record"
    )
    lines = [f"{len(nodes)} nodes, {alive} reached from node {found['asked']}; {told}"]
    if found["without_place"]:
        lines.append(
            f"{found['without_place']} more were not connected since node {found['asked']} started:"
            " their certificates say where they stand"
        )
    rows = [
        (
            each["node"],
            each["id"][:_ID_SHOWN],
            "here" if each["node"] == found["asked"] else f"{each['distance']:.4f}",
            f"{each['share']:.0%}",
            "alive" if each["alive"] else "away",
        )
        for each in nodes
    ]
    return "\n".join([*lines, "", table_of(("node", "id", "distance", "keeps", "state"), rows)])


def is_right(found: dict[str, Any]) -> bool:
    """Whether clients are sent to the node that leads. A node that is not told of the partition
    looks it up before it answers, so that no route in its cache is no fault."""
    cache = found["cache"]
    if found["leader"] is None:
        return False
    return bool(cache["right"]) if cache is not None else not found["told"]


def lookup_text(found: dict[str, Any]) -> str:
    """For a person: each step, then the verdict."""
    leader = found["leader"]
    lines = [
        f"{found['partition']}, key {found['key'][:_ID_SHOWN]}, seen from node {found['asked']}"
    ]
    lines.append(f"cache       {_word(found['cache'])}")
    dht = found["dht"]
    if dht is None:
        lines.append("dht         no end within the time; see sprawl cluster ring for who is away")
    else:
        lines.append(
            f"dht         {'found' if dht['found'] else 'nobody who was asked has a record'}:"
            f" {dht['requests']} requests, {dht['hops']} hops, {dht['took_ms']} ms"
        )
        for each in dht["nodes"]:
            trip = each["round_trip_ms"]
            took = "-" if trip is None else f"{trip:.1f} ms away"
            lines.append(f"            node {each['node']}, {each['id'][:_ID_SHOWN]}, {took}")
    record = found["record"]
    if record is not None:
        lines.append(
            f"record      {_word(record)}, configuration {record['config_index']},"
            f" {'signed' if record['signed'] else 'not signed'},"
            f" {record['expires_in_ms'] // 1_000} s left"
        )
    for each in found["replicas"]:
        word = _word(each if "leader" in each else None) if each["answered"] else "no answer"
        lines.append(f"replica     node {each['node']}: {word}")
    controller = found["controller"]
    wanted = ",".join(map(str, controller["replicas"]))
    moves = controller["moves_to"]
    goes = "" if moves is None else f", moving to {','.join(map(str, moves))}"
    lines.append(f"controller  node {controller['node']}: replicas {wanted}{goes}")
    lines.append(
        "nobody says that it leads: an election is under way, or no majority is left"
        if leader is None
        else f"node {leader} leads"
        + ("" if is_right(found) else f", and clients of node {found['asked']} are sent elsewhere")
    )
    return "\n".join(lines)


def _word(word: dict[str, Any] | None) -> str:
    if word is None:
        return "nothing"
    in_sync = ",".join(map(str, word["in_sync"])) or "-"
    verdict = "right" if word["right"] else "wrong"
    return (
        f"node {word['leader']} leads in term {word['term']}, sequence {word['sequence']},"
        f" in sync {in_sync}: {verdict}"
    )
