"""How schemas and what is wrong with them are shown on a terminal. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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
    except ValueError:
        return text.rstrip("\n")


def diff_lines(
    old: str, new: str, schema_type: str, names: tuple[str, str], problems: Sequence[Problem]
) -> Iterator[str]:
    """A unified diff of two schemas, with the lines marked that problems are about.

    A path leads into the schema that reads: into the new one, or for what an older reader could not
    do into the old one. It is marked in the one that has such a place on a changed line.
    """
    before, after = pretty(old, schema_type), pretty(new, schema_type)
    old_lines, new_lines = before.split("\n"), after.split("\n")
    marks = (
        {}
        if schema_type == "PROTOBUF"
        else _marks(problems, _places(before), _places(after), old_lines, new_lines)
    )
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


def _marks(
    problems: Sequence[Problem],
    old_places: Mapping[str, int],
    new_places: Mapping[str, int],
    old_lines: Sequence[str],
    new_lines: Sequence[str],
) -> dict[tuple[str, int], str]:
    marks: dict[tuple[str, int], str] = {}
    for problem in problems:
        pointer = problem.path.removeprefix("#")
        found = [
            (side, places[pointer], lines, others)
            for side, places, lines, others in (
                ("+", new_places, new_lines, old_lines),
                ("-", old_places, old_lines, new_lines),
            )
            if pointer in places
        ]
        changed = [each for each in found if each[2][each[1] - 1] not in each[3]]
        for side, line, _, _ in (changed or found)[:1]:
            known = marks.get((side, line))
            marks[side, line] = f"{known}, {problem.kind}" if known else problem.kind
    return marks


def _places(text: str) -> dict[str, int]:
    """The line on which each value of a pretty JSON text begins, counted from 1, by JSON Pointer
    (RFC 6901). Empty for what is no JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    places: dict[str, int] = {}
    _place(value, "", 1, places)
    return places


def _place(value: object, pointer: str, line: int, places: dict[str, int]) -> int:
    """Note where a value and those in it begin; returns the line after its last one."""
    places[pointer] = line
    children: Iterator[tuple[str, object]]
    if isinstance(value, dict):
        children = iter(value.items())
    elif isinstance(value, list):
        children = ((str(at), each) for at, each in enumerate(value))
    else:
        return line + 1
    if not value:
        return line + 1
    line += 1
    for name, child in children:
        escaped = name.replace("~", "~0").replace("/", "~1")
        line = _place(child, f"{pointer}/{escaped}", line, places)
    return line + 1
