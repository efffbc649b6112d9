"""Schemas of type PROTOBUF that hypothesis makes: beside protoc, and with data on the wire.

* Our descriptor is protoc's, whatever stands in the file.
* Where we call a change compatible, data of the writer's message is read with the reader's, and the
  fields that both know have the values that were written.
* Nothing that comes in, text or descriptor, does anything else than be read or be refused.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, note, settings
from hypothesis import strategies as st

from sprawl.schema_registry.protobuf.schema import ProtobufFormat, ProtobufSchema
from sprawl.schema_registry.schemas import InvalidSchema
from tests import protoc_oracle

KINDS = {
    "int": ("int32", "int64", "uint32", "uint64", "bool", "State"),
    "zigzag": ("sint32", "sint64"),
    "fixed32": ("fixed32", "sfixed32"),
    "fixed64": ("fixed64", "sfixed64"),
    "float": ("float",),
    "double": ("double",),
    "text": ("string", "bytes"),
    "message": ("Part",),
    "other message": ("Part.Deep",),
    "map": ("map<string, int32>", "map<string, bool>"),
    "map of messages": ("map<string, Part>",),
}
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
LABELS = ("", "optional", "repeated")
REST = """
message Part { string name = 1; Deep deep = 2; message Deep { int32 depth = 1; } }
enum State { STATE_UNSET = 0; STATE_SET = 1; }
"""


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    label: str = ""
    oneof: str = ""


Fields = dict[int, Field]


def as_text(fields: Fields) -> str:
    """A file with the message M."""
    lines = ['syntax = "proto3";', "package made;", "message M {"]
    oneofs: dict[str, list[str]] = {}
    for number, field in fields.items():
        if field.oneof:
            line = f"{field.type} {field.name} = {number};"
            oneofs.setdefault(field.oneof, []).append(line)
        else:
            lines.append(f"{field.label} {field.type} {field.name} = {number};")
    lines += (f"oneof {name} {{ {' '.join(members)} }}" for name, members in oneofs.items())
    return "\n".join([*lines, "}", REST])


@st.composite
def field_of(draw: st.DrawFn, number: int) -> Field:
    type_name = draw(st.sampled_from(sorted(KIND_OF)))
    if type_name.startswith("map"):
        return Field(f"f{number}", type_name)
    oneof = draw(st.sampled_from(["", "", "o", "p"]))
    label = "" if oneof else draw(st.sampled_from(LABELS))
    return Field(f"f{number}", type_name, label, oneof)


@st.composite
def files(draw: st.DrawFn) -> Fields:
    numbers = draw(st.lists(st.integers(1, 12), unique=True, max_size=6))
    return {number: draw(field_of(number)) for number in numbers}


@st.composite
def changed(draw: st.DrawFn, fields: Fields) -> Fields:
    """Some changes, harmless and harmful ones."""
    made = dict(fields)
    for _ in range(draw(st.integers(1, 4))):
        step = draw(st.sampled_from(["add", "remove", "rename", "retype", "label", "oneof"]))
        number = draw(st.integers(1, 12))
        if step == "add":
            made.setdefault(number, draw(field_of(number)))
        elif number not in made:
            continue
        elif step == "remove":
            del made[number]
        elif step == "rename":
            made[number] = replace(made[number], name=f"renamed{number}")
        elif step == "retype":
            alike = KINDS[KIND_OF[made[number].type]]
            types = draw(st.sampled_from([alike, sorted(KIND_OF)]))
            type_name = draw(st.sampled_from(types))
            made[number] = Field(made[number].name, type_name, *_plain(made[number], type_name))
        elif not made[number].type.startswith("map"):
            oneof = draw(st.sampled_from(["", "o", "p"])) if step == "oneof" else ""
            label = "" if oneof else draw(st.sampled_from(LABELS))
            made[number] = replace(made[number], oneof=oneof, label=label)
    return made


def _plain(field: Field, type_name: str) -> tuple[str, str]:
    return ("", "") if type_name.startswith("map") else (field.label, field.oneof)


def message_class(schema: ProtobufSchema) -> type[Message]:
    return GetMessageClass(schema.pool.FindMessageTypeByName("made.M"))


# Values that every type of a group of types can hold.
VALUES = {
    "int": st.sampled_from([0, 1]),
    "zigzag": st.sampled_from([0, 1, -5]),
    "fixed32": st.sampled_from([0, 1, 77]),
    "fixed64": st.sampled_from([0, 1, 2**40]),
    "float": st.sampled_from([0.0, 1.5]),
    "double": st.sampled_from([0.0, -2.25]),
    "text": st.sampled_from(["", "a", "some text"]),
}


@st.composite
def filled(draw: st.DrawFn, fields: Fields, kind: type[Message]) -> Any:
    message: Any = kind()
    for number, field in fields.items():
        if draw(st.booleans()):
            _fill(draw, message, number, field)
    return message


def _fill(draw: st.DrawFn, message: Any, number: int, field: Field) -> None:
    value = getattr(message, field.name)
    if field.type == "map<string, Part>":
        value["k"].name = draw(VALUES["text"])
    elif field.type.startswith("map"):
        value["k"] = draw(VALUES["int"])
    elif field.type.startswith("Part"):
        part = value.add() if field.label == "repeated" else value
        part.SetInParent()
        if field.type == "Part":
            part.name = draw(VALUES["text"])
        else:
            part.depth = draw(VALUES["int"])
    else:
        written = draw(VALUES[KIND_OF[field.type]])
        if field.type == "bytes":
            written = written.encode()
        if field.label == "repeated":
            value.extend([written, written])
        else:
            setattr(message, field.name, written)


def plain(value: Any) -> Any:
    """A value without what its type adds to it."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Message):
        return [(field.number, plain(content)) for field, content in value.ListFields()]
    if hasattr(value, "items"):
        return {key: plain(content) for key, content in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(content) for content in value]
    return value


