"""Which changes a reader can live with; each as the registry names it, at its path."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sprawl.schema_registry.protobuf.compatibility import Change, differences
from sprawl.schema_registry.protobuf.schema import ProtobufFormat

P2 = 'syntax = "proto2"; package shop;\n'
P3 = 'syntax = "proto3"; package shop;\n'
ED = 'edition = "2023"; package shop;\n'

# (what is tried, the writer's schema, the reader's, what is different)
CASES = [
    ("nothing", P3 + "message M { string a = 1; }", P3 + "message M { string a = 1; }", []),
    (
        "another package",
        'syntax = "proto3"; package a; message M {}',
        'syntax = "proto3"; package b; message M {}',
        ["PACKAGE_CHANGED #/"],
    ),
    (
        "another spelling of a name",
        P3 + "message M { In a = 1; map<string, In> b = 2; message In {} }",
        P3 + "message M { .shop.M.In a = 1; map<string, M.In> b = 2; message In {} }",
        [],
    ),
    (
        "a message more",
        P3 + "message M {}",
        P3 + "message M {} message N {}",
        ["MESSAGE_ADDED #/N"],
    ),
    (
        "a message less",
        P3 + "message M { message In {} } message N {}",
        P3 + "message M {}",
        ["MESSAGE_REMOVED #/N", "MESSAGE_REMOVED #/M/In"],
    ),
    (
        "messages in another order",
        P3 + "message M {} message N {}",
        P3 + "message N {} message M {}",
        ["MESSAGE_MOVED #/M", "MESSAGE_MOVED #/N"],
    ),
    (
        "fields of a nested message",
        P3 + "message M { message In { string a = 1; string b = 2; } }",
        P3 + "message M { message In { string a = 1; string c = 3; } }",
        ["FIELD_REMOVED #/M/In/2", "FIELD_ADDED #/M/In/3"],
    ),
    (
        "another name",
        P3 + "message M { string a = 1; }",
        P3 + "message M { string b = 1; }",
        ["FIELD_NAME_CHANGED #/M/1"],
    ),
    (
        "another number",
        P3 + "message M { string a = 1; }",
        P3 + "message M { string a = 2; }",
        ["FIELD_REMOVED #/M/1", "FIELD_ADDED #/M/2"],
    ),
    (
        "types that are encoded alike",
        P3
        + "message M { int32 a = 1; uint64 b = 2; bool c = 3; sint32 d = 4; fixed32 e = 5;"
        + " sfixed64 f = 6; string g = 7; E h = 8; } enum E { Z = 0; }",
        P3
        + "message M { int64 a = 1; bool b = 2; E c = 3; sint64 d = 4; sfixed32 e = 5;"
        + " fixed64 f = 6; bytes g = 7; uint32 h = 8; } enum E { Z = 0; }",
        [],
    ),
    *(
        (
            f"{old} that becomes {new}",
            P3 + f"message M {{ {old} a = 1; }}",
            P3 + f"message M {{ {new} a = 1; }}",
            ["FIELD_SCALAR_KIND_CHANGED #/M/1"],
        )
        for old, new in (
            ("int32", "sint32"),
            ("int32", "fixed32"),
            ("fixed32", "fixed64"),
            ("fixed32", "float"),
            ("float", "double"),
            ("string", "int32"),
            ("bytes", "double"),
        )
    ),
    (
        "a scalar that becomes a message, a message a map, a map a scalar",
        P3 + "message M { string a = 1; M b = 2; map<string, string> c = 3; }",
        P3 + "message M { M a = 1; map<string, string> b = 2; string c = 3; }",
        [f"FIELD_KIND_CHANGED #/M/{number}" for number in (1, 2, 3)],
    ),
    (
        "keys and values of a map",
        P3
        + "message M { map<string, int32> a = 1; map<int32, string> b = 2; map<int32, M> c = 3; }",
        P3
        + "message M { map<string, bool> a = 1; map<string, string> b = 2; map<int64, N> c = 3; }"
        " message N {}",
        [
            "FIELD_SCALAR_KIND_CHANGED #/M/2",
            "FIELD_NAMED_TYPE_CHANGED #/M/3",
            "MESSAGE_ADDED #/N",
        ],
    ),
    (
        "another message",
        P3 + "message M { A a = 1; } message A {} message B {}",
        P3 + "message M { B a = 1; } message A {} message B {}",
        ["FIELD_NAMED_TYPE_CHANGED #/M/1"],
    ),
    (
        "labels of proto2",
        P2 + "message M { optional int32 a = 1; optional string b = 2; optional M c = 3; }",
        P2 + "message M { repeated int32 a = 1; repeated string b = 2; repeated M c = 3; }",
        ["FIELD_NUMERIC_LABEL_CHANGED #/M/1", "FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/2"],
    ),
    (
        "labels of proto3",
        P3 + "message M { repeated int32 a = 1; repeated bytes b = 2; int32 c = 3; }",
        P3 + "message M { int32 a = 1; bytes b = 2; optional int32 c = 3; }",
        ["FIELD_NUMERIC_LABEL_CHANGED #/M/1", "FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/2"],
    ),
    (
        "required fields",
        P2 + "message M { required int32 a = 1; optional string b = 2; optional M d = 4; }",
        P2 + "message M { optional string b = 2; required int32 c = 3; required M d = 4; }",
        [
            "REQUIRED_FIELD_REMOVED #/M/1",
            "REQUIRED_FIELD_ADDED #/M/3",
            "REQUIRED_FIELD_ADDED #/M/4",
        ],
    ),
    (
        "required by a feature",
        ED + "message M { string a = 1; }",
        ED + "message M { string a = 1 [features.field_presence = LEGACY_REQUIRED]; }",
        ["REQUIRED_FIELD_ADDED #/M/1", "FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/1"],
    ),
    (
        "a message that becomes delimited",
        ED + "message M { M a = 1; }",
        ED + "message M { M a = 1 [features.message_encoding = DELIMITED]; }",
        ["FIELD_KIND_CHANGED #/M/1"],
    ),
    (
        "a group that becomes a message",
        P2 + "message M { optional group A = 1 {} }",
        P2 + "message M { optional A a = 1; message A {} }",
        ["FIELD_KIND_CHANGED #/M/1"],
    ),
    (
        "enums",
        P3 + "enum E { A = 0; B = 1; C = 2; } enum Old { O = 0; }",
        P3 + "enum E { A = 0; B2 = 1; D = 3; } enum New { N = 0; }",
        [
            "ENUM_CONST_CHANGED #/E/1",
            "ENUM_CONST_REMOVED #/E/2",
            "ENUM_CONST_ADDED #/E/3",
            "ENUM_REMOVED #/Old",
            "ENUM_ADDED #/New",
        ],
    ),
    (
        "one field into a new oneof",
        P3 + "message M { string a = 1; string b = 2; }",
        P3 + "message M { string a = 1; oneof o { string b = 2; string c = 3; } }",
        ["ONEOF_ADDED #/M/o", "ONEOF_FIELD_ADDED #/M/o/3"],
    ),
    (
        "two fields into a new oneof",
        P3 + "message M { string a = 1; string b = 2; }",
        P3 + "message M { oneof o { string a = 1; string b = 2; } }",
        ["MULTIPLE_FIELDS_MOVED_TO_ONEOF #/M/o", "ONEOF_ADDED #/M/o"],
    ),
    (
        "a field into an old oneof",
        P3 + "message M { string a = 1; oneof o { string b = 2; } }",
        P3 + "message M { oneof o { string a = 1; string b = 2; } }",
        ["FIELD_MOVED_TO_EXISTING_ONEOF #/M/o"],
    ),
    (
        "a field from one oneof to the other",
        P3 + "message M { oneof o { string a = 1; string b = 2; } oneof p { string c = 3; } }",
        P3 + "message M { oneof o { string a = 1; } oneof p { string b = 2; string c = 3; } }",
        ["FIELD_MOVED_TO_EXISTING_ONEOF #/M/p"],
    ),
    (
        "a field out of a oneof",
        P3 + "message M { oneof o { string a = 1; string b = 2; } }",
        P3 + "message M { string a = 1; oneof o { string b = 2; } }",
        ["ONEOF_FIELD_MOVED_TO_TOP_LEVEL #/M/1"],
    ),
    (
        "a field of a oneof less",
        P3 + "message M { oneof o { string a = 1; string b = 2; } }",
        P3 + "message M { oneof o { string a = 1; } }",
        ["ONEOF_FIELD_REMOVED #/M/o/2"],
    ),
    (
        "a whole oneof less",
        P3 + "message M { oneof o { string a = 1; string b = 2; } }",
        P3 + "message M { }",
        ["ONEOF_REMOVED #/M/o"],
    ),
    (
        "another name of a oneof, and a field of it less",
        P3 + "message M { oneof o { string a = 1; string b = 2; } }",
        P3 + "message M { oneof p { string a = 1; } }",
        ["ONEOF_REMOVED #/M/o", "ONEOF_ADDED #/M/p", "ONEOF_FIELD_REMOVED #/M/o/2"],
    ),
    (
        "another type in a oneof",
        P3 + "message M { oneof o { string a = 1; } }",
        P3 + "message M { oneof o { double a = 1; } }",
        ["FIELD_SCALAR_KIND_CHANGED #/M/o/1"],
    ),
    (
        "optional is no oneof",
        P3 + "message M { optional string a = 1; string b = 2; }",
        P3 + "message M { string a = 1; optional string b = 2; }",
        [],
    ),
]


def changes(
    writer: str,
    reader: str,
    writer_imports: Mapping[str, str] | None = None,
    reader_imports: Mapping[str, str] | None = None,
) -> list[str]:
    schemas = ProtobufFormat()
    old = schemas.parse(writer, [], writer_imports or {})
    new = schemas.parse(reader, [], reader_imports or {})
    found = differences(old.closure, new.closure)
    refused = schemas.incompatibilities(new, old)
    assert [(one.change.name, one.path) for one in found if not one.change.compatible] == [
        (one.kind, one.path) for one in refused
    ]
    assert all(one.message for one in refused)
    return [f"{one.change.name} {one.path}" for one in found]


@pytest.mark.parametrize(
    ("writer", "reader", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_differences(writer: str, reader: str, expected: list[str]) -> None:
    assert sorted(changes(writer, reader)) == sorted(expected)


def test_compatible_changes_are_those_of_the_registry() -> None:
    compatible = """
        MESSAGE_ADDED MESSAGE_MOVED ENUM_ADDED ENUM_REMOVED ENUM_CONST_ADDED ENUM_CONST_CHANGED
        ENUM_CONST_REMOVED FIELD_ADDED FIELD_REMOVED FIELD_NAME_CHANGED
        FIELD_STRING_OR_BYTES_LABEL_CHANGED ONEOF_ADDED ONEOF_REMOVED ONEOF_FIELD_ADDED
        ONEOF_FIELD_MOVED_TO_TOP_LEVEL
    """
    assert [change.name for change in Change if change.compatible] == compatible.split()


class TestImports:
    """Messages that live in other files."""

    USE = P3 + 'import "home.proto"; message M { homes.Home home = 1; }'
    HOME = 'syntax = "proto3"; package homes; message Home { int32 rooms = 1; Home next = 2; }'

    def test_broken_import_breaks_the_field(self) -> None:
        broken = self.HOME.replace("int32", "string")
        assert sorted(
            changes(self.USE, self.USE, {"home.proto": self.HOME}, {"home.proto": broken})
        ) == [
            "FIELD_NAMED_TYPE_CHANGED #/Home/2",
            "FIELD_NAMED_TYPE_CHANGED #/M/1",
            "FIELD_SCALAR_KIND_CHANGED #/Home/1",
        ]

    def test_grown_import_is_fine(self) -> None:
        grown = self.HOME.replace("Home next = 2;", "Home next = 2; string street = 3;")
        imports = {"home.proto": self.HOME}, {"home.proto": grown}
        assert changes(self.USE, self.USE, *imports) == ["FIELD_ADDED #/Home/3"]

    def test_messages_are_compared_without_their_package(self) -> None:
        use = self.USE.replace("homes.", "houses.")
        moved = self.HOME.replace("homes", "houses")
        assert changes(self.USE, use, {"home.proto": self.HOME}, {"home.proto": moved}) == []

    def test_moved_into_an_import(self) -> None:
        here = P3 + "message M { Home home = 1; } message Home { int32 rooms = 1; }"
        there = {"home.proto": P3 + "message Home { int32 rooms = 1; }"}
        use = P3 + 'import "home.proto"; message M { Home home = 1; }'
        assert changes(here, use, {}, there) == ["MESSAGE_REMOVED #/Home"]
        assert changes(use, here, there, {}) == ["MESSAGE_ADDED #/Home"]

    def test_break_at_the_end_of_a_long_chain_is_found(self) -> None:
        """The comparison must not be as deep as the schema."""
        length = 1200
        chain = "".join(
            f"message M{number} {{ M{number + 1} next = 1; }} " for number in range(length)
        )
        old = {"chain.proto": P3 + chain + f"message M{length} {{ int32 end = 1; }}"}
        new = {"chain.proto": P3 + chain + f"message M{length} {{ string end = 1; }}"}
        use = P3 + 'import "chain.proto"; message Use { M0 first = 1; }'
        found = changes(use, use, old, new)
        assert f"FIELD_SCALAR_KIND_CHANGED #/M{length}/1" in found
        assert "FIELD_NAMED_TYPE_CHANGED #/Use/1" in found
        assert len(found) == length + 2


def test_message_says_what_to_do() -> None:
    schemas = ProtobufFormat()
    old = schemas.parse(P3 + "message M { string name = 3; }", [], {})
    new = schemas.parse(P3 + "message M { M name = 3; }", [], {})
    (found,) = schemas.incompatibilities(new, old)
    assert found.message == (
        'the field "name" (3) is .shop.M in the reader and string in the writer;'
        " give the new type a new number"
    )
