"""From `model.File` to a FileDescriptorProto whose names are still as written. Pure.

What protoc's parser does before names are resolved: maps become entry messages, groups become
messages, `optional` of proto3 becomes a oneof of one field. The order of fields and of nested types
is that of the text.

Source: descriptor.proto; protoc's parser (names of map entries and of made-up oneofs).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.message import Message as ProtoMessage

from sprawl.schema_registry.protobuf import model
from sprawl.schema_registry.protobuf.limits import FIELD_NUMBER_MAX, FULL_NAME_CHARACTERS_MAX
from sprawl.schema_registry.protobuf.scanning import fault

_Proto = pb.FieldDescriptorProto
SCALAR_TYPES = {name: _Proto.Type.Value(f"TYPE_{name.upper()}") for name in model.SCALARS}
_LABELS = {
    "": _Proto.LABEL_OPTIONAL,
    "optional": _Proto.LABEL_OPTIONAL,
    "required": _Proto.LABEL_REQUIRED,
    "repeated": _Proto.LABEL_REPEATED,
}
_VISIBILITY = {"export": pb.VISIBILITY_EXPORT, "local": pb.VISIBILITY_LOCAL}
ENUM_NUMBER_MAX = 2**31 - 1
_INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True, slots=True)
class PendingOptions:
    """Options that wait for the names to be resolved.

    Args:
        target: the descriptor that has them, in its field `options`.
        scope: the full name in which names of extensions are looked up.
    """

    target: ProtoMessage
    scope: str
    options: tuple[model.Option, ...]


@dataclass(slots=True)
class Draft:
    """A file whose names are not resolved yet.

    Args:
        lines: of every declaration, by full name; none where the file came as a descriptor.
    """

    file: pb.FileDescriptorProto
    lines: dict[str, int] = field(default_factory=dict)
    pending: list[PendingOptions] = field(default_factory=list)


def describe(path: str, file: model.File) -> Draft:
    """The draft of a file.

    Raises:
        InvalidSchema: a number that no descriptor can hold.
    """
    draft = Draft(pb.FileDescriptorProto(name=path, package=file.package or None))
    _Describer(draft, file.syntax or "proto2").describe(file)
    return draft


def json_name(name: str) -> str:
    """What a field is called in JSON when nothing else is said: `user_id` is `userId`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def add_json_names(file: pb.FileDescriptorProto) -> None:
    """Give every field its name in JSON that has none."""
    waiting: list[pb.DescriptorProto] = [*file.message_type]
    fields = [*file.extension]
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        fields += (*message.field, *message.extension)
    for declared in fields:
        if not declared.HasField("json_name"):
            declared.json_name = json_name(declared.name)


def entry_name(field_name: str) -> str:
    """The message that a map field stands for: `by_name` has `ByNameEntry`."""
    return "".join(part[:1].upper() + part[1:] for part in field_name.split("_")) + "Entry"


