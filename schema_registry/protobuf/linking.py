"""From a draft to a descriptor in which every name is resolved, with all that it imports.

    text --parse--> File --describe--> Draft --declare, resolve, check, interpret options--> Linked

Files are read as imports name them, each once: first the texts that the schema's references give,
then the well-known ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool

from sprawl.schema_registry.protobuf import well_known
from sprawl.schema_registry.protobuf.checking import check
from sprawl.schema_registry.protobuf.describing import Draft, inside
from sprawl.schema_registry.protobuf.limits import (
    CLOSURE_BYTES_MAX,
    IMPORT_DEPTH_MAX,
    SYMBOLS_SEEN_MAX,
)
from sprawl.schema_registry.protobuf.option_rules import check_options
from sprawl.schema_registry.protobuf.options import interpret
from sprawl.schema_registry.protobuf.pools import add_to_pool
from sprawl.schema_registry.protobuf.scanning import fault
from sprawl.schema_registry.protobuf.symbols import (
    TYPES,
    Kind,
    Scopes,
    Symbol,
    declarations,
    declare,
)
from sprawl.schema_registry.schemas import InvalidSchema

_Proto = pb.FieldDescriptorProto
_MESSAGE = (Kind.MESSAGE,)


@dataclass(frozen=True, slots=True)
class Linked:
    """A sound file.

    Args:
        proto: its descriptor; equal to that of protoc but for the information about source lines.
        exported: what a file that imports it can see: its own symbols and its public imports'.
        visible: what itself can see.
    """

    proto: pb.FileDescriptorProto
    exported: Mapping[str, Symbol] = field(repr=False)
    visible: Mapping[str, Symbol] = field(repr=False)


class Linker:
    """The files of one schema.

    Args:
        texts: what imports may name, by path.
        read: makes the draft of a text; of a text of a reference as of one of ours.
    """

    def __init__(self, texts: Mapping[str, str], read: Callable[[str, str], Draft]) -> None:
        self._texts = texts
        self._read = read
        self._linked: dict[str, Linked] = {}
        self._chain: list[str] = []
        self._bytes_left = CLOSURE_BYTES_MAX
        self._seen_left = SYMBOLS_SEEN_MAX
        self.pool = DescriptorPool()
        """Every file that was linked, so that messages can be made."""

    def link(self, draft: Draft) -> Linked:
        """Resolve and check a file.

        Raises:
            InvalidSchema: what is wrong, with the line and in an import with its path.
        """
        path = draft.file.name
        self._chain.append(path)
        imported, visible = self._imports(draft)
        own = declare(draft, visible)
        visible.update(own)
        scopes = Scopes(visible)
        _Resolver(draft, scopes, own).resolve()
        check(draft, scopes, self.pool)
        interpret(draft, scopes, self.pool, self._files)
        check_options(draft)
        add_to_pool(self.pool, draft.file, draft.lines)
        self._chain.pop()
        linked = Linked(draft.file, {**own, **imported}, visible)
        self._linked[path] = linked
        return linked

    def dependencies(self) -> dict[str, pb.FileDescriptorProto]:
        """The files that were needed, by path."""
        return {path: linked.proto for path, linked in self._linked.items()}

    def descriptor_bytes(self) -> int:
        """The size of all of them."""
        return sum(linked.proto.ByteSize() for linked in self._linked.values())

    def _files(self) -> list[pb.FileDescriptorProto]:
        return [linked.proto for linked in self._linked.values()]

    def _imports(self, draft: Draft) -> tuple[dict[str, Symbol], dict[str, Symbol]]:
        """The symbols that public imports pass on, and all that imports make visible."""
        passed_on: dict[str, Symbol] = {}
        visible: dict[str, Symbol] = {}
        public = set(draft.file.public_dependency)
        for index, path in enumerate((*draft.file.dependency, *draft.file.option_dependency)):
            linked = self._import(path, draft.lines.get(f"import {path}", 0))
            self._seen_left -= len(linked.exported)
            if self._seen_left < 0:
                raise fault(0, f"imports show more than {SYMBOLS_SEEN_MAX} declarations")
            visible.update(linked.exported)
            if index in public:
                passed_on.update(linked.exported)
        return passed_on, visible

    def _import(self, path: str, line: int) -> Linked:
        if path in self._linked:
            return self._linked[path]
        if path in self._chain:
            circle = " -> ".join(f'"{name}"' for name in (*self._chain, path))
            raise fault(line, f"imports go in a circle: {circle}")
        if len(self._chain) >= IMPORT_DEPTH_MAX:
            raise fault(line, f"a chain of more than {IMPORT_DEPTH_MAX} imports")
        if path in self._texts and path != well_known.DESCRIPTOR_PATH:
            text = self._texts[path]
        elif path in well_known.MODULES:
            return self._well_known(path)
        elif path in well_known.TEXTS:
            text = well_known.TEXTS[path]
        else:
            raise fault(
                line,
                f'the import "{path}" is not there: it is no well-known file, and no reference'
                " of the schema has this name",
            )
        self._bytes_left -= len(text)
        if self._bytes_left < 0:
            raise fault(line, f"the schema and its imports exceed {CLOSURE_BYTES_MAX} bytes")
        try:
            return self.link(self._read(path, text))
        except InvalidSchema as error:
            raise InvalidSchema(f'in the import "{path}": {error}') from None

    def _well_known(self, path: str) -> Linked:
        proto = well_known.load_descriptor(path)
        passed_on, visible = self._imports(Draft(proto))
        exported = {symbol.full_name: symbol for symbol in declarations(proto)} | passed_on
        add_to_pool(self.pool, proto)
        self._linked[path] = Linked(proto, exported, visible | exported)
        return self._linked[path]


class _Resolver:
    """Puts full names, with a leading dot, where a draft has names as they were written."""

    def __init__(self, draft: Draft, scopes: Scopes, own: Mapping[str, Symbol]) -> None:
        self._draft = draft
        self._scopes = scopes
        self._own = own

    def resolve(self) -> None:
        file = self._draft.file
        for symbol in self._own.values():
            if isinstance(symbol.proto, pb.DescriptorProto):
                self._message(symbol.proto, symbol.full_name)
        for extension in file.extension:
            self._extension(extension, file.package)
        for service in file.service:
            scope = inside(file.package, service.name)
            for method in service.method:
                line = self._draft.lines.get(inside(scope, method.name), 0)
                what = f'the method "{method.name}"'
                method.input_type = self._find(method.input_type, scope, line, what, _MESSAGE)
                method.output_type = self._find(method.output_type, scope, line, what, _MESSAGE)

    def _message(self, message: pb.DescriptorProto, full_name: str) -> None:
        for field_proto in message.field:
            self._field(field_proto, full_name)
        for extension in message.extension:
            self._extension(extension, full_name)

    def _extension(self, extension: pb.FieldDescriptorProto, scope: str) -> None:
        line = self._draft.lines.get(inside(scope, extension.name), 0)
        what = f'the extension "{extension.name}"'
        extension.extendee = self._find(extension.extendee, scope, line, what, _MESSAGE)
        self._field(extension, scope)

    def _field(self, proto: pb.FieldDescriptorProto, scope: str) -> None:
        if not proto.type_name:
            return
        line = self._draft.lines.get(inside(scope, proto.name), 0)
        full_name = self._find(proto.type_name, scope, line, f'the field "{proto.name}"', TYPES)
        if proto.type != _Proto.TYPE_GROUP:
            symbol = self._scopes.find(full_name, "", TYPES)
            is_enum = symbol is not None and symbol.kind is Kind.ENUM
            proto.type = _Proto.TYPE_ENUM if is_enum else _Proto.TYPE_MESSAGE
        proto.type_name = full_name

    def _find(self, name: str, scope: str, line: int, what: str, kinds: tuple[Kind, ...]) -> str:
        found = self._scopes.find(name, scope, kinds)
        if found is None:
            raise fault(line, f"{what} has the type {self._problem(name, scope, kinds)}")
        return f".{found.full_name}"

    def _problem(self, name: str, scope: str, kinds: tuple[Kind, ...]) -> str:
        """Why a name was not found, with what it could have been."""
        if other := self._scopes.find(name, scope, tuple(Kind)):
            wanted = " or ".join(kind.value for kind in kinds)
            return f'"{name}", which is no {wanted} but {other.kind.value} "{other.full_name}"'
        return f'"{name}", which is not declared, neither in the file nor in its imports'
