"""Options: which field of which options message each one sets, and to what. Pure.

Options that protoc knows are fields of `google.protobuf.*Options`; those in parentheses are
extensions of these messages, which the file or one of its imports declares. Where somebody set such
an extension, the message comes from a pool that holds the declaration, and its bytes are kept.

Source: descriptor.proto; protobuf.dev, "Custom Options"; protoc's OptionInterpreter for what is
refused.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.message_factory import GetMessageClass

from sprawl.schema_registry.protobuf.cursor import parse_integer
from sprawl.schema_registry.protobuf.describing import Draft, PendingOptions
from sprawl.schema_registry.protobuf.literals import as_text_format, escaped_bytes
from sprawl.schema_registry.protobuf.model import (
    Aggregate,
    NamePart,
    Number,
    Option,
    Text,
    Value,
    Word,
)
from sprawl.schema_registry.protobuf.pools import add_to_pool
from sprawl.schema_registry.protobuf.scanning import fault
from sprawl.schema_registry.protobuf.symbols import Kind, Scopes, declarations
from sprawl.schema_registry.schemas import InvalidSchema

_Proto = pb.FieldDescriptorProto
_INTEGERS = {
    **dict.fromkeys(("INT32", "SINT32", "SFIXED32"), range(-(2**31), 2**31)),
    **dict.fromkeys(("INT64", "SINT64", "SFIXED64"), range(-(2**63), 2**63)),
    **dict.fromkeys(("UINT32", "FIXED32"), range(2**32)),
    **dict.fromkeys(("UINT64", "FIXED64"), range(2**64)),
}
_RETENTION_SOURCE = pb.FieldOptions.RETENTION_SOURCE
_TARGETS: dict[type[ProtoMessage], pb.FieldOptions.OptionTargetType.ValueType] = {
    pb.FileDescriptorProto: pb.FieldOptions.TARGET_TYPE_FILE,
    pb.DescriptorProto: pb.FieldOptions.TARGET_TYPE_MESSAGE,
    pb.DescriptorProto.ExtensionRange: pb.FieldOptions.TARGET_TYPE_EXTENSION_RANGE,
    pb.FieldDescriptorProto: pb.FieldOptions.TARGET_TYPE_FIELD,
    pb.OneofDescriptorProto: pb.FieldOptions.TARGET_TYPE_ONEOF,
    pb.EnumDescriptorProto: pb.FieldOptions.TARGET_TYPE_ENUM,
    pb.EnumValueDescriptorProto: pb.FieldOptions.TARGET_TYPE_ENUM_ENTRY,
    pb.ServiceDescriptorProto: pb.FieldOptions.TARGET_TYPE_SERVICE,
    pb.MethodDescriptorProto: pb.FieldOptions.TARGET_TYPE_METHOD,
}
_FEATURES = frozenset(
    descriptor.fields_by_name["features"].full_name
    for descriptor in (kind.DESCRIPTOR.fields_by_name["options"].message_type for kind in _TARGETS)
    if descriptor is not None
)
_PLACE = re.compile(r"^\d+:\d+ : ")


def interpret(
    draft: Draft,
    scopes: Scopes,
    pool: DescriptorPool,
    files: Callable[[], Iterable[pb.FileDescriptorProto]],
) -> None:
    """Set the options of a draft whose names are resolved.

    Args:
        pool: holds what the file imports.
        files: the same as descriptors.

    Raises:
        InvalidSchema: an option that nobody declares, or a value that it cannot have.
    """
    if not draft.pending:
        return
    declares_extensions = any(symbol.kind is Kind.EXTENSION for symbol in declarations(draft.file))
    if declares_extensions and any(_is_custom(pending.options) for pending in draft.pending):
        pool = _pool_with(draft.file, files())
    for pending in draft.pending:
        _Interpreter(pending, scopes, pool, draft.file.edition).interpret()
    draft.pending.clear()


def _is_custom(options: Iterable[Option]) -> bool:
    return any(part.is_extension for option in options for part in option.name)


def _pool_with(
    file: pb.FileDescriptorProto, files: Iterable[pb.FileDescriptorProto]
) -> DescriptorPool:
    """A pool in which the file itself is known, still without its options."""
    pool = DescriptorPool()
    for proto in (*files, file):
        add_to_pool(pool, proto)
    return pool


class _Interpreter:
    """The options of one declaration."""

    def __init__(
        self, pending: PendingOptions, scopes: Scopes, pool: DescriptorPool, edition: int
    ) -> None:
        self._pending = pending
        self._edition = edition
        self._scopes = scopes
        self._pool = pool
        self._set: set[tuple[int, ...]] = set()

    def interpret(self) -> None:
        # The options message of a descriptor depends on the kind of the descriptor.
        target: Any = self._pending.target
        options = (
            self._options_of_field(target)
            if isinstance(target, _Proto)
            else [*self._pending.options]
        )
        if not options:
            return
        message = type(target.options)()
        if _is_custom(options):
            message = self._with_extensions(message)
        for option in options:
            if option.simple_name == "map_entry":
                raise fault(option.line, "map_entry is not set by hand; write map<key, value>")
            self._assign(message, option)
        if serialized := message.SerializeToString():
            target.options.MergeFromString(serialized)

    def _with_extensions(self, message: ProtoMessage) -> ProtoMessage:
        """The same message, of the class that knows the extensions of the pool."""
        try:
            descriptor = self._pool.FindMessageTypeByName(message.DESCRIPTOR.full_name)
        except KeyError:
            return message
        return GetMessageClass(descriptor)()

    def _options_of_field(self, proto: pb.FieldDescriptorProto) -> list[Option]:
        """All but the two that are fields of the descriptor itself."""
        options: list[Option] = []
        seen: set[str] = set()
        for option in self._pending.options:
            name = option.simple_name
            if name not in ("default", "json_name"):
                options.append(option)
                continue
            if name in seen:
                raise fault(option.line, f'the option "{name}" is set twice')
            seen.add(name)
            if name == "json_name":
                _set_json_name(proto, option)
            else:
                _set_default(proto, option, self._scopes)
        return options

    def _assign(self, message: ProtoMessage, option: Option) -> None:
        path: tuple[int, ...] = ()
        kept = True
        stripped: tuple[ProtoMessage, FieldDescriptor] | None = None
        for index, part in enumerate(option.name):
            field = self._field(message.DESCRIPTOR, part, option)
            self._fits_target(field, option)
            path += (field.number,)
            if kept and field.GetOptions().retention == _RETENTION_SOURCE:
                # Such options are for tools that read the text.
                kept, stripped = False, (message, field)
            if index == len(option.name) - 1:
                break
            if field.message_type is None or field.is_repeated:
                raise fault(
                    option.line,
                    f'"{_spelled(option.name[: index + 1])}" is not one message, so it has no'
                    f' field "{option.name[index + 1].name}" that can be set',
                )
            self._set.add(path)
            message = _submessage(message, field)
        if path in self._set and not field.is_repeated:
            raise fault(option.line, f'the option "{_spelled(option.name)}" is set twice')
        self._set.add(path)
        self._set_value(message, field, option)
        if stripped is not None:
            _clear(*stripped)

    def _fits_target(self, field: FieldDescriptor, option: Option) -> None:
        """Some options say what they may be set on; features are for editions."""
        if field.full_name in _FEATURES and not self._edition:
            raise fault(option.line, "features are for editions, not for proto2 and proto3")
        wanted = _TARGETS[type(self._pending.target)]
        self._fits_edition(field.GetOptions().feature_support, option)
        targets = field.GetOptions().targets
        if targets and wanted not in targets:
            kind = pb.FieldOptions.OptionTargetType.Name(wanted).removeprefix("TARGET_TYPE_")
            raise fault(
                option.line,
                f'the option "{_spelled(option.name)}" cannot be set on a {kind.lower()}',
            )

    def _fits_edition(self, support: pb.FieldOptions.FeatureSupport, option: Option) -> None:
        """Some options came or went with an edition."""
        edition = self._edition
        if edition and support.edition_introduced > edition:
            since = pb.Edition.Name(support.edition_introduced).removeprefix("EDITION_")
            raise fault(option.line, f'the option "{_spelled(option.name)}" is of edition {since}')
        if support.edition_removed and edition >= support.edition_removed:
            until = pb.Edition.Name(support.edition_removed).removeprefix("EDITION_")
            raise fault(
                option.line,
                f'the option "{_spelled(option.name)}" is gone since edition {until}.'
                f" {support.removal_error or support.deprecation_warning}".rstrip(),
            )

    def _field(self, descriptor: Any, part: NamePart, option: Option) -> FieldDescriptor:
        if not part.is_extension:
            field: FieldDescriptor | None = descriptor.fields_by_name.get(part.name)
            if field is None or part.name == "uninterpreted_option":
                raise fault(
                    option.line,
                    f'unknown option "{_spelled(option.name)}": {descriptor.full_name} has no'
                    f' field "{part.name}"',
                )
            return field
        symbol = self._scopes.find(part.name, self._pending.scope, (Kind.EXTENSION,))
        if symbol is None:
            raise fault(
                option.line,
                f'the option "({part.name})" is not declared, neither in the file nor in its'
                " imports",
            )
        extension: FieldDescriptor = self._pool.FindExtensionByName(symbol.full_name)
        extended = extension.containing_type
        assert extended is not None, "an extension extends something"
        if extended.full_name != descriptor.full_name:
            raise fault(
                option.line,
                f'the option "({part.name})" extends {extended.full_name}, this is'
                f" {descriptor.full_name}",
            )
        return extension

    def _set_value(self, message: Any, field: FieldDescriptor, option: Option) -> None:
        value = option.value
        if field.message_type is not None:
            if not isinstance(value, Aggregate):
                raise _unfit(option, 'a message, written as "{ field: value }"')
            target = _added(message, field) if field.is_repeated else _submessage(message, field)
            self._parse_aggregate(target, value, option)
            return
        scalar = _scalar(field, option)
        if field.is_extension and field.is_repeated:
            message.Extensions[field].append(scalar)
        elif field.is_extension:
            message.Extensions[field] = scalar
        elif field.is_repeated:
            getattr(message, field.name).append(scalar)
        else:
            setattr(message, field.name, scalar)

    def _parse_aggregate(self, target: ProtoMessage, value: Aggregate, option: Option) -> None:
        def extension_name(name: str) -> str:
            found = self._scopes.find(name, self._pending.scope, (Kind.EXTENSION,))
            return found.full_name if found else name

        try:
            text_format.Parse(
                as_text_format(value, extension_name), target, descriptor_pool=self._pool
            )
        except (text_format.ParseError, ValueError, TypeError, KeyError) as error:
            reason = _PLACE.sub("", str(error))
            raise fault(
                option.line, f'the value of the option "{_spelled(option.name)}": {reason}'
            ) from None


def _submessage(message: Any, field: FieldDescriptor) -> ProtoMessage:
    if field.is_extension:
        found: ProtoMessage = message.Extensions[field]
    else:
        found = getattr(message, field.name)
    # An empty message that was set is not the same as none.
    found.SetInParent()
    return found


def _added(message: Any, field: FieldDescriptor) -> ProtoMessage:
    values = message.Extensions[field] if field.is_extension else getattr(message, field.name)
    added: ProtoMessage = values.add()
    return added


def _clear(message: Any, field: FieldDescriptor) -> None:
    if field.is_extension:
        message.ClearExtension(field)
    else:
        message.ClearField(field.name)


def _spelled(parts: Iterable[NamePart]) -> str:
    return ".".join(f"({part.name})" if part.is_extension else part.name for part in parts)


def _unfit(option: Option, wanted: str) -> InvalidSchema:
    return fault(option.line, f'the option "{_spelled(option.name)}" needs {wanted}')


def _scalar(field: FieldDescriptor, option: Option) -> bool | int | float | str | bytes:
    """The value of an option as its field takes it."""
    value = option.value
    if field.enum_type is not None:
        named = field.enum_type.values_by_name.get(value.name) if isinstance(value, Word) else None
        if named is None:
            known = ", ".join(list(field.enum_type.values_by_name)[:10])
            raise _unfit(option, f"one of {known}")
        return int(named.number)
    type_name = _Proto.Type.Name(_Proto.Type.ValueType(field.type)).removeprefix("TYPE_")
    parsed = parse_scalar(type_name, value)
    if parsed is None:
        raise _unfit(option, _WANTED.get(type_name, f"a number that {type_name.lower()} can hold"))
    return parsed


_WANTED = {"STRING": "a string in UTF-8", "BYTES": "a string", "BOOL": "true or false"}


def parse_scalar(type_name: str, value: Value) -> bool | int | float | str | bytes | None:
    """A literal as a value of a scalar type, named as in descriptors; None if it is none."""
    if type_name in ("STRING", "BYTES"):
        if not isinstance(value, Text):
            return None
        try:
            return value.value if type_name == "BYTES" else value.value.decode()
        except UnicodeDecodeError:
            return None
    if type_name == "BOOL":
        words = {"true": True, "false": False}
        return words.get(value.name) if isinstance(value, Word) else None
    if type_name in ("FLOAT", "DOUBLE"):
        return _parse_float(value)
    if not isinstance(value, Number):
        return None
    try:
        number = parse_integer(value.spelling)
    except ValueError:
        return None
    return number if number in _INTEGERS[type_name] else None


def _parse_float(value: Value) -> float | None:
    if isinstance(value, Word) and value.name in ("inf", "-inf", "nan", "-nan"):
        return float(value.name)
    if not isinstance(value, Number):
        return None
    try:
        return float(parse_integer(value.spelling))
    except (ValueError, OverflowError):
        pass
    try:
        return float(value.spelling)
    except ValueError:
        return None


def _set_json_name(proto: pb.FieldDescriptorProto, option: Option) -> None:
    name = parse_scalar("STRING", option.value)
    if not isinstance(name, str):
        raise _unfit(option, "a string in UTF-8")
    if proto.extendee:
        raise fault(option.line, "an extension has no json_name of its own")
    if "\0" in name or (name.startswith("[") and name.endswith("]")):
        raise fault(option.line, "a json_name holds no NUL and does not stand in brackets")
    proto.json_name = name


def _set_default(proto: pb.FieldDescriptorProto, option: Option, scopes: Scopes) -> None:
    value = option.value
    what = f'the default of the field "{proto.name}"'
    if proto.label == _Proto.LABEL_REPEATED:
        raise fault(option.line, f'the field "{proto.name}" is repeated and has no default')
    if proto.type in (_Proto.TYPE_MESSAGE, _Proto.TYPE_GROUP):
        raise fault(option.line, f'the field "{proto.name}" is a message and has no default')
    if proto.type == _Proto.TYPE_ENUM:
        symbol = scopes.find(proto.type_name, "", (Kind.ENUM,))
        names = (
            {declared.name for declared in symbol.proto.value}
            if symbol is not None and isinstance(symbol.proto, pb.EnumDescriptorProto)
            else set()
        )
        if not isinstance(value, Word) or value.name not in names:
            raise fault(option.line, f"{what} is no value of {proto.type_name}")
        proto.default_value = value.name
        return
    type_name = _Proto.Type.Name(proto.type).removeprefix("TYPE_")
    parsed = parse_scalar(type_name, value)
    if parsed is None:
        raise fault(option.line, f"{what} is no {type_name.lower()}")
    proto.default_value = _default_text(type_name, parsed)


def _default_text(type_name: str, value: bool | int | float | str | bytes) -> str:
    """A default value as descriptors hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return escaped_bytes(value)
    if isinstance(value, float):
        return _shortest(value, is_double=type_name == "DOUBLE")
    return str(value)


def _shortest(value: float, *, is_double: bool) -> str:
    """Few digits if they are enough to get the same number back, else all that may matter."""
    if is_double:
        short = f"{value:.15g}"
        return short if math.isnan(value) or float(short) == value else f"{value:.17g}"
    single = _single(value)
    short = f"{single:.6g}"
    return short if math.isnan(value) or _single(float(short)) == single else f"{single:.9g}"


def _single(value: float) -> float:
    """Rounded to 32 bits."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return rounded
