"""What a sound file must not hold, options aside and names that mean nothing aside. Pure.

Each rule is one of protoc's, in words for the person who wrote the schema. The library's descriptor
pool checks again what is left.

Source: protobuf.dev, language guides of proto2, proto3 and editions; protoc's DescriptorBuilder.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool

from sprawl.schema_registry.protobuf.describing import Draft, entry_name, inside
from sprawl.schema_registry.protobuf.limits import FIELD_NUMBER_MAX, FIELD_NUMBERS_OWN
from sprawl.schema_registry.protobuf.scanning import fault
from sprawl.schema_registry.protobuf.symbols import Kind, Scopes
from sprawl.schema_registry.schemas import InvalidSchema

_Proto = pb.FieldDescriptorProto
_Ranges = list[tuple[int, int]]
_KEYS_REFUSED = (
    _Proto.TYPE_FLOAT,
    _Proto.TYPE_DOUBLE,
    _Proto.TYPE_BYTES,
    _Proto.TYPE_ENUM,
    _Proto.TYPE_MESSAGE,
)
_OPTIONS_MESSAGES = frozenset(
    f".google.protobuf.{name}Options"
    for name in (
        [
            "File",
            "Message",
            "Field",
            "Enum",
            "EnumValue",
            "ExtensionRange",
            "Service",
            "Method",
            "Oneof",
        ]
    )
)


def check(draft: Draft, scopes: Scopes, pool: DescriptorPool) -> None:
    """Look at a draft whose names are resolved.

    Args:
        pool: holds what the file imports.

    Raises:
        InvalidSchema: with the line and the name of the first thing that is wrong.
    """
    _Checker(draft, scopes, pool).check()


class _Checker:
    def __init__(self, draft: Draft, scopes: Scopes, pool: DescriptorPool) -> None:
        self._draft = draft
        self._pool = pool
        self._scopes = scopes
        self._syntax = draft.file.syntax or "proto2"
        self._ranges: dict[str, _Ranges] = {}
        self._extended: dict[tuple[str, int], str] = {}

    def check(self) -> None:
        file = self._draft.file
        self._enums(file.enum_type, file.package)
        self._extensions(file.extension, file.package)
        for message in file.message_type:
            self._message(message, file.package)

    def _fault(self, full_name: str, message: str) -> InvalidSchema:
        return fault(self._draft.lines.get(full_name, 0), message)

    def _message(self, message: pb.DescriptorProto, scope: str) -> None:
        full_name = inside(scope, message.name)
        if not message.options.map_entry:
            self._numbers(message, full_name)
        for field in message.field:
            self._field(field, full_name)
        used = {field.oneof_index for field in message.field if field.HasField("oneof_index")}
        for index, oneof in enumerate(message.oneof_decl):
            if index not in used:
                raise self._fault(
                    inside(full_name, oneof.name), f'the oneof "{oneof.name}" has no fields'
                )
        if message.extension_range and self._syntax == "proto3":
            raise self._fault(full_name, f'"{message.name}": proto3 has no extension ranges')
        self._enums(message.enum_type, full_name)
        self._extensions(message.extension, full_name)
        for nested in message.nested_type:
            self._message(nested, full_name)

    def _numbers(self, message: pb.DescriptorProto, full_name: str) -> None:
        reserved = [(part.start, part.end) for part in message.reserved_range]
        extended = [(part.start, part.end) for part in message.extension_range]
        self._apart([*reserved, *extended], full_name)
        reserved.sort()
        extended.sort()
        self._reserved_names(message.reserved_name, full_name)
        by_number: dict[int, str] = {}
        names = set(message.reserved_name)
        for field in message.field:
            where = inside(full_name, field.name)
            what = f'the field "{field.name}"'
            if field.number in by_number:
                raise self._fault(
                    where,
                    f"{what} has the number {field.number}, which the field"
                    f' "{by_number[field.number]}" of "{full_name}" has already',
                )
            by_number[field.number] = field.name
            self._number_in_bounds(field, where)
            if _within(reserved, field.number):
                raise self._fault(where, f"{what} has the number {field.number}, which is reserved")
            if _within(extended, field.number):
                raise self._fault(
                    where, f"{what} has the number {field.number}, which is for extensions"
                )
            if field.name in names:
                raise self._fault(where, f'the name "{field.name}" is reserved in "{full_name}"')

    def _number_in_bounds(self, field: pb.FieldDescriptorProto, where: str) -> None:
        if not 1 <= field.number <= FIELD_NUMBER_MAX:
            raise self._fault(
                where,
                f'the number {field.number} of the field "{field.name}" is not in'
                f" 1 to {FIELD_NUMBER_MAX}",
            )
        if field.number in FIELD_NUMBERS_OWN:
            raise self._fault(
                where,
                f'the number {field.number} of the field "{field.name}" is in'
                f" {FIELD_NUMBERS_OWN[0]} to {FIELD_NUMBERS_OWN[-1]}, which Protocol Buffers keep"
                " for themselves",
            )

    def _apart(self, ranges: _Ranges, full_name: str, *, last_included: bool = False) -> None:
        """No two ranges share a number."""
        ranges = sorted(ranges)
        for (first, end), (following, _) in pairwise(ranges):
            if following < end + last_included:
                last = end if last_included else end - 1
                raise self._fault(
                    full_name,
                    f'two ranges of "{full_name}" overlap at {following}: one is {first} to {last}',
                )

    def _reserved_names(self, names: Iterable[str], full_name: str) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise self._fault(full_name, f'"{full_name}" reserves the name "{name}" twice')
            seen.add(name)

    def _field(self, field: pb.FieldDescriptorProto, scope: str) -> None:
        if self._syntax == "proto3":
            self._proto3_field(field, inside(scope, field.name))
        self._map(field, scope)

    def _map(self, field: pb.FieldDescriptorProto, scope: str) -> None:
        """A field whose type is a map entry is the map of that entry."""
        if field.type != _Proto.TYPE_MESSAGE:
            return
        symbol = self._scopes.find(field.type_name, "", (Kind.MESSAGE,))
        entry = symbol.proto if symbol is not None else None
        if not isinstance(entry, pb.DescriptorProto) or not entry.options.map_entry:
            return
        if [(part.name, part.number) for part in entry.field] != [("key", 1), ("value", 2)]:
            raise self._fault("", f"{field.type_name} is no entry of a map")
        own_entry = inside(scope, entry_name(field.name))
        if field.type_name != f".{own_entry}" or field.label != _Proto.LABEL_REPEATED:
            raise self._fault(
                inside(scope, field.name),
                f'the field "{field.name}" has the type {field.type_name}, which belongs to a map',
            )
        key = entry.field[0]
        if key.type in _KEYS_REFUSED:
            raise self._fault(
                inside(scope, field.name),
                f'the keys of the map "{field.name}" must be whole numbers, bool or string',
            )

    def _proto3_field(self, field: pb.FieldDescriptorProto, where: str) -> None:
        what = f'the field "{field.name}"'
        if field.label == _Proto.LABEL_REQUIRED:
            raise self._fault(where, f"{what} is required, which proto3 does not have")
        if field.type == _Proto.TYPE_GROUP:
            raise self._fault(where, f"{what} is a group, which proto3 does not have")
        if field.type == _Proto.TYPE_ENUM:
            symbol = self._scopes.find(field.type_name, "", (Kind.ENUM,))
            if symbol is not None and symbol.path != self._draft.file.name:
                declared = self._pool.FindEnumTypeByName(symbol.full_name)
                if declared.is_closed:
                    raise self._fault(
                        where,
                        f"{what} has the type {field.type_name}, which is a closed enum (as those"
                        " of proto2 are): proto3 has open ones only",
                    )

    def _extensions(self, extensions: Iterable[pb.FieldDescriptorProto], scope: str) -> None:
        for extension in extensions:
            where = inside(scope, extension.name)
            what = f'the extension "{extension.name}"'
            if self._syntax == "proto3" and extension.extendee not in _OPTIONS_MESSAGES:
                raise self._fault(where, f"{what}: proto3 can extend the messages of options only")
            if extension.label == _Proto.LABEL_REQUIRED:
                raise self._fault(where, f"{what} cannot be required")
            other = self._extended.setdefault((extension.extendee, extension.number), where)
            if other != where:
                raise self._fault(
                    where,
                    f"{what} has the number {extension.number} of {extension.extendee}, which the"
                    f' extension "{other}" has already',
                )
            symbol = self._scopes.find(extension.extendee, "", (Kind.MESSAGE,))
            extended = symbol.proto if symbol is not None else None
            if isinstance(extended, pb.DescriptorProto) and not _within(
                self._ranges_of(extension.extendee, extended), extension.number
            ):
                raise self._fault(
                    where,
                    f"{what} has the number {extension.number}, which {extension.extendee} has not"
                    " set aside for extensions",
                )
            self._field(extension, scope)

    def _ranges_of(self, name: str, message: pb.DescriptorProto) -> _Ranges:
        if name not in self._ranges:
            self._ranges[name] = sorted((part.start, part.end) for part in message.extension_range)
        return self._ranges[name]

    def _enums(self, enums: Iterable[pb.EnumDescriptorProto], scope: str) -> None:
        for declared in enums:
            self._enum(declared, scope)

    def _enum(self, declared: pb.EnumDescriptorProto, scope: str) -> None:
        full_name = inside(scope, declared.name)
        if not declared.value:
            raise self._fault(full_name, f'the enum "{full_name}" has no values')
        if self._syntax == "proto3" and declared.value[0].number != 0:
            raise self._fault(
                inside(scope, declared.value[0].name),
                f'the first value of the enum "{full_name}" must be 0 in proto3',
            )
        ranges = [(part.start, part.end) for part in declared.reserved_range]
        self._apart(ranges, full_name, last_included=True)
        ranges.sort()
        self._reserved_names(declared.reserved_name, full_name)
        names = set(declared.reserved_name)
        for value in declared.value:
            where = inside(scope, value.name)
            if _within(ranges, value.number, last_included=True):
                raise self._fault(where, f'the number {value.number} of "{value.name}" is reserved')
            if value.name in names:
                raise self._fault(where, f'the name "{value.name}" is reserved in "{full_name}"')


def _within(ranges: _Ranges, number: int, *, last_included: bool = False) -> bool:
    """The sorted ranges, none of which overlap, hold the number."""
    at = bisect_right(ranges, (number, 2**32)) - 1
    return at >= 0 and ranges[at][0] <= number < ranges[at][1] + last_included
