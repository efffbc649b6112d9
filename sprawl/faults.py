"""Failures that end a command: what happened, the next command to try, and the exit code.

The codes are documented in `sprawl --help` and in docs/cli.md; scripts may rely on them.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
"""The broker answered and said no, or a check found a problem."""
EXIT_USAGE = 2
"""The command line or a setting is wrong."""
EXIT_UNREACHABLE = 3
"""No broker answers at the bootstrap address."""
EXIT_START_FAILED = 4
"""A node could not start: port busy, data directory in use or unreadable."""


class CommandFault(Exception):
    """A command cannot go on.

    Args:
        message: what happened, in one sentence, with the names and addresses involved.
        next_step: a command or an edit that the user can try next.
        exit_code: one of the `EXIT_*` codes.
    """

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, next_step: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        if exit_code is not None:
            self.exit_code = exit_code


class SettingFault(CommandFault):
    """A setting is unknown or has a value that cannot be used."""

    exit_code = EXIT_USAGE


class StartFault(CommandFault):
    """A node could not start."""

    exit_code = EXIT_START_FAILED
