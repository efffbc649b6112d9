"""How schemas and what is wrong with them are shown on a terminal. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import Final, NamedTuple

_CONTEXT_LINES: Final = 3
_INDENT: Final = 2
_PROBLEM: Final = re.compile(
    r"\{errorType:(['\"])(?P<kind>.*?)\1, description:\1(?P<text>.*)\1,"
    r" additionalInfo:\1(?P<path>.*)\1\}",
    re.DOTALL,
)


class Problem(NamedTuple):
    """One reason why two schemas do not go together.

    Args:
        kind: as READER_FIELD_MISSING_DEFAULT_VALUE; empty when the registry gave a text only.
        path: where, in the schema that reads; empty when it is not said.
    """

    kind: str
    path: str
    text: str


def parse_problems(messages: Sequence[str]) -> list[Problem]:
    """The reasons among the messages of a verbose check: what stands around them (the old schema,
    the level) is left out."""
    problems = []
    for message in messages:
        found = _PROBLEM.fullmatch(message.strip())
        if found is not None:
            problems.append(Problem(found["kind"], found["path"], found["text"]))
        elif not message.startswith(("{oldSchema", "{validateFields", "{compatibility")):
            problems.append(Problem("", "", message))
    return problems


def problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    """A line for each, and one that says where."""
    for each in problems:
        yield f"  {each.kind or 'problem'}" + (f" at {each.path}" if each.path else "")
        yield f"    {each.text}"


def pretty(text: str, schema_type: str) -> str:
    """A schema with a field a line; Protobuf, and what is no JSON, as it is."""
    if schema_type == "PROTOBUF":
        return text.rstrip("\n")
    try:
        return json.dumps(json.loads(text), indent=_INDENT, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text.rstrip("\n")


def diff_lines(
    old: str, new: str, schema_type: str, names: tuple[str, str], problems: Sequence[Problem]
) -> Iterator[str]:
    """A unified diff of two schemas, with the lines marked that problems are about.

    A path leads into the schema that reads: into the new one, or for what an older reader could not
    do into the old one. It is marked in the one that has such a place on a changed line.
    """
    old_lines = pretty(old, schema_type).split("\n")
    new_lines = pretty(new, schema_type).split("\n")
    marks = {} if schema_type == "PROTOBUF" else _marks(problems, old_lines, new_lines)
    old_at = new_at = 0
    for line in unified_diff(old_lines, new_lines, *names, n=_CONTEXT_LINES, lineterm=""):
        if line.startswith(("---", "+++")) and not old_at and not new_at:
            yield line
            continue
        if line.startswith("@@"):
            old_at, new_at = _starts(line)
            yield line
            continue
        mark = ""
        if line[0] != "+":
            mark = marks.get(("-", old_at), "")
            old_at += 1
        if line[0] != "-":
            mark = marks.get(("+", new_at), "") or mark
            new_at += 1
        yield f"{line}    <-- {mark}" if mark else line


def _starts(hunk: str) -> tuple[int, int]:
    found = re.match(r"@@ -(\d+)(?:,\d+)? \+(\d+)", hunk)
    assert found is not None
    return int(found[1]), int(found[2])


class _Lines(NamedTuple):
    """Where a value of a pretty text stands, counted from 1; both ends belong to it."""

    first: int
    last: int


def _marks(
    problems: Sequence[Problem], old_lines: Sequence[str], new_lines: Sequence[str]
) -> dict[tuple[str, int], str]:
    """What to say behind which line, by side (`-` or `+`) and number."""
    sides = {"+": (new_lines, old_lines), "-": (old_lines, new_lines)}
    places = {side: _places("\n".join(lines)) for side, (lines, _) in sides.items()}
    marks: dict[tuple[str, int], str] = {}
    for problem in problems:
        pointer = problem.path.removeprefix("#")
        found = [
            (side, _first_changed(places[side][pointer], *sides[side]))
            for side in sides
            if pointer in places[side]
        ]
        changed = [(side, line) for side, line in found if line is not None]
        if not found:
            continue
        at = changed[0] if changed else (found[0][0], places[found[0][0]][pointer].first)
        known = marks.get(at)
        marks[at] = f"{known}, {problem.kind}" if known else problem.kind
    return marks


def _first_changed(place: _Lines, lines: Sequence[str], others: Sequence[str]) -> int | None:
    """The first line of a value that the other text does not have at all."""
    known = {line.rstrip(",") for line in others}
    return next(
        (at for at in range(place.first, place.last + 1) if lines[at - 1].rstrip(",") not in known),
        None,
    )


def _places(text: str) -> dict[str, _Lines]:
    """The lines of each value of a pretty JSON text, by JSON Pointer (RFC 6901). Empty for what is
    no JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    places: dict[str, _Lines] = {}
    _place(value, "", 1, places)
    return places


def _place(value: object, pointer: str, line: int, places: dict[str, _Lines]) -> int:
    """Note where a value and those in it stand; returns the line after its last one."""
    children: Iterator[tuple[str, object]] = iter(())
    if isinstance(value, dict):
        children = iter(value.items())
    elif isinstance(value, list):
        children = ((str(at), each) for at, each in enumerate(value))
    first = line
    for name, child in children:
        escaped = name.replace("~", "~0").replace("/", "~1")
        line = _place(child, f"{pointer}/{escaped}", max(line, first + 1), places)
    end = line + 1
    places[pointer] = _Lines(first, end - 1)
    return end
