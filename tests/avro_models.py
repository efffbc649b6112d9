"""Random Avro schemas, neighbours of them, and data of them, for tests that compare verdicts.

A model is a table of named types, whose parts refer to each other by name, and a root. Records
refer to records of a later number only, or through an array, a map or a union with null; so data
ends.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NESTED_MAX = 4
DEFAULTS: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "int": 1,
    "long": 2,
    "float": 1.5,
    "double": 0.25,
    "bytes": "b",
    "string": "s",
}


@dataclass(kw_only=True)
class Model:
    """A schema before it is text.

    Args:
        root: a name, or a JSON object whose parts are such.
        types: by name; `R1`, `R2` are records, `E1` an enum, `F1` a fixed.
    """

    root: Any = None
    types: dict[str, dict[str, Any]] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(self._placed(self.root, set()))

    def _placed(self, node: Any, defined: set[str]) -> Any:
        if isinstance(node, str):
            if node in PRIMITIVES or node in defined:
                return node
            defined.add(node)
            definition = dict(self.types[node])
            if "fields" in definition:
                definition["fields"] = [
                    {**item, "type": self._placed(item["type"], defined)}
                    for item in definition["fields"]
                ]
            return definition
        if isinstance(node, list):
            return [self._placed(branch, defined) for branch in node]
        part = "items" if node["type"] == "array" else "values"
        return {**node, part: self._placed(node[part], defined)}


def model(rng: Random, *, unions: bool) -> Model:
    """A schema of up to three records, two enums and two fixed."""
    made = Model()
    for number in (1, 2):
        symbols = ["A", "B", "C"][: rng.randint(1, 3)]
        made.types[f"E{number}"] = {"type": "enum", "name": f"E{number}", "symbols": symbols}
        made.types[f"F{number}"] = {
            "type": "fixed",
            "name": f"F{number}",
            "size": rng.randint(1, 3),
        }
    for number in (1, 2, 3):
        made.types[f"R{number}"] = {
            "type": "record",
            "name": f"R{number}",
            "fields": [
                {"name": name, "type": _node(rng, number, unions=unions)}
                for name in "abc"[: rng.randint(0, 3)]
            ],
        }
    made.root = "R1" if rng.random() < 0.7 else _node(rng, 0, unions=unions)
    return made


def _node(rng: Random, record: int, *, unions: bool, depth: int = 0) -> Any:
    kinds = ["primitive", "primitive", "enum", "fixed"]
    if depth < 2:
        kinds += ["array", "map"] + ["union"] * unions
    if depth or record < 3:
        kinds += ["record"] * 2
    match rng.choice(kinds):
        case "enum":
            return rng.choice(("E1", "E2"))
        case "fixed":
            return rng.choice(("F1", "F2"))
        case "record":
            return f"R{rng.randint(1 if depth else record + 1, 3)}"
        case "array":
            return {"type": "array", "items": _node(rng, record, unions=unions, depth=depth + 1)}
        case "map":
            return {"type": "map", "values": _node(rng, record, unions=unions, depth=depth + 1)}
        case "union":
            return _union(rng, record, depth)
        case _:
            return rng.choice(PRIMITIVES)


def _union(rng: Random, record: int, depth: int) -> list[Any]:
    branches: dict[str, Any] = {"null": "null"}
    for _ in range(rng.randint(0, 3)):
        branch = _node(rng, record, unions=False, depth=max(depth, 1))
        branches.setdefault(branch if isinstance(branch, str) else branch["type"], branch)
    shuffled = list(branches.values())
    rng.shuffle(shuffled)
    return shuffled


def neighbour(rng: Random, old: Model, *, unions: bool) -> Model:
    """The schema after a few edits of the kind that people make."""
    new = copy.deepcopy(old)
    for _ in range(rng.randint(0, 3)):
        name = rng.choice([*new.types])
        match name[0]:
            case "E":
                _edit_enum(rng, new.types[name])
            case "F":
                new.types[name]["size"] = rng.randint(1, 3)
            case _:
                _edit_record(rng, new.types[name], unions=unions)
    if rng.random() < 0.1:
        new.root = _edited(rng, new.root, unions=unions)
    if rng.random() < 0.2:
        _rename(rng, new)
    return new


def _edit_enum(rng: Random, enum: dict[str, Any]) -> None:
    match rng.randint(0, 2):
        case 0:
            enum["symbols"] = enum["symbols"][: rng.randint(1, 3)]
            enum.pop("default", None)
        case 1:
            enum["default"] = rng.choice(enum["symbols"])
        case _:
            enum["symbols"] = ["C", "D", "A", "B"]


def _edit_record(rng: Random, record: dict[str, Any], *, unions: bool) -> None:
    fields = record["fields"]
    match rng.randint(0, 5):
        case 0:
            added: dict[str, Any] = {"name": "d", "type": rng.choice(PRIMITIVES)}
            if rng.random() < 0.6:
                added["default"] = DEFAULTS[added["type"]]
            fields[:] = [*(item for item in fields if item["name"] != "d"), added]
        case 1 if fields:
            fields.pop(rng.randrange(len(fields)))
        case 2 if fields:
            renamed = rng.choice(fields)
            if rng.random() < 0.7:
                renamed["aliases"] = [renamed["name"]]
            renamed["name"] = "e" + renamed["name"]
        case 3:
            rng.shuffle(fields)
        case _ if fields:
            edited = rng.choice(fields)
            edited.pop("default", None)
            edited["type"] = _edited(rng, edited["type"], unions=unions)
        case _:
            pass


def _edited(rng: Random, node: Any, *, unions: bool) -> Any:
    if isinstance(node, list):
        shorter = node[1:] if rng.random() < 0.4 else node
        if rng.random() < 0.4 and "string" not in shorter:
            return [*shorter, "string"]
        return shorter if len(shorter) != 1 or rng.random() < 0.5 else shorter[0]
    if isinstance(node, dict):
        part = "items" if node["type"] == "array" else "values"
        return {**node, part: _edited(rng, node[part], unions=False)}
    if unions and rng.random() < 0.4 and node != "null":
        return ["null", node]
    if node in PRIMITIVES:
        promoted = {"int": "long", "long": "double", "float": "double", "string": "bytes"}
        return promoted.get(node, node) if rng.random() < 0.7 else rng.choice(PRIMITIVES)
    return node if rng.random() < 0.7 else rng.choice(("F1", "E1", "E2", "int"))


def _rename(rng: Random, new: Model) -> None:
    name = rng.choice([*new.types])
    renamed = new.types[name]
    if rng.random() < 0.7:
        renamed["aliases"] = [name]
    renamed["name"] = name + "x"
    new.types = {
        (key + "x" if key == name else key): _renamed(definition, name)
        for key, definition in new.types.items()
    }
    new.root = _renamed(new.root, name)


def _renamed(node: Any, name: str) -> Any:
    match node:
        case str():
            return node + "x" if node == name else node
        case list():
            return [_renamed(branch, name) for branch in node]
        case {"type": "record", "fields": fields}:
            return {
                **node,
                "fields": [{**item, "type": _renamed(item["type"], name)} for item in fields],
            }
        case {"type": "array", "items": items}:
            return {**node, "items": _renamed(items, name)}
        case {"type": "map", "values": values}:
            return {**node, "values": _renamed(values, name)}
    return node


def datum(model: Model, node: Any, turn: int, depth: int = 0) -> Any:
    """A value of a type as fastavro writes it: over enough turns every symbol and every branch is
    had somewhere."""
    match node:
        case "null":
            return None
        case "boolean":
            return turn % 2 == 0
        case "int" | "long":
            return turn
        case "float" | "double":
            return turn + 0.5
        case "bytes":
            return b"x" * turn
        case "string":
            return "x" * turn
        case str():
            return _named_datum(model, model.types[node], turn, depth)
        case list():
            branch = "null" if depth > NESTED_MAX and "null" in node else node[turn % len(node)]
            value = datum(model, branch, turn // len(node) + depth, depth + 1)
            return branch if isinstance(branch, str) else branch["type"], value
        case {"type": "array"}:
            return [] if depth > NESTED_MAX else [datum(model, node["items"], turn, depth + 1)]
        case _:
            return (
                {} if depth > NESTED_MAX else {"k": datum(model, node["values"], turn, depth + 1)}
            )


def _named_datum(model: Model, named: dict[str, Any], turn: int, depth: int) -> Any:
    match named["type"]:
        case "enum":
            return named["symbols"][turn % len(named["symbols"])]
        case "fixed":
            return b"f" * named["size"]
        case _:
            return {
                item["name"]: datum(model, item["type"], turn + index, depth + 1)
                for index, item in enumerate(named["fields"])
            }
