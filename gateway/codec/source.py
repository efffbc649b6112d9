"""What the two source generators share: an indented writer, struct formats, sizes, defaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sprawl.gateway.codec.schema import FIXED_SIZES, Field, SchemaError, Struct

FORMATS: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
"""Letter of the `struct` module for each type of fixed width."""


class SourceWriter:
    """Collects indented lines, and the struct formats that they use.

    `formats` maps a format to the number of the name that the compiled code calls it by.
    """

    __slots__ = ("_depth", "_lines", "formats")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 1
        self.formats: dict[str, int] = {}

    def line(self, text: str) -> None:
        """Add one line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add `head` and indent what follows."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def format_number(self, letters: str) -> int:
        """Number of a struct format, the same for the same letters."""
        return self.formats.setdefault(letters, len(self.formats))

    def text(self, head: str) -> str:
        """The whole function; `head` is its `def` line."""
        return "\n".join([head, *self._lines, ""])


def carried(struct: Struct, version: int) -> list[Field]:
    """Fields that stand in the body of this version, in wire order; tagged ones left out."""
    return [field for field in struct.fields if version in field.versions and field.tag is None]


def tagged(struct: Struct, version: int) -> list[Field]:
    """Tagged fields of this version, by tag."""
    fields = [f for f in struct.fields if version in f.versions and f.tag is not None]
    return sorted(fields, key=lambda field: field.tag or 0)


def absent(struct: Struct, version: int) -> list[Field]:
    """Fields that this version does not carry."""
    return [field for field in struct.fields if version not in field.versions]


def size_min(struct: Struct, version: int, *, flexible: bool) -> int:
    """Fewest bytes that a struct takes: the bound on the elements of an array.

    Raises: SchemaError when it is nothing, since then no bound follows.
    """
    total = 1 if flexible else 0
    for field in carried(struct, version):
        total += field_size_min(field, version, flexible=flexible)
    if not total:
        raise SchemaError(f"{struct.name} takes no bytes in version {version}")
    return total


def field_size_min(field: Field, version: int, *, flexible: bool) -> int:
    """Fewest bytes that a field takes."""
    if field.is_array:
        return 1 if flexible else 4
    if field.struct is not None and version in field.nullable:
        return 1
    return element_size_min(field, version, flexible=flexible)


def element_size_min(field: Field, version: int, *, flexible: bool) -> int:
    """Fewest bytes that a field's type takes, or one element of it when it is an array."""
    if field.struct is not None:
        return size_min(field.struct, version, flexible=flexible)
    if field.type_name in FIXED_SIZES:
        return FIXED_SIZES[field.type_name]
    if flexible:
        return 1
    return 2 if field.type_name == "string" else 4


def default_source(field: Field) -> str:
    """Python source of a field's default. Arrays and structs: a new object at every run."""
    if field.default is None:
        return "None"
    if field.is_array:
        return "[]"
    if field.struct is not None:
        return f"{field.struct.class_name}()"
    if field.type_name == "uuid":
        return "ZERO_UUID"
    if field.type_name == "bytes":
        return 'b""'
    return repr(field.default)


def is_set_source(field: Field, value: str) -> str:
    """Python source that is true when `value` differs from the field's default."""
    if field.default is None:
        return f"{value} is not None"
    if field.is_array:
        nullable = field.nullable.low <= field.nullable.high
        return f"({value} is None or {value})" if nullable else value
    if field.struct is not None:
        inner = [is_set_source(child, f"{value}.{child.name}") for child in field.struct.fields]
        return " or ".join([*inner, f"{value}.unknown_tagged_fields"])
    if field.type_name == "bool":
        return f"not {value}" if field.default else value
    if field.type_name == "bytes":
        return f"len({value})"
    return f"{value} != {default_source(field)}"
