"""Parsed schemas, kept so that a text is parsed once. What is in it never changes an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sprawl.schema_registry.model import limits
from sprawl.schema_registry.schemas import (
    InvalidSchema,
    Parsed,
    Reference,
    SchemaFormat,
    SchemaType,
)


class _Kept(NamedTuple):
    parsed: Parsed
    chars_count: int


class ParsedSchemas:
    """The three schema types, behind a cache of what they parsed; the least used goes first.

    Args:
        formats: of the types that this node knows.
    """

    def __init__(
        self,
        formats: Mapping[SchemaType, SchemaFormat],
        *,
        schemas_max: int = limits.PARSED_SCHEMAS_MAX,
        chars_max: int = limits.PARSED_CHARS_MAX,
    ) -> None:
        self._formats = formats
        self._schemas_max = schemas_max
        self._chars_max = chars_max
        self._kept: dict[bytes, _Kept] = {}
        self._prints: dict[bytes, bytes] = {}
        self._chars_count = 0

    @property
    def count(self) -> int:
        return len(self._kept)

    def format_of(self, schema_type: str) -> SchemaFormat:
        """Raises: InvalidSchema when this node does not know the type."""
        try:
            return self._formats[SchemaType(schema_type)]
        except (ValueError, KeyError):
            raise InvalidSchema(f"Invalid schema type {schema_type}") from None

    def parse(
        self,
        schema_type: str,
        text: str,
        references: Sequence[Reference],
        texts: Mapping[str, str],
    ) -> Parsed:
        """`SchemaFormat.parse`, or what it gave before for the same arguments.

        Raises:
            InvalidSchema: also when this node does not know the type.
        """
        schema_format = self.format_of(schema_type)
        key = _digest_of(schema_type, text, references, texts)
        kept = self._kept.pop(key, None)
        if kept is None:
            chars_count = len(text) + sum(map(len, texts.values()))
            kept = _Kept(schema_format.parse(text, references, texts), chars_count)
            self._chars_count += chars_count
        self._kept[key] = kept
        self._evict()
        return kept.parsed

    def prints_as(
        self,
        schema_type: str,
        text: str,
        references: Sequence[Reference],
        texts: Mapping[str, str],
        canonical: str,
    ) -> bool:
        """Whether a text is another spelling of a canonical one. Remembered for far more schemas
        than are kept parsed, so that a subject with many versions is not parsed again and again.

        Raises:
            InvalidSchema: as `parse`.
        """
        key = _digest_of(schema_type, text, references, texts)
        printed = self._prints.pop(key, None)
        if printed is None:
            printed = _digest_of_text(self.parse(schema_type, text, references, texts).canonical)
        self._prints[key] = printed
        if len(self._prints) > limits.PRINTED_SCHEMAS_MAX:
            del self._prints[next(iter(self._prints))]
        return printed == _digest_of_text(canonical)

    def _evict(self) -> None:
        while len(self._kept) > self._schemas_max or self._chars_count > self._chars_max:
            oldest = self._kept.pop(next(iter(self._kept)))
            self._chars_count -= oldest.chars_count


def _digest_of(
    schema_type: str, text: str, references: Sequence[Reference], texts: Mapping[str, str]
) -> bytes:
    digest = hashlib.blake2b(digest_size=20)
    parts = [schema_type, text, repr(tuple(references))]
    for name in sorted(texts):
        parts += (name, texts[name])
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def _digest_of_text(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest()
