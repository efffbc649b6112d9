"""`sprawl serve`: starts a node, says where it is, and stops it cleanly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sprawl import __version__
from sprawl.cli.common import load_settings, parse_assignments
from sprawl.config import Settings
from sprawl.logs import install
from sprawl.node import loop_factory
from sprawl.node_settings import SETTINGS

if TYPE_CHECKING:
    from sprawl.assembly import Assembly

_NOT_FOR_NODES = frozenset({"bootstrap"})


def _setting_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds a flag for each of the node's own settings."""
    for setting in reversed(SETTINGS):
        if setting.name in _NOT_FOR_NODES:
            continue
        default = f" Default: {setting.default}." if setting.default else ""
        # `--replace-node` alone says yes.
        more: dict[str, Any] = {}
        if "true" in setting.choices:
            more = {"is_flag": False, "flag_value": "true"}
        command = click.option(
            f"--{setting.name.replace('.', '-')}",
            setting.name.replace(".", "_"),
            metavar=(setting.unit or "text").upper() if not setting.choices else None,
            type=click.Choice(setting.choices) if setting.choices else click.STRING,
            **more,
            help=setting.doc + default,
        )(command)
    return command


@click.command(name="serve")
@_setting_options
@click.option("--config", "file", metavar="FILE", help="Settings file. Default: ./sprawl.toml.")
@click.option(
    "--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Any broker config of Kafka's."
)
def command(file: str | None, pairs: tuple[str, ...], **given: str | None) -> int:
    """Start a node and run until interrupted.

    \b
    sprawl serve --data ./data
    sprawl serve --storage memory --port 0 --ports-file ports.json
    sprawl serve --set num.partitions=3 --set auto.create.topics.enable=false
    """
    flags = parse_assignments(pairs)
    flags |= {name: value for name, value in given.items() if value is not None}
    settings = load_settings(flags, file)
    install(level=settings.required("log.level"), form=settings.required("log.format"))
    for warning in settings.warnings:
        click.echo(f"sprawl: {warning}", err=True)
    return run_node(settings)


def run_node(settings: Settings) -> int:
    """Runs a node until SIGTERM or SIGINT.

    Raises:
        StartFault: the node cannot start.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    from sprawl.assembly import Assembly

    stop = asyncio.Event()
    interruptions = 0

    def interrupt() -> None:
        nonlocal interruptions
        interruptions += 1
        stop.set()
        if interruptions > 1:
            os._exit(130)  # the user does not want to wait for a clean stop

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, interrupt)
    terminal = sys.stdout.isatty()
    assembly = Assembly(settings, tell=click.echo) if terminal else Assembly(settings)
    await assembly.start()
    try:
        ready_ms = process_age_ms()
        facts = ready_facts(assembly, settings, ready_ms)
        if settings.ports_file is not None:
            write_ports_file(settings.ports_file, facts)
        click.echo(banner(facts) if terminal else json.dumps(facts))
        sys.stdout.flush()
        await stop.wait()
    finally:
        await assembly.stop()
    return 0


def process_age_ms() -> int:
    """Milliseconds since the process was created, so that `ready` counts the interpreter's own
    start; -1 where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return -1
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return max(0, int((uptime_s - started_s) * 1000))


def ready_facts(assembly: Assembly, settings: Settings, ready_ms: int) -> dict[str, object]:
    """What a user or a test needs to reach the node; `event` is last, so that a line ending in
    it is complete."""
    memory = settings.storage == "memory"
    return {
        "version": __version__,
        "node_id": assembly.node_id,
        "cluster_id": assembly.cluster_id,
        "storage": settings.storage,
        "data": None if memory else str(settings.data.resolve()),
        "bootstrap": assembly.bootstrap,
        "listeners": assembly.listeners,
        "http": assembly.http_address,
        "schema_registry": assembly.schema_registry,
        "pid": os.getpid(),
        "ready_ms": ready_ms,
        "event": "ready",
    }


def banner(facts: dict[str, object]) -> str:
    """The same facts for a person, in at most eight lines."""
    age = facts["ready_ms"]
    ready = f"   ready in {age / 1000:.2f} s" if isinstance(age, int) and age >= 0 else ""
    if facts["data"] is None:
        place = "in memory, lost when the node stops (--data DIR keeps it)"
    else:
        place = str(facts["data"])
    bootstrap = str(facts["bootstrap"])
    reach = "" if bootstrap == "localhost:9092" else f" -b {bootstrap.split(',', maxsplit=1)[0]}"
    lines = [
        f"sprawl {facts['version']}{ready}",
        f"  data     {place}",
        f"  Kafka    {bootstrap}",
    ]
    if facts["http"]:
        lines.append(f"  HTTP     {facts['http']}/metrics  {facts['http']}/health")
    if facts.get("schema_registry"):
        lines.append(f"  schemas  {facts['schema_registry']}")
    lines += [
        f'  try      sprawl produce{reach} hello "first message"',
        f"           sprawl consume{reach} hello --from-beginning",
        "  Ctrl-C stops; every setting: sprawl config --explain",
    ]
    return "\n".join(lines)


def write_ports_file(path: Path, facts: dict[str, object]) -> None:
    """Writes the facts so that a reader never sees half a file."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    temporary.replace(path)
