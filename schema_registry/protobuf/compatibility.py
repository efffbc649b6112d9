"""Why data written with one schema cannot be read with another. Pure.

The two files are compared by name for messages, enums and oneofs, and by number for fields and
enum values: names of fields are not on the wire. A path is "#/" and the names on the way, a number
at its end: "#/Order/Line/3".

Messages of imports are compared when a field refers to them, each pair once. The pairs are a list
that grows while it is worked through: a recursion would be as deep as a schema likes. A field whose
message cannot be read has FIELD_NAMED_TYPE_CHANGED too.

Source: protobuf.dev, "Updating A Message Type"; the kinds and the compatible ones are those of the
anchor registry. Three changes are refused here and not there, because data would be lost: a number
that is repeated in one schema only, where proto3 says no label; a field that became required; a
message that is delimited in one schema and has its length before it in the other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf import descriptor_pb2 as pb

from sprawl.schema_registry.protobuf.describing import inside
from sprawl.schema_registry.protobuf.shapes import Closure, Named, Shape

_Proto = pb.FieldDescriptorProto


class Change(enum.Enum):
    """What is different; the value says whether the reader can live with it."""

    PACKAGE_CHANGED = "package", False
    MESSAGE_ADDED = "message added", True
    MESSAGE_REMOVED = "message removed", False
    MESSAGE_MOVED = "message moved", True
    ENUM_ADDED = "enum added", True
    ENUM_REMOVED = "enum removed", True
    ENUM_CONST_ADDED = "enum value added", True
    ENUM_CONST_CHANGED = "enum value renamed", True
    ENUM_CONST_REMOVED = "enum value removed", True
    FIELD_ADDED = "field added", True
    FIELD_REMOVED = "field removed", True
    FIELD_NAME_CHANGED = "field renamed", True
    FIELD_KIND_CHANGED = "kind of field", False
    FIELD_SCALAR_KIND_CHANGED = "kind of scalar", False
    FIELD_NAMED_TYPE_CHANGED = "message of field", False
    FIELD_NUMERIC_LABEL_CHANGED = "label of number", False
    FIELD_STRING_OR_BYTES_LABEL_CHANGED = "label of text", True
    REQUIRED_FIELD_ADDED = "required field added", False
    REQUIRED_FIELD_REMOVED = "required field removed", False
    ONEOF_ADDED = "oneof added", True
    ONEOF_REMOVED = "oneof removed", True
    ONEOF_FIELD_ADDED = "field of oneof added", True
    ONEOF_FIELD_REMOVED = "field of oneof removed", False
    ONEOF_FIELD_MOVED_TO_TOP_LEVEL = "field moved out of oneof", True
    MULTIPLE_FIELDS_MOVED_TO_ONEOF = "fields moved into oneof", False
    FIELD_MOVED_TO_EXISTING_ONEOF = "field moved into existing oneof", False

    @property
    def compatible(self) -> bool:
        return self.value[1]


class Difference(NamedTuple):
    """One change from the writer's schema to the reader's."""

    change: Change
    path: str
    message: str = ""


def differences(writer: Closure, reader: Closure) -> list[Difference]:
    """Every change on the way from the writer's schema to the reader's."""
    comparison = _Comparison(writer, reader)
    comparison.run()
    return comparison.found()


class _Pair(NamedTuple):
    """Full names of two messages of imports that stand for each other."""

    writer: str
    reader: str


_ROOT = _Pair("", "")


@dataclass(slots=True)
class _Findings:
    """What was found in one pair, and which other pairs its fields need."""

    differences: list[Difference] = field(default_factory=list)
    needs: list[tuple[_Pair, str, str]] = field(default_factory=list)


class _Comparison:
    def __init__(self, writer: Closure, reader: Closure) -> None:
        self._writer = writer
        self._reader = reader
        self._pairs: dict[_Pair, _Findings] = {_ROOT: _Findings()}
        self._now = self._pairs[_ROOT]

    def run(self) -> None:
        self._files()
        # The list grows while it is walked.
        waiting = [pair for pair, _, _ in self._now.needs]
        while waiting:
            pair = waiting.pop()
            if pair in self._pairs:
                continue
            self._now = self._pairs[pair] = _Findings()
            writer, reader = self._writer.named(pair.writer), self._reader.named(pair.reader)
            if isinstance(writer.proto, pb.DescriptorProto) and isinstance(
                reader.proto, pb.DescriptorProto
            ):
                path = writer.local_name.replace(".", "/")
                self._messages(
                    _Place(writer.proto, writer.full_name),
                    _Place(reader.proto, reader.full_name),
                    f"#/{path}",
                )
            waiting += (needed for needed, _, _ in self._now.needs)

    def found(self) -> list[Difference]:
        """The differences; a field also differs whose message cannot be read."""
        broken = self._broken_pairs()
        found: list[Difference] = []
        for findings in self._pairs.values():
            found += findings.differences
            found += (
                Difference(Change.FIELD_NAMED_TYPE_CHANGED, path, message)
                for pair, path, message in findings.needs
                if pair in broken
            )
        return found

    def _broken_pairs(self) -> set[_Pair]:
        needed_by: dict[_Pair, list[_Pair]] = {}
        for pair, findings in self._pairs.items():
            for needed, _, _ in findings.needs:
                needed_by.setdefault(needed, []).append(pair)
        waiting = [
            pair
            for pair, findings in self._pairs.items()
            if any(not difference.change.compatible for difference in findings.differences)
        ]
        broken: set[_Pair] = set()
        while waiting:
            pair = waiting.pop()
            if pair not in broken:
                broken.add(pair)
                waiting += needed_by.get(pair, ())
        return broken

    def _add(self, change: Change, path: str, message: str = "") -> None:
        self._now.differences.append(Difference(change, path, message))

    def _files(self) -> None:
        writer, reader = self._writer.file, self._reader.file
        if writer.package != reader.package:
            self._add(
                Change.PACKAGE_CHANGED,
                "#/",
                f'the package is "{reader.package}" in the reader and "{writer.package}" in the'
                " writer, so that every message has another full name; keep the package",
            )
        self._types(
            _Types(writer.message_type, writer.enum_type, writer.package),
            _Types(reader.message_type, reader.enum_type, reader.package),
            "#",
        )

    def _types(self, writer: _Types, reader: _Types, path: str) -> None:
        before, after = _messages_by_name(writer.messages), _messages_by_name(reader.messages)
        for name in dict.fromkeys((*before, *after)):
            here = f"{path}/{name}"
            if name not in after:
                self._add(
                    Change.MESSAGE_REMOVED,
                    here,
                    f'the reader has no message "{name}", which the writer has; keep the message',
                )
            elif name not in before:
                self._add(Change.MESSAGE_ADDED, here)
            else:
                (at_writer, index), (at_reader, moved_to) = before[name], after[name]
                self._messages(
                    _Place(at_writer, inside(writer.scope, name)),
                    _Place(at_reader, inside(reader.scope, name)),
                    here,
                )
                if index != moved_to:
                    self._add(Change.MESSAGE_MOVED, here)
        enums_before = {declared.name: declared for declared in writer.enums}
        enums_after = {declared.name: declared for declared in reader.enums}
        for name in dict.fromkeys((*enums_before, *enums_after)):
            here = f"{path}/{name}"
            if name not in enums_after:
                self._add(Change.ENUM_REMOVED, here)
            elif name not in enums_before:
                self._add(Change.ENUM_ADDED, here)
            else:
                self._enums(enums_before[name], enums_after[name], here)

    def _enums(
        self, writer: pb.EnumDescriptorProto, reader: pb.EnumDescriptorProto, path: str
    ) -> None:
        before = {value.number: value.name for value in writer.value}
        after = {value.number: value.name for value in reader.value}
        for number in sorted({*before, *after}):
            here = f"{path}/{number}"
            if number not in after:
                self._add(Change.ENUM_CONST_REMOVED, here)
            elif number not in before:
                self._add(Change.ENUM_CONST_ADDED, here)
            elif before[number] != after[number]:
                self._add(Change.ENUM_CONST_CHANGED, here)

    def _messages(self, writer: _Place, reader: _Place, path: str) -> None:
        before, after = _Fields(writer.proto), _Fields(reader.proto)
        self._oneofs(before, after, path)
        # The oneofs some fields of which are still there, wherever they are now.
        left = {oneof for number, oneof in before.oneof_of.items() if number in after.by_number}
        for number in sorted({*before.by_number, *after.by_number}):
            if number not in after.by_number:
                self._removed(before, after, left, number, path)
            elif number not in before.by_number:
                self._added(reader, after, number, path)
            else:
                self._kept((writer, before), (reader, after), number, path)
        self._types(writer.types(), reader.types(), path)

    def _oneofs(self, before: _Fields, after: _Fields, path: str) -> None:
        for name, members in after.oneofs.items():
            # Fields that could be set at the same time now exclude each other: the last one read
            # wins and the others are lost.
            known = [number for number in members if number in before.by_number]
            alone = [number for number in known if number not in before.oneof_of]
            groups = {before.oneof_of.get(number, number) for number in known}
            if len(groups) > 1:
                names = ", ".join(f'"{after.by_number[number].name}"' for number in known)
                self._add(
                    Change.MULTIPLE_FIELDS_MOVED_TO_ONEOF
                    if len(alone) > 1
                    else Change.FIELD_MOVED_TO_EXISTING_ONEOF,
                    f"{path}/{name}",
                    f'the oneof "{name}" of the reader keeps one of {names}, of which the writer'
                    " can set several; leave the fields where they were",
                )
        for name in sorted({*before.oneofs, *after.oneofs}):
            if name not in after.oneofs:
                self._add(Change.ONEOF_REMOVED, f"{path}/{name}")
            elif name not in before.oneofs:
                self._add(Change.ONEOF_ADDED, f"{path}/{name}")

    def _removed(
        self, before: _Fields, after: _Fields, left: set[str], number: int, path: str
    ) -> None:
        removed = before.by_number[number]
        oneof = before.oneof_of.get(number)
        if oneof is None:
            required = removed.label == _Proto.LABEL_REQUIRED
            self._add(
                Change.REQUIRED_FIELD_REMOVED if required else Change.FIELD_REMOVED,
                f"{path}/{number}",
                f'the reader has no field "{removed.name}" ({number}), which the writer requires',
            )
        elif oneof in after.oneofs or oneof in left:
            self._add(
                Change.ONEOF_FIELD_REMOVED,
                f"{path}/{oneof}/{number}",
                f'the oneof "{oneof}" has no field "{removed.name}" ({number}) in the reader, so'
                " that what was set would look unset; keep the field",
            )

    def _added(self, reader: _Place, after: _Fields, number: int, path: str) -> None:
        added = after.by_number[number]
        oneof = after.oneof_of.get(number)
        if oneof is not None:
            self._add(Change.ONEOF_FIELD_ADDED, f"{path}/{oneof}/{number}")
            return
        required = self._reader.shape(reader.full_name, added).label == "required"
        self._add(
            Change.REQUIRED_FIELD_ADDED if required else Change.FIELD_ADDED,
            f"{path}/{number}",
            f'the reader requires the field "{added.name}" ({number}), which the writer does not'
            " have; make it optional",
        )

    def _kept(
        self,
        at_writer: tuple[_Place, _Fields],
        at_reader: tuple[_Place, _Fields],
        number: int,
        path: str,
    ) -> None:
        (writer, before), (reader, after) = at_writer, at_reader
        old, new = before.by_number[number], after.by_number[number]
        oneof = after.oneof_of.get(number)
        if number in before.oneof_of and oneof is None:
            self._add(Change.ONEOF_FIELD_MOVED_TO_TOP_LEVEL, f"{path}/{number}")
        here = f"{path}/{oneof}/{number}" if oneof is not None else f"{path}/{number}"
        if old.name != new.name:
            self._add(Change.FIELD_NAME_CHANGED, here)
        written = self._writer.shape(writer.full_name, old)
        read = self._reader.shape(reader.full_name, new)
        if read.label == "required" != written.label:
            self._add(
                Change.REQUIRED_FIELD_ADDED,
                here,
                f'the reader requires the field "{new.name}" ({number}), which the writer may leave'
                " out; make it optional",
            )
        self._shapes(written, read, here, f'the field "{new.name}" ({number})')

    def _shapes(self, writer: Shape, reader: Shape, path: str, what: str) -> None:
        types = f"{what} is {reader.spelled} in the reader and {writer.spelled} in the writer"
        if writer.kind != reader.kind:
            self._add(Change.FIELD_KIND_CHANGED, path, f"{types}; give the new type a new number")
        elif writer.kind == "map":
            for part, old, new in zip(("key", "value"), writer.parts, reader.parts, strict=True):
                self._shapes(old, new, path, f"the {part} of {what}")
        elif writer.named is not None and reader.named is not None:
            self._named(writer.named, reader.named, path, types, what)
        elif writer.scalar != reader.scalar:
            self._add(
                Change.FIELD_SCALAR_KIND_CHANGED,
                path,
                f"{types}, which are encoded in different ways; give the new type a new number",
            )
        elif writer.label != reader.label:
            self._labels(writer, reader, path, what)

    def _labels(self, writer: Shape, reader: Shape, path: str, what: str) -> None:
        if writer.scalar == "text":
            self._add(Change.FIELD_STRING_OR_BYTES_LABEL_CHANGED, path)
            return
        self._add(
            Change.FIELD_NUMERIC_LABEL_CHANGED,
            path,
            f"{what} is {reader.label or 'singular'} in the reader and"
            f" {writer.label or 'singular'} in the writer, which numbers do not survive; keep the"
            " label",
        )

    def _named(self, writer: Named, reader: Named, path: str, types: str, what: str) -> None:
        if writer.local_name != reader.local_name:
            self._add(
                Change.FIELD_NAMED_TYPE_CHANGED, path, f"{types}; give the new type a new number"
            )
        elif not (writer.is_root and reader.is_root):
            # Messages of the schemas themselves are compared where they are declared.
            pair = _Pair(writer.full_name, reader.full_name)
            message = f"{what} has the type {reader.full_name}, which cannot read what was written"
            self._now.needs.append((pair, path, message))


class _Types(NamedTuple):
    """What is declared in a scope."""

    messages: Iterable[pb.DescriptorProto]
    enums: Iterable[pb.EnumDescriptorProto]
    scope: str


class _Place(NamedTuple):
    """A message, and its full name."""

    proto: pb.DescriptorProto
    full_name: str

    def types(self) -> _Types:
        return _Types(self.proto.nested_type, self.proto.enum_type, self.full_name)


class _Fields:
    """The fields of a message by number, and the oneofs that the text declares."""

    def __init__(self, message: pb.DescriptorProto) -> None:
        self.by_number = {declared.number: declared for declared in message.field}
        self.oneof_of: dict[int, str] = {}
        self.oneofs: dict[str, list[int]] = {}
        for declared in message.field:
            if declared.HasField("oneof_index") and not declared.proto3_optional:
                name = message.oneof_decl[declared.oneof_index].name
                self.oneof_of[declared.number] = name
                self.oneofs.setdefault(name, []).append(declared.number)


def _messages_by_name(
    messages: Iterable[pb.DescriptorProto],
) -> dict[str, tuple[pb.DescriptorProto, int]]:
    """Messages with their index. Entries of maps are part of their field and have none."""
    declared: Iterator[pb.DescriptorProto] = (
        message for message in messages if not message.options.map_entry
    )
    return {message.name: (message, index) for index, message in enumerate(declared)}
