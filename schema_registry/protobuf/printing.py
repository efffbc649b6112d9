"""From `model.File` to text: one layout, the one in which the anchor registry keeps schemas.

That layout decides ids and GUIDs (they are digests of this text), so a registry that moves to
Sprawl finds its schemas again:

* a file: syntax and package; imports, public ones last; options; messages, then enums; extensions;
  services. An empty line before each part, also before the first one of a file that begins with it.
* a message: reserved, options, fields, oneofs, groups, extension ranges, extensions, messages and
  then enums. An empty line between parts, two spaces for each level;
  empty lines have those of the levels around the message.
* one option stands in the line of its declaration, several stand one a line, `default` and
  `json_name` last. No comments.

The order inside each part is that of the text; names and numbers are as they were spelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sprawl.schema_registry.protobuf.limits import FIELD_NUMBER_MAX
from sprawl.schema_registry.protobuf.literals import escaped_text
from sprawl.schema_registry.protobuf.model import (
    Aggregate,
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

_Lines = list[str]
_Node = TypeVar("_Node")
_LAST_OPTIONS = ("default", "json_name")


def print_file(file: File) -> str:
    """The canonical text of a file."""
    return "\n".join([*_Printer(quoted_names=file.syntax != "editions").file(file), ""])


def in_printed_order(options: Iterable[Option]) -> list[Option]:
    """The options of a field: `default` and `json_name` come last."""
    return sorted(
        options,
        key=lambda option: (
            _LAST_OPTIONS.index(option.simple_name) + 1
            if option.simple_name in _LAST_OPTIONS
            else 0
        ),
    )


def _each(printed: Callable[[_Node], _Lines], nodes: Iterable[_Node]) -> _Lines:
    return [line for node in nodes for line in printed(node)]


def _block(head: str, *parts: _Lines, end: str = "}") -> _Lines:
    """`head {`, the indented parts with empty lines between, `}`; one line where nothing is in it.

    The empty lines are indented by the blocks around this one only.
    """
    lines: _Lines = []
    for part in filter(None, parts):
        if lines:
            lines.append("")
        lines += _indented(part)
    if not lines:
        return [f"{head} {{{end}"]
    return [f"{head} {{", *lines, end]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


class _Printer:
    """Every method gives lines without their ends.

    Args:
        quoted_names: reserved names stand in quotes, as they do but for editions.
    """

    def __init__(self, *, quoted_names: bool) -> None:
        self._quoted_names = quoted_names

    def file(self, file: File) -> _Lines:
        head: _Lines = []
        if file.syntax == "editions":
            head.append(f'edition = "{file.edition}";')
        elif file.syntax:
            head.append(f'syntax = "{file.syntax}";')
        if file.package:
            head.append(f"package {file.package};")
        public = [imported for imported in file.imports if imported.kind == "public"]
        others = [imported for imported in file.imports if imported.kind != "public"]
        parts = (
            _each(_import, [*others, *public]),
            _each(_option_statement, file.options),
            [*_each(self._message, file.every(Message)), *_each(self._enum, file.every(Enum))],
            _each(self._extend, file.every(Extend)),
            _each(_service, file.every(Service)),
        )
        return [*head, *(line for part in parts if part for line in ("", *part))]

    def _message(self, message: Message) -> _Lines:
        return _block(f"{_visibility(message)}message {message.name}", *self._body(message))

    def _body(self, message: Message) -> tuple[_Lines, ...]:
        fields = list(message.every(Field))
        return (
            _each(self._reserved, message.every(Reserved)),
            _each(_option_statement, message.every(Option)),
            _each(self._field, [field for field in fields if field.group is None]),
            _each(self._oneof, message.every(Oneof)),
            _each(self._field, [field for field in fields if field.group is not None]),
            _each(_extensions, message.every(Extensions)),
            _each(self._extend, message.every(Extend)),
            [
                *_each(self._message, message.every(Message)),
                *_each(self._enum, message.every(Enum)),
            ],
        )

    def _field(self, field: Field) -> _Lines:
        label = f"{field.label} " if field.label else ""
        type_name = f"map<{field.key_type}, {field.type}>" if field.key_type else field.type
        head = f"{label}{type_name} {field.name} = {field.number}"
        lines = _with_options(head, in_printed_order(field.options))
        if field.group is None:
            return _ended(lines)
        last = lines.pop()
        return [*lines, *_block(last, *self._body(field.group))]

    def _oneof(self, oneof: Oneof) -> _Lines:
        return _block(
            f"oneof {oneof.name}",
            _each(_option_statement, oneof.options),
            _each(self._field, [field for field in oneof.fields if field.group is None]),
            _each(self._field, [field for field in oneof.fields if field.group is not None]),
        )

    def _extend(self, extend: Extend) -> _Lines:
        return _block(f"extend {extend.extendee}", _each(self._field, extend.fields))

    def _enum(self, enum: Enum) -> _Lines:
        body = [
            *_each(self._reserved, enum.reserved),
            *_each(_option_statement, enum.options),
            *_each(_enum_value, enum.values),
        ]
        return _block(f"{_visibility(enum)}enum {enum.name}", body)

    def _reserved(self, reserved: Reserved) -> _Lines:
        quote = '"' if self._quoted_names else ""
        names = (f"{quote}{name}{quote}" for name in reserved.names)
        return [f"reserved {', '.join((*map(_range, reserved.ranges), *names))};"]


def _visibility(node: Message | Enum) -> str:
    return f"{node.visibility} " if node.visibility else ""


def _import(imported: Import) -> _Lines:
    kind = f"{imported.kind} " if imported.kind else ""
    return [f'import {kind}"{escaped_text(imported.path.encode())}";']


def _option_statement(option: Option) -> _Lines:
    first, *rest = _option(option)
    return _ended([f"option {first}", *rest])


def _extensions(extensions: Extensions) -> _Lines:
    head = f"extensions {', '.join(map(_range, extensions.ranges))}"
    return _ended(_with_options(head, extensions.options))


def _range(part: NumberRange) -> str:
    if part.is_single:
        return str(part.first)
    return f"{part.first} to {'max' if part.last in (None, FIELD_NUMBER_MAX) else part.last}"


def _enum_value(value: EnumValue) -> _Lines:
    return _ended(_with_options(f"{value.name} = {value.number}", value.options))


def _service(service: Service) -> _Lines:
    return _block(
        f"service {service.name}",
        _each(_option_statement, service.options),
        _each(_method, service.methods),
    )


def _method(method: Method) -> _Lines:
    sent = f"{'stream ' if method.client_streaming else ''}{method.input_type}"
    received = f"{'stream ' if method.server_streaming else ''}{method.output_type}"
    head = f"rpc {method.name} ({sent}) returns ({received})"
    if not method.options:
        return [f"{head};"]
    return _block(head, _each(_option_statement, method.options), end="};")


def _ended(lines: _Lines) -> _Lines:
    return [*lines[:-1], f"{lines[-1]};"]


def _with_options(head: str, options: Sequence[Option]) -> _Lines:
    """`head [a = 1]`, or the options one a line."""
    if not options:
        return [head]
    return _enclosed(f"{head} [", [_option(option) for option in options], "]")


def _enclosed(head: str, items: list[_Lines], end: str) -> _Lines:
    if len(items) == 1:
        first, *rest = items[0]
        return _closed([f"{head}{first}", *rest], end)
    return [head, *_separated(items), end]


def _separated(items: list[_Lines]) -> _Lines:
    """Items one below the other, indented, with commas between."""
    lines: _Lines = []
    for index, item in enumerate(items):
        comma = "," if index < len(items) - 1 else ""
        lines += _indented([*item[:-1], item[-1] + comma])
    return lines


def _closed(lines: _Lines, end: str) -> _Lines:
    return [*lines[:-1], lines[-1] + end]


def _option(option: Option) -> _Lines:
    name = ".".join(f"({part.name})" if part.is_extension else part.name for part in option.name)
    first, *rest = _value(option.value)
    return [f"{name} = {first}", *rest]


def _value(value: Value) -> _Lines:
    match value:
        case Text():
            return [f'"{escaped_text(value.value)}"']
        case Number():
            return [value.spelling]
        case Word():
            return [value.name]
        case Items():
            return ["[", *_separated([_value(item) for item in value.values]), "]"]
        case Aggregate():
            return ["{", *_separated([_entry(entry) for entry in value.entries]), "}"]


def _entry(entry: Entry) -> _Lines:
    first, *rest = _value(entry.value)
    return [f"{entry.key}: {first}", *rest]
