"""The `sprawl` command. Each verb is a module that is loaded only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

import click

from sprawl import __version__
from sprawl.faults import CommandFault

VERBS: Final = {
    "serve": ("sprawl.cli.serve", "Start a node (what `sprawl` alone does)."),
    "topic": ("sprawl.cli.topic", "List, create, describe, change and delete topics."),
    "produce": ("sprawl.cli.produce", "Write records to a topic."),
    "consume": ("sprawl.cli.consume", "Read records of a topic."),
    "cluster": ("sprawl.cli.cluster", "A local cluster, and how a cluster is doing."),
    "group": ("sprawl.cli.group", "Consumer groups: lag, members, offsets."),
    "schema": ("sprawl.cli.schema", "Schemas: list, show, register, check, diff, delete."),
    "config": ("sprawl.cli.config", "This program's settings and the cluster's configs."),
    "doctor": ("sprawl.cli.doctor", "Find out why clients cannot connect."),
}
"""Verb -> (module with a `command`, one line of help)."""

HELP = """Sprawl: a Kafka-compatible streaming platform.

Without a verb it starts a node: `sprawl` is `sprawl serve`, `sprawl --data DIR` is
`sprawl serve --data DIR`.

\b
Exit codes:
  0  done
  1  the broker said no, or a check found a problem
  2  the command line or a setting is wrong
  3  no broker answers at the bootstrap address
  4  the node could not start
  130  interrupted
"""


class Verbs(click.Group):
    """Loads a verb's module when it is called; anything that begins with an option is `serve`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=Verbs, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sprawl")
def root() -> None:
    """The group itself does nothing; `HELP` is what users read."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns: the exit code, as `sprawl --help` documents it.
    """
    try:
        result = root.main(args=arguments, prog_name="sprawl", standalone_mode=False)
    except CommandFault as fault:
        click.echo(f"sprawl: {fault.message}", err=True)
        if fault.next_step:
            click.echo(f"  try: {fault.next_step}", err=True)
        return fault.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has gone: nothing is left to do, and nothing is wrong.
        sys.stderr.close()
        return 0
    return result if isinstance(result, int) else 0
