"""JSON schemas and documents for tests: few names and values, so that they meet each other.

Everything is made from one source of choices, `pick(n)` in [0, n): hypothesis's draws, which shrink
to the first choices, or a seeded generator of random numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

Schema: TypeAlias = "bool | dict[str, object]"
Pick: TypeAlias = Callable[[int], int]
T = TypeVar("T")

NAMES = ("a", "b", "ab")
PATTERNS = ("^a", "b$", "a")
SCALARS = (None, True, 0, 1, 2, 3, 6, -1, 1.5, "", "a", "ab", "abb")
TYPES = ("string", "null", "integer", "boolean", "object", "array")
DRAFTS = (
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)


def documents() -> Iterator[object]:
    """A corpus: every scalar, small arrays, small objects, some of both inside each other."""
    yield from SCALARS
    few = (None, 0, 1.5, 3, "ab")
    for length, some in enumerate(([], few, ("ab", 1, 1.5), (0, "ab"))):
        yield from ([*items] for items in itertools.product(some, repeat=length))
    absent = object()
    values = (absent, None, 1.5, 3, "ab")
    for chosen in itertools.product(values, values, values[::2]):
        pairs = zip(NAMES, chosen, strict=True)
        yield {name: value for name, value in pairs if value is not absent}
    inner = ({}, {"a": 1}, {"a": "a", "b": 1.5}, {"c": 1}, [], [1], ["ab", 1])
    yield from ({"a": value} for value in inner)
    yield from ({"b": value, "c": 1} for value in inner)
    yield from ([value] for value in inner)


class SchemaMaker:
    """Makes schemas of one draft: without defaults, and branches of oneOf have different types."""

    def __init__(self, draft: str, pick: Pick) -> None:
        self._draft = DRAFTS.index(draft)
        self._pick = pick

    def schema(self, depth: int = 2) -> Schema:
        """Any schema, with as many levels of others inside."""
        makers: list[Callable[[int], Schema]] = [self._scalar, self._values, self._simple]
        if depth > 0:
            makers += [self._object, self._array, self._combined, self._object, self._mixed]
        return self._one(makers)(depth - 1)

    def edited(self, schema: Schema) -> Schema:
        """A schema that differs in one or two places."""
        for _ in range(1 + self._pick(2)):
            schema = self._edited_once(schema)
        return schema

    def _one(self, choices: Sequence[T]) -> T:
        return choices[self._pick(len(choices))]

    def _simple(self, depth: int) -> Schema:
        if self._draft > 0 and self._pick(2):
            return bool(self._pick(2))
        return {}

    def _scalar(self, depth: int) -> Schema:
        match self._pick(4):
            case 0:
                return self._one(
                    (
                        {"type": "null"},
                        {"type": "boolean"},
                        {"type": ["string", "null"]},
                        {"type": ["integer", "string", "object"]},
                        {"minimum": 1},
                        {"maxLength": 1},
                        {"minimum": 0, "minLength": 1},
                    )
                )
            case 1:
                exclusive = bool(self._pick(2)) if self._draft == 0 else self._pick(7) - 1
                lower = {"minimum": self._pick(4) - 1, "exclusiveMinimum": exclusive}
                return {"type": "number", **lower}
            case 2:
                number = {
                    "minimum": self._pick(4) - 1,
                    "maximum": self._pick(7),
                    "multipleOf": self._one((1, 2, 3, 0.5, 6)),
                }
                return {"type": self._one(("number", "integer")), **self._some(number)}
            case _:
                string = {
                    "minLength": self._pick(4),
                    "maxLength": self._pick(4),
                    "pattern": self._one(PATTERNS),
                }
                return {"type": "string", **self._some(string)}

    def _values(self, depth: int) -> Schema:
        listed = list({repr(value): value for value in self._several(SCALARS)}.values())
        if self._draft > 0 and self._pick(3) == 0:
            return {"const": listed[0]}
        return {"type": "string", "enum": listed} if self._pick(3) == 0 else {"enum": listed}

    def _object(self, depth: int) -> Schema:
        inner = self._inner(depth)
        keywords: dict[str, Callable[[], object]] = {
            "properties": lambda: {name: inner() for name in self._several(NAMES)},
            "patternProperties": lambda: {self._one(PATTERNS): inner()},
            "additionalProperties": lambda: self._rest(depth),
            "required": lambda: self._several(NAMES),
            "minProperties": lambda: self._pick(3),
            "maxProperties": lambda: 1 + self._pick(3),
        }
        if self._draft < 3:
            keywords["dependencies"] = lambda: {
                self._one(NAMES): self._several(NAMES) if self._pick(2) else inner()
            }
        else:
            keywords["dependentRequired"] = lambda: {self._one(NAMES): self._several(NAMES)}
            keywords["dependentSchemas"] = lambda: {self._one(NAMES): inner()}
        if self._draft > 3:
            # jsonschema errs in 2019-09 where additionalProperties stand beside it.
            keywords["unevaluatedProperties"] = lambda: self._rest(depth)
        if self._draft > 0:
            names = ({"maxLength": 1}, {"pattern": "a"}, {})
            keywords["propertyNames"] = lambda: self._one(names)
        base: Schema = {} if self._pick(3) == 2 else {"type": "object"}
        return {**base, **self._made(keywords)}

    def _array(self, depth: int) -> Schema:
        inner = self._inner(depth)

        def first() -> list[Schema]:
            return [inner() for _ in range(1 + self._pick(2))]

        keywords: dict[str, Callable[[], object]] = {
            "minItems": lambda: self._pick(3),
            "maxItems": lambda: self._pick(4),
            "uniqueItems": lambda: bool(self._pick(2)),
        }
        if self._draft < 4:
            # jsonschema fails where additionalItems stand beside a boolean.
            keywords["items"] = lambda: first() if self._pick(2) else self._keywords(depth)
            keywords["additionalItems"] = lambda: self._rest(depth)
        else:
            keywords["items"] = lambda: self._rest(depth)
            keywords["prefixItems"] = first
        if self._draft > 0:
            keywords["contains"] = inner
        if self._draft > 2:
            keywords["minContains"] = lambda: self._pick(3)
            keywords["maxContains"] = lambda: self._pick(3)
        if self._draft > 3:
            keywords["unevaluatedItems"] = lambda: self._rest(depth)
        return {"type": "array", **self._made(keywords)}

    def _combined(self, depth: int) -> Schema:
        inner = self._inner(depth)
        match self._pick(6 if self._draft > 1 else 5):
            case 0 | 1:
                return {"anyOf": [inner() for _ in range(1 + self._pick(3))]}
            case 2:
                return {"allOf": [inner() for _ in range(1 + self._pick(3))]}
            case 3:
                return {"not": inner()}
            case 4:
                return {"oneOf": [{"type": name} for name in dict.fromkeys(self._several(TYPES))]}
            case _:
                return {"if": inner(), "then": inner(), "else": inner()}

    def _mixed(self, depth: int) -> Schema:
        one = self._one((self._object, self._scalar, self._array))(depth)
        other = self._one((self._combined, self._values))(depth)
        assert isinstance(one, dict), "these make objects"
        assert isinstance(other, dict), "these make objects"
        return {**one, **other}

    def _inner(self, depth: int) -> Callable[[], Schema]:
        return lambda: self.schema(depth)

    def _keywords(self, depth: int) -> Schema:
        schema = self.schema(depth)
        return schema if isinstance(schema, dict) else {}

    def _rest(self, depth: int) -> Schema:
        return bool(self._pick(2)) if self._pick(2) else self.schema(depth)

    def _several(self, choices: Sequence[T]) -> list[T]:
        return list(dict.fromkeys(self._one(choices) for _ in range(1 + self._pick(3))))

    def _some(self, keywords: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in keywords.items() if self._pick(3) == 0}

    def _made(self, keywords: dict[str, Callable[[], object]]) -> dict[str, object]:
        return {name: keywords[name]() for name in self._several(tuple(keywords))}

    def _edited_once(self, schema: Schema) -> Schema:
        if not isinstance(schema, dict) or not schema or self._pick(6) == 5:
            return self.schema(1)
        keyword = self._one(sorted(schema))
        value = schema[keyword]
        match self._pick(4):
            case 0:
                return {name: at for name, at in schema.items() if name != keyword}
            case 1:
                extra = self.schema(1)
                return {**schema, **extra} if isinstance(extra, dict) else schema
            case _:
                return {**schema, keyword: self._edited_value(keyword, value)}

    def _edited_value(self, keyword: str, value: object) -> object:
        if isinstance(value, dict) and keyword in ("properties", "patternProperties"):
            if not value or self._pick(2):
                new = PATTERNS if keyword == "patternProperties" else NAMES
                return {**value, self._one(new): self.schema(1)}
            name = self._one(sorted(value))
            if self._pick(2):
                return {other: at for other, at in value.items() if other != name}
            return {**value, name: self._edited_once(value[name])}
        if isinstance(value, list) and keyword in ("allOf", "anyOf", "prefixItems", "items"):
            index = self._pick(len(value) + 1)
            if index == len(value):
                return [*value, self.schema(1)]
            if len(value) > 1 and self._pick(2):
                return value[:index] + value[index + 1 :]
            return [*value[:index], self._edited_once(value[index]), *value[index + 1 :]]
        if isinstance(value, dict) and keyword == "items" and self._draft < 4:
            return value
        if isinstance(value, dict) and not keyword.startswith("depend"):
            return self._edited_once(value)
        if isinstance(value, int) and not isinstance(value, bool) and keyword != "const":
            return max(1 if keyword == "multipleOf" else 0, value + self._pick(3) - 1)
        return value
