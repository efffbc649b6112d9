"""Which cases fail only because of an API that is not served yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.compat.brokers import ApacheKafka, Broker
from tests.compat.report import Case


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a case waits for.

    Args:
        api: the Kafka API or feature.
        says: a part of what the client says if that is the reason; another failure is our own.
    """

    api: str
    says: str


@dataclass(frozen=True, slots=True)
class Needs:
    """Cases, and functions of cases ("CASE/FUNCTION"), to what they wait for."""

    by_name: dict[str, list[Need]] = field(default_factory=dict)

    def of(self, name: str, reasons: Sequence[str]) -> str:
        """The APIs that a case waits for; "" if something else went wrong as well.

        Args:
            reasons: all that went wrong.
        """
        known = self.by_name.get(name, [])
        apis = [[need.api for need in known if need.says in reason] for reason in reasons]
        return ", ".join(sorted({found[0] for found in apis})) if apis and all(apis) else ""


def read_needs(path: Path) -> Needs:
    """Reads `CASE | API | what the client says` lines; `#` starts a comment line."""
    by_name: dict[str, list[Need]] = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, api, says = (word.strip() for word in line.split("|"))
            by_name.setdefault(name, []).append(Need(api=api, says=says))
    return Needs(by_name)


def mark_waiting(cases: Sequence[Case], broker: Broker, path: Path) -> list[Case]:
    """The cases, those that failed with what they wait for by the file; none waits at Kafka."""
    needs = Needs() if isinstance(broker, ApacheKafka) else read_needs(path)
    return [
        replace(case, needs=needs.of(case.name, [case.detail]))
        if case.outcome == "failed"
        else case
        for case in cases
    ]
