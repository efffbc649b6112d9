"""The port between the REST interface and whoever keeps the registry's state.

The REST interface turns requests into commands and queries of `model/`, and answers. A service
judges commands one after another on a state that has everything before, appends their records to
the topic, applies them and gives the answer. The shell on `_schemas` is one; a list in memory is
another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sprawl.schema_registry.model.registry import Judged, Registry

T = TypeVar("T")


class NotTheLeader(Exception):
    """Another node takes writes.

    Args:
        leader_url: where writes go, as `http://host:port`; None when nobody is known (50004).
        advice: what to do about it when it is not; "" when that is to wait.
    """

    def __init__(self, leader_url: str | None, advice: str = "") -> None:
        super().__init__("nobody leads" if leader_url is None else f"{leader_url} leads")
        self.leader_url = leader_url
        self.advice = advice


class StoreFault(Exception):
    """The topic cannot be read or written, and nothing was (50001). The message says why."""


class StoreTimeout(Exception):
    """It is not known whether the records were written (50002)."""


class RegistryService(Protocol):
    """A registry that lives; any number of tasks may call it at a time."""

    @property
    def is_ready(self) -> bool:
        """Whether the topic has been read up to where it ended at the start: until then reads
        would miss schemas, and `read` raises `StoreFault`."""
        ...

    async def write(self, command: Callable[[Registry], Judged[T]]) -> T:
        """Judge on a state that has everything before, append, apply, answer.

        Args:
            command: pure; may be called again, on a newer state.

        Raises:
            RegistryFault, MalformedContract: the command is refused; nothing was written.
            NotTheLeader: nothing was written here.
            StoreFault: nothing was written.
            StoreTimeout: it may still be written.
        """
        ...

    async def read(
        self,
        query: Callable[[Registry], T],
        *,
        is_short: Callable[[Registry], bool] | None = None,
    ) -> T:
        """Answer from the state of this node. May run in a thread, so a query only reads.

        Args:
            is_short: whether the query parses nothing and goes through few entries of this state,
                so that it may be answered at once, before anything else; is as short itself, and
                never raises. None: it is not. The answer is the same.

        Raises:
            RegistryFault: what is asked for is not there.
            StoreFault: the state is not there yet.
            NotTheLeader: this node has no copy of the topic; the one who leads can be asked.
        """
        ...
