"""Why a node cannot start, for the person who started it: what is wrong, and what to do next."""

from __future__ import annotations

import errno
from pathlib import Path

from sprawl.core.errors import KafkaFault
from sprawl.faults import StartFault
from sprawl.gateway.listeners import WILDCARDS
from sprawl.ports import holder_of


def cannot_bind(flag: str, host: str, port: int, error: OSError) -> StartFault:
    """Says who has the port, and how to go on."""
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        by = f" by {holder}" if holder else ""
        option = f"--{flag.replace(' ', '-')} 0"
        return StartFault(
            f"{flag} {port} is in use{by}",
            next_step=f"stop it, or take a free one: sprawl {option}",
        )
    if error.errno == errno.EACCES:
        return StartFault(
            f"{flag} {port} may not be opened by this user",
            next_step=f"choose one above 1023: sprawl --{flag.replace(' ', '-')} {port + 9000}",
        )
    return StartFault(
        f"cannot listen on {joined(host, port)}: {error.strerror or error}",
        next_step="sprawl --host localhost",
    )


def unusable(data: Path, error: OSError | KafkaFault) -> StartFault:
    """The data directory cannot be read or written."""
    cause = error.strerror if isinstance(error, OSError) else None
    return StartFault(
        f"the data directory {data} cannot be used: {cause or error}",
        next_step="check its owner and space, or choose another: sprawl --data DIR",
    )


def damaged_metadata(data: Path, damage: Exception) -> StartFault:
    """The controller's log lost what was on disk, and other nodes have it."""
    return StartFault(
        f"the metadata in {data} are damaged ({damage}), and the other nodes have them",
        next_step="keep that directory aside, and start this node on a sound disk:"
        " sprawl serve --data OTHER --join HOST:PORT --replace-node --node-id N",
    )


def joined(host: str, port: int) -> str:
    """An address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local_url(scheme: str, host: str, port: int) -> str:
    """Where what is bound to `host` is reached on this machine."""
    return f"{scheme}://{joined('localhost' if host in WILDCARDS else host, port)}"
