"""What a schema demands, taken apart so that two can be compared. Pure.

A schema is a conjunction of facets: its type with the keywords of that type, its values (`enum`,
`const`), each of its combinations, `not`, `if`. No facets: everything is valid. A `$ref` stands for
what it leads to; a list of types is a combination with one alternative a type.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple, TypeAlias

from sprawl.schema_registry.json_schema import dialects, json_text
from sprawl.schema_registry.json_schema.dialects import Draft
from sprawl.schema_registry.json_schema.documents import IN_PLACE, REFERRING, Documents, Place
from sprawl.schema_registry.json_schema.json_text import Json


class Group(enum.Enum):
    """What kind of demand a facet is; a schema has at most one facet of each."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    ARRAY = "array"
    OBJECT = "object"
    VALUES = "enum"
    NOT = "not"
    CONDITION = "if"
    UNION = "type"
    ALL_OF = "allOf"
    ANY_OF = "anyOf"
    ONE_OF = "oneOf"

    @property
    def combines(self) -> bool:
        """Whether its branches are schemas for the same value, by one rule."""
        return self in (Group.UNION, Group.ALL_OF, Group.ANY_OF, Group.ONE_OF)


KEYWORDS = {
    Group.STRING: ("minLength", "maxLength", "pattern"),
    Group.NUMBER: ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    Group.ARRAY: (
        "items",
        "prefixItems",
        "additionalItems",
        "unevaluatedItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
    ),
    Group.OBJECT: (
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "propertyNames",
        "required",
        "minProperties",
        "maxProperties",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
    ),
}
"""The keywords that judge values of one type only. `format` and `content*` describe, not judge."""

_DEMANDS_NOTHING: dict[str, Json] = {
    "minLength": 0,
    "minItems": 0,
    "minProperties": 0,
    "uniqueItems": False,
    "items": True,
    "additionalItems": True,
    "unevaluatedItems": True,
    "additionalProperties": True,
    "unevaluatedProperties": True,
    "propertyNames": True,
    "required": [],
}


class Facet(NamedTuple):
    """One demand of a schema.

    Args:
        node: where its keywords stand.
        typed: values of other types are invalid; untyped keywords let those through.
        integer: of NUMBER: whole numbers only.
        branches: of combinations, `not` and `if`: the schemas; of `if` that one only.
        values: of VALUES: `json_text.identity` of each.
    """

    group: Group
    node: Node
    typed: bool = True
    integer: bool = False
    branches: tuple[Node, ...] = ()
    values: tuple[str, ...] = ()


Key: TypeAlias = "tuple[int, str]"


