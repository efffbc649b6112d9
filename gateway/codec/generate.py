"""Write `_generated/`: one module of message classes an API, and the table of version ranges.

Run `python -m sprawl.gateway.codec.generate` after a change to `schemas/`; with `--check` nothing
is written and the exit status is 1 when a committed file differs from what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from sprawl.gateway.codec.schema import Api, Field, Struct, Versions, parse_api

FOLDER: Final = Path(__file__).parent
GENERATED: Final = FOLDER / "_generated"
SCHEMAS: Final = FOLDER / "schemas"
NEVER: Final = 32_767
"""`flexible_from` of an API that has no flexible version."""

_PYTHON_TYPES: Final = {
    "bool": "bool",
    "int8": "int",
    "int16": "int",
    "uint16": "int",
    "int32": "int",
    "uint32": "int",
    "int64": "int",
    "float64": "float",
    "uuid": "UUID",
    "string": "str",
    "bytes": "bytes",
    "records": "Records",
}
_HEADING: Final = (
    "# Written by `python -m sprawl.gateway.codec.generate` from {source}; do not edit."
)


def load_apis() -> list[Api]:
    """Every API of `schemas/`, by key."""
    apis = [parse_api(path.read_text("utf-8")) for path in sorted(SCHEMAS.glob("*.kafka"))]
    return sorted(apis, key=lambda api: api.key)


def render_all() -> dict[str, str]:
    """File name in `_generated/` -> text."""
    apis = load_apis()
    files = {f"{api.module_name()}.py": render_module(api) for api in apis}
    files["api_ranges.py"] = _render_ranges(apis)
    files["__init__.py"] = (
        '"""Message classes, generated from `schemas/`; never edited by hand."""\n'
    )
    return files


def render_module(api: Api) -> str:
    """The module of one API: its classes, inner structs first."""
    classes: dict[str, Struct] = {}
    for root in (api.request, api.response):
        _collect(root, classes)
    rendered = [_render_class(struct) for struct in classes.values()]
    body = "\n\n".join(rendered)
    lines = [
        _HEADING.format(source=f"schemas/{api.module_name()}.kafka"),
        f'"""{api.name} (key {api.key}), versions {api.versions.low}-{api.versions.high}.'
        + (f"\n\n{api.doc}\n" if api.doc else "")
        + '"""',
        "",
        "from __future__ import annotations",
        "",
    ]
    if "UUID" in body:
        lines += ["from uuid import UUID", ""]
        lines.append("from sprawl.core.ids import ZERO_UUID")
    names = [name for name in ("UNSET", "Records", "Struct") if name in body]
    lines += [f"from sprawl.gateway.codec.message import {', '.join(names)}", "", "", body]
    return "\n".join(lines)


def _collect(struct: Struct, classes: dict[str, Struct]) -> None:
    for field in struct.fields:
        if field.struct is not None:
            _collect(field.struct, classes)
    classes[struct.class_name] = struct


def _annotation(field: Field) -> str:
    inner = _PYTHON_TYPES.get(field.type_name)
    if field.struct is not None:
        inner = field.struct.class_name
    assert inner is not None
    text = f"list[{inner}]" if field.is_array else inner
    nullable = field.nullable.low <= field.nullable.high or field.default is None
    return f"{text} | None" if nullable and inner != "Records" else text


def _default(field: Field) -> tuple[str, str]:
    """The parameter's default, and the expression that makes a fresh value of it."""
    if field.default is None:
        return "None", ""
    if field.is_array:
        return "UNSET", "[]"
    if field.struct is not None:
        return "UNSET", f"{field.struct.class_name}()"
    if field.type_name == "uuid":
        return "ZERO_UUID", ""
    if field.type_name == "bytes":
        return 'b""', ""
    if isinstance(field.default, str):
        return f'"{field.default}"', ""
    return repr(field.default), ""


def _comment(field: Field, struct_versions: Versions) -> str:
    """What the field means, and what becomes of it in the versions that lack it."""
    if field.versions == struct_versions:
        return f"  # {field.doc}" if field.doc else ""
    low, high = field.versions
    span = (
        f"v{low}+"
        if high == struct_versions.high
        else f"v{low}-{high}"
        if low < high
        else f"v{low}"
    )
    fate = "dropped" if field.ignorable else "refused"
    return f"  # {field.doc} ({span}, {fate} elsewhere)"


def _render_class(struct: Struct) -> str:
    slots = "".join(f'\n        "{field.name}",' for field in struct.fields) + "\n    "
    lines = [f"class {struct.class_name}(Struct):", f"    __slots__ = ({slots})", ""]
    for field in struct.fields:
        comment = _comment(field, struct.versions)
        lines.append(f"    {field.name}: {_annotation(field)}{comment}")
    lines += ["", "    def __init__(", "        self,", "        *,"]
    body = []
    for field in struct.fields:
        default, fresh = _default(field)
        lines.append(f"        {field.name}: {_annotation(field)} = {default},")
        value = f"{fresh} if {field.name} is UNSET else {field.name}" if fresh else field.name
        body.append(f"        self.{field.name} = {value}")
    lines += ["        unknown_tagged_fields: dict[int, bytes] | None = None,", "    ) -> None:"]
    body.append("        self.unknown_tagged_fields = unknown_tagged_fields")
    return "\n".join(lines + body) + "\n"


def _render_ranges(apis: list[Api]) -> str:
    lines = [
        _HEADING.format(source="schemas/"),
        '"""Key, name, first, last stable, last known and first flexible version, module."""',
        "",
        "RANGES: tuple[tuple[int, str, int, int, int, int, str], ...] = (",
    ]
    for api in apis:
        flexible = api.flexible.low if api.flexible.high >= 0 else NEVER
        row = (
            api.key,
            api.name,
            api.versions.low,
            api.stable_max,
            api.versions.high,
            flexible,
            api.module_name(),
        )
        lines.append(f"    {row!r},".replace("'", '"'))
    return "\n".join([*lines, ")", ""])


def main(arguments: list[str]) -> int:
    """Write the files, or compare them. Returns the exit status."""
    check = arguments == ["--check"]
    if arguments and not check:
        sys.stderr.write("usage: python -m sprawl.gateway.codec.generate [--check]\n")
        return 2
    wanted = render_all()
    present = {path.name: path.read_text("utf-8") for path in GENERATED.glob("*.py")}
    stale = sorted(
        name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
    )
    if check:
        for name in stale:
            sys.stderr.write(f"_generated/{name} is stale: run sprawl.gateway.codec.generate\n")
        return 1 if stale else 0
    GENERATED.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (GENERATED / name).write_text(wanted[name], "utf-8")
        else:
            (GENERATED / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
