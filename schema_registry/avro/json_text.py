"""JSON as the Java library reads and prints it, so that canonical texts are equal. Pure.

It reads comments, and of a key that occurs twice the last value; it prints without blanks, escapes
only what must be, and doubles as Java's `Double.toString` does. Integers keep all their digits.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import NoReturn, TypeAlias

from sprawl.schema_registry.schemas import InvalidSchema

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"  # recursive
)

NESTING_MAX = 400
"""Brackets within brackets in a schema's text: some 100 records within each other, each in a union.
What walks through a text takes a frame of Python's stack, of a thousand, for one."""
NUMBER_DIGITS_MAX = 1_000
"""Digits of one number, as in the Java library: reading one costs the square of its length."""

_PIECE = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"'  # a string
    r"|//[^\n\r]*|/\*.*?\*/"  # a comment
    r"|[\[\]{}]",
    re.DOTALL,
)
_ESCAPED = re.compile('[\x00-\x1f"\\\\\ud800-\udfff]')
_SHORT_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}
_PLAIN_MIN, _PLAIN_MAX = Decimal("1E-3"), Decimal("1E+7")


def read_json(text: str) -> JsonValue:
    """The value that a text stands for.

    Raises:
        InvalidSchema: it is no JSON (the message says the line and the column), or nested too deep.
    """
    if nesting(text) > NESTING_MAX:
        raise InvalidSchema(f"the text has more than {NESTING_MAX} brackets within each other")
    try:
        value: JsonValue = json.loads(
            _PIECE.sub(_without_comment, text), parse_int=_integer, parse_constant=_no_constant
        )
    except json.JSONDecodeError as fault:
        raise InvalidSchema(
            f"the text is no JSON: {fault.msg} at line {fault.lineno}, column {fault.colno}"
        ) from None
    return value


def nesting(text: str) -> int:
    """How many brackets of a JSON text stand within each other at most."""
    depth = depth_max = 0
    for piece in _PIECE.finditer(text):
        match text[piece.start()]:
            case "[" | "{":
                depth += 1
                depth_max = max(depth, depth_max)
            case "]" | "}":
                depth -= 1
    return depth_max


def _without_comment(piece: re.Match[str]) -> str:
    text = piece[0]
    if text[0] != "/":
        return text
    return re.sub(r"[^\n\r]", " ", text)  # lines and columns stay where they were


def _integer(digits: str) -> int:
    if len(digits) > NUMBER_DIGITS_MAX:
        raise InvalidSchema(f"a number has more than {NUMBER_DIGITS_MAX} digits")
    return int(digits)


def _no_constant(word: str) -> NoReturn:
    raise InvalidSchema(f'the text is no JSON: {word} is no number; write "{word}" as a text')


def json_text(value: JsonValue) -> str:
    """A value as text."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return java_double(value)
        case str():
            return json_string(value)
        case list():
            items: list[str] = []
            for item in value:  # a comprehension would take a frame of its own
                items.append(json_text(item))  # noqa: PERF401
            return f"[{','.join(items)}]"
        case dict():
            members: list[str] = []
            for key, item in value.items():
                members.append(f"{json_string(key)}:{json_text(item)}")
            return f"{{{','.join(members)}}}"


def json_string(text: str) -> str:
    """A string in quotes. Half a surrogate pair stays an escape: UTF-8 has no bytes for it."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT_ESCAPES.get(char) or f"\\u{ord(char):04X}"


def java_double(value: float) -> str:
    """As `Double.toString` spells it; what is no number stands in quotes."""
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    exact = Decimal(repr(value))
    if not exact:
        return "-0.0" if exact.is_signed() else "0.0"
    if _PLAIN_MIN <= abs(exact) < _PLAIN_MAX:
        plain = f"{exact:f}"
        return plain if "." in plain else plain + ".0"
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0")
    if len(digits) == 1:  # of those with two digits the nearest: 4.9E-324, not 5.0E-324
        exact = Decimal(f"{value:.1e}")
        digits = "".join(map(str, exact.as_tuple().digits))
    sign = "-" if exact.is_signed() else ""
    return f"{sign}{digits[0]}.{digits[1:]}E{exact.adjusted()}"
