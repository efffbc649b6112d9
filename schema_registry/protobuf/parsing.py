"""From text to `model.File`: a recursive descent over the tokens, with the line of what is wrong.

Not proto-schema-parser: it refuses comments inside declarations and hexadecimal numbers, drops the
options of groups, goes on after syntax errors, and its nodes know no lines.

Source: protobuf.dev, language specifications; protoc's parser for what is a keyword where.
"""

from __future__ import annotations

from collections.abc import Callable

from sprawl.schema_registry.protobuf.cursor import Cursor
from sprawl.schema_registry.protobuf.limits import OPTIONS_MAX
from sprawl.schema_registry.protobuf.model import (
    Aggregate,
    Declaration,
    Element,
    Entry,
    Enum,
    EnumValue,
    Extend,
    Extensions,
    Field,
    File,
    Import,
    Items,
    Message,
    Method,
    NamePart,
    Number,
    NumberRange,
    Oneof,
    Option,
    Reserved,
    Service,
    Text,
    Value,
    Word,
)
from sprawl.schema_registry.protobuf.scanning import fault

EDITIONS = ("2023", "2024")
_LABELS = ("optional", "required", "repeated")
_CLOSING = {"{": "}", "<": ">"}


def parse(text: str) -> File:
    """Read a .proto file.

    Raises:
        InvalidSchema: with the line, what was expected there and what stands there.
    """
    return _Parser(text).file()


