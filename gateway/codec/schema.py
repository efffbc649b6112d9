"""The project's schema notation: the model of a message and the parser of `schemas/*.kafka`.

One file describes one API. Indentation (two spaces a level) nests structs:

    api 9 OffsetFetch
    versions 1-10
    flexible 6+

    request
      group_id  string  1-7  ignorable      # Group to read.
      topics    []OffsetFetchRequestTopic?2+  1-7
        name  string                        # Topic name.

A field line is `name type [versions] [tag N] [= default] [ignorable]  # doc`. Versions left out are
those of the API. `?` after the type makes a field nullable, `?2+` only from version 2. A `struct`
block names a struct that several fields of the same direction use. README.md has the full rules.

Pure: text in, values out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

FIXED_SIZES: Final[dict[str, int]] = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "float64": 8,
    "uuid": 16,
}
"""Bytes on the wire of the types whose width is fixed."""

PRIMITIVES: Final = frozenset({*FIXED_SIZES, "string", "bytes", "records"})
VERSION_MAX: Final = 32_767

Default = int | float | bool | str | None


class SchemaError(ValueError):
    """A schema file breaks the notation; the message names the line."""


class Versions(NamedTuple):
    """A closed range of versions; empty when `low > high`."""

    low: int
    high: int

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.low <= version <= self.high

    def clamp(self, other: Versions) -> Versions:
        """The versions that both ranges hold."""
        both = Versions(max(self.low, other.low), min(self.high, other.high))
        return both if both.low <= both.high else NO_VERSIONS


NO_VERSIONS: Final = Versions(0, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a struct; `struct` is set when `type_name` is not a primitive."""

    name: str
    type_name: str
    is_array: bool
    versions: Versions
    nullable: Versions
    tag: int | None
    default: Default
    ignorable: bool
    doc: str
    struct: Struct | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """A named sequence of fields. `class_name` is the Python class that carries it."""

    name: str
    class_name: str
    versions: Versions
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API: both directions of one file. `stable_max` leaves an unstable last version out."""

    key: int
    name: str
    doc: str
    versions: Versions
    stable_max: int
    flexible: Versions
    request: Struct
    response: Struct

    def module_name(self) -> str:
        """Name of the generated module, `k09_offset_fetch`."""
        return f"k{self.key:02d}_{snake_case(self.name)}"


class _Line(NamedTuple):
    number: int
    depth: int
    text: str
    doc: str


class _Block(NamedTuple):
    line: _Line
    children: list[_Block]


def snake_case(name: str) -> str:
    """`ApiVersions` -> `api_versions`, the rule that field and module names follow."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def parse_versions(text: str) -> Versions:
    """`3`, `3-7` or `3+`. Raises SchemaError on anything else."""
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if match is None:
        raise SchemaError(f"not a version range: {text!r}")
    low = int(match[1])
    if match[2]:
        return Versions(low, VERSION_MAX)
    return Versions(low, int(match[3]) if match[3] else low)


def parse_api(text: str) -> Api:
    """Parse one schema file.

    Raises:
        SchemaError: the text breaks the notation.
    """
    blocks = _nest(_lines(text))
    header: dict[str, _Line] = {}
    bodies: dict[str, _Block] = {}
    for block in blocks:
        word, _, rest = block.line.text.partition(" ")
        if word in ("request", "response"):
            bodies[word] = block
        elif word in ("api", "versions", "unstable", "flexible"):
            header[word] = block.line._replace(text=rest.strip())
        else:
            raise SchemaError(f"line {block.line.number}: unknown section {word!r}")
    missing = {"api", "versions", "request", "response"} - header.keys() - bodies.keys()
    if missing:
        raise SchemaError(f"missing sections: {', '.join(sorted(missing))}")
    key, name = header["api"].text.split()
    versions = parse_versions(header["versions"].text)
    flexible = NO_VERSIONS
    if "flexible" in header:
        flexible = parse_versions(header["flexible"].text)
    stable_max = versions.high
    if "unstable" in header:
        stable_max = parse_versions(header["unstable"].text).low - 1
    shared = _struct_names(bodies["request"]) & _struct_names(bodies["response"])
    request = _message(bodies["request"], name, "Request", versions, shared)
    response = _message(bodies["response"], name, "Response", versions, shared)
    return Api(
        key=int(key),
        name=name,
        doc=header["api"].doc,
        versions=versions,
        stable_max=stable_max,
        flexible=flexible,
        request=request,
        response=response,
    )


