"""`format=resolved`: one schema that needs no other, with what it refers to as definitions. Pure.

Registered schemas are embedded whole, each with an `$id` of its own, so that what they say of
themselves stays true; recursion stays possible. A `$ref` keeps its words where these still lead to
the same schema, and has the `$id` of its target elsewhere.

Source: JSON Schema 2020-12 core, section 9.3 (compound documents).
"""

from __future__ import annotations

from urllib.parse import urljoin

from sprawl.schema_registry.json_schema import dialects
from sprawl.schema_registry.json_schema.dialects import Draft
from sprawl.schema_registry.json_schema.documents import REFERRING, Documents, Place
from sprawl.schema_registry.json_schema.json_text import Json


def bundle(documents: Documents) -> Json:
    """The schema with all registered ones that it reaches."""
    used = _used(documents)
    root = documents.root.value
    if not used or not isinstance(root, dict):
        return root
    holder = "definitions" if documents.root.draft < Draft.D2019_09 else "$defs"
    base = _identifier(root, documents.root.draft) or ""
    result = _rewritten(documents, root, base, documents.root.draft)
    assert isinstance(result, dict), "an object is copied as one"
    held = result.get(holder)
    definitions: dict[str, Json] = dict(held) if isinstance(held, dict) else {}
    for name in used:
        uri, value = documents.named[name]
        draft = dialects.draft_of(value, documents.root.draft)
        inside = _rewritten(documents, value, uri, draft)
        definitions[_free(name, definitions)] = _identified(inside, uri, draft)
    result[holder] = definitions
    return result


def _used(documents: Documents) -> list[str]:
    """The names of registered schemas that are reached, in the order they are met."""
    found: list[str] = []
    seen: set[int] = set()
    waiting: list[Place] = [documents.root]
    while waiting:
        place = waiting.pop(0)
        if id(place.value) in seen:
            continue
        seen.add(id(place.value))
        waiting.extend(place.child(value) for _, value in place.subschemas())
        for _, says in place.references():
            name = says.partition("#")[0]
            target = documents.target(place, says)
            owner = name if name in documents.named else _owner(documents, place, says)
            if owner is not None and owner not in found:
                found.append(owner)
                waiting.append(documents.document(owner))
            if target is not None:
                waiting.append(target)
    return found
