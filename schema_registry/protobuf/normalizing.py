"""The same schema in one order and one spelling, as `normalize=true` stores it. Pure.

* types are full names with a leading dot;
* imports, options, reserved and extension ranges are sorted; fields are by number, oneofs by the
  number of their first field, enum values by number;
* names of custom options are full names; `(a).b = 1` and `(a).c = 2` are `(a) = {b: 1, c: 2}`;
* numbers are decimal, a list of one item is the item; `syntax = "proto2"` is not said.

Messages, enums, services and methods keep their order: clients write the index of a message in
front of the data. The first value of an enum stays the first: it is the default of proto2 and must
be 0 in proto3. The anchor registry sorts it too, which breaks enums with negative values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sprawl.schema_registry.protobuf.cursor import parse_integer
from sprawl.schema_registry.protobuf.describing import inside
from sprawl.schema_registry.protobuf.limits import FIELD_NUMBER_MAX
from sprawl.schema_registry.protobuf.model import (
    SCALARS,
    Aggregate,
    Declaration,
    Element,
    Entry,
    Enum,
    Extend,
    Extensions,
    Field,
    File,
    Items,
    Message,
    NamePart,
    Number,
    NumberRange,
    Oneof,
    Option,
    Reserved,
    Service,
    Value,
)
from sprawl.schema_registry.protobuf.symbols import TYPES, Kind, Scopes


def normalize(file: File, scopes: Scopes) -> File:
    """The normalized form of a sound file.

    Args:
        scopes: what the names in the file mean.
    """
    return _Normalizer(scopes).file(file)


def without_extensions(file: File) -> File:
    """The file without custom options, extensions and ranges for them.

    Options whose names begin with `confluent.` stay: they say what the registry's clients do.
    """
    return replace(
        file,
        options=_own_options(file.options),
        declarations=tuple(
            _without(declared) for declared in file.declarations if not isinstance(declared, Extend)
        ),
    )


def _own_options(options: Iterable[Option]) -> tuple[Option, ...]:
    return tuple(
        option
        for option in options
        if not option.name[0].is_extension
        or option.name[0].name.removeprefix(".").startswith("confluent.")
    )


def _without(declared: Declaration) -> Declaration:
    match declared:
        case Message():
            return _message_without(declared)
        case Enum():
            return replace(
                declared,
                options=_own_options(declared.options),
                values=tuple(
                    replace(value, options=_own_options(value.options)) for value in declared.values
                ),
            )
        case Service():
            return replace(
                declared,
                options=_own_options(declared.options),
                methods=tuple(
                    replace(method, options=_own_options(method.options))
                    for method in declared.methods
                ),
            )
        case Extend():
            return declared


def _message_without(message: Message) -> Message:
    elements: list[Element] = []
    for element in message.elements:
        match element:
            case Extend() | Extensions():
                continue
            case Option():
                elements += _own_options((element,))
            case Field():
                elements.append(_field_without(element))
            case Oneof():
                fields = tuple(map(_field_without, element.fields))
                options = _own_options(element.options)
                elements.append(replace(element, fields=fields, options=options))
            case Message():
                elements.append(_message_without(element))
            case Enum():
                kept = _without(element)
                assert isinstance(kept, Enum)
                elements.append(kept)
            case Reserved():
                elements.append(element)
    return replace(message, elements=tuple(elements))


def _field_without(field: Field) -> Field:
    group = None if field.group is None else _message_without(field.group)
    return replace(field, options=_own_options(field.options), group=group)


class _Normalizer:
    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes

    def file(self, file: File) -> File:
        scope = file.package
        declarations: list[Declaration] = []
        for declared in file.declarations:
            match declared:
                case Message():
                    declarations.append(self._message(declared, scope))
                case Enum():
                    declarations.append(self._enum(declared, scope))
                case Service():
                    declarations.append(self._service(declared, scope))
                case Extend():
                    pass
        declarations += self._extends(file.every(Extend), scope)
        return replace(
            file,
            syntax="" if file.syntax == "proto2" else file.syntax,
            imports=tuple(sorted(file.imports, key=lambda one: (one.path, one.kind))),
            options=self._options(file.options, scope),
            declarations=tuple(declarations),
        )

    def _full_name(self, name: str, scope: str) -> str:
        found = self._scopes.find(name, scope, TYPES)
        assert found is not None, "the file was linked, so its types are known"
        return f".{found.full_name}"

    def _message(self, message: Message, scope: str) -> Message:
        return replace(message, elements=self._elements(message, inside(scope, message.name)))

    def _elements(self, message: Message, full_name: str) -> tuple[Element, ...]:
        oneofs = [self._oneof(oneof, full_name) for oneof in message.every(Oneof)]
        nested: list[Element] = []
        for element in message.elements:
            if isinstance(element, Message):
                nested.append(self._message(element, full_name))
            elif isinstance(element, Enum):
                nested.append(self._enum(element, full_name))
        return (
            *_reserved(message.every(Reserved)),
            *self._options(message.every(Option), full_name),
            *self._fields(message.every(Field), full_name),
            *sorted(oneofs, key=lambda oneof: oneof.fields[0].number),
            *self._extensions(message.every(Extensions), full_name),
            *self._extends(message.every(Extend), full_name),
            *nested,
        )

    def _fields(self, fields: Iterable[Field], scope: str) -> tuple[Field, ...]:
        found = (self._field(field, scope) for field in fields)
        return tuple(sorted(found, key=lambda field: field.number))

    def _field(self, field: Field, scope: str) -> Field:
        type_name = field.type
        group = None
        if field.group is not None:
            group = self._message(field.group, scope)
        elif type_name not in SCALARS:
            type_name = self._full_name(type_name, scope)
        options = self._options(field.options, scope)
        return replace(field, type=type_name, group=group, options=options)

    def _oneof(self, oneof: Oneof, scope: str) -> Oneof:
        return replace(
            oneof,
            fields=self._fields(oneof.fields, scope),
            options=self._options(oneof.options, scope),
        )

    def _extensions(self, extensions: Iterable[Extensions], scope: str) -> list[Extensions]:
        """One range a statement, in order."""
        single = [
            Extensions(ranges=(_shortest(part),), options=self._options(statement.options, scope))
            for statement in extensions
            for part in statement.ranges
        ]
        return sorted(single, key=lambda statement: statement.ranges[0].first)

    def _extends(self, extends: Iterable[Extend], scope: str) -> list[Extend]:
        """One statement for each message that is extended, in the order of the first ones."""
        fields: dict[str, list[Field]] = {}
        for extend in extends:
            if not extend.fields:
                continue
            extendee = self._full_name(extend.extendee, scope)
            fields.setdefault(extendee, []).extend(extend.fields)
        return [
            Extend(extendee=extendee, fields=self._fields(found, scope))
            for extendee, found in fields.items()
        ]

    def _enum(self, enum: Enum, scope: str) -> Enum:
        full_name = inside(scope, enum.name)
        values = [
            replace(value, options=self._options(value.options, full_name)) for value in enum.values
        ]
        rest = sorted(values[1:], key=lambda value: (value.number, value.name))
        return replace(
            enum,
            values=(values[0], *rest),
            reserved=tuple(_reserved(enum.reserved)),
            options=self._options(enum.options, full_name),
        )

    def _service(self, service: Service, scope: str) -> Service:
        full_name = inside(scope, service.name)
        methods = tuple(
            replace(
                method,
                input_type=self._full_name(method.input_type, full_name),
                output_type=self._full_name(method.output_type, full_name),
                options=self._options(method.options, full_name),
            )
            for method in service.methods
        )
        options = self._options(service.options, full_name)
        return replace(service, methods=methods, options=options)

    def _options(self, options: Iterable[Option], scope: str) -> tuple[Option, ...]:
        """Sorted by name; what sets parts of one custom option is one message literal."""
        merged: dict[tuple[NamePart, ...], list[Value]] = {}
        for option in options:
            name, value = self._qualified(option, scope)
            values = merged.setdefault(name, [])
            if values and len(option.name) > 1 and isinstance(value, Aggregate):
                values[-1] = _merged(values[-1], value)
            else:
                values.append(value)
        return tuple(
            Option(name, self._value(value, scope))
            for name, values in sorted(
                merged.items(), key=lambda item: tuple(part.name for part in item[0])
            )
            for value in values
        )

    def _qualified(self, option: Option, scope: str) -> tuple[tuple[NamePart, ...], Value]:
        """The option by the full name of its extension, with the parts behind that as a literal."""
        first, *rest = option.name
        if not first.is_extension:
            return option.name, option.value
        value = option.value
        for part in reversed(rest):
            key = f"[{part.name}]" if part.is_extension else part.name
            value = Aggregate((Entry(key, value),))
        return (NamePart(self._extension(first.name, scope), is_extension=True),), value

    def _extension(self, name: str, scope: str) -> str:
        found = self._scopes.find(name, scope, (Kind.EXTENSION,))
        return found.full_name if found is not None else name

    def _value(self, value: Value, scope: str) -> Value:
        match value:
            case Number():
                return Number(_decimal(value.spelling))
            case Items():
                return Items(tuple(self._value(item, scope) for item in value.values))
            case Aggregate():
                return self._aggregate(value, scope)
            case _:
                return value

    def _aggregate(self, value: Aggregate, scope: str) -> Aggregate:
        """Entries by key; one that is there more than once is a list, a list of one its item."""
        found: dict[str, list[Value]] = {}
        for entry in value.entries:
            key = entry.key
            if key.startswith("[") and "/" not in key:
                key = f"[{self._extension(key[1:-1], scope)}]"
            items = entry.value.values if isinstance(entry.value, Items) else (entry.value,)
            found.setdefault(key, []).extend(self._value(item, scope) for item in items)
        return Aggregate(
            tuple(
                Entry(key, values[0] if len(values) == 1 else Items(tuple(values)))
                for key, values in sorted(found.items())
                if values
            )
        )


def _merged(value: Value, other: Value) -> Value:
    """Two literals of one message, set part by part. What both set is repeated, or a message."""
    if not isinstance(value, Aggregate) or not isinstance(other, Aggregate):
        return other
    entries = list(value.entries)
    for entry in other.entries:
        at = next((index for index, known in enumerate(entries) if known.key == entry.key), None)
        if at is None or not (
            isinstance(entries[at].value, Aggregate) and isinstance(entry.value, Aggregate)
        ):
            entries.append(entry)
        else:
            entries[at] = Entry(entry.key, _merged(entries[at].value, entry.value))
    return Aggregate(tuple(entries))


def _reserved(statements: Iterable[Reserved]) -> list[Reserved]:
    """One range or name a statement; the ranges in order, then the names in order."""
    statements = list(statements)
    ranges = sorted(
        (part for statement in statements for part in statement.ranges),
        key=lambda part: (part.first, part.last or FIELD_NUMBER_MAX),
    )
    names = sorted(name for statement in statements for name in statement.names)
    return [
        *(Reserved(ranges=(_shortest(part),)) for part in ranges),
        *(Reserved(names=(name,)) for name in names),
    ]


def _shortest(part: NumberRange) -> NumberRange:
    """`3 to 3` is `3`."""
    return NumberRange(part.first, part.last, part.first == part.last)


def _decimal(spelling: str) -> str:
    """A number in its shortest usual form: `0x10` is `16`, `1.50` is `1.5`, `2.0` is `2`."""
    try:
        return str(parse_integer(spelling))
    except ValueError:
        pass
    number = float(spelling)
    return (
        str(int(number)) if number.is_integer() and abs(number) < _INTEGERS_EXACT else repr(number)
    )


_INTEGERS_EXACT = 1e15
"""Integers below this have one spelling as a float."""
