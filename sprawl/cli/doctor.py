"""`sprawl doctor`: walks the way a client goes and says where it ends, and what to do about it."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import click

from sprawl.cli.common import bootstrap_of, json_option, load_settings, print_json
from sprawl.cli.node_http import HTTP_PORT, read_page
from sprawl.client.cluster import Cluster, ClusterView, NodeView, parse_addresses
from sprawl.client.faults import cause_of
from sprawl.config import Settings
from sprawl.faults import EXIT_FAILED, EXIT_OK, CommandFault
from sprawl.ports import holder_of

CONNECT_TIMEOUT_S = 3.0
CLOCK_DIFFERENCE_MS_MAX = 5_000
"""Record timestamps come from clients: beyond this, time-based reads surprise."""
FREE_BYTES_MIN = 1_073_741_824
"""One segment of the default size must fit."""

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
Status = Literal["ok", "warning", "problem"]
MARKS = {"ok": "ok  ", "warning": "warn", "problem": "FAIL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check; `fix` is empty when nothing is wrong."""

    check: str
    status: Status
    detail: str
    fix: str = ""


@click.command(name="doctor")
@click.option("-b", "--bootstrap", metavar="HOST:PORT", help="The address your client uses.")
@click.option("--http", "http_address", metavar="HOST:PORT", help="The node's HTTP port.")
@json_option
def command(*, bootstrap: str | None, http_address: str | None, as_json: bool) -> int:
    """Check names, ports, advertised addresses, clock, disk and the node's health.

    Exits with 1 when a check found a problem.
    """
    settings = load_settings({})
    address = bootstrap_of(bootstrap)
    findings = asyncio.run(examine(address, http_address, settings))
    if as_json:
        print_json(
            [
                {"check": f.check, "status": f.status, "detail": f.detail, "fix": f.fix}
                for f in findings
            ]
        )
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.status]}  {finding.check:18} {finding.detail}")
            if finding.fix:
                click.echo(f"      fix: {finding.fix}")
    return EXIT_FAILED if any(f.status == "problem" for f in findings) else EXIT_OK


async def examine(bootstrap: str, http_address: str | None, settings: Settings) -> list[Finding]:
    """Runs every check; those that need an answer stop at the first that gets none."""
    findings: list[Finding] = []
    reachable = False
    for host, port in parse_addresses(bootstrap):
        named = await check_name(host)
        findings.append(named)
        if named.status != "problem":
            finding = await check_port("kafka port", host, port)
            findings.append(finding)
            reachable |= finding.status == "ok"
    if reachable:
        findings += await check_cluster(bootstrap)
    http_host = parse_addresses(bootstrap)[0][0]
    findings += await asyncio.to_thread(
        check_http, http_address or f"{http_host}:{settings.http_port or HTTP_PORT}"
    )
    if settings.storage == "disk":
        findings.append(check_disk(settings.data))
    return findings


async def check_name(host: str) -> Finding:
    """Whether a host name has addresses."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Finding(
            check="name",
            status="problem",
            detail=f"{host} has no address: {error.strerror or error}",
            fix="use a name this machine knows, or add it to its hosts file or DNS",
        )
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Finding(check="name", status="ok", detail=f"{host} is {', '.join(addresses)}")


async def check_port(check: str, host: str, port: int) -> Finding:
    """Whether something accepts connections; when nothing does here, who else holds the port."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        cause = "no answer" if isinstance(error, TimeoutError) else cause_of(error)
        fix = "check the address, and firewalls between here and there"
        if host in LOCAL_NAMES:
            holder = holder_of(port)
            fix = f"sprawl serve --port {port}"
            if holder:
                fix = f"{holder} listens on port {port} on another address: use that address"
        return Finding(check=check, status="problem", detail=f"{host}:{port}: {cause}", fix=fix)
    writer.close()
    return Finding(check=check, status="ok", detail=f"{host}:{port} accepts connections")


async def check_cluster(bootstrap: str) -> list[Finding]:
    """Protocol, metadata and each advertised address."""
    try:
        async with Cluster(bootstrap, timeout_ms=int(CONNECT_TIMEOUT_S * 1000)) as cluster:
            view = await cluster.metadata([])
    except CommandFault as fault:
        return [
            Finding(
                check="kafka protocol",
                status="problem",
                detail=fault.message,
                fix="is this the Kafka port, and without TLS? sprawl serve prints its addresses",
            )
        ]
    findings = [
        Finding(
            check="kafka protocol",
            status="ok",
            detail=f"cluster {view.cluster_id}, {len(view.nodes)} broker(s)",
        )
    ]
    findings += [await check_advertised(bootstrap, view, node) for node in view.nodes]
    return findings


