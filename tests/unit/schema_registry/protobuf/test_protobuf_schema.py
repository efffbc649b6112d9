"""The schema type as the registry uses it."""

from __future__ import annotations

import ast
import base64
from importlib.resources import files

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from sprawl.schema_registry.protobuf import well_known
from sprawl.schema_registry.protobuf.compatibility import differences
from sprawl.schema_registry.protobuf.limits import CACHE_BYTES_MAX
from sprawl.schema_registry.protobuf.schema import ProtobufFormat
from sprawl.schema_registry.schemas import InvalidSchema, Parsed, SchemaFormat

MESSY = r"""
// An order.
syntax="proto3" ; package  shop.orders;
import "google/protobuf/timestamp.proto"; import public "money.proto";
option java_package='com.\'shop\'';   option (note) = "n"; import "notes.proto";
message Order { // one
  enum State { NEW=0; DONE = 5; reserved 2 to 4,9; }
  message Line { string sku=2; int32 count = 1; }
  repeated Line lines=4[deprecated=true,json_name="l"]; string id = 1;
  oneof payment { shop.money.Amount cash=7; string card = 6; }
  map<string,Line> by_sku = 3 ;
  google.protobuf.Timestamp at = 2; reserved 11, 20 to max; reserved "old";
  option (rule) = { name: "a" levels: [1,2], inner { name: 'b' } };
}
service Orders { rpc Put(Order) returns(stream Order) { option deprecated = true; }
  rpc Get (Order.Line) returns (Order); }
extend Order.Line { }
enum Top { T = 0; }
"""
IMPORTS = {
    "money.proto": 'syntax = "proto3"; package shop.money; message Amount { int64 units = 1; }',
    "notes.proto": """
        syntax = "proto3";
        package shop;
        import "google/protobuf/descriptor.proto";
        message Rule { string name = 1; repeated int32 levels = 2; Rule inner = 3; }
        extend google.protobuf.FileOptions { string note = 50000; }
        extend google.protobuf.MessageOptions { Rule rule = 50000; }
    """,
}
CANONICAL = r"""syntax = "proto3";
package shop.orders;

import "google/protobuf/timestamp.proto";
import "notes.proto";
import public "money.proto";

option java_package = "com.\'shop\'";
option (note) = "n";

message Order {
  reserved 11, 20 to max;
  reserved "old";

  option (rule) = {
    name: "a",
    levels: [
      1,
      2
    ],
    inner: {
      name: "b"
    }
  };

  repeated Line lines = 4 [
    deprecated = true,
    json_name = "l"
  ];
  string id = 1;
  map<string, Line> by_sku = 3;
  google.protobuf.Timestamp at = 2;

  oneof payment {
    shop.money.Amount cash = 7;
    string card = 6;
  }

  message Line {
    string sku = 2;
    int32 count = 1;
  }
  enum State {
    reserved 2 to 4, 9;
    NEW = 0;
    DONE = 5;
  }
}
enum Top {
  T = 0;
}

extend Order.Line {}

service Orders {
  rpc Put (Order) returns (stream Order) {
    option deprecated = true;
  };
  rpc Get (Order.Line) returns (Order);
}
"""
NORMALIZED = r"""syntax = "proto3";
package shop.orders;

import "google/protobuf/timestamp.proto";
import "notes.proto";
import public "money.proto";

option java_package = "com.\'shop\'";
option (shop.note) = "n";

message Order {
  reserved 11;
  reserved 20 to max;
  reserved "old";

  option (shop.rule) = {
    inner: {
      name: "b"
    },
    levels: [
      1,
      2
    ],
    name: "a"
  };

  string id = 1;
  .google.protobuf.Timestamp at = 2;
  map<string, .shop.orders.Order.Line> by_sku = 3;
  repeated .shop.orders.Order.Line lines = 4 [
    deprecated = true,
    json_name = "l"
  ];

  oneof payment {
    string card = 6;
    .shop.money.Amount cash = 7;
  }

  message Line {
    int32 count = 1;
    string sku = 2;
  }
  enum State {
    reserved 2 to 4;
    reserved 9;
    NEW = 0;
    DONE = 5;
  }
}
enum Top {
  T = 0;
}

service Orders {
  rpc Put (.shop.orders.Order) returns (stream .shop.orders.Order) {
    option deprecated = true;
  };
  rpc Get (.shop.orders.Order.Line) returns (.shop.orders.Order);
}
"""


def parse(text: str) -> Parsed:
    # Also says that the format and its schemas are what the port asks for.
    schemas: SchemaFormat = ProtobufFormat()
    return schemas.parse(text, [], IMPORTS)


def without_line_ends(text: str) -> str:
    """Empty lines are indented too; editors take such spaces away."""
    return "\n".join(line.rstrip() for line in text.split("\n"))


