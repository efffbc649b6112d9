"""Python source of an encoder, specialised for one message and version.

The compiled function appends small byte strings to `parts` and joins them once; records are put
between the joined buffers as they are. Runs of fields of fixed width, with the length that follows
them, are packed by one `struct` call. A value that the version cannot carry raises ValueError;
`compiled.py` turns the exceptions of wrong types and ranges into ValueError too.

Variables of the compiled code: `o0`, `o1` ... structs by depth; `w0` appends to `parts`, `w1` ...
to the content of a tagged field; `s` bytes, `n` a length or count.
"""

from __future__ import annotations

from sprawl.gateway.codec.primitives import STRING_BYTES_MAX
from sprawl.gateway.codec.schema import Field, Struct
from sprawl.gateway.codec.source import (
    FORMATS,
    SourceWriter,
    absent,
    carried,
    is_set_source,
    tagged,
)


class EncoderSource:
    """Writes `encode(o0, head) -> buffers`; `head` opens the first buffer, a bytearray."""

    __slots__ = ("_depth", "_flexible", "_out", "_run", "_version", "_write")

    def __init__(self, version: int, *, flexible: bool) -> None:
        self._version = version
        self._flexible = flexible
        self._out = SourceWriter()
        self._run: list[tuple[str, str]] = []
        self._depth = 0
        self._write = "w0"

    def build(self, root: Struct) -> tuple[str, dict[str, int]]:
        """Returns: the source, and its struct formats (format -> number of the name `pN`)."""
        out = self._out
        out.line("buffers = []")
        out.line("parts = [head]")
        out.line("w0 = parts.append")
        self._struct(root, "o0")
        self._flush()
        with out.block("if parts:"):
            out.line("buffers.append(join(parts))")
        out.line("return buffers")
        return out.text("def encode(o0, head):"), out.formats

    def _pack(self, run: list[tuple[str, str]]) -> str:
        number = self._out.format_number("".join(letter for letter, _ in run))
        values = ", ".join(value for letter, value in run if letter != "x")
        return f"p{number}({values})"

    def _flush(self, *more: tuple[str, str], keep: bool = False) -> None:
        """Write the pending run, followed by `more`, with one call."""
        run = [*self._run, *more]
        if run == [("x", "")]:
            self._out.line(f'{self._write}(b"\\0")')
        elif run:
            self._out.line(f"{self._write}({self._pack(run)})")
        if not keep:
            self._run.clear()

    def _length(self, letter: str, label: str = "") -> None:
        """Write `n`, a length as it stands on the wire, together with the pending run."""
        if not self._flexible:
            self._flush((letter, "n"))
            return
        with self._out.block("if n < 128:"):
            if self._run:
                self._flush(("B", "n"), keep=True)
            else:
                self._out.line(f"{self._write}(BYTES[n])")
        with self._out.block("else:"):
            if letter == "h":
                with self._out.block(f"if n > {STRING_BYTES_MAX + 1}:"):
                    self._out.line(f'too_long("{label}")')
            self._flush()
            self._out.line(f"{self._write}(uvarint(n))")

    def _struct(self, struct: Struct, variable: str) -> None:
        for field in absent(struct, self._version):
            if not field.ignorable:
                name = f"{variable}.{field.name}"
                with self._out.block(f"if {is_set_source(field, name)}:"):
                    label = f"{struct.name}.{field.name}"
                    self._out.line(f'not_in_version("{label}", {self._version})')
        for field in carried(struct, self._version):
            self._field(field, f"{variable}.{field.name}", f"{struct.name}.{field.name}")
        if self._flexible:
            self._tags(struct, variable)
        else:
            with self._out.block(f"if {variable}.unknown_tagged_fields:"):
                self._out.line(
                    f'not_in_version("{struct.name}.unknown_tagged_fields", {self._version})'
                )

    def _field(self, field: Field, value: str, label: str) -> None:
        nullable = self._version in field.nullable
        if field.is_array:
            self._array(field, value, label, nullable=nullable)
        elif field.struct is not None:
            self._flush()
            self._lone_struct(field.struct, value, nullable=nullable)
        elif field.type_name in FORMATS:
            expression = f"{value}.bytes" if field.type_name == "uuid" else value
            self._run.append((FORMATS[field.type_name], expression))
        elif field.type_name == "records":
            self._records(value, nullable=nullable)
        else:
            self._bytes(field.type_name, value, label, nullable=nullable)

    def _lone_struct(self, struct: Struct, value: str, *, nullable: bool) -> None:
        """A struct that is not in an array; one that may be null has a byte before it."""
        self._depth += 1
        variable = f"o{self._depth}"
        self._out.line(f"{variable} = {value}")
        if nullable:
            with self._out.block(f"if {variable} is None:"):
                self._out.line(f"{self._write}(b'\\xff')")
            with self._out.block("else:"):
                self._out.line(f"{self._write}(b'\\1')")
                self._struct(struct, variable)
                self._flush()
        else:
            self._struct(struct, variable)
        self._depth -= 1

    def _bytes(self, type_name: str, value: str, label: str, *, nullable: bool) -> None:
        out = self._out
        plus = " + 1" if self._flexible else ""
        out.line(f"s = {value}")

        def measure() -> None:
            if type_name == "string":
                out.line("s = s.encode()")
            out.line(f"n = len(s){plus}")

        if nullable:
            with out.block("if s is None:"):
                out.line('s = b""')
                out.line("n = 0" if self._flexible else "n = -1")
            with out.block("else:"):
                measure()
        else:
            measure()
        self._length("h" if type_name == "string" else "i", label)
        out.line(f"{self._write}(s)")

    def _records(self, value: str, *, nullable: bool) -> None:
        """Records go out as buffers of their own; what stands before them becomes one buffer."""
        out = self._out
        plus = " + 1" if self._flexible else ""
        out.line(f"s = {value}")
        with out.block("if isinstance(s, BUFFERS):"):
            out.line(f"n = len(s){plus}")
            out.line("s = (s,)")
        if nullable:
            with out.block("elif s is None:"):
                out.line("n = 0" if self._flexible else "n = -1")
        with out.block("else:"):
            out.line(f"n = sum(map(len, s)){plus}")
        self._length("i")
        with out.block(f"if n > {1 if self._flexible else 0}:"):
            out.line("buffers.append(join(parts))")
            out.line("parts.clear()")
            out.line("buffers += s")

    def _array(self, field: Field, value: str, label: str, *, nullable: bool) -> None:
        out = self._out
        plus = " + 1" if self._flexible else ""
        array = f"a{self._depth + 1}"
        out.line(f"{array} = {value}")
        if nullable:
            with out.block(f"if {array} is None:"):
                out.line(f"{array} = ()")
                out.line("n = 0" if self._flexible else "n = -1")
            with out.block("else:"):
                out.line(f"n = len({array}){plus}")
        else:
            out.line(f"n = len({array}){plus}")
        self._length("i")
        self._elements(field, array, label)

    def _elements(self, field: Field, array: str, label: str) -> None:
        out = self._out
        if field.type_name in FORMATS and field.type_name != "uuid":
            letter = FORMATS[field.type_name]
            out.line(f'{self._write}(pack(f">{{len({array})}}{letter}", *{array}))')
            return
        self._depth += 1
        variable = f"o{self._depth}"
        with out.block(f"for {variable} in {array}:"):
            if field.struct is not None:
                self._struct(field.struct, variable)
                self._flush()
            elif field.type_name == "uuid":
                out.line(f"{self._write}({variable}.bytes)")
            else:
                self._bytes(field.type_name, variable, label, nullable=False)
        self._depth -= 1

    def _tags(self, struct: Struct, variable: str) -> None:
        """The tagged-field section: fields that differ from their default, unknown ones kept."""
        out = self._out
        fields = tagged(struct, self._version)
        unknown = f"{variable}.unknown_tagged_fields"
        conditions = [is_set_source(field, f"{variable}.{field.name}") for field in fields]
        with out.block(f"if {' or '.join([*conditions, unknown])}:"):
            self._flush(keep=True)
            outer, content, run = self._write, f"t{self._depth}", self._run
            out.line(f"{content} = {{}}")
            for field, condition in zip(fields, conditions, strict=True):
                with out.block(f"if {condition}:"):
                    self._depth += 1
                    self._write, self._run = f"w{self._depth}", []
                    out.line(f"m{self._depth} = []")
                    out.line(f"{self._write} = m{self._depth}.append")
                    label = f"{struct.name}.{field.name}"
                    self._field(field, f"{variable}.{field.name}", label)
                    self._flush()
                    out.line(f'{content}[{field.tag}] = b"".join(m{self._depth})')
                    self._depth -= 1
                    self._write = outer
            self._run = run
            out.line(f"{outer}(encode_tags({content}, {unknown}))")
        with out.block("else:"):
            self._flush(("x", ""))
