"""What protoc refuses we refuse, in words that say where and what."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2 as pb

from sprawl.schema_registry.protobuf.limits import IMPORT_DEPTH_MAX, SCHEMA_BYTES_MAX
from sprawl.schema_registry.protobuf.schema import ProtobufFormat
from sprawl.schema_registry.schemas import InvalidSchema
from tests import protoc_oracle

P2 = 'syntax = "proto2";\n'
P3 = 'syntax = "proto3";\n'
HEADS = {"proto2": P2, "proto3": P3, "2023": 'edition = "2023";\n', "-": ""}
IMPORTS = {
    "p2.proto": P2 + "enum E { Z = 0; }",
    "p21.proto": P2 + "enum F { ZZ = 1; }",
    "p3.proto": P3 + "enum E { Z = 0; }",
    "a.proto": P3 + "message X {}",
    "b.proto": P3 + 'import "a.proto"; message Y { X x = 1; }',
    "pk.proto": P3 + "package x.y; message Z {}",
    "dup.proto": P3 + "message X { }",
}


def refused_texts() -> list[tuple[str, str]]:
    lines = Path(__file__).with_name("refused.txt").read_text().splitlines()
    cases = [line for line in lines if not line.startswith("#")]
    found = []
    for head_and_body, message in zip(cases[::2], cases[1::2], strict=True):
        head, _, body = head_and_body.partition(" | ")
        found.append((HEADS[head] + body, message.strip()))
    return found


def complaint(text: str, imports: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidSchema) as refused:
        ProtobufFormat().parse(text, [], imports or IMPORTS)
    return str(refused.value)


@pytest.mark.parametrize(("text", "message"), refused_texts())
def test_refused_with_line_and_name(text: str, message: str) -> None:
    assert complaint(text) == message
    assert isinstance(protoc_oracle.descriptor(text, IMPORTS), str)


@pytest.mark.parametrize(
    "text",
    [
        # Python's messages cannot hold such text, nor can clients in Python.
        P2 + r'message M { optional string a = 1 [default = "\377"]; }',
        P3 + r'option java_package = "\xff"; message M {}',
        # Nobody registers nothing.
        "",
        " \n",
        "; // nothing",
        # Numbers beyond 2^29 are for message sets, which Protocol Buffers call deprecated.
        P2
        + "message S { option message_set_wire_format = true; extensions 4 to max; }"
        + "extend S { optional S m = 1000000000; }",
        # The library's pool reads no denormal numbers.
        P2 + "message M { optional float a = 1 [default = 1.5e-42]; }",
    ],
)
def test_refused_though_protoc_accepts_it(text: str) -> None:
    assert complaint(text)
    assert not isinstance(protoc_oracle.descriptor(text), str)


@pytest.mark.parametrize(
    "text",
    [
        # Style, which protoc checks from edition 2024 on.
        'edition = "2024"; message m_x { string A_b = 1; }',
        'edition = "2024"; message M { string a = 1 [ctype = CORD]; }',
        # Texts that registries have stored for clients that sent descriptors.
        P3
        + "message M { repeated .M.TagsEntry tags = 1;"
        + " message TagsEntry { option map_entry = true; string key = 1; int32 value = 2; } }",
    ],
)
def test_accepted_though_protoc_refuses_it(text: str) -> None:
    ProtobufFormat().parse(text, [], {})
    assert isinstance(protoc_oracle.descriptor(text), str)


def test_line_is_that_of_the_declaration() -> None:
    text = P3 + "\n// first\nmessage M {\n  string a = 1;\n\n  /* b\n  */ Missing b = 2;\n}\n"
    assert complaint(text).startswith('line 8: the field "b" has the type "Missing"')


def test_fault_in_an_import_names_the_import() -> None:
    imports = {"x/y.proto": P3 + 'import "z.proto";', "z.proto": P3 + "\nmessage {}"}
    assert complaint(P3 + 'import "x/y.proto";', imports) == (
        'in the import "x/y.proto": in the import "z.proto":'
        ' line 3: expected the name of the message, found "{"'
    )


def test_circle_of_imports() -> None:
    imports = {"x.proto": P3 + 'import "y.proto";', "y.proto": P3 + 'import "x.proto";'}
    assert 'imports go in a circle: "default" -> "x.proto" -> "y.proto" -> "x.proto"' in complaint(
        P3 + 'import "x.proto";', imports
    )


@pytest.mark.parametrize("text", ["AAAA", "zzzz", "Zm9v\nYmFy", "aaa"])
def test_base64_of_something_else(text: str) -> None:
    assert complaint(text) == "this is neither a .proto text nor base64 of a FileDescriptorProto"


class TestHostileTexts:
    """None of these takes long or much, and each is refused as any wrong text is."""

    def test_too_long(self) -> None:
        assert "more than" in complaint(P3 + "//" + "x" * SCHEMA_BYTES_MAX)

    @pytest.mark.parametrize(
        "text",
        [
            P3 + "message M {" * 20_000,
            P3 + "message M { optional group G = 1 {" * 20_000,
            P3 + "option (a) = " + "{ a: " * 20_000,
            P3 + "option (a) = { a: " + "[" * 20_000,
            P3 + "option (a) = { a " + "< a " * 20_000,
        ],
    )
    def test_deep(self, text: str) -> None:
        assert "levels of nesting" in complaint(text)

    @pytest.mark.parametrize(
        "text",
        [
            "/*" * 40_000,
            '"' * 40_001,
            "\\" * 40_000,
            "'" + "\\x" * 40_000,
            P3 + "message M { string a = " + "9" * 90_000 + "; }",
            P2 + "message M { optional int32 a = 1 [default = " + "9" * 90_000 + "]; }",
            P2 + "message M { optional float a = 1 [default = 1e" + "9" * 90_000 + ".]; }",
            P3 + "message M { " + "a." * 40_000 + "b c = 1; }",
            P3 + "." * 90_000,
            P3 + ";" * 210_000,
            P3 + "message M { string a = 1 [" + "deprecated = true, " * 20_000 + "]; }",
            P3 + "message M { reserved " + "1, " * 40_000 + "1; }",
        ],
    )
    def test_long(self, text: str) -> None:
        assert complaint(text)

    @pytest.mark.parametrize(
        "text",
        [
            P3 + "package " + "a." * 40_000 + "b; message M {}",
            P3 + "message " + "a" * 40_000 + " {" + "message N {}" * 1000 + "}",
            P3 + "".join(f"message {'a' * 100}{level} {{" for level in range(10)) + "}" * 10,
        ],
    )
    def test_long_names(self, text: str) -> None:
        assert "more than 512 characters" in complaint(text)

    def test_long_names_in_a_descriptor(self) -> None:
        proto = pb.FileDescriptorProto(package="a." * 40_000 + "b")
        assert "more than 512" in complaint(base64.b64encode(proto.SerializeToString()).decode())

    def test_many_extensions_and_ranges(self) -> None:
        """Nothing is looked for in all of the others."""
        ranges = ", ".join(str(number) for number in range(1, 8_000, 2))
        extensions = " ".join(
            f"optional int32 x{number} = {number};" for number in range(1, 8_000, 2)
        )
        text = P2 + f"message M {{ extensions {ranges}; }} extend M {{ {extensions} }}"
        assert ProtobufFormat().parse(text, [], {})

    def test_many_imports(self) -> None:
        imports = {f"{number}.proto": P3 + "message {" for number in range(5_000)}
        text = P3 + "".join(f'import "{path}";' for path in imports)
        assert 'in the import "0.proto"' in complaint(text, imports)

    def test_imports_that_pass_everything_on(self) -> None:
        """Every file shows all of the files before it: what is seen grows with the square."""
        many = P3 + "".join(f"message M{number} {{}}" for number in range(4_000))
        imports = {"0.proto": many}
        for number in range(1, 40):
            everything = "".join(f'import public "{before}.proto";' for before in range(number))
            imports[f"{number}.proto"] = P3 + everything
        text = (
            P3
            + 'import "0.proto";'
            + "".join(f'import "{number}.proto";' for number in range(1, 40))
        )
        assert "imports show more than" in complaint(text, imports)

    def test_long_chain_of_imports(self) -> None:
        imports = {
            f"{number}.proto": P3 + f'import "{number + 1}.proto";'
            for number in range(IMPORT_DEPTH_MAX + 10)
        }
        assert "a chain of more than" in complaint(P3 + 'import "0.proto";', imports)

    def test_ranges_are_not_counted_out(self) -> None:
        text = P3 + "message M { reserved 1 to max; } enum E { A = 0; reserved 1 to max; }"
        assert ProtobufFormat().parse(text, [], {})

    def test_half_a_surrogate_pair(self) -> None:
        assert complaint(P3 + 'option java_package = "\ud800";')