def test_canonical_layout() -> None:
    canonical = parse(MESSY).canonical
    assert without_line_ends(canonical) == CANONICAL
    assert parse(canonical).canonical == canonical


def test_normalized_layout() -> None:
    assert without_line_ends(parse(MESSY).normalized().canonical) == NORMALIZED


def test_empty_lines_inside_are_indented() -> None:
    """The digest of a text, which is its id in other registries, knows no way around them."""
    text = 'syntax = "proto3"; message M { message N { reserved 1; string a = 2; } string b = 1; }'
    assert parse(text).canonical == (
        'syntax = "proto3";\n\nmessage M {\n  string b = 1;\n\n  message N {\n    reserved 1;\n'
        "  \n    string a = 2;\n  }\n}\n"
    )


def test_text_without_syntax_and_package_begins_with_an_empty_line() -> None:
    assert parse("message M { }").canonical == "\nmessage M {}\n"


def test_normalized_is_equal_for_what_means_the_same() -> None:
    one = """
        syntax = "proto2"; package p;
        import "google/protobuf/descriptor.proto";
        message Part { optional double a = 1; optional Part b = 2; repeated int32 c = 3; }
        extend google.protobuf.MessageOptions { optional Part part = 50000; }
        message M {
          option (part).a = 1.50; option deprecated = false; option (p.part).b.c = 0x10;
          option (.p.part).b.c = 7; option (part).b.a = 2.0;
          optional Part x = 2; optional M y = 1; extensions 30, 20 to 29; reserved 5, 4;
          enum E { B = 2; A = 1; }
        }
    """
    other = """
        package p;
        import "google/protobuf/descriptor.proto";
        message Part { repeated int32 c = 3; optional p.Part b = 2; optional double a = 1; }
        extend google.protobuf.MessageOptions { optional .p.Part part = 50000; }
        message M {
          optional M y = 1; optional Part x = 2; reserved 4; reserved 5;
          option deprecated = false;
          option (p.part) = { a: 1.5 b { a: 2 c: [16, 7] } };
          extensions 20 to 29; extensions 30;
          enum E { B = 2; A = 1; }
        }
    """
    assert parse(one).canonical != parse(other).canonical
    assert parse(one).normalized().canonical == parse(other).normalized().canonical


def test_range_of_one_number() -> None:
    schema = parse('syntax = "proto3"; message M { reserved 3 to 3, 5 to 6, 8; }')
    assert "  reserved 3 to 3, 5 to 6, 8;\n" in schema.canonical
    assert "  reserved 3;\n  reserved 5 to 6;\n  reserved 8;\n" in schema.normalized().canonical


def test_normalized_keeps_the_first_value_of_an_enum() -> None:
    text = 'syntax = "proto3"; enum E { ZERO = 0; TWO = 2; MINUS = -1; ONE = 1; }'
    normalized = parse(text).normalized().canonical
    names = ["ZERO", "MINUS", "ONE", "TWO"]
    assert sorted(names, key=normalized.index) == names


class TestDescriptors:
    """Schemas that come as base64 of a FileDescriptorProto, as clients in Python send them."""

    def test_rendered_as_text(self) -> None:
        proto = pb.FileDescriptorProto()
        Timestamp.DESCRIPTOR.file.CopyToProto(proto)
        schema = parse(base64.b64encode(proto.SerializeToString()).decode())
        assert "message Timestamp {\n  int64 seconds = 1;\n  int32 nanos = 2;\n}\n" in (
            schema.canonical
        )
        assert schema.canonical.startswith('syntax = "proto3";\npackage google.protobuf;\n')

    def test_serialized_comes_back(self) -> None:
        schema = parse(MESSY)
        sent = schema.formatted("serialized")
        again = parse(sent)
        assert again.formatted("serialized") == sent
        assert again.normalized().canonical == schema.normalized().canonical

    def test_maps_written_out(self) -> None:
        """What registries hold for clients that sent descriptors with maps."""
        text = """
            syntax = "proto3";
            message M {
              repeated .M.TagsEntry tags = 1;
              message TagsEntry { option map_entry = true; string key = 1; .M value = 2; }
            }
        """
        assert (
            parse(text).canonical
            == parse('syntax = "proto3"; message M { map<string, .M> tags = 1; }').canonical
        )

    @pytest.mark.parametrize(
        "damaged", [b"\x82\xb5\x18\x01\xff", b"\x80\xb5\x18\x01\x82\xb5\x18\x7f"]
    )
    def test_damaged_options(self, damaged: bytes) -> None:
        """Bytes of a custom option that are none of its type."""
        proto = pb.FileDescriptorProto(dependency=["notes.proto"])
        message = b"\x0a\x01M\x3a" + bytes((len(damaged),)) + damaged
        sent = proto.SerializeToString() + b"\x22" + bytes((len(message),)) + message
        with pytest.raises(InvalidSchema):
            parse(base64.b64encode(sent).decode())

    def test_options_that_nobody_declares_are_left_out(self) -> None:
        proto = pb.FileDescriptorProto(name="x", syntax="proto3")
        proto.message_type.add(name="M").options.MergeFromString(b"\x80\xb5\x18\x01")
        schema = parse(base64.b64encode(proto.SerializeToString()).decode())
        assert schema.canonical == 'syntax = "proto3";\n\nmessage M {}\n'

    def test_imports_may_be_descriptors(self) -> None:
        proto = pb.FileDescriptorProto(name="whatever", syntax="proto3", package="x")
        proto.message_type.add(name="X")
        texts = {"x.proto": base64.b64encode(proto.SerializeToString()).decode()}
        ProtobufFormat().parse(
            'syntax = "proto3"; import "x.proto"; message M { x.X x = 1; }', [], texts
        )


