"""Maps that were written as what they stand for. Pure.

Clients that send descriptors have left texts in registries in which a map is a repeated field of a
nested message with `option map_entry = true`. protoc refuses that option in a text; a registry that
takes over such schemas must read them, so they become the map that they are.
"""

from __future__ import annotations

from dataclasses import replace

from sprawl.schema_registry.protobuf.describing import entry_name
from sprawl.schema_registry.protobuf.model import Element, Field, File, Message, Option, Word
from sprawl.schema_registry.protobuf.scanning import fault


def fold_map_entries(file: File) -> File:
    """The file, with maps for the entry messages that it declares.

    Raises:
        InvalidSchema: an entry message to which no repeated field belongs.
    """
    return replace(
        file,
        declarations=tuple(
            _folded(declared) if isinstance(declared, Message) else declared
            for declared in file.declarations
        ),
    )


def _folded(message: Message) -> Message:
    nested = [_folded(inner) for inner in message.every(Message)]
    if _entry_option(message) is not None:
        return message
    entries = {inner.name: inner for inner in nested if _entry_option(inner) is not None}
    if not entries and nested == list(message.every(Message)):
        return message
    elements: list[Element] = []
    used: set[str] = set()
    folded = iter(nested)
    for element in message.elements:
        if isinstance(element, Message):
            inner = next(folded)
            if inner.name not in entries:
                elements.append(inner)
        elif isinstance(element, Field) and (name := entry_name(element.name)) in entries:
            elements.append(_as_map(element, entries[name]))
            used.add(name)
        else:
            elements.append(element)
    for name, entry in entries.items():
        if name not in used:
            raise fault(entry.line, f'"{name}" is the entry of a map, and no field is that map')
    return replace(message, elements=tuple(elements))


def _entry_option(message: Message) -> Option | None:
    return next(
        (
            option
            for option in message.every(Option)
            if option.simple_name == "map_entry" and option.value == Word("true")
        ),
        None,
    )


def _as_map(field: Field, entry: Message) -> Field:
    parts = {part.number: part for part in entry.every(Field)}
    if (
        field.label != "repeated"
        or field.type.rpartition(".")[2] != entry.name
        or [parts[number].name for number in sorted(parts)] != ["key", "value"]
        or sorted(parts) != [1, 2]
    ):
        raise fault(field.line, f'the field "{field.name}" is not the map of "{entry.name}"')
    return replace(field, label="", key_type=parts[1].type, type=parts[2].type)
