"""What a group refuses to do, as exceptions an owner can tell apart."""

from __future__ import annotations

from sprawl.core.errors import ErrorCode, KafkaFault


class UncommittedFull(KafkaFault):
    """So much waits for its commit that the leader takes no more: try again after some commits.

    Nothing was appended. An owner that does not wait may answer with the code as it is.
    """

    def __init__(self, waiting_bytes: int) -> None:
        super().__init__(
            ErrorCode.NOT_ENOUGH_REPLICAS, f"{waiting_bytes} bytes wait for the replicas."
        )


class Refused(Exception):
    """A request to a group cannot be met as things are; nothing was changed. Says why."""


class ConfigurationRefused(Refused):
    """The configuration asked for is impossible, or not now."""


class TransferRefused(Refused):
    """Leadership cannot go there."""


class ReadRefused(Refused):
    """Nobody can be asked how far this read has to see."""
