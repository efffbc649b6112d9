"""Files that every schema may import without a reference. Each is loaded when it is asked for.

`google/protobuf/` comes from the protobuf package and `google/type/` from googleapis-common-protos,
as the descriptors that those packages carry. `confluent/` is what clients of Confluent's registry
import: names and numbers of its fields are an interface, written down here in our own words.
"""

from __future__ import annotations

from importlib import import_module

from google.protobuf import descriptor_pb2 as pb

DESCRIPTOR_PATH = "google/protobuf/descriptor.proto"

_GOOGLE_PROTOBUF = (
    "any api descriptor duration empty field_mask source_context struct timestamp type wrappers"
)
_GOOGLE_TYPE = (
    "calendar_period color date datetime dayofweek decimal expr fraction interval latlng"
    " localized_text money month phone_number postal_address quaternion timeofday"
)
MODULES = {
    f"{folder}/{name}.proto": f"{folder.replace('/', '.')}.{name}_pb2"
    for folder, names in (("google/protobuf", _GOOGLE_PROTOBUF), ("google/type", _GOOGLE_TYPE))
    for name in names.split()
}
"""The Python module that carries the descriptor of each file."""

TEXTS = {
    "confluent/meta.proto": """
        syntax = "proto3";
        package confluent;
        import "google/protobuf/descriptor.proto";
        option java_package = "io.confluent.protobuf";
        option java_outer_classname = "MetaProto";
        message Meta {
          string doc = 1;
          map<string, string> params = 2;
          repeated string tags = 3;
          repeated Rule rules = 4;
        }
        message Rule {
          string name = 1;
          string doc = 2;
          string expr = 3;
          string sql = 4;
        }
        extend google.protobuf.FileOptions { Meta file_meta = 1088; }
        extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
        extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
        extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
        extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
    """,
    "confluent/type/decimal.proto": """
        syntax = "proto3";
        package confluent.type;
        option java_package = "io.confluent.protobuf.type";
        option java_outer_classname = "DecimalProto";
        option java_multiple_files = true;
        message Decimal {
          bytes value = 1;
          uint32 precision = 2;
          int32 scale = 3;
        }
    """,
    "confluent/type/variant.proto": """
        syntax = "proto3";
        package confluent.type;
        option java_package = "io.confluent.protobuf.type";
        option java_outer_classname = "VariantProto";
        option java_multiple_files = true;
        message Variant {
          bytes metadata = 1;
          bytes value = 2;
        }
    """,
}
"""Files that are kept as text."""


def load_descriptor(path: str) -> pb.FileDescriptorProto:
    """The descriptor of a file in `MODULES`."""
    serialized: bytes = import_module(MODULES[path]).DESCRIPTOR.serialized_pb
    return pb.FileDescriptorProto.FromString(serialized)
