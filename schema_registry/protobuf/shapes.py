"""A schema as comparisons see it: its types by name, its fields by how they are encoded. Pure.

Source: protobuf.dev, "Encoding" and "Updating A Message Type".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool

from sprawl.schema_registry.protobuf.describing import inside

_Proto = pb.FieldDescriptorProto


class Named(NamedTuple):
    """A message or an enum of a closure.

    Args:
        local_name: the full name without the package of its file.
        is_root: it is declared in the schema itself, not in an import.
    """

    proto: pb.DescriptorProto | pb.EnumDescriptorProto
    full_name: str
    local_name: str
    is_root: bool


class Closure:
    """A schema with everything that it imports, ready for comparisons.

    Args:
        root: the path of the schema itself among the files.
        pool: holds the files; says how fields are encoded where editions leave that to features.
    """

    def __init__(
        self, root: str, files: Mapping[str, pb.FileDescriptorProto], pool: DescriptorPool
    ) -> None:
        self.file = files[root]
        self._pool = pool
        self._named: dict[str, Named] = {}
        for path, file in files.items():
            for message in file.message_type:
                self._add(message, file.package, file.package, is_root=path == root)
            for declared in file.enum_type:
                self._add(declared, file.package, file.package, is_root=path == root)

    def _add(
        self,
        proto: pb.DescriptorProto | pb.EnumDescriptorProto,
        scope: str,
        package: str,
        *,
        is_root: bool,
    ) -> None:
        full_name = inside(scope, proto.name)
        local_name = full_name.removeprefix(f"{package}.") if package else full_name
        self._named[full_name] = Named(proto, full_name, local_name, is_root)
        if isinstance(proto, pb.DescriptorProto):
            for nested in proto.nested_type:
                self._add(nested, full_name, package, is_root=is_root)
            for declared in proto.enum_type:
                self._add(declared, full_name, package, is_root=is_root)

    def named(self, type_name: str) -> Named:
        """What a resolved type name stands for."""
        return self._named[type_name.removeprefix(".")]

    def shape(self, message: str, proto: pb.FieldDescriptorProto) -> Shape:
        """How a field of a message is encoded."""
        described = self._pool.FindMessageTypeByName(message).fields_by_number[proto.number]
        label = "required" if described.is_required else ""
        if described.is_repeated:
            label = "repeated"
        return self._shape(proto, label, delimited=described.type == _Proto.TYPE_GROUP)

    def _shape(self, proto: pb.FieldDescriptorProto, label: str, *, delimited: bool) -> Shape:
        spelled = proto.type_name or _Proto.Type.Name(proto.type).removeprefix("TYPE_").lower()
        if not proto.type_name:
            return Shape("scalar", spelled, label, _SCALAR_KINDS[proto.type])
        named = self.named(proto.type_name)
        if isinstance(named.proto, pb.EnumDescriptorProto):
            return Shape("scalar", f"enum {spelled}", label, "varint")
        if named.proto.options.map_entry:
            key, value = (self._shape(part, "", delimited=False) for part in named.proto.field)
            return Shape("map", f"map<{key.spelled}, {value.spelled}>", label, parts=(key, value))
        kind = "delimited message" if delimited else "message"
        return Shape(kind, spelled, label, named=named)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the wire format and the comparison know of a field.

    Args:
        kind: "scalar", "map", "message" or "delimited message".
        scalar: the group of scalar types that are encoded alike.
        label: "required", "repeated" or "".
    """

    kind: str
    spelled: str
    label: str
    scalar: str = ""
    parts: tuple[Shape, ...] = ()
    named: Named | None = None


_SCALAR_KINDS = {
    **dict.fromkeys(
        (
            _Proto.TYPE_INT32,
            _Proto.TYPE_INT64,
            _Proto.TYPE_UINT32,
            _Proto.TYPE_UINT64,
            _Proto.TYPE_BOOL,
        ),
        "varint",
    ),
    **dict.fromkeys((_Proto.TYPE_SINT32, _Proto.TYPE_SINT64), "zigzag"),
    **dict.fromkeys((_Proto.TYPE_FIXED32, _Proto.TYPE_SFIXED32), "fixed32"),
    **dict.fromkeys((_Proto.TYPE_FIXED64, _Proto.TYPE_SFIXED64), "fixed64"),
    **dict.fromkeys((_Proto.TYPE_STRING, _Proto.TYPE_BYTES), "text"),
    _Proto.TYPE_FLOAT: "float",
    _Proto.TYPE_DOUBLE: "double",
}
