"""Names of Avro: what may be one, and how a name is said within a namespace. Pure.

Source: Apache Avro 1.12 specification, "Names" and "Aliases".
"""

from __future__ import annotations

import re
from typing import NamedTuple

PRIMITIVES = frozenset(
    ("null", "boolean", "int", "long", "float", "double", "bytes", "string"),
)
_TYPE_WORDS = PRIMITIVES | {"record", "enum", "array", "map", "union", "fixed"}
_STRICT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Name(NamedTuple):
    """The name of a record, an enum or a fixed.

    Args:
        space: its namespace; empty if it has none.
        simple: what stands behind the last dot.
    """

    space: str
    simple: str

    @property
    def full(self) -> str:
        return f"{self.space}.{self.simple}" if self.space else self.simple

    def within(self, space: str) -> str:
        """As a reference says it where `space` is the namespace: short if that is enough.

        A type that bears the word of a type (`ns.record`) is always said in full, as Java does.
        """
        if self.space and self.space == space and self.simple not in _TYPE_WORDS:
            return self.simple
        return self.full


def parse_name(text: str, space: str) -> Name:
    """What `text` names where `space` is the namespace; a dot in it decides over `space`."""
    before, dot, simple = text.rpartition(".")
    return Name(before if dot else space, simple)


def strict_fault(name: str) -> str | None:
    """Why a name is none by the specification, or None. New schemas are held to this."""
    if _STRICT.fullmatch(name):
        return None
    return _fault(name, "only letters A-Z and a-z, digits and _ may stand in a name")


def lenient_fault(name: str) -> str | None:
    """The same for schemas that are stored already: older registries let all letters pass."""
    first, rest = name[:1], name[1:]
    if (first == "_" or _is_letter(first)) and all(
        char == "_" or _is_letter(char) or (char.isdecimal() and char <= "\uffff") for char in rest
    ):
        return None
    return _fault(name, "only letters, digits and _ may stand in a name")


def _is_letter(char: str) -> bool:
    return char.isalpha() and char <= "\uffff"  # Java looks at UTF-16 units


def _fault(name: str, rule: str) -> str:
    if not name:
        return "a name is empty"
    if name[0].isdecimal():
        return f'"{name}" is no name: it begins with a digit'
    return f'"{name}" is no name: {rule}'
