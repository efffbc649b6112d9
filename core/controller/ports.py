"""What the controller asks of its log and of other nodes, and whom it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.ids import BrokerId


class MetadataLog(Protocol):
    """Where the controller's records live, and who may add to them."""

    @property
    def leader(self) -> BrokerId | None:
        """The node whose controller leads now, as far as this node knows; itself only while it may
        append."""
        ...

    @property
    def end_offset(self) -> int:
        """How far the records are committed and applied here; never goes back."""
        ...

    def read_all(self) -> Iterator[bytes]:
        """A checkpoint's records and those known to be committed after it."""
        ...

    def follow(self, machine: StateMachine) -> None:
        """Hand over what is committed after `read_all`, in order, before `append` completes."""
        ...

    def append(self, records: Sequence[bytes]) -> Awaitable[None]:
        """Completes when they are committed and applied here.

        Raises:
            KafkaFault: NOT_CONTROLLER, nothing was written; KAFKA_STORAGE_ERROR or
                REQUEST_TIMED_OUT, they may be committed yet.
        """
        ...

    def wait_for(self, offset: int) -> Awaitable[None]:
        """Completes when everything below `offset` was applied here."""
        ...


class StateMachine(Protocol):
    """What the log's records are applied to."""

    def apply(self, records: Sequence[bytes]) -> None:
        """Follow committed records."""
        ...

    def restore(self, records: Sequence[bytes]) -> None:
        """Go on from a checkpoint of a later state, instead of what leads to it."""
        ...

    def capture(self, log_bytes: int) -> Callable[[], Sequence[bytes]] | None:
        """A checkpoint of the state as it is now, if one is due after so many bytes of records: its
        records are made by the function that is returned, which may run in a thread."""
        ...


class Listener(Protocol):
    """Who follows the controller's decisions on this node."""

    def topic_added(self, topic: TopicInfo) -> None:
        """A topic is new, or has more partitions now."""
        ...

    def topic_moved(self, topic: TopicInfo) -> None:
        """Partitions are to move, or have moved."""
        ...

    def topic_configured(self, topic: TopicInfo) -> None:
        """A topic's configs changed."""
        ...

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None:
        """Topics are gone."""
        ...

    def broker_configured(self, dynamic_default: Mapping[str, str], own: Mapping[str, str]) -> None:
        """The dynamic broker configs changed."""
        ...

    def nodes_changed(self) -> None:
        """A node registered, moved, or was removed."""
        ...


class Remote(Protocol):
    """The way to the controller of another node."""

    def command(self, node: BrokerId, command: bytes) -> Awaitable[bytes]:
        """Have another node's controller execute a command; its answer.

        Raises:
            KafkaFault: what that controller said; NOT_CONTROLLER when the node cannot be reached
                and nothing was sent, REQUEST_TIMED_OUT when it may have been executed.
        """
        ...
