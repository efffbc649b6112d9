"""How a client call fails: nobody answers, or the broker says no."""

from __future__ import annotations

import os

from sprawl.core.errors import ERRORS, ErrorCode
from sprawl.faults import EXIT_FAILED, EXIT_UNREACHABLE, CommandFault

_NEXT_STEPS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: "sprawl topic list",
    ErrorCode.TOPIC_ALREADY_EXISTS: "sprawl topic describe NAME",
    ErrorCode.GROUP_ID_NOT_FOUND: "sprawl group list",
    ErrorCode.NON_EMPTY_GROUP: "stop the group's members, or see them: sprawl group describe GROUP",
    ErrorCode.INVALID_CONFIG: "sprawl config describe topic NAME --all",
    ErrorCode.OFFSET_OUT_OF_RANGE: "sprawl topic describe NAME",
    ErrorCode.FEATURE_UPDATE_FAILED: "replace the program of every node first",
    ErrorCode.INVALID_UPDATE_VERSION: "replace the program of the node that is named, or take it"
    " out: sprawl cluster remove NODE",
    ErrorCode.MESSAGE_TOO_LARGE: "sprawl topic alter NAME --set max.message.bytes=N",
}


def cause_of(error: OSError) -> str:
    """Why a connection failed, in the system's words: asyncio puts addresses into its own."""
    if error.errno is None:
        return str(error)
    return os.strerror(error.errno)


class Unreachable(CommandFault):
    """No broker answers at an address."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(
            f"cannot reach a broker at {address}: {cause}",
            next_step=f"sprawl doctor --bootstrap {address}   (or start a node: sprawl)",
        )


class Refused(CommandFault):
    """The broker answered with an error code.

    Args:
        code: the int16 of the response.
        what: what was asked for, to begin the message with.
        message: the broker's own words, when the response has some.
    """

    exit_code = EXIT_FAILED

    def __init__(self, code: int, what: str, message: str | None = None) -> None:
        try:
            self.code = ErrorCode(code)
            name, described = self.code.name, ERRORS[self.code].description
        except ValueError:
            self.code = ErrorCode.UNKNOWN_SERVER_ERROR
            name, described = f"error {code}", "The broker sent an error code not known here."
        super().__init__(
            f"{what}: {message or described} ({name})", next_step=_NEXT_STEPS.get(self.code, "")
        )


def raise_for(code: int, what: str, message: str | None = None) -> None:
    """Raises: Refused, unless `code` is 0."""
    if code:
        raise Refused(code, what, message)
