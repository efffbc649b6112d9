"""The PROTOBUF schema type behind the registry's port."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from sprawl.schema_registry.protobuf.compatibility import differences
from sprawl.schema_registry.protobuf.describing import Draft, add_json_names, describe
from sprawl.schema_registry.protobuf.limits import (
    CACHE_BYTES_MAX,
    CACHE_SCHEMAS_MAX,
    SCHEMA_BYTES_MAX,
)
from sprawl.schema_registry.protobuf.linking import Linked, Linker
from sprawl.schema_registry.protobuf.map_entries import fold_map_entries
from sprawl.schema_registry.protobuf.model import File
from sprawl.schema_registry.protobuf.normalizing import normalize, without_extensions
from sprawl.schema_registry.protobuf.parsing import parse
from sprawl.schema_registry.protobuf.printing import print_file
from sprawl.schema_registry.protobuf.rendering import render
from sprawl.schema_registry.protobuf.shapes import Closure
from sprawl.schema_registry.protobuf.symbols import Scopes
from sprawl.schema_registry.schemas import (
    Incompatibility,
    InvalidSchema,
    Parsed,
    Policy,
    Reference,
)

ROOT_PATH = "default"
"""What the file of a schema is called in descriptors: texts in the registry have no name."""
_NEITHER = "this is neither a .proto text nor base64 of a FileDescriptorProto"
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


class ProtobufSchema:
    """A sound schema.

    Args:
        file: as it was written, or as its descriptor says.
        linked: its descriptor, with what it can see.
        linker: the files that it imports.
        texts: the references that it was read with.
    """

    def __init__(
        self, file: File, linked: Linked, linker: Linker, texts: Mapping[str, str]
    ) -> None:
        self._file = file
        self._linked = linked
        self._linker = linker
        self._texts = texts

    @cached_property
    def canonical(self) -> str:
        return print_file(self._file)

    @property
    def descriptor(self) -> pb.FileDescriptorProto:
        """The file as protoc would describe it; not to be changed."""
        return self._linked.proto

    @property
    def pool(self) -> DescriptorPool:
        """Makes messages of the schema."""
        return self._linker.pool

    @cached_property
    def closure(self) -> Closure:
        """For comparisons."""
        return Closure(ROOT_PATH, self._linker.dependencies(), self._linker.pool)

    def normalized(self) -> Parsed:
        return self._again(normalize(self._file, Scopes(self._linked.visible)))

    def formatted(self, name: str) -> str:
        if name == "serialized":
            # That of the canonical text: fields and messages have the order that is given out.
            proto = self._again(parse(self.canonical)).descriptor
            return base64.b64encode(proto.SerializeToString(deterministic=True)).decode()
        if name == "ignore_extensions":
            return print_file(without_extensions(self._file))
        return self.canonical

    def record_name(self, message: Sequence[int]) -> str | None:
        """The full name of the message that a way leads to."""
        within: Sequence[pb.DescriptorProto] = self.descriptor.message_type
        names = [self.descriptor.package] if self.descriptor.package else []
        for index in message:
            if not 0 <= index < len(within):
                return None
            names.append(within[index].name)
            within = within[index].nested_type
        return ".".join(names) if message else None

    def _again(self, file: File) -> ProtobufSchema:
        """The same schema in other words."""
        linker = Linker(self._texts, _read)
        return ProtobufSchema(file, linker.link(describe(ROOT_PATH, file)), linker, self._texts)


class ProtobufFormat:
    """Reads schemas of type PROTOBUF and compares them; remembers some that it has read."""

    def __init__(self) -> None:
        self._cache = _Cache()

    def parse(
        self, text: str, references: Sequence[Reference], texts: Mapping[str, str]
    ) -> ProtobufSchema:
        """Read a .proto text, or base64 of a FileDescriptorProto.

        Raises:
            InvalidSchema: with the line and the name of what is wrong.
        """
        key = _digest(text, texts)
        if (known := self._cache.get(key)) is not None:
            return known
        _check_size(text)
        if (descriptor := _as_descriptor(text)) is not None:
            linker = Linker(texts, _read)
            linked = linker.link(Draft(descriptor))
            # Read as what it will be stored as, so that it can be read again for sure.
            text = print_file(render(linked.proto, linker.pool))
        file = _parse(text)
        if file == File():
            raise InvalidSchema("the schema declares nothing")
        linker = Linker(texts, _read)
        schema = ProtobufSchema(file, linker.link(describe(ROOT_PATH, file)), linker, dict(texts))
        self._cache.put(key, schema, len(text) + linker.descriptor_bytes())
        return schema

    def incompatibilities(
        self, reader: Parsed, writer: Parsed, policy: Policy = Policy.STRICT
    ) -> list[Incompatibility]:
        if not isinstance(reader, ProtobufSchema) or not isinstance(writer, ProtobufSchema):
            raise TypeError("both schemas are of type PROTOBUF")
        return [
            Incompatibility(difference.change.name, difference.path, difference.message)
            for difference in differences(writer.closure, reader.closure)
            if not difference.change.compatible
        ]


def _check_size(text: str) -> None:
    if len(text) > SCHEMA_BYTES_MAX:
        raise InvalidSchema(f"the schema has more than {SCHEMA_BYTES_MAX} characters")
    if not text.strip():
        raise InvalidSchema("the schema is empty")


def _parse(text: str) -> File:
    return fold_map_entries(parse(text))


def _read(path: str, text: str) -> Draft:
    """The draft of an import."""
    _check_size(text)
    if (descriptor := _as_descriptor(text)) is not None:
        return Draft(_renamed(descriptor, path))
    return describe(path, _parse(text))


def _as_descriptor(text: str) -> pb.FileDescriptorProto | None:
    """The descriptor that a text is the base64 of; None of a text that is not base64.

    Raises:
        InvalidSchema: it is base64 of something else.
    """
    if _BASE64.fullmatch(text) is None:
        return None
    try:
        descriptor = pb.FileDescriptorProto.FromString(
            base64.b64decode("".join(text.split()), validate=True)
        )
    except (binascii.Error, DecodeError):
        raise InvalidSchema(_NEITHER) from None
    if not _is_text(descriptor):
        raise InvalidSchema(_NEITHER)
    return _renamed(descriptor, ROOT_PATH)


def _is_text(message: Message) -> bool:
    """All strings are UTF-8; messages of proto2 do not see to that."""
    for field, value in message.ListFields():
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key, held = entry.fields_by_name["key"], entry.fields_by_name["value"]
            found = [(key, each) for each in value] + [(held, value[each]) for each in value]
        else:
            found = [(field, each) for each in (value if field.is_repeated else (value,))]
        if not all(_is_part_text(*each) for each in found):
            return False
    return True


def _is_part_text(field: FieldDescriptor, part: object) -> bool:
    if isinstance(part, Message):
        return _is_text(part)
    return field.type != FieldDescriptor.TYPE_STRING or isinstance(part, str)


def _renamed(descriptor: pb.FileDescriptorProto, path: str) -> pb.FileDescriptorProto:
    """The descriptor under another name, as protoc would write it.

    Descriptors in generated code leave out names in JSON that are the usual ones.
    """
    descriptor.name = path
    descriptor.ClearField("source_code_info")
    add_json_names(descriptor)
    return descriptor


def _digest(text: str, texts: Mapping[str, str]) -> bytes:
    """Names a schema with all that it may import; every part with its length before it."""
    digest = hashlib.sha256()
    for part in (text, *(part for item in sorted(texts.items()) for part in item)):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.digest()


class _Cache:
    """Schemas that were read, those not used for longest dropped first."""

    def __init__(self) -> None:
        self._schemas: OrderedDict[bytes, tuple[ProtobufSchema, int]] = OrderedDict()
        self._size_bytes = 0

    def get(self, key: bytes) -> ProtobufSchema | None:
        if key not in self._schemas:
            return None
        self._schemas.move_to_end(key)
        return self._schemas[key][0]

    def put(self, key: bytes, schema: ProtobufSchema, size_bytes: int) -> None:
        self._schemas[key] = (schema, size_bytes)
        self._size_bytes += size_bytes
        while self._size_bytes > CACHE_BYTES_MAX or len(self._schemas) > CACHE_SCHEMAS_MAX:
            _, (_, dropped) = self._schemas.popitem(last=False)
            self._size_bytes -= dropped