def test_ignore_extensions() -> None:
    text = """
        syntax = "proto2";
        import "google/protobuf/descriptor.proto";
        import "confluent/meta.proto";
        extend google.protobuf.FieldOptions { optional string mine = 50000; }
        message M {
          option (confluent.message_meta).doc = "kept";
          extensions 10 to 20;
          optional string a = 1 [(mine) = "x", deprecated = true];
        }
        extend M { optional int32 b = 10; }
    """
    assert without_line_ends(parse(text).formatted("ignore_extensions")) == (
        'syntax = "proto2";\n\nimport "google/protobuf/descriptor.proto";\n'
        'import "confluent/meta.proto";\n\nmessage M {\n'
        '  option (confluent.message_meta).doc = "kept";\n\n'
        "  optional string a = 1 [deprecated = true];\n}\n"
    )


@pytest.mark.parametrize("name", ["", "resolved", "no such format"])
def test_other_formats_are_the_canonical_text(name: str) -> None:
    schema = parse(MESSY)
    assert schema.formatted(name) == schema.canonical


class TestCache:
    def test_same_text_with_the_same_imports_is_read_once(self) -> None:
        schemas = ProtobufFormat()
        assert schemas.parse(MESSY, [], IMPORTS) is schemas.parse(MESSY, [], dict(IMPORTS))

    def test_other_imports_are_another_schema(self) -> None:
        schemas = ProtobufFormat()
        text = 'syntax = "proto3"; import "x.proto"; message M { X x = 1; }'
        one = schemas.parse(text, [], {"x.proto": 'syntax = "proto3"; message X {}'})
        other = schemas.parse(text, [], {"x.proto": 'syntax = "proto3"; message X { X x = 1; }'})
        assert one is not other

    def test_what_was_not_used_for_longest_goes(self) -> None:
        schemas = ProtobufFormat()
        padding = "x" * (CACHE_BYTES_MAX // 4)
        texts = [f'syntax = "proto3"; message M{number} {{}} // {padding}' for number in range(5)]
        first = [schemas.parse(text, [], {}) for text in texts[:3]]
        assert schemas.parse(texts[0], [], {}) is first[0]
        for text in texts[3:]:
            schemas.parse(text, [], {})
        assert schemas.parse(texts[0], [], {}) is first[0]
        assert schemas.parse(texts[1], [], {}) is not first[1]


def test_what_schemas_import_counts_in_the_cache() -> None:
    """A text of one line may need descriptor.proto, which is much larger."""
    schemas = ProtobufFormat()
    texts = [
        f'syntax = "proto3"; import "google/protobuf/descriptor.proto"; message M{number} {{}}'
        for number in range(250)
    ]
    first = schemas.parse(texts[0], [], {})
    for text in texts[1:]:
        schemas.parse(text, [], {})
    assert schemas.parse(texts[0], [], {}) is not first


@pytest.mark.parametrize("name", ["meta", "type/decimal", "type/variant"])
def test_confluent_files_are_those_of_its_client(name: str) -> None:
    """Beside the descriptors that confluent-kafka carries: whatever it knows we know alike."""
    schemas = ProtobufFormat()
    path = f"confluent/{name}.proto"
    ours = schemas.parse(well_known.TEXTS[path], [], {})
    theirs = schemas.parse(_descriptor_of_client(name), [], {})
    assert differences(ours.closure, theirs.closure) == []


def _descriptor_of_client(name: str) -> str:
    """base64 of a descriptor, without what the package around it imports."""
    source = files("confluent_kafka") / f"schema_registry/confluent/{name}_pb2.py"
    if not source.is_file():
        pytest.skip("this confluent-kafka does not carry it")
    written = next(
        node.args[0].value
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "AddSerializedFile"
        and isinstance(node.args[0], ast.Constant)
    )
    assert isinstance(written, bytes)
    return base64.b64encode(written).decode()
