"""Which logical types mean something. Pure.

One that does not suit its type is ignored, never an error: its attributes stay as any other. They
make no difference to what can be read; only their order in a normalized schema depends on this.

Source: Apache Avro 1.12 specification, "Logical Types"; `LogicalTypes.fromSchemaIgnoreInvalid`.
"""

from __future__ import annotations

import math

from sprawl.schema_registry.avro.json_text import JsonValue
from sprawl.schema_registry.avro.nodes import Properties

INT_MAX = 2**31 - 1
UUID_BYTES = 16
DURATION_BYTES = 12

_BASES = {
    "big-decimal": "bytes",
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
}


def logical_attributes(kind: str, size: int, properties: Properties) -> list[str]:
    """The attributes that make up the logical type of a node, if it has a valid one.

    Args:
        size: bytes of a fixed; of no meaning for other kinds.
    """
    word = properties.get("logicalType")
    if word == "decimal":
        return _decimal_attributes(kind, size, properties)
    if word == "uuid":
        valid = kind == "string" or (kind == "fixed" and size == UUID_BYTES)
    elif word == "duration":
        valid = kind == "fixed" and size == DURATION_BYTES
    else:
        valid = isinstance(word, str) and _BASES.get(word) == kind
    return ["logicalType"] if valid else []


def _decimal_attributes(kind: str, size: int, properties: Properties) -> list[str]:
    precision = _int(properties.get("precision"))
    scale = _int(properties.get("scale", 0))
    if precision is None or scale is None or not 0 <= scale <= precision or not precision:
        return []
    if kind == "fixed":
        precision_max = math.floor(math.log10(2) * (8 * size - 1))
    else:
        precision_max = INT_MAX if kind == "bytes" else 0
    if precision > precision_max:
        return []
    return ["logicalType", "precision", *(["scale"] if scale else [])]


def _int(value: JsonValue) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and -INT_MAX <= value <= INT_MAX:
        return value
    return None
