"""The library's pools of descriptors: they make messages, and check a last time. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool

from sprawl.schema_registry.protobuf.scanning import fault

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def add_to_pool(
    pool: DescriptorPool, file: pb.FileDescriptorProto, lines: Mapping[str, int] | None = None
) -> None:
    """Add a file whose imports are there.

    Args:
        lines: of the declarations by full name, to say where the one is that the library names.

    Raises:
        InvalidSchema: the library finds it wrong.
    """
    try:
        pool.Add(_with_distinct_json_names(file))
    except TypeError as error:
        reason = str(error).removeprefix("Couldn't build proto file into descriptor pool: ")
        known = (lines or {}).get
        line = next((at for name in _NAME.findall(reason) if (at := known(name.strip(".")))), 0)
        raise fault(line, reason) from None


def _with_distinct_json_names(file: pb.FileDescriptorProto) -> pb.FileDescriptorProto:
    """The file as the library's pool takes it.

    The pool refuses fields that share a name in JSON, which proto2 and some options allow. Nothing
    here asks a pool for that name.
    """
    waiting = list(file.message_type)
    while waiting:
        message = waiting.pop()
        if len({field.json_name for field in message.field}) < len(message.field):
            break
        waiting += message.nested_type
    else:
        return file
    distinct = pb.FileDescriptorProto()
    distinct.CopyFrom(file)
    waiting = list(distinct.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        for field_proto in message.field:
            field_proto.json_name = f"{field_proto.name}#{field_proto.number}"
    return distinct
