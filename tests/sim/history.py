"""What clients did and saw: the one record that checkers judge.

A history is a list of events in the order in which they happened. One process (a client) has
at most one operation under way, or several sends: an `invoke`, and later one event of the same op
that says how it ended:

    ok      it happened; `value` says what was seen.
    fail    it certainly did not happen.
    info    nobody knows whether it happened, or ever will (a time-out, a lost connection).

A process whose operation ended with `info` may go on; an operation that never ends has only its
`invoke` (the run ended first) and counts as `info`.

    op           value of invoke                         value of ok
    send         (topic, partition, None, text)          (topic, partition, offset, text)
    poll         ()                                      ((topic, partition, offset, text), ...)
    assign       ((topic, partition), ...)               the same
    subscribe    (topic, ...)                            the same
    seek         (topic, partition, offset)              the same
    commit       ((topic, partition, offset), ...)       the same
    committed    ((topic, partition, None), ...)         ((topic, partition, offset or None), ...)
    producer_id  none is written                         (producer id, epoch)
    resume       (generation, as of committed)           (generation, as of committed)
    topic        (name, what, argument, None, None)      (name, what, argument, answer, session)
    crash        None (kind info): the process forgets its position and its assignment

The offset of a send is None where its process was not told: a producer with several batches under
way may hear of the last one only.

`fail` and `info` carry the value of the invoke; where there is a reason it stands in the run's log,
not here. A `send` with acks=0 ends with `info`. Every text is sent once by one `send` and by no
other; a text that the client library itself sent several times is still one `send`.

What `topic` does and answers is said by checkers/models.py, `TopicLife`. Answers of one session
came by one connection, so that one life of one node gave all of them.

A process that subscribes is told its partitions by its group; each time it gets other ones, an
`assign` event (kind ok, no invoke) says which it polls from then on. Before that, a `resume` asks
what the group has committed of them, when the generation that it names is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

Kind: TypeAlias = Literal["invoke", "ok", "fail", "info"]

Sent: TypeAlias = tuple[str, int, int | None, str]
"""(topic, partition, offset, text) of a send; the offset is None where it is not known."""
Polled: TypeAlias = tuple[tuple[str, int, int, str], ...]
"""(topic, partition, offset, text) of each record of a poll, in the order it was handed out."""
Assigned: TypeAlias = tuple[tuple[str, int], ...]
Subscribed: TypeAlias = tuple[str, ...]
Sought: TypeAlias = tuple[str, int, int]
ProducerIdentity: TypeAlias = tuple[int, int]
"""(producer id, epoch)."""
Committed: TypeAlias = tuple[tuple[str, int, int | None], ...]
"""(topic, partition, next offset to read); None where nothing was ever committed."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a history.

    Args:
        index: its place in the history, from 0 on.
        at_us: virtual time, microseconds since the world began.
        process: the client that acted.
        kind: how far the operation is; see above.
        op: its name.
        value: what the op's row above says.
    """

    index: int
    at_us: int
    process: int
    kind: Kind
    op: str
    value: object


class History:
    """Events as they are written down.

    Args:
        now_us: the world's clock; without one an event's time is its index.
    """

    def __init__(self, now_us: Callable[[], int] | None = None) -> None:
        self.events: list[Event] = []
        self._now_us = now_us

    def add(self, process: int, kind: Kind, op: str, value: object) -> Event:
        """Write down what just happened."""
        event = Event(len(self.events), self.now_us(), process, kind, op, value)
        self.events.append(event)
        return event

    def now_us(self) -> int:
        """The time of an event that would be written now."""
        return len(self.events) if self._now_us is None else self._now_us()

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def of_op(self, op: str, kind: Kind | None = None) -> Iterator[Event]:
        """The events of one op, of one kind of it when given."""
        return (e for e in self.events if e.op == op and (kind is None or e.kind == kind))


def resumed_of(event: Event) -> tuple[int, Committed]:
    """A resume's generation, and its offsets."""
    assert event.op == "resume"
    return cast("tuple[int, Committed]", event.value)


def sent_of(event: Event) -> Sent:
    """A send's value."""
    assert event.op == "send"
    return cast("Sent", event.value)


def polled_of(event: Event) -> Polled:
    """A poll's value."""
    assert event.op == "poll"
    return cast("Polled", event.value)
