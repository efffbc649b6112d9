"""`format=resolved`: one schema that needs no other, with what it refers to as definitions. Pure.

Registered schemas are embedded whole, each with an `$id` of its own, so that what they say of
themselves stays true; recursion stays possible. A `$ref` keeps its words where these still lead to
the same schema, and has the `$id` of its target elsewhere.

Source: JSON Schema 2020-12 core, section 9.3 (compound documents).
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urldefrag, urljoin

from sprawl.schema_registry.json_schema import dialects
from sprawl.schema_registry.json_schema.dialects import Draft
from sprawl.schema_registry.json_schema.documents import Documents, Place
from sprawl.schema_registry.json_schema.json_text import Json


class _Reach(NamedTuple):
    """What a schema reaches: names of registered ones, and references that need other words.

    Args:
        changed: by the identity of the object they stand in: keyword and new text.
    """

    names: list[str]
    changed: dict[int, dict[str, str]]


def bundle(documents: Documents) -> Json:
    """The schema with all registered ones that it reaches."""
    root = documents.root
    reach = _reach(documents)
    if not reach.names:
        return root.value
    result = _copied(root.value, reach)
    assert isinstance(result, dict), "only an object refers to something"
    holder = "definitions" if root.draft < Draft.D2019_09 else "$defs"
    held = result.get(holder)
    definitions: dict[str, Json] = dict(held) if isinstance(held, dict) else {}
    for name in reach.names:
        uri, value = documents.named[name]
        draft = dialects.draft_of(value, root.draft)
        embedded = _identified(_copied(value, reach), uri, documents.base, draft)
        definitions[_free(name, definitions)] = embedded
    result[holder] = definitions
    return result


def _reach(documents: Documents) -> _Reach:
    reach = _Reach([], {})
    seen: set[int] = set()
    waiting: list[tuple[Place, str]] = [(documents.root, documents.base)]
    for place, around in waiting:
        if not isinstance(place.value, dict) or id(place.value) in seen:
            continue
        seen.add(id(place.value))
        base = urljoin(around, dialects.identifier(place.value, place.draft) or "")
        waiting.extend((place.child(value), base) for _, value in place.subschemas())
        for keyword, says in place.references():
            written, fragment = urldefrag(says)
            uri = urljoin(base, written) if written else base
            name = written if written in documents.named else documents.name_of(uri)
            if name is not None:
                meant = documents.named[name][0]
                if name not in reach.names:
                    reach.names.append(name)
                if uri != meant:
                    text = f"{meant}#{fragment}" if fragment else meant
                    reach.changed.setdefault(id(place.value), {})[keyword] = text
                uri = meant
                waiting.append((documents.document(name), uri))
            if (target := documents.target(place, says)) is not None:
                waiting.append((target, uri))
    return reach


def _copied(value: Json, reach: _Reach) -> Json:
    if isinstance(value, dict):
        changed = reach.changed.get(id(value), {})
        return {key: changed.get(key, _copied(item, reach)) for key, item in value.items()}
    return [_copied(item, reach) for item in value] if isinstance(value, list) else value


def _identified(value: Json, uri: str, base: str, draft: Draft) -> Json:
    """An embedded schema under the URI that references to it resolve to."""
    if not isinstance(value, dict):
        value = {} if value else {"not": {}}
    own = dialects.identifier(value, draft)
    if own is not None and urljoin(base, own) == uri:
        return value
    keyword = "id" if draft is Draft.D4 else "$id"
    return {keyword: uri, **{key: item for key, item in value.items() if key != keyword}}


def _free(name: str, definitions: dict[str, Json]) -> str:
    free = name
    number = 2
    while free in definitions:
        free = f"{name} {number}"
        number += 1
    return free
