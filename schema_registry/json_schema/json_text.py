"""Reads and writes JSON text exactly as the anchor registry's library does. Pure.

Numbers stay what they are: whole ones are `int`, all others `Decimal` and keep their zeros (1.0 is
not 1). Keys keep their order; of a key that comes twice the last value stands in the first place.

Source: RFC 8259; Jackson's `JsonWriteFeature` defaults and `java.math.BigDecimal.toString`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, InvalidOperation
from typing import NoReturn, TypeAlias

from sprawl.schema_registry.json_schema import limits
from sprawl.schema_registry.schemas import InvalidSchema

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

SHOWN_CHARACTERS_MAX = 80
"""Of a value in a message: enough to find it."""

_EXACT = Context(prec=limits.NUMBER_DIGITS_MAX)
_SHORT_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_ESCAPES = str.maketrans({chr(code): f"\\u{code:04X}" for code in range(0x20)} | _SHORT_ESCAPES)


def read(text: str) -> Json:
    """Read one JSON text.

    Raises:
        InvalidSchema: it is no JSON, or larger than `limits` allow; the message says where.
    """
    _check_size(text)
    try:
        value: Json = json.loads(
            text, parse_float=_decimal, parse_int=_whole, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as fault:
        raise InvalidSchema(
            f"not JSON: {fault.msg} at line {fault.lineno}, column {fault.colno}"
        ) from None
    if sum(1 for _ in _values_in(value)) > limits.SCHEMA_VALUES_MAX:
        raise InvalidSchema(f"more than {limits.SCHEMA_VALUES_MAX} values in one schema")
    try:
        write(value).encode()
    except UnicodeEncodeError:
        raise InvalidSchema("half of a surrogate pair (\\ud800 to \\udfff) stands alone") from None
    return value


def write(value: Json, *, sort_keys: bool = False) -> str:
    """Write without white space.

    Args:
        sort_keys: order the keys of every object as Java orders strings: by UTF-16 units.
    """
    parts: list[str] = []
    _write(value, sort_keys, parts)
    return "".join(parts)


def identity(value: Json) -> str:
    """A text that is equal for equal values: 1 and 1.0 are equal, the order of keys is nothing."""
    return write(_with_equal_numbers(value), sort_keys=True)


def plain(value: Json) -> Plain:
    """The same value as other libraries take it: decimals as `float`."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def pointer(steps: Iterable[str], base: str = "#") -> str:
    """A JSON pointer as a URI fragment, without percent escapes: `#/properties/a~1b`.

    Args:
        base: the pointer that the steps go on from.

    Source: RFC 6901, sections 3 and 6.
    """
    escaped = (step.replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join((base, *("/" + step for step in escaped)))


def shown(value: object) -> str:
    """A value in a message: as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"


def _values_in(value: Json) -> Iterator[Json]:
    stack = [value]
    while stack:
        item = stack.pop()
        yield item
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _check_size(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.SCHEMA_BYTES_MAX:
        raise InvalidSchema(f"{size} bytes; a schema has at most {limits.SCHEMA_BYTES_MAX}")
    depth = 0
    quoted = False
    escaped = False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = not escaped and character == "\\"
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > limits.SCHEMA_DEPTH_MAX:
                raise InvalidSchema(
                    f"more than {limits.SCHEMA_DEPTH_MAX} objects and arrays inside each other"
                )
        elif character in "]}":
            depth -= 1


def _whole(digits: str) -> int:
    if len(digits) > limits.NUMBER_DIGITS_MAX:
        raise InvalidSchema(f"a number of more than {limits.NUMBER_DIGITS_MAX} digits")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > limits.NUMBER_DIGITS_MAX:
        raise InvalidSchema(f"a number of more than {limits.NUMBER_DIGITS_MAX} digits")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise _beyond(digits) from None
    if abs(_exponent(number)) > limits.NUMBER_EXPONENT_MAX:
        raise _beyond(digits)
    return number.copy_abs() if number.is_zero() else number


def _beyond(digits: str) -> InvalidSchema:
    return InvalidSchema(f"{digits[:40]}: an exponent beyond {limits.NUMBER_EXPONENT_MAX}")


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "JSON text has no infinity"
    return exponent


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidSchema(f"not JSON: {name} is no number of JSON")


def _write(value: Json, sort_keys: bool, parts: list[str]) -> None:
    if isinstance(value, dict):
        keys = sorted(value, key=_java_order) if sort_keys else list(value)
        for position, key in enumerate(keys):
            parts.append("{" if position == 0 else ",")
            parts.append(f'"{key.translate(_ESCAPES)}":')
            _write(value[key], sort_keys, parts)
        parts.append("}" if keys else "{}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            parts.append("[" if position == 0 else ",")
            _write(item, sort_keys, parts)
        parts.append("]" if value else "[]")
    elif isinstance(value, str):
        parts.append(f'"{value.translate(_ESCAPES)}"')
    elif isinstance(value, bool) or value is None:
        parts.append({True: "true", False: "false", None: "null"}[value])
    else:
        parts.append(str(value))


def _java_order(text: str) -> bytes:
    return text.encode("utf-16-be")


def _with_equal_numbers(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _with_equal_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_equal_numbers(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value).normalize(_EXACT)
    return value.normalize(_EXACT) if isinstance(value, Decimal) else value
