"""Compare `schemas/` with Kafka's own message definitions, field by field.

Run `python -m sprawl.gateway.codec.check_reference [--messages DIR]`. DIR holds Kafka's JSON files;
they are not part of this project, and without them the check says that it was skipped. The exit
status is 1 when a schema differs.

Compared: versions, flexible versions, and for every field its order, name, type, versions,
nullable versions, tag, default and whether it is ignorable. Ranges count as far as the API's own
versions go: a field "0+" and one "3+" are the same in an API that starts at 3.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sprawl.gateway.codec.generate import load_apis
from sprawl.gateway.codec.schema import (
    FIXED_SIZES,
    NO_VERSIONS,
    Api,
    Default,
    Field,
    Struct,
    Versions,
    parse_versions,
    snake_case,
)

DEFAULT_MESSAGES: Final = (
    Path(__file__).resolve().parents[3] / "shared" / "reference" / "kafka-messages"
)

Definition = Mapping[str, Any]
"""One object of Kafka's JSON."""


def find_differences(messages: Path) -> list[str]:
    """One line for each difference between our schemas and the JSON files of `messages`."""
    differences: list[str] = []
    for api in load_apis():
        for direction, struct in (("Request", api.request), ("Response", api.response)):
            path = messages / f"{api.name}{direction}.json"
            if path.exists():
                definition = load_definition(path)
                differences += _compare_message(api, struct, definition)
            else:
                differences.append(f"{api.name}{direction}: the reference has no such message")
    return differences


def load_definition(path: Path) -> Definition:
    """A JSON file with `//` comments, which JSON itself does not have."""
    text = re.sub(r"(?m)(^|\s)//.*$", "", path.read_text("utf-8"))
    definition = json.loads(text)
    assert isinstance(definition, dict)
    return definition


def _versions(text: str | None, within: Versions) -> Versions:
    return NO_VERSIONS if text in (None, "none") else parse_versions(text).clamp(within)


def _compare_message(api: Api, struct: Struct, definition: Definition) -> list[str]:
    label = struct.name
    valid = _versions(definition["validVersions"], Versions(0, 32_767))
    flexible = _versions(definition["flexibleVersions"], valid)
    stable = valid.high - bool(definition.get("latestVersionUnstable"))
    facts = [
        ("api key", api.key, definition["apiKey"]),
        ("name", struct.name, definition["name"]),
        ("versions", api.versions, valid),
        ("flexible versions", api.flexible.clamp(api.versions), flexible),
    ]
    if struct is api.request:
        facts.append(("last stable version", api.stable_max, stable))
    common = {entry["name"]: entry["fields"] for entry in definition.get("commonStructs", [])}
    return _differing(label, facts) + _compare_fields(
        label, struct.fields, definition["fields"], common, api.versions
    )


def _compare_fields(
    label: str,
    fields: Sequence[Field],
    definitions: Sequence[Definition],
    common: Mapping[str, Sequence[Definition]],
    within: Versions,
) -> list[str]:
    expected = [entry for entry in definitions if _versions(entry["versions"], within).high >= 0]
    names = [snake_case(entry["name"]) for entry in expected]
    if [field.name for field in fields] != names:
        return [f"{label}: fields {[field.name for field in fields]}, reference {names}"]
    differences = []
    for field, entry in zip(fields, expected, strict=True):
        differences += _compare_field(f"{label}.{field.name}", field, entry, common, within)
    return differences


def _compare_field(
    label: str,
    field: Field,
    entry: Definition,
    common: Mapping[str, Sequence[Definition]],
    within: Versions,
) -> list[str]:
    versions = _versions(entry["versions"], within)
    type_name = entry["type"].removeprefix("[]")
    tagged = _versions(entry.get("taggedVersions"), versions)
    facts = [
        ("type", field.type_name, type_name),
        ("array", field.is_array, entry["type"].startswith("[]")),
        ("versions", field.versions.clamp(within), versions),
        (
            "nullable",
            field.nullable.clamp(versions),
            _versions(entry.get("nullableVersions"), versions),
        ),
        ("tag", field.tag, entry.get("tag")),
        ("tagged", versions if field.tag is not None else NO_VERSIONS, tagged),
        ("default", field.default, _reference_default(entry)),
        ("ignorable", field.ignorable, bool(entry.get("ignorable"))),
    ]
    differences = _differing(label, facts)
    if field.struct is not None:
        inner = entry.get("fields") or common[type_name]
        differences += _compare_fields(label, field.struct.fields, inner, common, versions)
    return differences


def _differing(label: str, facts: Sequence[tuple[str, object, object]]) -> list[str]:
    return [
        f"{label}: {what} is {ours!r}, reference {theirs!r}"
        for what, ours, theirs in facts
        if ours != theirs
    ]


def _reference_default(entry: Definition) -> Default:
    """Kafka's default: what the definition says, else zero, false, empty, or null for records."""
    value, type_name = entry.get("default"), entry["type"]
    if value == "null" or (type_name == "records" and value is None):
        return None
    if type_name == "bool":
        return str(value).lower() == "true"
    if type_name == "float64":
        return float(value or 0)
    if type_name in FIXED_SIZES and type_name != "uuid":
        return int(str(value or 0), 0)
    return "" if value is None else str(value)


def main(arguments: list[str]) -> int:
    """Print the differences. Returns the exit status."""
    messages = DEFAULT_MESSAGES
    if arguments:
        if len(arguments) != 2 or arguments[0] != "--messages":
            sys.stderr.write("usage: check_reference [--messages DIR]\n")
            return 2
        messages = Path(arguments[1])
    if not messages.is_dir():
        sys.stdout.write(f"skipped: there are no message definitions in {messages}\n")
        return 0
    differences = find_differences(messages)
    for line in differences:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(differences)} differences in {len(load_apis())} APIs\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
