"""Random messages of every API, version and direction, made from the codec's own schemas."""

from __future__ import annotations

import importlib
import os
import random
import zlib
from typing import NamedTuple
from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec import API_RANGES
from sprawl.gateway.codec.compiled import load_schema
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.codec.schema import Api, Field
from sprawl.gateway.codec.schema import Struct as StructSchema

SEED = os.environ.get("SPRAWL_SEED", "")
"""Changes every generated value; empty is what an ordinary run uses."""

INT_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


class Message(NamedTuple):
    """One direction of one API. Its `str` is a test id."""

    api: Api
    is_request: bool

    def __str__(self) -> str:
        return self.schema.name

    @property
    def schema(self) -> StructSchema:
        return self.api.request if self.is_request else self.api.response

    @property
    def versions(self) -> range:
        return range(self.api.versions.low, self.api.versions.high + 1)


MESSAGES = [
    Message(load_schema(info.module), is_request)
    for info in API_RANGES.values()
    for is_request in (True, False)
]


def random_of(*words: object) -> random.Random:
    """A generator that depends on the words and on SPRAWL_SEED only."""
    text = " ".join(map(str, words))
    print(f"SPRAWL_SEED={SEED} {text}")
    return random.Random(zlib.crc32(f"{SEED} {text}".encode()))


class Maker:
    """Builds messages of one version.

    Args:
        unknown_tags: now and then add tagged fields that no version defines.
        ignorable: set fields that this version lacks, where Kafka drops them silently.
    """

    def __init__(
        self,
        message: Message,
        version: int,
        rng: random.Random,
        *,
        unknown_tags: bool = False,
        ignorable: bool = False,
    ) -> None:
        self.message = message
        self.version = version
        self.rng = rng
        self.ignorable = ignorable
        self.unknown_tags = unknown_tags and version in message.api.flexible
        module = message.api.module_name()
        self.classes = importlib.import_module(f"sprawl.gateway.codec._generated.{module}")

    def build(self) -> Struct:
        return self.struct(self.message.schema)

    def struct(self, schema: StructSchema) -> Struct:
        values = {}
        for field in schema.fields:
            if self.version in field.versions:
                if field.tag is None or self.rng.random() < 0.5:
                    values[field.name] = self.value(field)
            elif self.ignorable and field.ignorable:
                values[field.name] = self.value(field)
        if self.unknown_tags and self.rng.random() < 0.3:
            values["unknown_tagged_fields"] = {
                tag: self.rng.randbytes(self.rng.choice((0, 1, 200)))
                for tag in self.rng.sample((50, 127, 128, 70_000, 2**32 - 1), 2)
            }
        return getattr(self.classes, schema.class_name)(**values)

    def value(self, field: Field) -> object:
        if self.version in field.nullable and self.rng.random() < 0.3:
            return None
        if not field.is_array:
            return self.element(field)
        fixed = field.type_name in INT_BITS
        lengths = (0, 1, 3, 126, 127, 128) if fixed else (0, 1, 2)
        return [self.element(field) for _ in range(self.rng.choice(lengths))]

    def element(self, field: Field) -> object:
        rng = self.rng
        if field.struct is not None:
            return self.struct(field.struct)
        if field.type_name in INT_BITS:
            limit = 1 << (INT_BITS[field.type_name] - 1)
            return rng.choice((0, 1, -1, limit - 1, -limit, rng.randrange(-limit, limit)))
        match field.type_name:
            case "uint16":
                return rng.choice((0, 65_535, rng.randrange(65_536)))
            case "bool":
                return rng.random() < 0.5
            case "float64":
                return rng.choice((0.0, -1.5, rng.random() * 1e300))
            case "uuid":
                return rng.choice((ZERO_UUID, UUID(int=rng.getrandbits(128))))
            case "string":
                length = rng.choice((0, 1, 9, 126, 127, 128, rng.randrange(400)))
                return "".join(rng.choice("ab-._7é鍵😀") for _ in range(length))
            case "bytes":
                return rng.randbytes(rng.choice((0, 1, 126, 127, 128, 300)))
            case "records":
                return rng.randbytes(rng.choice((0, 1, 126, 127, 20_000)))
        raise AssertionError(f"no values of type {field.type_name}")
