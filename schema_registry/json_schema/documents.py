"""A schema with all that it may refer to, and where each `$ref` leads. Pure; nothing is fetched.

1. A `$ref` whose text before `#` is the name of a registered reference means that schema.
2. Otherwise it is a URI, resolved against the `$id`s around it: a place in the same text, a schema
   that is known by its own `$id`, or one of the metaschemas.
3. Anything else leads nowhere, and the schema is refused.

Source: JSON Schema 2020-12 core, section 8.2 (identifiers, anchors) and 8.2.3 (references).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

import jsonschema_specifications
from referencing import Registry
from referencing.exceptions import Unresolvable

from sprawl.schema_registry.json_schema import dialects, json_text, limits
from sprawl.schema_registry.json_schema.dialects import Draft
from sprawl.schema_registry.json_schema.json_text import Json
from sprawl.schema_registry.schemas import InvalidSchema

if TYPE_CHECKING:
    from referencing._core import Resolver  # the library has no public name for it

REFERRING = ("$ref", "$recursiveRef", "$dynamicRef")
"""Keywords that lead to another schema. The last two are taken for where they lead from here, not
from whoever came by: both sides of a comparison are treated alike."""
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
"""Keywords whose schemas judge the same value, not a part of it."""

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_MAPS = (
    "properties",
    "patternProperties",
    "dependencies",
    "dependentSchemas",
    "definitions",
    "$defs",
)
_SINGLES = (
    "not",
    "if",
    "then",
    "else",
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "propertyNames",
    "additionalProperties",
    "unevaluatedProperties",
    "contentSchema",
)


class Place(NamedTuple):
    """A schema where it stands: with the base its references are resolved against."""

    value: Json
    resolver: Resolver[Json]
    draft: Draft

    def child(self, value: Json) -> Place:
        """A schema inside this one."""
        draft = dialects.draft_of(value, self.draft)
        if dialects.identifier(value, draft) is None:
            return self._replace(value=value)
        resource = dialects.resource(value, draft)
        return Place(value, self.resolver.in_subresource(resource), draft)

    def references(self) -> Iterator[tuple[str, str]]:
        """The keywords that refer, and what they say."""
        if not isinstance(self.value, dict):
            return
        for keyword in REFERRING:
            says = self.value.get(keyword)
            known = keyword == "$ref" or self.draft == (
                Draft.D2020_12 if keyword == "$dynamicRef" else Draft.D2019_09
            )
            if known and isinstance(says, str):
                yield keyword, says

    def hides_siblings(self) -> bool:
        """Whether `$ref` is all that counts here: so up to draft 7."""
        return (
            self.draft <= Draft.D7
            and isinstance(self.value, dict)
            and isinstance(self.value.get("$ref"), str)
        )

    def subschemas(self) -> Iterator[tuple[tuple[str, ...], Json]]:
        """Every schema directly inside, with the steps that lead there."""
        return subschemas(self.value, self.draft)


def subschemas(schema: Json, draft: Draft) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Every schema directly inside one, with the steps that lead there."""
    if not isinstance(schema, dict):
        return
    for keyword, inside in schema.items():
        if not dialects.knows(draft, keyword):
            continue
        if isinstance(inside, list) and keyword in _LISTS:
            for index, item in enumerate(inside):
                yield (keyword, str(index)), item
        elif isinstance(inside, dict) and keyword in _MAPS:
            for name, item in inside.items():
                if not isinstance(item, list):
                    yield (keyword, name), item
        elif isinstance(inside, dict | bool) and keyword in _SINGLES:
            yield (keyword,), inside


class Documents:
    """One schema and the registered ones by name."""

    def __init__(self, root: Json, texts: Mapping[str, str]) -> None:
        """Args:
            texts: the text of every schema that may be referred to, by the name it goes by.

        Raises:
            InvalidSchema: a text is no JSON, or there are too many.
        """
        _check_sizes(texts)
        self._texts = texts
        draft = dialects.draft_of(root)
        resource = dialects.resource(root, draft)
        base = self.base = dialects.identifier(root, draft) or ""
        registry: Registry[Json] = jsonschema_specifications.REGISTRY
        self.named: dict[str, tuple[str, Json]] = {}
        for name, text in texts.items():
            value = _referenced(name, text)
            named = dialects.resource(value, dialects.draft_of(value, draft))
            uri = urljoin(base, name)
            registry = registry.with_resource(uri, named)
            self.named[name] = (urljoin(uri, named.id() or ""), value)
        self._names = {uri: name for name, (uri, _) in self.named.items()}
        self._registry = registry.with_resource(base, resource).crawl()
        self.root = Place(root, self._registry.resolver(base), draft)

    def with_root(self, root: Json) -> Documents:
        """Another schema with the same registered ones."""
        return Documents(root, self._texts)

    def document(self, name: str) -> Place:
        """The registered schema that goes by a name."""
        uri, value = self.named[name]
        draft = dialects.draft_of(value, self.root.draft)
        return Place(value, self._registry.resolver(uri), draft)

    def name_of(self, uri: str) -> str | None:
        """The name of the registered schema that has a URI."""
        return self._names.get(uri)

    def target(self, place: Place, says: str) -> Place | None:
        """Where a reference leads; None: nowhere."""
        name, _, fragment = says.partition("#")
        try:
            if name in self.named:
                found = self.document(name).resolver.lookup(f"#{fragment}")
            else:
                found = place.resolver.lookup(says)
        except (Unresolvable, TypeError, ValueError):  # a pointer through a scalar
            return None
        if not isinstance(found.contents, dict | bool):
            return None
        draft = self._draft_at(found.resolver, place)
        return Place(found.contents, found.resolver, dialects.draft_of(found.contents, draft))

    def _draft_at(self, resolver: Resolver[Json], place: Place) -> Draft:
        try:
            around = resolver.lookup("#").contents
        except Unresolvable:
            return place.draft
        return dialects.draft_of(around, place.draft)


def _check_sizes(texts: Mapping[str, str]) -> None:
    if len(texts) > limits.REFERENCES_MAX:
        raise InvalidSchema(f"more than {limits.REFERENCES_MAX} references, all levels together")
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.values())
    if size > limits.REFERENCED_BYTES_MAX:
        raise InvalidSchema(
            f"the schemas referred to have {size} bytes together; at most"
            f" {limits.REFERENCED_BYTES_MAX}"
        )


def _referenced(name: str, text: str) -> Json:
    try:
        value = json_text.read(text)
    except InvalidSchema as fault:
        raise InvalidSchema(f"reference {name}: {fault}") from None
    if not isinstance(value, dict | bool):
        raise InvalidSchema(f"reference {name}: no JSON schema, but {json_text.shown(value)}")
    return value