@given(files())
@settings(max_examples=60, deadline=None)
def test_descriptor_is_that_of_protoc(fields: Fields) -> None:
    text = as_text(fields)
    schema = ProtobufFormat().parse(text, [], {})
    theirs = protoc_oracle.descriptor(text)
    assert not isinstance(theirs, str), theirs
    assert schema.descriptor == theirs
    for other in (schema.canonical, schema.normalized().canonical):
        theirs = protoc_oracle.descriptor(other)
        assert ProtobufFormat().parse(other, [], {}).descriptor == theirs
    sent = base64.b64encode(schema.descriptor.SerializeToString()).decode()
    assert ProtobufFormat().parse(sent, [], {}).normalized().canonical == (
        schema.normalized().canonical
    )


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_data_survives_compatible_changes(data: st.DataObject) -> None:
    schemas = ProtobufFormat()
    before = data.draw(files())
    after = data.draw(changed(before))
    writer = schemas.parse(as_text(before), [], {})
    reader = schemas.parse(as_text(after), [], {})
    if schemas.incompatibilities(reader, writer):
        return
    note(as_text(after))
    written = data.draw(filled(before, message_class(writer)))
    read: Any = message_class(reader).FromString(written.SerializeToString())
    for number in before.keys() & after.keys():
        old, new = before[number], after[number]
        if (old.label == "repeated") == (new.label == "repeated"):
            assert plain(getattr(read, new.name)) == plain(getattr(written, old.name)), number


@given(files(), st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_input_is_read_or_refused(fields: Fields, data: st.DataObject) -> None:
    schema = ProtobufFormat().parse(as_text(fields), [], {})
    serialized = bytearray(schema.descriptor.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        serialized[data.draw(st.integers(0, len(serialized) - 1))] = data.draw(st.integers(0, 255))
    text = as_text(fields)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    middle = data.draw(st.text(alphabet='{}[]()<>;=,."/*\n a1-', max_size=5))
    for damaged in (
        base64.b64encode(bytes(serialized)).decode(),
        text[:start] + middle + text[end:],
    ):
        try:
            read = ProtobufFormat().parse(damaged, [], {})
        except InvalidSchema:
            continue
        assert ProtobufFormat().parse(read.canonical, [], {}).canonical == read.canonical
        read.normalized()
