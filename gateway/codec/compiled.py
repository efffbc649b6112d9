"""Encoders and decoders: generated from the schema when first used, then kept.

One function an (API, version, direction). The generated source is registered with `linecache`, so
that a traceback shows the line of the field at fault.
"""

from __future__ import annotations

import importlib
import linecache
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec import primitives
from sprawl.gateway.codec.decoder import DecoderSource
from sprawl.gateway.codec.encoder import EncoderSource
from sprawl.gateway.codec.message import Buffer, Struct
from sprawl.gateway.codec.schema import Api, parse_api
from sprawl.gateway.codec.schema import Struct as StructSchema

Decoder = Callable[[memoryview, int, int], tuple[Struct, int]]
Encoder = Callable[[Struct, bytes], list[Buffer]]

_SCHEMAS: Final = Path(__file__).parent / "schemas"
_SHARED_NAMES: Final[dict[str, object]] = {
    "BUFFERS": (bytes, bytearray, memoryview),
    "BYTES": [bytes([value]) for value in range(128)],
    "ZERO_UUID": ZERO_UUID,
    "bad_count": primitives.bad_count,
    "bad_length": primitives.bad_length,
    "bad_tag": primitives.bad_tag,
    "encode_tags": primitives.encode_tags,
    "join": bytearray().join,
    "new": object.__new__,
    "not_in_version": primitives.not_in_version,
    "pack": struct.pack,
    "read_length": primitives.read_length,
    "read_uvarint": primitives.read_uvarint,
    "too_long": primitives.too_long,
    "unpack_from": struct.unpack_from,
    "uuid_of": primitives.uuid_of,
    "uvarint": primitives.uvarint,
}


@cache
def load_schema(module: str) -> Api:
    """Schema of the API whose generated module has this name."""
    return parse_api((_SCHEMAS / f"{module}.kafka").read_text("utf-8"))


def compile_decoder(module: str, version: int, *, is_request: bool) -> Decoder:
    """Decoder of one message in one version, which the API must have."""
    schema, flexible, names = _prepare(module, version, is_request=is_request)
    source, formats = DecoderSource(version, flexible=flexible).build(schema)
    for letters, number in formats.items():
        names[f"u{number}"] = struct.Struct(f">{letters}").unpack_from
    decode: Decoder = _execute(source, names, f"<decode {schema.name} v{version}>")["decode"]
    return decode


def compile_encoder(module: str, version: int, *, is_request: bool) -> Encoder:
    """Encoder of one message in one version, which the API must have."""
    schema, flexible, names = _prepare(module, version, is_request=is_request)
    source, formats = EncoderSource(version, flexible=flexible).build(schema)
    for letters, number in formats.items():
        names[f"p{number}"] = struct.Struct(f">{letters}").pack
    encode: Encoder = _execute(source, names, f"<encode {schema.name} v{version}>")["encode"]
    return encode


def _prepare(
    module: str, version: int, *, is_request: bool
) -> tuple[StructSchema, bool, dict[str, object]]:
    api = load_schema(module)
    classes = importlib.import_module(f"sprawl.gateway.codec._generated.{module}")
    schema = api.request if is_request else api.response
    return schema, version in api.flexible, {**vars(classes), **_SHARED_NAMES}


def _execute(source: str, names: dict[str, object], filename: str) -> dict[str, Any]:
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), names)  # noqa: S102  # our own generator wrote it
    return names
