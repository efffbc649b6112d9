"""Values of options as text: for people, and for the text format. Pure."""

from __future__ import annotations

from collections.abc import Callable

from sprawl.schema_registry.protobuf.model import (
    Aggregate,
    Entry,
    Items,
    Number,
    Text,
    Value,
    Word,
)

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
}
_BYTE_ESCAPES = {ord(character): _ESCAPES[character] for character in "\n\r\t\"'\\"}


def escaped_text(value: bytes) -> str:
    """The inside of a string literal: readable where the bytes are UTF-8, else octal."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return escaped_bytes(value)
    return "".join(
        _ESCAPES.get(character) or (character if character >= " " else f"\\{ord(character):03o}")
        for character in text
    )


def escaped_bytes(value: bytes) -> str:
    """The inside of a string literal in ASCII, as descriptors hold defaults of type bytes."""
    return "".join(
        _BYTE_ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}")
        for byte in value
    )


def as_text_format(value: Aggregate, extension_name: Callable[[str], str]) -> str:
    """A message literal for `google.protobuf.text_format`.

    Args:
        extension_name: the full name of an extension that is written as it is seen from the file.
    """
    return " ".join(_field(entry, extension_name) for entry in value.entries)


def _field(entry: Entry, extension_name: Callable[[str], str]) -> str:
    key = entry.key
    if key.startswith("[") and "/" not in key:
        key = f"[{extension_name(key[1:-1])}]"
    return f"{key}: {_value(entry.value, extension_name)}"


def _value(value: Value, extension_name: Callable[[str], str]) -> str:
    match value:
        case Text():
            return f'"{escaped_bytes(value.value)}"'
        case Number():
            return value.spelling
        case Word():
            return value.name
        case Items():
            return f"[{', '.join(_value(item, extension_name) for item in value.values)}]"
        case Aggregate():
            return f"{{ {as_text_format(value, extension_name)} }}"
