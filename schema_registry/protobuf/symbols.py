"""What names stand for: which file declares what, and what a name means in a scope. Pure.

A name without a leading dot is looked for in the scope where it is written, then in the one
around, and so on. The first scope that knows its first part decides: `b.C` in `a.b.M` is never
looked for in the top-level `b` while there is an `a.b`.

Source: protobuf.dev, "Packages and Name Resolution"; protoc's DescriptorBuilder (LookupSymbol).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf import descriptor_pb2 as pb

from sprawl.schema_registry.protobuf.describing import Draft, inside
from sprawl.schema_registry.protobuf.limits import FULL_NAME_CHARACTERS_MAX
from sprawl.schema_registry.protobuf.scanning import fault


class Kind(enum.Enum):
    """What a full name names."""

    PACKAGE = "package"
    MESSAGE = "message"
    ENUM = "enum"
    ENUM_VALUE = "enum value"
    FIELD = "field"
    ONEOF = "oneof"
    EXTENSION = "extension"
    SERVICE = "service"
    METHOD = "method"


TYPES = (Kind.MESSAGE, Kind.ENUM)
_SCOPES = (Kind.PACKAGE, Kind.MESSAGE, Kind.ENUM, Kind.SERVICE)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A declaration.

    Args:
        path: the file that declares it; of a package the first one.
        proto: its descriptor, where references need it: messages, enums, extensions.
    """

    kind: Kind
    full_name: str
    path: str
    proto: pb.DescriptorProto | pb.EnumDescriptorProto | pb.FieldDescriptorProto | None = None


Symbols = Mapping[str, Symbol]
"""By full name, without a leading dot."""


def declarations(file: pb.FileDescriptorProto) -> Iterator[Symbol]:
    """Everything a file declares, its package and the packages around that first."""
    path = file.name
    package = ""
    for part in file.package.split(".") if file.package else ():
        package = inside(package, part)
        yield Symbol(Kind.PACKAGE, package, path)
    for message in file.message_type:
        yield from _of_message(message, file.package, path)
    for declared in file.enum_type:
        yield from _of_enum(declared, file.package, path)
    for extension in file.extension:
        yield Symbol(Kind.EXTENSION, inside(file.package, extension.name), path, extension)
    for service in file.service:
        full_name = inside(file.package, service.name)
        yield Symbol(Kind.SERVICE, full_name, path)
        for method in service.method:
            yield Symbol(Kind.METHOD, inside(full_name, method.name), path)


def _of_message(message: pb.DescriptorProto, scope: str, path: str) -> Iterator[Symbol]:
    full_name = inside(scope, message.name)
    yield Symbol(Kind.MESSAGE, full_name, path, message)
    for field in message.field:
        yield Symbol(Kind.FIELD, inside(full_name, field.name), path)
    for oneof in message.oneof_decl:
        yield Symbol(Kind.ONEOF, inside(full_name, oneof.name), path)
    for nested in message.nested_type:
        yield from _of_message(nested, full_name, path)
    for declared in message.enum_type:
        yield from _of_enum(declared, full_name, path)
    for extension in message.extension:
        yield Symbol(Kind.EXTENSION, inside(full_name, extension.name), path, extension)


def _of_enum(declared: pb.EnumDescriptorProto, scope: str, path: str) -> Iterator[Symbol]:
    yield Symbol(Kind.ENUM, inside(scope, declared.name), path, declared)
    for value in declared.value:
        yield Symbol(Kind.ENUM_VALUE, inside(scope, value.name), path)


def declare(draft: Draft, imported: Symbols) -> dict[str, Symbol]:
    """The symbols of a file, each name of which is declared once, here or in what it imports.

    Raises:
        InvalidSchema: two declarations have the same full name.
    """
    own: dict[str, Symbol] = {}
    for symbol in declarations(draft.file):
        if len(symbol.full_name) > FULL_NAME_CHARACTERS_MAX:
            raise fault(0, f"a full name has more than {FULL_NAME_CHARACTERS_MAX} characters")
        other = own.get(symbol.full_name) or imported.get(symbol.full_name)
        if other is not None and not (symbol.kind is other.kind is Kind.PACKAGE):
            raise _declared_twice(draft, symbol, other)
        own[symbol.full_name] = symbol
    return own


def _declared_twice(draft: Draft, symbol: Symbol, other: Symbol) -> Exception:
    where = f' in "{other.path}"' if other.path != symbol.path else ""
    hint = ""
    if Kind.ENUM_VALUE in (symbol.kind, other.kind):
        hint = "; names of enum values are seen in the scope around their enum"
    return fault(
        draft.lines.get(symbol.full_name, 0),
        f'"{symbol.full_name}" is already declared as {_article(other.kind)}{where}{hint}',
    )


def _article(kind: Kind) -> str:
    return f"{'an' if kind.value[0] in 'aeiou' else 'a'} {kind.value}"


class Scopes:
    """The lookup of names in a file.

    Args:
        symbols: all that the file can see: its own, those of its imports and of their public ones.
    """

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def find(self, name: str, scope: str, kinds: tuple[Kind, ...]) -> Symbol | None:
        """What a name means in a scope, if it means something of one of these kinds."""
        if name.startswith("."):
            return self._of_kind(name[1:], kinds)
        first, *rest = name.split(".")
        while True:
            found = self._symbols.get(inside(scope, first))
            if found is not None and not rest and found.kind in kinds:
                return found
            if found is not None and rest and found.kind in _SCOPES:
                return self._of_kind(inside(scope, name), kinds)
            if not scope:
                return None
            scope = scope.rpartition(".")[0]

    def _of_kind(self, full_name: str, kinds: tuple[Kind, ...]) -> Symbol | None:
        found = self._symbols.get(full_name)
        return found if found is not None and found.kind in kinds else None
