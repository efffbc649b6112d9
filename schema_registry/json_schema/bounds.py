"""Keywords that bound a number from above or below. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, TypeAlias

from sprawl.schema_registry.json_schema.json_text import Json
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Node
from sprawl.schema_registry.json_schema.runs import Path, Run

Number: TypeAlias = int | Decimal


class Bound(NamedTuple):
    """The kinds of difference that one such keyword can have."""

    keyword: str
    added: Kind
    removed: Kind
    increased: Kind
    decreased: Kind


def bound(keyword: str, name: str) -> Bound:
    """The bound whose kinds begin with a name."""
    return Bound(
        keyword,
        *(Kind[f"{name}_{change}"] for change in ("ADDED", "REMOVED", "INCREASED", "DECREASED")),
    )


def number(value: Json) -> Number | None:
    """A number, if it is one."""
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def counted(node: Node, keyword: str) -> Number | None:
    """How many a keyword allows; a minimum of 0 is none."""
    value = number(node.get(keyword))
    return None if value == 0 and keyword.startswith("min") else value


def compare_bound(
    run: Run, rule: Bound, writer: Number | None, reader: Number | None, path: Path
) -> None:
    """Note how a bound has changed."""
    at = path.to(rule.keyword)
    if writer is None and reader is None:
        return
    if writer is None:
        run.add(rule.added, at, reader=reader)
    elif reader is None:
        run.add(rule.removed, at)
    elif reader > writer:
        run.add(rule.increased, at, writer=writer, reader=reader)
    elif reader < writer:
        run.add(rule.decreased, at, writer=writer, reader=reader)