def _lines(text: str) -> list[_Line]:
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        code, _, doc = raw.partition("#")
        if not code.strip():
            continue
        indent = len(code) - len(code.lstrip(" "))
        if indent % 2 or "\t" in code:
            raise SchemaError(f"line {number}: indent by two spaces a level")
        lines.append(_Line(number, indent // 2, code.strip(), doc.strip()))
    return lines


def _nest(lines: list[_Line]) -> list[_Block]:
    roots: list[_Block] = []
    stack: list[_Block] = []
    for line in lines:
        if line.depth > len(stack):
            raise SchemaError(f"line {line.number}: indented too far")
        del stack[line.depth :]
        block = _Block(line, [])
        (stack[-1].children if stack else roots).append(block)
        stack.append(block)
    return roots


def _struct_names(block: _Block) -> set[str]:
    """Names of the structs that are defined below a block."""
    names = set()
    for child in block.children:
        if child.children:
            words = child.line.text.split()
            names.add(words[1].removeprefix("[]").partition("?")[0])
            names |= _struct_names(child)
    return names


def _message(
    block: _Block, api_name: str, direction: str, versions: Versions, shared: set[str]
) -> Struct:
    prefixes = {name: direction + name for name in shared}
    named: dict[str, Struct] = {}
    body = []
    for child in block.children:
        words = child.line.text.split()
        if words[0] == "struct":
            own = parse_versions(words[2]).clamp(versions) if len(words) > 2 else versions
            fields = tuple(_field(line, own, named, prefixes) for line in child.children)
            class_name = prefixes.get(words[1], words[1])
            named[words[1]] = Struct(
                name=words[1], class_name=class_name, versions=own, fields=fields
            )
        else:
            body.append(child)
    root = api_name + direction
    fields = tuple(_field(child, versions, named, prefixes) for child in body)
    return Struct(name=root, class_name=root, versions=versions, fields=fields)


_FIELD = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*)"
    r"\s+(?P<array>\[\])?(?P<type>\w+)(?P<null>\?(?P<null_versions>[\d+-]+)?)?"
    r"(?:\s+(?P<versions>\d+(?:\+|-\d+)?))?"
    r"(?:\s+tag\s+(?P<tag>\d+))?"
    r"(?:\s+=\s*(?P<default>\S+))?"
    r"(?P<ignorable>\s+ignorable)?"
)


def _field(
    block: _Block, outer: Versions, named: dict[str, Struct], prefixes: dict[str, str]
) -> Field:
    line = block.line
    match = _FIELD.fullmatch(line.text)
    if match is None:
        raise SchemaError(f"line {line.number}: not a field: {line.text!r}")
    versions = parse_versions(match["versions"]).clamp(outer) if match["versions"] else outer
    nullable = NO_VERSIONS
    if match["null"]:
        wanted = match["null_versions"]
        nullable = parse_versions(wanted).clamp(versions) if wanted else versions
    type_name = match["type"]
    struct = None
    if block.children:
        fields = tuple(_field(child, versions, named, prefixes) for child in block.children)
        class_name = prefixes.get(type_name, type_name)
        struct = Struct(name=type_name, class_name=class_name, versions=versions, fields=fields)
    elif type_name not in PRIMITIVES:
        if type_name not in named:
            raise SchemaError(f"line {line.number}: unknown type {type_name!r}")
        struct = named[type_name]
    is_lone_struct = struct is not None and not match["array"]
    if is_lone_struct and nullable != NO_VERSIONS and match["default"] != "null":
        raise SchemaError(f"line {line.number}: a struct that may be null is null by default")
    try:
        default = _default(match["default"], type_name, is_array=match["array"] is not None)
    except ValueError as error:
        raise SchemaError(f"line {line.number}: bad default: {error}") from None
    return Field(
        name=match["name"],
        type_name=type_name,
        is_array=match["array"] is not None,
        versions=versions,
        nullable=nullable,
        tag=int(match["tag"]) if match["tag"] else None,
        default=default,
        ignorable=match["ignorable"] is not None,
        doc=line.doc,
        struct=struct,
    )


def _default(text: str | None, type_name: str, *, is_array: bool) -> Default:
    """The value a field takes when nobody sets it; arrays and structs: "" stands for empty."""
    if text == "null":
        return None
    if is_array or type_name not in FIXED_SIZES:
        if type_name == "records" and text is None:
            return None
        return "" if text is None else text
    if type_name == "bool":
        return text == "true"
    if type_name == "float64":
        return float(text or 0)
    if type_name == "uuid":
        return ""
    return int(text or "0", 0)