class Node:
    """A schema where it stands, or a part of its demands (a view)."""

    def __init__(
        self, documents: Documents, place: Place, view: str, family: dict[Key, Node]
    ) -> None:
        self._documents = documents
        self._place = place
        self._view = view
        self._family = family
        self._facets: tuple[Facet, ...] | None = None
        self._settled: Node | None = None

    @staticmethod
    def of(documents: Documents) -> Node:
        """The schema at the root."""
        return Node(documents, documents.root, "", {})._at(documents.root)

    @property
    def key(self) -> Key:
        """Equal for equal places and views of one schema."""
        return (id(self._place.value), self._view)

    @property
    def draft(self) -> Draft:
        return self._place.draft

    @property
    def value(self) -> Json:
        return self._place.value

    def get(self, keyword: str) -> Json:
        """What a keyword says; None where it is absent or means nothing in this draft."""
        value = self._place.value
        if isinstance(value, dict) and dialects.knows(self.draft, keyword):
            return value.get(keyword)
        return None

    def has(self, keyword: str) -> bool:
        value = self._place.value
        return isinstance(value, dict) and keyword in value and dialects.knows(self.draft, keyword)

    def child(self, value: Json) -> Node:
        """A schema inside this one."""
        return self._at(self._place.child(value))

    def schema(self, keyword: str) -> Node | None:
        """The one schema that a keyword holds."""
        value = self.get(keyword)
        return self.child(value) if isinstance(value, dict | bool) else None

    def schemas(self, keyword: str) -> dict[str, Node]:
        """The schemas by name that a keyword holds, in the order of the text."""
        value = self.get(keyword)
        if not isinstance(value, dict):
            return {}
        return {name: self.child(at) for name, at in value.items() if not isinstance(at, list)}

    def listed(self, keyword: str) -> tuple[Node, ...]:
        """The schemas that a keyword lists."""
        value = self.get(keyword)
        return tuple(self.child(item) for item in value) if isinstance(value, list) else ()

    def only(self, group: Group) -> Node:
        """The facet of one group, as a schema of its own."""
        return self if self._view else self._at(self._place, f"only {group.value}")

    @property
    def settled(self) -> Node:
        """The schema that counts: of one that only refers, what it refers to."""
        node = self
        while node._settled is None and (target := node._only_target()) is not None:
            node = target
        self._settled = node._settled or node
        return self._settled

    @property
    def facets(self) -> tuple[Facet, ...]:
        """All demands; the schema must be a settled one."""
        if self._facets is None:
            self._facets = self._viewed()
        return self._facets

    @property
    def accepts_all(self) -> bool:
        node = self.settled
        return node.value is not False and not node.facets

    @property
    def never(self) -> bool:
        """Whether nothing is valid, as `false` and `{"not": {}}` say it."""
        node = self.settled
        if node.value is False:
            return True
        return (
            len(node.facets) == 1
            and node.facets[0].group is Group.NOT
            and node.facets[0].branches[0].accepts_all
        )

    @property
    def has_default(self) -> bool:
        return any(
            isinstance(node.value, dict) and "default" in node.value
            for node in (self, self.settled)
        )

    @cached_property
    def digest(self) -> bytes:
        """Equal for schemas with equal texts."""
        return hashlib.sha256(json_text.identity(self.value).encode()).digest()

    def judges_in_place(self) -> dict[str, Json]:
        """The keywords whose schemas judge the same value, references too, with what they say."""
        value = self._place.value
        if not isinstance(value, dict):
            return {}
        return {
            keyword: value[keyword]
            for keyword in (*IN_PLACE, *REFERRING)
            if keyword in value and (keyword in REFERRING or dialects.knows(self.draft, keyword))
        }

    def in_place(self) -> Iterator[Node]:
        """The schemas that judge the same value."""
        yield from self._targets()
        for steps, value in self._place.subschemas():
            if steps[0] in IN_PLACE:
                yield self.child(value)

    def _at(self, place: Place, view: str = "") -> Node:
        key = (id(place.value), view)
        node = self._family.get(key)
        if node is None:
            node = self._family[key] = Node(self._documents, place, view, self._family)
        return node

    def _targets(self) -> tuple[Node, ...]:
        found = (self._documents.target(self._place, says) for _, says in self._place.references())
        return tuple(self._at(place) for place in found if place is not None)

    def _only_target(self) -> Node | None:
        """What it refers to, if that is all it says."""
        targets = () if self._view else self._targets()
        alone = len(targets) == 1 and (self._place.hides_siblings() or not self._own_facets())
        return targets[0] if alone else None

    def _viewed(self) -> tuple[Facet, ...]:
        if self._view.startswith("only "):
            whole = self._at(self._place)
            return tuple(f for f in whole.facets if f.group.value == self._view[len("only ") :])
        if self._view:
            return (_typed(self, self._view),)
        if self._place.hides_siblings():
            return self.settled.facets
        facets = list(self._own_facets())
        if targets := self._targets():
            own = [facet for facet in facets if facet.group is Group.ALL_OF]
            branches = own[0].branches + targets if own else targets
            facets = [facet for facet in facets if facet.group is not Group.ALL_OF]
            facets.append(Facet(Group.ALL_OF, self, branches=branches))
        return tuple(facets)

    def _own_facets(self) -> tuple[Facet, ...]:
        if not isinstance(self.value, dict):
            return ()
        return tuple(self._facets_of_type()) + tuple(self._other_facets())

    def _facets_of_type(self) -> Iterator[Facet]:
        says = self.get("type")
        if isinstance(says, str):
            yield _typed(self, says)
        elif isinstance(says, list):
            names = [name for name in says if isinstance(name, str)]
            if "number" in names and "integer" in names:
                names.remove("integer")
            if len(names) == 1:
                yield _typed(self, names[0])
            else:
                branches = tuple(self._at(self._place, name) for name in names)
                yield Facet(Group.UNION, self, branches=branches)
        else:
            for group, keywords in KEYWORDS.items():
                if any(self._demands(keyword) for keyword in keywords):
                    yield Facet(group, self, typed=False)

    def _other_facets(self) -> Iterator[Facet]:
        values = self._values()
        if values is not None:
            yield Facet(Group.VALUES, self, values=values)
        for group in (Group.ALL_OF, Group.ANY_OF, Group.ONE_OF):
            if branches := self.listed(group.value):
                yield Facet(group, self, branches=branches)
        excluded = self.schema("not")
        if excluded is not None:
            yield Facet(Group.NOT, self, branches=(excluded,))
        condition = self.schema("if")
        if condition is not None and (self.has("then") or self.has("else")):
            yield Facet(Group.CONDITION, self, branches=(condition,))

    def _values(self) -> tuple[str, ...] | None:
        listed = self.get("enum")
        found = [json_text.identity(v) for v in listed] if isinstance(listed, list) else None
        if self.has("const"):
            only = json_text.identity(self.get("const"))
            found = [only] if found is None or only in found else []
        return None if found is None else tuple(dict.fromkeys(found))

    def _demands(self, keyword: str) -> bool:
        if not self.has(keyword):
            return False
        value = self.get(keyword)
        nothing = _DEMANDS_NOTHING.get(keyword)
        return value != {} and not (type(value) is type(nothing) and value == nothing)


def _typed(node: Node, name: str) -> Facet:
    if name == "integer":
        return Facet(Group.NUMBER, node, integer=True)
    return Facet(Group(name), node)