async def check_advertised(bootstrap: str, view: ClusterView, node: NodeView) -> Finding:
    """Whether a client that follows the metadata arrives, and at the same cluster."""
    address = f"{node.host}:{node.port}"
    first_host, first_port = parse_addresses(bootstrap)[0]
    check = f"advertised {node.node_id}"
    fix = (
        f"start the node with --advertised-listeners PLAINTEXT://{first_host}:{first_port}"
        f" (or SPRAWL_ADVERTISED_LISTENERS)"
    )
    if node.host in LOCAL_NAMES and first_host not in LOCAL_NAMES:
        return Finding(
            check=check,
            status="problem",
            detail=f"you connect to {first_host}, but the node tells clients to use {address},"
            " which is the client's own machine",
            fix=fix,
        )
    try:
        async with Cluster(address, timeout_ms=int(CONNECT_TIMEOUT_S * 1000)) as there:
            found = await there.metadata([])
    except CommandFault as fault:
        return Finding(check=check, status="problem", detail=fault.message, fix=fix)
    if found.cluster_id != view.cluster_id:
        return Finding(
            check=check,
            status="problem",
            detail=f"{address} answers for another cluster ({found.cluster_id})",
            fix=fix,
        )
    return Finding(check=check, status="ok", detail=f"clients are sent to {address}, which answers")


def check_http(address: str) -> list[Finding]:
    """Health, data directory and clock as the node's HTTP port tells them."""
    host, port = parse_addresses(address)[0]
    try:
        page = read_page(host, port, "/health", timeout_s=CONNECT_TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        return [
            Finding(
                check="http port",
                status="warning",
                detail=f"{address}: {error}",
                fix="name the node's HTTP port: sprawl doctor --http HOST:PORT",
            )
        ]
    findings = [_health(page.status, page.body), *_advice(page.body)]
    if page.date is not None:
        node_ms = int(parsedate_to_datetime(page.date).timestamp() * 1000)
        findings.append(_clock(page.arrived_ms, node_ms))
    return findings


def _health(status: int, body: bytes) -> Finding:
    try:
        facts = json.loads(body)
    except ValueError:
        facts = body.decode(errors="replace").strip()
    if isinstance(facts, dict):
        facts.pop("advice", None)  # told one by one
    detail = facts if isinstance(facts, str) else json.dumps(facts)
    if status == http.client.OK:
        return Finding(check="health", status="ok", detail=detail)
    return Finding(
        check="health", status="problem", detail=detail, fix="see the node's log for its last error"
    )


def _advice(body: bytes) -> list[Finding]:
    """What the node found out about addresses that do not work for its clients."""
    try:
        facts = json.loads(body)
    except ValueError:
        return []
    return [
        Finding(
            check="client addresses",
            status="problem" if each["is_certain"] else "warning",
            detail=each["cause"],
            fix=each["next_step"],
        )
        for each in (facts.get("advice", []) if isinstance(facts, dict) else [])
    ]


def _clock(here_ms: int, there_ms: int) -> Finding:
    difference_ms = abs(here_ms - there_ms)
    if difference_ms <= CLOCK_DIFFERENCE_MS_MAX:
        return Finding(check="clock", status="ok", detail="agrees with the node's")
    return Finding(
        check="clock",
        status="warning",
        detail=f"{difference_ms / 1000:.0f} s away from the node's",
        fix="synchronise both machines (NTP): record timestamps come from the client",
    )


def check_disk(data: Path) -> Finding:
    """Free space where the data directory of a node started here lies, or would lie."""
    place = data.resolve()
    while not place.exists():
        place = place.parent
    free_bytes = shutil.disk_usage(place).free
    detail = f"{free_bytes / 2**30:.1f} GiB free at {data}"
    if free_bytes >= FREE_BYTES_MIN:
        return Finding(check="disk", status="ok", detail=detail)
    return Finding(
        check="disk",
        status="problem",
        detail=detail,
        fix="free space, choose --data on another disk, or lower log.retention.bytes",
    )