class _Values(Cursor):
    """Options and their values."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._options = 0

    def option(self) -> Option:
        """`name = value`, without what stands around it."""
        line = self.line
        self._options += 1
        if self._options > OPTIONS_MAX:
            raise fault(line, f"more than {OPTIONS_MAX} options")
        parts = [self._name_part()]
        while self.takes("."):
            parts.append(self._name_part())
        self.expects("=")
        value = self._aggregate("{") if self.sees("{") else self._scalar()
        return Option(tuple(parts), value, line)

    def option_statement(self) -> Option:
        self.expects("option")
        option = self.option()
        self.expects(";")
        return option

    def options(self) -> tuple[Option, ...]:
        """`[a = 1, b = 2]`, or nothing."""
        if not self.takes("["):
            return ()
        found = self.separated(self.option)
        self.expects("]")
        return found

    def _name_part(self) -> NamePart:
        if not self.takes("("):
            return NamePart(self.word("the name of an option"))
        name = self.dotted("the name of an extension")
        self.expects(")")
        return NamePart(name, is_extension=True)

    def _scalar(self) -> Value:
        if self.next.kind == "text":
            return Text(self.string("a string"))
        sign = "-" if self.takes("-") else ""
        if self.next.kind == "number":
            return Number(sign + self.advance().spelling)
        if sign and not self.sees("inf", "nan", "infinity"):
            raise self.unexpected("a number")
        return Word(sign + self.word("a value"))

    def _aggregate(self, opening: str) -> Aggregate:
        self.deeper()
        self.expects(opening)
        entries = []
        while not self.takes(_CLOSING[opening]):
            entries.append(self._entry())
            if not self.takes(","):
                self.takes(";")
        self.back()
        return Aggregate(tuple(entries))

    def _entry(self) -> Entry:
        if self.takes("["):
            key = self.dotted("the name of an extension")
            while self.takes("/"):
                key += "/" + self.dotted("the name of a type")
            self.expects("]")
            key = f"[{key}]"
        else:
            key = self.word('the name of a field, or "}"')
        if not self.takes(":") and not self.sees("{", "<", "["):
            raise self.unexpected('":"')
        return Entry(key, self._value())

    def _value(self) -> Value:
        if self.sees("{", "<"):
            return self._aggregate(self.next.spelling)
        if not self.sees("["):
            return self._scalar()
        self.deeper()
        self.advance()
        items = () if self.sees("]") else self.separated(self._value)
        self.expects("]")
        self.back()
        return Items(items)


class _Parser(_Values):
    """Declarations."""

    _level = "proto2"
    """The syntax, or the edition."""

    def file(self) -> File:
        syntax, edition = self._syntax()
        self._level = edition or syntax or "proto2"
        package = ""
        imports: list[Import] = []
        options: list[Option] = []
        declarations: list[Declaration] = []
        while self.next.kind != "end":
            if self.sees("import"):
                imports.append(self._import())
            elif self.sees("package"):
                line = self.line
                self.advance()
                if package:
                    raise fault(line, "a file has one package, this is a second one")
                package = self.dotted("the name of the package")
                if package.startswith("."):
                    raise fault(line, "the name of a package does not begin with a dot")
                self.expects(";")
            elif self.sees("option"):
                options.append(self.option_statement())
            elif not self.takes(";"):
                declarations.append(self._declaration())
        return File(
            syntax=syntax,
            edition=edition,
            package=package,
            imports=tuple(imports),
            options=tuple(options),
            declarations=tuple(declarations),
        )

    def _syntax(self) -> tuple[str, str]:
        line = self.line
        if self.takes("syntax"):
            self.expects("=")
            syntax = self.name_string('"proto2" or "proto3"')
            if syntax not in ("proto2", "proto3"):
                raise fault(line, f'unknown syntax "{syntax[:40]}": it is "proto2" or "proto3"')
            self.expects(";")
            return syntax, ""
        if self.takes("edition"):
            self.expects("=")
            edition = self.name_string("an edition")
            if edition not in EDITIONS:
                known = " and ".join(EDITIONS)
                raise fault(line, f'unknown edition "{edition[:40]}": known are {known}')
            self.expects(";")
            return "editions", edition
        return "", ""

    def _import(self) -> Import:
        line = self.line
        self.expects("import")
        kind = self.advance().spelling if self.sees("public", "weak", "option") else ""
        path = self.name_string("the path of an import")
        self.expects(";")
        return Import(path, kind, line)

    def _declaration(self) -> Declaration:
        if self.sees("extend"):
            return self._extend()
        if self.sees("service"):
            return self._service()
        visibility = self._visibility()
        if self.sees("message"):
            return self._message(visibility)
        if self.sees("enum"):
            return self._enum(visibility)
        raise self.unexpected("a message, an enum, a service or another declaration")

    def _visibility(self) -> str:
        """What edition 2024 says before messages and enums."""
        if self._level != "2024" or not self.sees("export", "local"):
            return ""
        return self.advance().spelling

    def _message(self, visibility: str) -> Message:
        line = self.line
        self.expects("message")
        name = self.word("the name of the message")
        return Message(name=name, elements=self._body(), visibility=visibility, line=line)

    def _body(self) -> tuple[Element, ...]:
        self.deeper()
        self.expects("{")
        elements: list[Element] = []
        while not self.takes("}"):
            if not self.takes(";"):
                elements.append(self._element())
        self.back()
        return tuple(elements)

    def _element(self) -> Element:
        steps: dict[str, Callable[[], Element]] = {
            "message": lambda: self._message(""),
            "enum": lambda: self._enum(""),
            "extensions": self._extensions,
            "reserved": self._reserved,
            "extend": self._extend,
            "option": self.option_statement,
            "oneof": self._oneof,
        }
        if self.next.kind == "word":
            if visibility := self._visibility():
                if self.sees("enum"):
                    return self._enum(visibility)
                return self._message(visibility)
            if (step := steps.get(self.next.spelling)) is not None:
                return step()
        return self._field()

    def _field(self, *, in_oneof: bool = False) -> Field:
        line = self.line
        label = self.advance().spelling if self.sees(*_LABELS) else ""
        type_line = self.line
        if self.sees("map") and self.following.spelling == "<":
            if label:
                raise fault(type_line, f'a map field has no label, this one says "{label}"')
            return self._map(line)
        type_name = self.dotted("a type or another declaration")
        if not in_oneof:
            self._check_label(label, line)
        if type_name == "group" and self._level in EDITIONS:
            raise fault(line, "editions have no groups; use features.message_encoding = DELIMITED")
        return self._rest_of_field(line, label, type_name)

    def _check_label(self, label: str, line: int) -> None:
        if not label and self._level == "proto2":
            raise fault(line, 'a field of proto2 begins with "optional", "required" or "repeated"')
        if self._level in EDITIONS and label in ("optional", "required"):
            feature = {"optional": "EXPLICIT", "required": "LEGACY_REQUIRED"}[label]
            raise fault(
                line,
                f'editions have no "{label}"; use features.field_presence = {feature}',
            )

    def _rest_of_field(self, line: int, label: str, type_name: str) -> Field:
        name = self.word("the name of the field")
        if not self.sees("="):
            raise self.unexpected(f'"=" and the number of the field "{name}"')
        self.advance()
        number = self.integer(f'the number of the field "{name}"')
        options = self.options()
        group = None
        if type_name == "group":
            if not name[0].isupper():
                raise fault(line, f'the name of the group "{name}" must begin with a capital')
            group = Message(name=name, elements=self._body(), line=line)
        else:
            self.expects(";")
        return Field(
            name=name,
            number=number,
            type=type_name,
            label=label,
            group=group,
            options=options,
            line=line,
        )

    def _map(self, line: int) -> Field:
        self.advance()
        self.expects("<")
        key_type = self.dotted("the type of the keys")
        self.expects(",")
        value_type = self.dotted("the type of the values")
        self.expects(">")
        name = self.word("the name of the field")
        self.expects("=")
        number = self.integer(f'the number of the field "{name}"')
        options = self.options()
        self.expects(";")
        return Field(
            name=name,
            number=number,
            type=value_type,
            key_type=key_type,
            options=options,
            line=line,
        )

    def _oneof(self) -> Oneof:
        line = self.line
        self.expects("oneof")
        name = self.word("the name of the oneof")
        self.expects("{")
        fields: list[Field] = []
        options: list[Option] = []
        while not self.takes("}"):
            if self.sees("option"):
                options.append(self.option_statement())
            elif not self.takes(";"):
                fields.append(self._oneof_field(name))
        return Oneof(name=name, fields=tuple(fields), options=tuple(options), line=line)

    def _oneof_field(self, oneof: str) -> Field:
        if self.sees(*_LABELS):
            raise fault(self.line, f'a field of the oneof "{oneof}" has no label')
        field = self._field(in_oneof=True)
        if field.key_type:
            raise fault(field.line, f'a map cannot be part of the oneof "{oneof}"')
        return field

    def _extensions(self) -> Extensions:
        line = self.line
        self.expects("extensions")
        ranges = self.separated(self._range)
        options = self.options()
        self.expects(";")
        return Extensions(ranges=ranges, options=options, line=line)

    def _reserved(self) -> Reserved:
        line = self.line
        self.expects("reserved")
        ranges: tuple[NumberRange, ...] = ()
        names: tuple[str, ...] = ()
        if self.next.kind == "text":
            if self._level in EDITIONS:
                raise fault(line, "reserved names are written without quotes in editions")
            names = self.separated(lambda: self.name_string("a name"))
        elif self.next.kind == "word":
            if self._level not in EDITIONS:
                raise fault(line, "reserved names are written in quotes")
            names = self.separated(lambda: self.word("a name"))
        else:
            ranges = self.separated(self._range)
        self.expects(";")
        return Reserved(ranges=ranges, names=names, line=line)

    def _range(self) -> NumberRange:
        line = self.line
        first = self._signed("a number")
        if not self.takes("to"):
            return NumberRange(first, first, True, line)
        if self.takes("max"):
            return NumberRange(first, None, False, line)
        return NumberRange(first, self._signed('a number or "max"'), False, line)

    def _signed(self, what: str) -> int:
        sign = -1 if self.takes("-") else 1
        return sign * self.integer(what)

    def _enum(self, visibility: str) -> Enum:
        line = self.line
        self.expects("enum")
        name = self.word("the name of the enum")
        self.expects("{")
        values: list[EnumValue] = []
        reserved: list[Reserved] = []
        options: list[Option] = []
        while not self.takes("}"):
            if self.sees("option"):
                options.append(self.option_statement())
            elif self.sees("reserved"):
                reserved.append(self._reserved())
            elif not self.takes(";"):
                values.append(self._enum_value())
        return Enum(
            name=name,
            values=tuple(values),
            reserved=tuple(reserved),
            options=tuple(options),
            visibility=visibility,
            line=line,
        )

    def _enum_value(self) -> EnumValue:
        line = self.line
        name = self.word("the name of an enum value")
        self.expects("=")
        number = self._signed(f'the number of the enum value "{name}"')
        options = self.options()
        self.expects(";")
        return EnumValue(name=name, number=number, options=options, line=line)

    def _extend(self) -> Extend:
        line = self.line
        self.expects("extend")
        extendee = self.dotted("the message to extend")
        self.expects("{")
        fields: list[Field] = []
        while not self.takes("}"):
            if not self.takes(";"):
                fields.append(self._field())
        return Extend(extendee=extendee, fields=tuple(fields), line=line)

    def _service(self) -> Service:
        line = self.line
        self.expects("service")
        name = self.word("the name of the service")
        self.expects("{")
        methods: list[Method] = []
        options: list[Option] = []
        while not self.takes("}"):
            if self.sees("option"):
                options.append(self.option_statement())
            elif not self.takes(";"):
                methods.append(self._method())
        return Service(name=name, methods=tuple(methods), options=tuple(options), line=line)

    def _method(self) -> Method:
        line = self.line
        self.expects("rpc")
        name = self.word("the name of the method")
        input_type, client_streaming = self._method_type()
        self.expects("returns")
        output_type, server_streaming = self._method_type()
        options: list[Option] = []
        has_block = self.takes("{")
        if has_block:
            while not self.takes("}"):
                if not self.takes(";"):
                    options.append(self.option_statement())
        else:
            self.expects(";")
        return Method(
            name=name,
            input_type=input_type,
            output_type=output_type,
            client_streaming=client_streaming,
            server_streaming=server_streaming,
            options=tuple(options),
            has_block=has_block,
            line=line,
        )

    def _method_type(self) -> tuple[str, bool]:
        self.expects("(")
        streaming = self.takes("stream")
        name = self.dotted("a message type")
        self.expects(")")
        return name, streaming