def inside(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name


class _Describer:
    def __init__(self, draft: Draft, syntax: str) -> None:
        self._draft = draft
        self._syntax = syntax

    def describe(self, file: model.File) -> None:
        proto = self._draft.file
        if self._syntax == "editions":
            proto.edition = pb.Edition.Value(f"EDITION_{file.edition}")
        if self._syntax != "proto2":
            proto.syntax = self._syntax
        for imported in file.imports:
            self._import(imported)
        self._options(proto, file.package, file.options)
        for declaration in file.declarations:
            if isinstance(declaration, model.Message):
                self._message(proto.message_type.add(), file.package, declaration)
            elif isinstance(declaration, model.Enum):
                self._enum(proto.enum_type.add(), file.package, declaration)
            elif isinstance(declaration, model.Service):
                self._service(file.package, declaration)
            else:
                self._extend(proto, file.package, declaration)

    def _import(self, imported: model.Import) -> None:
        proto = self._draft.file
        # No full name has a space.
        key = f"import {imported.path}"
        if key in self._draft.lines:
            raise fault(imported.line, f'"{imported.path}" is imported twice')
        self._draft.lines[key] = imported.line
        if imported.kind == "option":
            proto.option_dependency.append(imported.path)
            return
        if imported.kind == "public":
            proto.public_dependency.append(len(proto.dependency))
        elif imported.kind == "weak":
            if proto.edition >= pb.EDITION_2024:
                raise fault(imported.line, "there are no weak imports since edition 2024")
            proto.weak_dependency.append(len(proto.dependency))
        proto.dependency.append(imported.path)

    def _options(self, target: ProtoMessage, scope: str, options: Iterable[model.Option]) -> None:
        if found := tuple(options):
            self._draft.pending.append(PendingOptions(target, scope, found))

    def _named(self, scope: str, name: str, line: int) -> str:
        full_name = inside(scope, name)
        if len(full_name) > FULL_NAME_CHARACTERS_MAX:
            raise fault(line, f"a full name has more than {FULL_NAME_CHARACTERS_MAX} characters")
        self._draft.lines[full_name] = line
        return full_name

    def _message(self, proto: pb.DescriptorProto, scope: str, message: model.Message) -> None:
        proto.name = message.name
        full_name = self._named(scope, message.name, message.line)
        if message.visibility:
            proto.visibility = _VISIBILITY[message.visibility]
        self._options(proto, full_name, message.every(model.Option))
        for element in message.elements:
            if isinstance(element, model.Field):
                self._field(proto.field.add(), proto, full_name, element)
            elif isinstance(element, model.Oneof):
                self._oneof(proto, full_name, element)
            elif isinstance(element, model.Message):
                self._message(proto.nested_type.add(), full_name, element)
            elif isinstance(element, model.Enum):
                self._enum(proto.enum_type.add(), full_name, element)
            elif isinstance(element, model.Extend):
                self._extend(proto, full_name, element)
            elif isinstance(element, model.Extensions):
                self._extensions(proto, full_name, element)
            elif isinstance(element, model.Reserved):
                self._reserved(proto, element)
        self._optional_oneofs(proto)

    def _field(
        self,
        proto: pb.FieldDescriptorProto,
        owner: pb.DescriptorProto | pb.FileDescriptorProto,
        scope: str,
        declared: model.Field,
    ) -> None:
        full_name = self._named(scope, declared.name, declared.line)
        proto.name = declared.name
        proto.label = _LABELS[declared.label]
        if not 1 <= declared.number <= ENUM_NUMBER_MAX:
            raise fault(
                declared.line,
                f'the number {declared.number} of the field "{declared.name}" is not in'
                f" 1 to {FIELD_NUMBER_MAX}",
            )
        proto.number = declared.number
        if declared.group is not None:
            self._group(proto, owner, scope, declared.group)
        elif declared.key_type:
            self._map(proto, owner, scope, declared)
        elif declared.type in SCALAR_TYPES:
            proto.type = SCALAR_TYPES[declared.type]
        else:
            proto.type_name = declared.type
        if declared.label == "optional" and self._syntax == "proto3":
            proto.proto3_optional = True
        proto.json_name = json_name(proto.name)
        self._options(proto, full_name.rpartition(".")[0], declared.options)

    def _group(
        self,
        proto: pb.FieldDescriptorProto,
        owner: pb.DescriptorProto | pb.FileDescriptorProto,
        scope: str,
        group: model.Message,
    ) -> None:
        proto.name = group.name.lower()
        proto.type = _Proto.TYPE_GROUP
        proto.type_name = group.name
        nested = owner.nested_type if isinstance(owner, pb.DescriptorProto) else owner.message_type
        self._named(scope, proto.name, group.line)
        self._message(nested.add(), scope, group)

    def _map(
        self,
        proto: pb.FieldDescriptorProto,
        owner: pb.DescriptorProto | pb.FileDescriptorProto,
        scope: str,
        declared: model.Field,
    ) -> None:
        if not isinstance(owner, pb.DescriptorProto):
            raise fault(declared.line, f'the extension "{declared.name}" cannot be a map')
        entry = owner.nested_type.add(name=entry_name(declared.name))
        self._named(scope, entry.name, declared.line)
        entry.options.map_entry = True
        for number, (name, type_name) in enumerate(
            (("key", declared.key_type), ("value", declared.type)), 1
        ):
            part = entry.field.add(
                name=name, number=number, label=_Proto.LABEL_OPTIONAL, json_name=name
            )
            if type_name in SCALAR_TYPES:
                part.type = SCALAR_TYPES[type_name]
            else:
                part.type_name = type_name
            self._named(inside(scope, entry.name), name, declared.line)
            features = [option for option in declared.options if option.name[0].name == "features"]
            self._options(part, scope, features)
        proto.label = _Proto.LABEL_REPEATED
        proto.type_name = entry.name

    def _oneof(self, proto: pb.DescriptorProto, scope: str, oneof: model.Oneof) -> None:
        index = len(proto.oneof_decl)
        declared = proto.oneof_decl.add(name=oneof.name)
        full_name = self._named(scope, oneof.name, oneof.line)
        self._options(declared, full_name.rpartition(".")[0], oneof.options)
        for part in oneof.fields:
            added = proto.field.add()
            added.oneof_index = index
            self._field(added, proto, scope, part)

    def _optional_oneofs(self, proto: pb.DescriptorProto) -> None:
        """The oneof of one field that stands for `optional` in proto3."""
        taken = {declared.name for declared in proto.oneof_decl}
        taken.update(declared.name for declared in proto.field)
        for declared in proto.field:
            if declared.proto3_optional:
                name = declared.name if declared.name.startswith("_") else f"_{declared.name}"
                while name in taken:
                    name = f"X{name}"
                taken.add(name)
                declared.oneof_index = len(proto.oneof_decl)
                proto.oneof_decl.add(name=name)

    def _extend(
        self,
        owner: pb.DescriptorProto | pb.FileDescriptorProto,
        scope: str,
        extend: model.Extend,
    ) -> None:
        for declared in extend.fields:
            proto = owner.extension.add(extendee=extend.extendee)
            self._field(proto, owner, scope, declared)

    def _extensions(
        self, proto: pb.DescriptorProto, scope: str, extensions: model.Extensions
    ) -> None:
        for part in extensions.ranges:
            first, end = self._range(part)
            added = proto.extension_range.add(start=first, end=end)
            self._options(added, scope, extensions.options)

    def _reserved(self, proto: pb.DescriptorProto, reserved: model.Reserved) -> None:
        for part in reserved.ranges:
            first, end = self._range(part)
            proto.reserved_range.add(start=first, end=end)
        proto.reserved_name.extend(reserved.names)

    def _range(self, part: model.NumberRange) -> tuple[int, int]:
        """First number and the one past the last, as the ranges of messages are kept."""
        last = FIELD_NUMBER_MAX if part.last is None else part.last
        if not 1 <= part.first <= last <= FIELD_NUMBER_MAX:
            raise fault(
                part.line,
                f"the range {part.first} to {last} is not an ascending one"
                f" in 1 to {FIELD_NUMBER_MAX}",
            )
        return part.first, last + 1

    def _enum(self, proto: pb.EnumDescriptorProto, scope: str, enum: model.Enum) -> None:
        proto.name = enum.name
        full_name = self._named(scope, enum.name, enum.line)
        if enum.visibility:
            proto.visibility = _VISIBILITY[enum.visibility]
        self._options(proto, full_name, enum.options)
        for value in enum.values:
            if value.number not in _INT32:
                raise fault(value.line, f"{value.number} is no 32 bit number")
            added = proto.value.add(name=value.name, number=value.number)
            # Values of an enum are siblings of the enum, as in C++.
            self._named(scope, value.name, value.line)
            self._options(added, full_name, value.options)
        for reserved in enum.reserved:
            proto.reserved_name.extend(reserved.names)
            for part in reserved.ranges:
                last = ENUM_NUMBER_MAX if part.last is None else part.last
                if part.first not in _INT32 or last not in _INT32 or part.first > last:
                    raise fault(
                        part.line,
                        f"the range {part.first} to {last} is not an ascending one"
                        " of 32 bit numbers",
                    )
                proto.reserved_range.add(start=part.first, end=last)

    def _service(self, scope: str, service: model.Service) -> None:
        proto = self._draft.file.service.add(name=service.name)
        full_name = self._named(scope, service.name, service.line)
        self._options(proto, full_name, service.options)
        for method in service.methods:
            added = proto.method.add(
                name=method.name, input_type=method.input_type, output_type=method.output_type
            )
            if method.has_block:
                added.options.SetInParent()
            if method.client_streaming:
                added.client_streaming = True
            if method.server_streaming:
                added.server_streaming = True
            self._named(full_name, method.name, method.line)
            self._options(added, full_name, method.options)
