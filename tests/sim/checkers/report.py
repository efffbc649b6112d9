"""What a check says: anomalies as data, how often each, figures; with a text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.sim.history import Event

EXAMPLES_PER_NAME = 8
"""Anomalies of one name that are kept whole; the others are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something that must not be.

    Args:
        name: which rule it breaks; README.md lists them.
        what: one sentence for people, with the numbers of the events.
        events: the events that show it, in the order of the history.
    """

    name: str
    what: str
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdict on one history.

    Args:
        errors: examples of what must not be.
        allowed: examples of what the expectations allow; they do not make the report bad.
        counts: how often each name was found, errors and allowed alike.
        figures: what was checked and what was measured.
        unknown: checks that ran out of time or steps, so that nothing is proved by them.
    """

    errors: tuple[Anomaly, ...]
    allowed: tuple[Anomaly, ...]
    counts: Mapping[str, int]
    figures: Mapping[str, float]
    unknown: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """No error was found. Checks without a verdict are listed in `unknown`."""
        return not self.errors

    @property
    def names(self) -> frozenset[str]:
        """The names of the errors."""
        return frozenset(anomaly.name for anomaly in self.errors)

    def text(self, *, with_events: bool = True) -> str:
        """The report for people."""
        lines = ["good" if self.is_good else f"BAD: {', '.join(sorted(self.names))}"]
        lines += [f"  {name} = {value:,.6g}" for name, value in self.figures.items()]
        for title, found in (("error", self.errors), ("allowed", self.allowed)):
            for anomaly in found:
                lines.append(f"  {title}: {anomaly.name}: {anomaly.what}")
                if with_events and title == "error":
                    lines += [f"    {describe(event)}" for event in anomaly.events]
        shown = Counter(anomaly.name for anomaly in self.errors)
        shown.update(f"{anomaly.name} (allowed)" for anomaly in self.allowed)
        for name, count in self.counts.items():
            if count > shown[name]:
                lines.append(f"  {name}: {count} in all, {shown[name]} shown")
        lines += [f"  no verdict: {what}" for what in self.unknown]
        return "\n".join(lines)


@dataclass(slots=True)
class Findings:
    """Collects what the checks of one history find.

    Args:
        allowed: names that are no errors in this history.
    """

    allowed: frozenset[str] = frozenset()
    errors: list[Anomaly] = field(default_factory=list)
    tolerated: list[Anomaly] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    figures: dict[str, float] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(
        self, name: str, what: str, events: Iterable[Event | None] = (), *, is_allowed: bool = False
    ) -> None:
        """Note an anomaly; `is_allowed` where it is none in this place."""
        tolerated = is_allowed or name in self.allowed
        count_as = f"{name} (allowed)" if tolerated else name
        self.counts[count_as] += 1
        if self.counts[count_as] > EXAMPLES_PER_NAME:
            return
        seen = {event.index: event for event in events if event is not None}
        shown = tuple(seen[index] for index in sorted(seen))
        anomaly = Anomaly(name=name, what=what, events=shown)
        (self.tolerated if tolerated else self.errors).append(anomaly)

    def report(self) -> Report:
        """What was found so far."""
        return Report(
            errors=tuple(self.errors),
            allowed=tuple(self.tolerated),
            counts=dict(self.counts),
            figures=dict(self.figures),
            unknown=tuple(self.unknown),
        )


def describe(event: Event) -> str:
    """One line for an event; long values are cut."""
    value = repr(event.value)
    if len(value) > 200:
        value = f"{value[:160]} ... {value[-30:]}"
    return (
        f"#{event.index} {event.at_us} us process {event.process} {event.kind} {event.op} {value}"
    )
