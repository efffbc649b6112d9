"""What a route takes: from its path, its query or its body, with a type, a default and a
description. Handlers read by the parameter itself, so what is described is what is read. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from sprawl.schema_registry.model.subjects import ANY_CONTEXT, parse_version
from sprawl.schema_registry.rest.answers import ServerFacts
from sprawl.schema_registry.rest.faults import not_found

Json = dict[str, object]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


class Place(enum.Enum):
    PATH = "path"
    QUERY = "query"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Generic[T_co]):
    """One thing that a route takes.

    Args:
        parse: of the texts that were given under the name, at least one. For a body: not used.
        parse_body: of the JSON value of a body.
        default: without any.
        schema: JSON Schema of it, for the description.
        is_required: a request without this body is refused (422).
        is_in_context: under `/contexts/{context}/` a value without a context is of that one.

    Attributes:
        key: what its value is kept under.
    """

    name: str
    place: Place
    schema: Json
    description: str
    default: T_co
    parse: Callable[[Sequence[str]], T_co] | None = None
    parse_body: Callable[[object], T_co] | None = None
    is_required: bool = False
    is_in_context: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.place.value} {self.name}")


class Ask:
    """What a request asks: a value for each parameter of its route."""

    __slots__ = ("_values", "facts")

    def __init__(self, facts: ServerFacts, values: Mapping[str, object]) -> None:
        self.facts = facts
        self._values = values

    def __getitem__(self, parameter: Parameter[T]) -> T:
        return cast("T", self._values[parameter.key])

    def get(self, parameter: Parameter[T]) -> T | None:
        """None when the route has no such parameter."""
        return cast("T | None", self._values.get(parameter.key))


def values_of(
    parameters: Iterable[Parameter[object]],
    path: Mapping[str, str],
    query: Mapping[str, Sequence[str]],
    context: str | None,
) -> dict[str, object]:
    """The values of what stands in path and query.

    Args:
        path: decoded.
        context: qualified, as `:.ctx:`; "" for the default one; None: the path names none.

    Raises:
        HttpFault: 404: a number is none.
        RegistryFault: 42202.
    """
    values: dict[str, object] = {}
    for parameter in parameters:
        if parameter.place is Place.BODY:
            continue
        if parameter.place is Place.PATH:
            texts: Sequence[str] = (path[parameter.name],)
        else:
            texts = query.get(parameter.name, ())
        if parameter.is_in_context and context is not None:
            texts = [_in_context(text, context) for text in texts or ("",)]
        parse = parameter.parse
        assert parse is not None
        values[parameter.key] = parse(texts) if texts else parameter.default
    return values


def with_body(
    values: Mapping[str, object], parameter: Parameter[object], body: object
) -> dict[str, object]:
    """The values with that of the body. Args: body: JSON.

    Raises:
        MalformedContract: it is not what it has to be.
    """
    assert parameter.parse_body is not None
    return {**values, parameter.key: parameter.parse_body(body)}


def _in_context(name: str, context: str) -> str:
    return name if name.startswith((":.", ANY_CONTEXT)) else context + name


# --- kinds ---------------------------------------------------------------------------------------


def _first(texts: Sequence[str]) -> str:
    return texts[0]


def _flag(texts: Sequence[str]) -> bool:
    return texts[0].lower() == "true"


def _number(texts: Sequence[str]) -> int:
    if not _NUMBER.fullmatch(texts[0]):
        raise not_found()
    value = int(texts[0])
    if not _INT32_MIN <= value <= _INT32_MAX:
        raise not_found()
    return value


def _in_path(
    name: str,
    description: str,
    parse: Callable[[Sequence[str]], T],
    default: T,
    schema: Json,
    *,
    in_context: bool = False,
) -> Parameter[T]:
    return Parameter(
        name=name,
        place=Place.PATH,
        schema=schema,
        description=description,
        default=default,
        parse=parse,
        is_required=True,
        is_in_context=in_context,
    )


def text(
    name: str, description: str, default: str = "", *, in_context: bool = False
) -> Parameter[str]:
    """A text of the query."""
    return Parameter(
        name=name,
        place=Place.QUERY,
        schema={"type": "string", "default": default},
        description=description,
        default=default,
        parse=_first,
        is_in_context=in_context,
    )


def flag(name: str, description: str) -> Parameter[bool]:
    """`true` in any case is true; all else is not."""
    return Parameter(
        name=name,
        place=Place.QUERY,
        schema={"type": "boolean", "default": False},
        description=description,
        default=False,
        parse=_flag,
    )


def number(name: str, description: str, default: int) -> Parameter[int]:
    return Parameter(
        name=name,
        place=Place.QUERY,
        schema={"type": "integer", "format": "int32", "default": default},
        description=description,
        default=default,
        parse=_number,
    )


def repeated(name: str, description: str) -> Parameter[tuple[str, ...]]:
    """A text that may come several times."""
    return Parameter(
        name=name,
        place=Place.QUERY,
        schema={"type": "array", "items": {"type": "string"}},
        description=description,
        default=(),
        parse=tuple,
    )


def body(
    name: str,
    description: str,
    parse: Callable[[object], T],
    default: T,
    *,
    required: bool = True,
) -> Parameter[T]:
    """The JSON body. Args: name: of its shape in shapes.py."""
    return Parameter(
        name=name,
        place=Place.BODY,
        schema={"$ref": f"#/components/schemas/{name}"},
        description=description,
        default=default,
        parse_body=parse,
        is_required=required,
    )


# --- those that several routes take --------------------------------------------------------------

SUBJECT = _in_path(
    "subject",
    "Name of a subject, or its alias; in a context as `:.context:subject`.",
    _first,
    "",
    {"type": "string"},
    in_context=True,
)
SCOPE = _in_path(
    "subject",
    "Name of a subject, or a context as `:.context:`.",
    _first,
    "",
    {"type": "string"},
    in_context=True,
)
VERSION = _in_path(
    "version",
    "Number of a version, or `latest`; -1 means that too.",
    lambda given: parse_version(given[0]),
    0,
    {"type": "string", "pattern": "^(latest|-1|[1-9][0-9]{0,9})$"},
)
ID = _in_path(
    "id", "Id of a schema.", _number, 0, {"type": "integer", "format": "int32", "minimum": 1}
)
GUID = _in_path("guid", "GUID of a schema.", _first, "", {"type": "string"})
CONTEXT = _in_path("context", "Name of a context.", _first, "", {"type": "string"})

WHERE = text("subject", "A subject or a context, in whose context the id counts.", in_context=True)
OFFSET = number("offset", "How many to leave out at the start.", 0)
LIMIT = number("limit", "How many at most; below 1: all, as far as the registry's own limit.", -1)
DELETED = flag("deleted", "Soft-deleted ones too.")
DELETED_ONLY = flag("deletedOnly", "Soft-deleted ones only.")
FORMAT = text(
    "format",
    "Spelling of the schema: `resolved` (AVRO, JSON), `serialized` or `ignore_extensions` "
    "(PROTOBUF).",
)
REFERENCE_FORMAT = text(
    "referenceFormat", "`qualified` gives the subjects of references with their context."
)
NORMALIZE = flag("normalize", "Take out differences of order and spelling that mean nothing.")
VERBOSE = flag("verbose", "Tell why it is not compatible.")
PERMANENT = flag("permanent", "For good; only what is soft-deleted.")
FORCE = flag("force", "Although it would be refused as incompatible, or as not empty.")
DEFAULT_TO_GLOBAL = flag("defaultToGlobal", "What holds, if there is none of its own.")
RECURSIVE = flag("recursive", "Of a context: those of its subjects too.")
