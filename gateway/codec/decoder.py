"""Python source of a decoder, specialised for one message and version.

A decoder is one flat function: nested structs become nested loops, runs of fields of fixed width
become one `struct` call, and the length that follows a run is read by the same call. Every length
and count is compared with the bytes left before anything is allocated. `struct.error` and
`IndexError` mean that the frame ended too early; `compiled.py` turns them into PeerFault.

Variables of the compiled code: `buf`, `pos`, `end`; `budget` array elements still allowed;
`o0`, `o1` ... structs by depth; `n` a length or count, `e` where it ends.
"""

from __future__ import annotations

from sprawl.gateway.codec.primitives import STRING_BYTES_MAX
from sprawl.gateway.codec.schema import Field, Struct
from sprawl.gateway.codec.source import (
    FORMATS,
    SourceWriter,
    absent,
    carried,
    default_source,
    element_size_min,
    tagged,
)


class DecoderSource:
    """Writes `decode(buf, pos, budget) -> (message, pos)`."""

    __slots__ = ("_depth", "_flexible", "_out", "_run", "_uuids", "_version")

    def __init__(self, version: int, *, flexible: bool) -> None:
        self._version = version
        self._flexible = flexible
        self._out = SourceWriter()
        self._run: list[tuple[str, str]] = []
        self._uuids: list[str] = []
        self._depth = 0

    def build(self, root: Struct) -> tuple[str, dict[str, int]]:
        """Returns: the source, and its struct formats (format -> number of the name `uN`)."""
        self._out.line("end = len(buf)")
        self._struct(root, "o0")
        self._flush()
        self._out.line("return o0, pos")
        return self._out.text("def decode(buf, pos, budget):"), self._out.formats

    def _flush(self) -> None:
        """Read the pending run of fixed-width fields with one call."""
        if not self._run:
            return
        letters = "".join(letter for letter, _ in self._run)
        targets = ", ".join(target for _, target in self._run)
        if letters == "B":
            self._out.line(f"{targets} = buf[pos]")
            self._out.line("pos += 1")
        else:
            size = sum(int(n[:-1]) if len(n) > 1 else _SIZES[n] for n, _ in self._run)
            comma = "," if len(self._run) == 1 else ""
            number = self._out.format_number(letters)
            self._out.line(f"{targets}{comma} = u{number}(buf, pos)")
            self._out.line(f"pos += {size}")
        for target in self._uuids:
            self._out.line(f"{target} = uuid_of({target})")
        self._run.clear()
        self._uuids.clear()

    def _length(self, letter: str, name: str = "n") -> None:
        """Read a length into `name`: with the pending run, as a varint in flexible versions."""
        self._run.append(("B" if self._flexible else letter, name))
        self._flush()
        if self._flexible:
            with self._out.block(f"if {name} > 127:"):
                self._out.line(f"{name}, pos = read_uvarint(buf, pos, {name})")

    def _struct(self, struct: Struct, variable: str) -> None:
        self._out.line(f"{variable} = new({struct.class_name})")
        nones = [f"{variable}.unknown_tagged_fields"]
        for field in absent(struct, self._version) + tagged(struct, self._version):
            default = default_source(field)
            if default == "None":
                nones.append(f"{variable}.{field.name}")
            else:
                self._out.line(f"{variable}.{field.name} = {default}")
        self._out.line(" = ".join([*nones, "None"]))
        for field in carried(struct, self._version):
            self._field(field, f"{variable}.{field.name}", f"{struct.name}.{field.name}")
        if self._flexible:
            self._tags(struct, variable)

    def _field(self, field: Field, target: str, label: str) -> None:
        nullable = self._version in field.nullable
        if field.is_array:
            self._array(field, target, label, nullable=nullable)
        elif field.struct is not None:
            if nullable:
                self._run.append(("b", "n"))
            self._flush()
            if nullable:
                self._out.line(f"{target} = None")
                with self._out.block("if n >= 0:"):
                    self._lone_struct(field.struct, target)
                    self._flush()
            else:
                self._lone_struct(field.struct, target)
        elif field.type_name in FORMATS:
            self._run.append((FORMATS[field.type_name], target))
            if field.type_name == "uuid":
                self._uuids.append(target)
        else:
            self._bytes(field.type_name, target, label, nullable=nullable)

    def _lone_struct(self, struct: Struct, target: str) -> None:
        """A struct that is not in an array."""
        self._depth += 1
        variable = f"o{self._depth}"
        self._struct(struct, variable)
        self._out.line(f"{target} = {variable}")
        self._depth -= 1

    def _bytes(self, type_name: str, target: str, label: str, *, nullable: bool) -> None:
        """A string, bytes or records field: a length, and that many bytes."""
        self._length("h" if type_name == "string" else "i")
        past = "e = pos + n - 1" if self._flexible else "e = pos + n"
        too_long = "not pos <= e <= end"
        if type_name == "string" and self._flexible:
            too_long += f" or n > {STRING_BYTES_MAX + 1}"
        value = {
            "string": 'str(buf[pos:e], "utf-8", "replace")',
            "bytes": "bytes(buf[pos:e])",
            "records": "buf[pos:e]",
        }[type_name]

        def read() -> None:
            self._out.line(past)
            with self._out.block(f"if {too_long}:"):
                self._out.line(f'bad_length(n, "{label}")')
            self._out.line(f"{target} = {value}")
            self._out.line("pos = e")

        if not nullable:
            read()
            return
        with self._out.block("if not n:" if self._flexible else "if n < 0:"):
            self._out.line(f"{target} = None")
        with self._out.block("else:"):
            read()

    def _array(self, field: Field, target: str, label: str, *, nullable: bool) -> None:
        self._length("i")
        if self._flexible:
            self._out.line("n -= 1")
        if not nullable:
            self._elements(field, target, label, lower="n < 0 or ")
            return
        with self._out.block("if n < 0:"):
            self._out.line(f"{target} = None")
        with self._out.block("else:"):
            self._elements(field, target, label, lower="")

    def _elements(self, field: Field, target: str, label: str, *, lower: str) -> None:
        size = element_size_min(field, self._version, flexible=self._flexible)
        self._out.line("budget -= n")
        with self._out.block(f"if {lower}n * {size} > end - pos or budget < 0:"):
            self._out.line(f'bad_count(n, "{label}")')
        if field.type_name in FORMATS and field.type_name != "uuid":
            letter = FORMATS[field.type_name]
            self._out.line(f'{target} = list(unpack_from(f">{{n}}{letter}", buf, pos))')
            self._out.line(f"pos += n * {size}")
            return
        self._depth += 1
        array = f"a{self._depth}"
        self._out.line(f"{array} = {target} = []")
        with self._out.block("for _ in range(n):"):
            if field.struct is not None:
                variable = f"o{self._depth}"
                self._struct(field.struct, variable)
                self._flush()
                self._out.line(f"{array}.append({variable})")
            elif field.type_name == "uuid":
                self._out.line(f"{array}.append(uuid_of(bytes(buf[pos : pos + 16])))")
                self._out.line("pos += 16")
            else:
                self._bytes(field.type_name, "s", label, nullable=False)
                self._out.line(f"{array}.append(s)")
        self._depth -= 1

    def _tags(self, struct: Struct, variable: str) -> None:
        """The tagged-field section at the end of a struct; nearly always the one byte 0."""
        out = self._out
        limit = f"x{self._depth}"
        self._run.append(("B", "n"))
        self._flush()
        with out.block("if n:"):
            with out.block("if n > 127:"):
                out.line("n, pos = read_uvarint(buf, pos, n)")
            out.line("budget -= n")
            with out.block("if n * 2 > end - pos or budget < 0:"):
                out.line(f'bad_count(n, "tagged fields of {struct.name}")')
            with out.block("for _ in range(n):"):
                out.line("k, pos = read_length(buf, pos)")
                out.line("n, pos = read_length(buf, pos)")
                out.line(f"{limit} = pos + n")
                with out.block(f"if {limit} > end:"):
                    out.line(f'bad_tag(k, "{struct.name}")')
                self._tag_contents(struct, variable, limit)

    def _tag_contents(self, struct: Struct, variable: str, limit: str) -> None:
        out = self._out
        word = "if"
        for field in tagged(struct, self._version):
            with out.block(f"{word} k == {field.tag}:"):
                self._field(field, f"{variable}.{field.name}", f"{struct.name}.{field.name}")
                self._flush()
                with out.block(f"if pos != {limit}:"):
                    out.line(f'bad_tag({field.tag}, "{struct.name}")')
            word = "elif"

        def keep() -> None:
            with out.block(f"if {variable}.unknown_tagged_fields is None:"):
                out.line(f"{variable}.unknown_tagged_fields = {{}}")
            out.line(f"{variable}.unknown_tagged_fields[k] = bytes(buf[pos:{limit}])")
            out.line(f"pos = {limit}")

        if word == "if":
            keep()
        else:
            with out.block("else:"):
                keep()


_SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "d": 8}
