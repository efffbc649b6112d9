"""From a descriptor to `model.File`: clients may send a schema as base64 of a FileDescriptorProto.

The other way of describing.py: entry messages become maps, made-up oneofs become `optional`. Names
stay full names with a leading dot. Options of the declarations that the pool knows are rendered;
bytes of options that nobody declares mean nothing to anybody and are left out.

Source: descriptor.proto.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.message_factory import GetMessageClass

from sprawl.schema_registry.protobuf import model
from sprawl.schema_registry.protobuf.describing import ENUM_NUMBER_MAX, json_name
from sprawl.schema_registry.protobuf.limits import FIELD_NUMBER_MAX
from sprawl.schema_registry.protobuf.model import (
    Aggregate,
    Entry,
    Items,
    NamePart,
    Number,
    Option,
    Text,
    Value,
    Word,
)
from sprawl.schema_registry.protobuf.scanning import unquote
from sprawl.schema_registry.schemas import InvalidSchema

_Proto = pb.FieldDescriptorProto
_LABELS = {_Proto.LABEL_REQUIRED: "required", _Proto.LABEL_REPEATED: "repeated"}


def render(file: pb.FileDescriptorProto, pool: DescriptorPool) -> model.File:
    """The file that a descriptor describes.

    Args:
        pool: holds the file and what it imports.

    Raises:
        InvalidSchema: the descriptor says something that no text can say.
    """
    return _Renderer(file, pool).file()


class _Renderer:
    def __init__(self, file: pb.FileDescriptorProto, pool: DescriptorPool) -> None:
        self._file = file
        self._pool = pool
        self._syntax = file.syntax or "proto2"

    def file(self) -> model.File:
        file = self._file
        declarations: list[model.Declaration] = [
            *self._messages(file.message_type, _groups(file.extension)),
            *map(self._enum, file.enum_type),
            *self._extends(file.extension, _by_name(file.message_type)),
            *map(self._service, file.service),
        ]
        edition = ""
        if self._syntax == "editions":
            edition = pb.Edition.Name(file.edition).removeprefix("EDITION_")
        return model.File(
            syntax=file.syntax,
            edition=edition,
            package=file.package,
            imports=tuple(self._imports()),
            options=self._options(file),
            declarations=tuple(declarations),
        )

    def _imports(self) -> Iterator[model.Import]:
        public, weak = set(self._file.public_dependency), set(self._file.weak_dependency)
        for index, path in enumerate(self._file.dependency):
            kind = "public" if index in public else "weak" if index in weak else ""
            yield model.Import(path, kind)
        for path in self._file.option_dependency:
            yield model.Import(path, "option")

    def _messages(
        self, messages: Iterable[pb.DescriptorProto], groups: set[str]
    ) -> Iterator[model.Message]:
        """Those that the text declares as messages: neither entries of maps nor groups."""
        for message in messages:
            if not message.options.map_entry and message.name not in groups:
                yield self._message(message)

    def _message(self, message: pb.DescriptorProto) -> model.Message:
        nested = _by_name(message.nested_type)
        elements: list[model.Element] = [
            *(
                model.Reserved(ranges=(_field_range(part.start, part.end),))
                for part in message.reserved_range
            ),
            *(model.Reserved(names=(name,)) for name in message.reserved_name),
            *self._options(message),
        ]
        real = {
            field.oneof_index
            for field in message.field
            if field.HasField("oneof_index") and not field.proto3_optional
        }
        members: dict[int, list[model.Field]] = {index: [] for index in sorted(real)}
        for field in message.field:
            rendered = self._field(field, nested)
            if field.HasField("oneof_index") and not field.proto3_optional:
                members[field.oneof_index].append(rendered)
            else:
                elements.append(rendered)
        for index, fields in members.items():
            oneof = message.oneof_decl[index]
            options = self._options(oneof)
            elements.append(model.Oneof(name=oneof.name, fields=tuple(fields), options=options))
        elements += [
            model.Extensions(
                ranges=(_field_range(part.start, part.end),), options=self._options(part)
            )
            for part in message.extension_range
        ]
        elements += self._extends(message.extension, nested)
        groups = _groups((*message.field, *message.extension))
        elements += self._messages(message.nested_type, groups)
        elements += map(self._enum, message.enum_type)
        return model.Message(
            name=message.name,
            elements=tuple(elements),
            visibility=_visibility(message.visibility),
        )

    def _field(
        self, field: pb.FieldDescriptorProto, nested: Mapping[str, pb.DescriptorProto]
    ) -> model.Field:
        name, type_name, key_type = field.name, field.type_name, ""
        group: model.Message | None = None
        label = self._label(field)
        local = nested.get(type_name.rpartition(".")[2])
        if field.type == _Proto.TYPE_GROUP:
            if local is None or local.name.lower() != name:
                raise InvalidSchema(f'the group "{name}" has no message beside it')
            name, type_name, group = local.name, "group", self._message(local)
        elif field.type == _Proto.TYPE_MESSAGE and local is not None and local.options.map_entry:
            key_type, type_name = (self._type(part) for part in local.field)
            label = ""
        else:
            type_name = self._type(field)
        return model.Field(
            name=name,
            number=field.number,
            type=type_name,
            label=label,
            key_type=key_type,
            group=group,
            options=(*self._options(field), *self._pseudo_options(field)),
        )

    def _type(self, field: pb.FieldDescriptorProto) -> str:
        return field.type_name or _Proto.Type.Name(field.type).removeprefix("TYPE_").lower()

    def _label(self, field: pb.FieldDescriptorProto) -> str:
        if field.label in _LABELS:
            return _LABELS[field.label]
        if field.proto3_optional:
            return "optional"
        in_oneof = field.HasField("oneof_index")
        return "optional" if self._syntax == "proto2" and not in_oneof else ""

    def _pseudo_options(self, field: pb.FieldDescriptorProto) -> Iterator[Option]:
        if field.HasField("default_value"):
            yield Option((NamePart("default"),), _default(field))
        if field.HasField("json_name") and field.json_name != json_name(field.name):
            yield Option((NamePart("json_name"),), Text(field.json_name.encode()))

    def _extends(
        self,
        extensions: Iterable[pb.FieldDescriptorProto],
        nested: Mapping[str, pb.DescriptorProto],
    ) -> list[model.Extend]:
        fields: dict[str, list[model.Field]] = {}
        for extension in extensions:
            rendered = self._field(extension, nested)
            fields.setdefault(extension.extendee, []).append(rendered)
        return [
            model.Extend(extendee=extendee, fields=tuple(found))
            for extendee, found in fields.items()
        ]

    def _enum(self, enum: pb.EnumDescriptorProto) -> model.Enum:
        return model.Enum(
            name=enum.name,
            values=tuple(
                model.EnumValue(name=value.name, number=value.number, options=self._options(value))
                for value in enum.value
            ),
            reserved=(
                *(
                    model.Reserved(ranges=(_enum_range(part.start, part.end),))
                    for part in enum.reserved_range
                ),
                *(model.Reserved(names=(name,)) for name in enum.reserved_name),
            ),
            options=self._options(enum),
            visibility=_visibility(enum.visibility),
        )

    def _service(self, service: pb.ServiceDescriptorProto) -> model.Service:
        return model.Service(
            name=service.name,
            methods=tuple(
                model.Method(
                    name=method.name,
                    input_type=method.input_type,
                    output_type=method.output_type,
                    client_streaming=method.client_streaming,
                    server_streaming=method.server_streaming,
                    options=self._options(method),
                )
                for method in service.method
            ),
            options=self._options(service),
        )

    def _options(self, holder: Any) -> tuple[Option, ...]:
        """The options of a descriptor, of whichever kind it is."""
        if not holder.HasField("options"):
            return ()
        try:
            return tuple(self._options_of(holder))
        except (DecodeError, UnicodeDecodeError):
            kind = holder.DESCRIPTOR.name.removesuffix("DescriptorProto").lower()
            raise InvalidSchema(
                f'the options of the {kind} "{getattr(holder, "name", "")}" are damaged'
            ) from None

    def _options_of(self, holder: Any) -> Iterator[Option]:
        message = self._with_extensions(holder.options)
        for field, value in message.ListFields():
            if field.name == "map_entry" and not field.is_extension:
                continue
            part = NamePart(
                field.full_name if field.is_extension else field.name, field.is_extension
            )
            values = value if field.is_repeated else (value,)
            yield from (Option((part,), _value(field, item)) for item in values)

    def _with_extensions(self, options: ProtoMessage) -> ProtoMessage:
        try:
            descriptor = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        except KeyError:
            return options
        return GetMessageClass(descriptor).FromString(options.SerializeToString())


def _by_name(messages: Iterable[pb.DescriptorProto]) -> dict[str, pb.DescriptorProto]:
    return {message.name: message for message in messages}


def _visibility(value: int) -> str:
    name = pb.SymbolVisibility.Name(pb.SymbolVisibility.ValueType(value))
    return {"VISIBILITY_EXPORT": "export", "VISIBILITY_LOCAL": "local"}.get(name, "")


def _groups(fields: Iterable[pb.FieldDescriptorProto]) -> set[str]:
    """Names of the messages that are bodies of groups."""
    return {
        field.type_name.rpartition(".")[2] for field in fields if field.type == _Proto.TYPE_GROUP
    }


def _field_range(start: int, end: int) -> model.NumberRange:
    return _range(start, None if end > FIELD_NUMBER_MAX else end - 1)


def _enum_range(start: int, last: int) -> model.NumberRange:
    return _range(start, None if last == ENUM_NUMBER_MAX else last)


def _range(start: int, last: int | None) -> model.NumberRange:
    return model.NumberRange(start, last, start == last)


def _default(field: pb.FieldDescriptorProto) -> Value:
    text = field.default_value
    if field.type == _Proto.TYPE_STRING:
        return Text(text.encode())
    if field.type == _Proto.TYPE_BYTES:
        return Text(_unescaped(text))
    if field.type in (_Proto.TYPE_ENUM, _Proto.TYPE_BOOL) or text in ("inf", "-inf", "nan"):
        return Word(text)
    return Number(text)


def _unescaped(text: str) -> bytes:
    quoted = text.replace('"', '\\"') if '\\"' not in text else text
    return unquote(f'"{quoted}"', 0)


def _value(field: FieldDescriptor, value: Any) -> Value:
    """A value of an options message as a literal."""
    if field.message_type is not None:
        return _literal(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return Word(named.name) if named is not None else Number(str(value))
    if isinstance(value, bool):
        return Word("true" if value else "false")
    if isinstance(value, str):
        return Text(value.encode())
    if isinstance(value, bytes):
        return Text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return Word(str(value))
    return Number(str(value))


def _literal(message: ProtoMessage) -> Aggregate:
    entries: list[Entry] = []
    for field, value in message.ListFields():
        key = f"[{field.full_name}]" if field.is_extension else field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            items: list[Value] = [
                Aggregate(
                    (
                        Entry("key", _value(field.message_type.fields_by_name["key"], map_key)),
                        Entry("value", _value(field.message_type.fields_by_name["value"], item)),
                    )
                )
                for map_key, item in value.items()
            ]
            entries.append(Entry(key, Items(tuple(items))))
        elif field.is_repeated:
            entries.append(Entry(key, Items(tuple(_value(field, item) for item in value))))
        else:
            entries.append(Entry(key, _value(field, value)))
    return Aggregate(tuple(entries))
