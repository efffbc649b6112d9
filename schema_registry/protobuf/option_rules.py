"""What options forbid and allow, once they are set: the rest of what protoc refuses. Pure.

Source: protobuf.dev, "Feature Settings for Editions" and language guides;
protoc's DescriptorBuilder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf import descriptor_pb2 as pb

from sprawl.schema_registry.protobuf.describing import Draft, inside, json_name
from sprawl.schema_registry.protobuf.scanning import fault
from sprawl.schema_registry.schemas import InvalidSchema

_Proto = pb.FieldDescriptorProto
_UNPACKED = (
    _Proto.TYPE_STRING,
    _Proto.TYPE_BYTES,
    _Proto.TYPE_MESSAGE,
    _Proto.TYPE_GROUP,
)
_LONGS = (
    _Proto.TYPE_INT64,
    _Proto.TYPE_UINT64,
    _Proto.TYPE_SINT64,
    _Proto.TYPE_FIXED64,
    _Proto.TYPE_SFIXED64,
)


def check_options(draft: Draft) -> None:
    """Look at a draft whose options are set.

    Raises:
        InvalidSchema: with the line and the name of the first thing that is wrong.
    """
    _OptionChecker(draft).check()


class _OptionChecker:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._syntax = draft.file.syntax or "proto2"

    def check(self) -> None:
        file = self._draft.file
        self._enums(file.enum_type, file.package)
        for extension in file.extension:
            self._field(extension, file.package)
        lenient = self._syntax == "proto2" or _json_is_lenient(file, inherited=False)
        for message in file.message_type:
            self._message(message, file.package, json_is_lenient=lenient)

    def _fault(self, full_name: str, message: str) -> InvalidSchema:
        return fault(self._draft.lines.get(full_name, 0), message)

    def _message(self, message: pb.DescriptorProto, scope: str, *, json_is_lenient: bool) -> None:
        full_name = inside(scope, message.name)
        json_is_lenient = _json_is_lenient(message, inherited=json_is_lenient)
        if not message.options.map_entry:
            self._json_names(message, full_name, lenient=json_is_lenient)
            for field in (*message.field, *message.extension):
                self._field(field, full_name)
        self._enums(message.enum_type, full_name)
        for nested in message.nested_type:
            self._message(nested, full_name, json_is_lenient=json_is_lenient)

    def _json_names(self, message: pb.DescriptorProto, full_name: str, *, lenient: bool) -> None:
        """Two fields that are one in JSON: refused where JSON must work, or where it was asked."""
        seen: dict[str, tuple[str, bool]] = {}
        lenient = lenient or message.options.deprecated_legacy_json_field_conflicts
        for field in message.field:
            made = json_name(field.name)
            given = field.json_name != made
            other = seen.get(field.json_name)
            if other is not None and not (lenient and not (given and other[1])):
                raise self._fault(
                    inside(full_name, field.name),
                    f'the fields "{other[0]}" and "{field.name}" are both "{field.json_name}"'
                    " in JSON",
                )
            seen[field.json_name] = (field.name, given)

    def _field(self, field: pb.FieldDescriptorProto, scope: str) -> None:
        where = inside(scope, field.name)
        what = f'the field "{field.name}"'
        if self._syntax == "proto3" and field.HasField("default_value"):
            raise self._fault(where, f"{what} has a default value, which proto3 does not have")
        if self._syntax == "editions":
            self._edition_field(field, where)
        repeated = field.label == _Proto.LABEL_REPEATED
        if field.options.packed and (not repeated or field.type in _UNPACKED):
            raise self._fault(where, f"{what} cannot be packed: that is for repeated numbers")
        is_message = field.type in (_Proto.TYPE_MESSAGE, _Proto.TYPE_GROUP)
        if (field.options.lazy or field.options.unverified_lazy) and not is_message:
            raise self._fault(where, f"{what} cannot be lazy: that is for messages")
        if field.options.jstype and field.type not in _LONGS:
            raise self._fault(where, f"{what} cannot have a jstype: that is for 64 bit integers")

    def _edition_field(self, field: pb.FieldDescriptorProto, where: str) -> None:
        """Features that mean nothing for a field."""
        what = f'the field "{field.name}"'
        features = field.options.features
        repeated = field.label == _Proto.LABEL_REPEATED
        if field.options.HasField("packed"):
            raise self._fault(
                where, f"{what}: editions have no packed; use features.repeated_field_encoding"
            )
        if features.HasField("field_presence"):
            if repeated or field.HasField("oneof_index"):
                raise self._fault(where, f"{what}: repeated fields and oneofs have no presence")
            implicit = features.field_presence == pb.FeatureSet.IMPLICIT
            if field.type == _Proto.TYPE_MESSAGE and implicit:
                raise self._fault(where, f"{what}: the presence of messages is never implicit")
            if implicit and field.HasField("default_value"):
                raise self._fault(where, f"{what} has no presence, so it has no default")
            required = features.field_presence == pb.FeatureSet.LEGACY_REQUIRED
            if field.extendee and required:
                raise self._fault(where, f"{what}: an extension cannot be required")
        if features.HasField("repeated_field_encoding") and not repeated:
            raise self._fault(where, f"{what} is not repeated and has no repeated_field_encoding")
        is_entry = field.type == _Proto.TYPE_MESSAGE and repeated
        if features.HasField("utf8_validation") and not (
            field.type == _Proto.TYPE_STRING or is_entry
        ):
            raise self._fault(where, f"{what} is no string and has no utf8_validation")

    def _enums(self, enums: Iterable[pb.EnumDescriptorProto], scope: str) -> None:
        for declared in enums:
            self._aliases(declared, scope)
            self._value_names(declared, scope)

    def _aliases(self, declared: pb.EnumDescriptorProto, scope: str) -> None:
        full_name = inside(scope, declared.name)
        by_number: dict[int, str] = {}
        for value in declared.value:
            other = by_number.setdefault(value.number, value.name)
            if other != value.name and not declared.options.allow_alias:
                raise self._fault(
                    inside(scope, value.name),
                    f'the values "{other}" and "{value.name}" of the enum "{full_name}" have the'
                    ' same number; if that is meant, set "option allow_alias = true;"',
                )
        if declared.options.allow_alias and len(by_number) == len(declared.value):
            raise self._fault(
                full_name, f'the enum "{full_name}" allows aliases and has none; drop allow_alias'
            )

    def _value_names(self, declared: pb.EnumDescriptorProto, scope: str) -> None:
        """Names that are the same once the enum's own name and the case are taken away."""
        if declared.options.deprecated_legacy_json_field_conflicts:
            return
        seen: dict[str, pb.EnumValueDescriptorProto] = {}
        for value in declared.value:
            short = _short_value_name(value.name, declared.name)
            other = seen.setdefault(short, value)
            if other.number != value.number:
                raise self._fault(
                    inside(scope, value.name),
                    f'the values "{other.name}" and "{value.name}" are the same name where case'
                    " and the enum's name do not count",
                )


def _json_is_lenient(
    holder: pb.FileDescriptorProto | pb.DescriptorProto, *, inherited: bool
) -> bool:
    """The feature `json_format` lets fields share a name in JSON."""
    features = holder.options.features
    if not features.HasField("json_format"):
        return inherited
    return features.json_format == pb.FeatureSet.LEGACY_BEST_EFFORT


def _short_value_name(name: str, enum_name: str) -> str:
    """`MY_ENUM_FOO` of `MyEnum` is `foo`."""
    prefix = enum_name.replace("_", "").lower()
    rest: Iterator[tuple[int, str]] = (
        (index, character.lower()) for index, character in enumerate(name) if character != "_"
    )
    end = 0
    for expected in prefix:
        index, character = next(rest, (0, ""))
        if character != expected:
            end = 0
            break
        end = index + 1
    tail = name[end:].lstrip("_") if end else name
    return (tail or name).replace("_", "").lower()
