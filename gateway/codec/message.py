"""What every generated message class shares.

A message is a plain object with slots: no dataclass machinery at import, and an attribute write is
all that a decoder pays for a field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Buffer = bytes | bytearray | memoryview
"""Bytes that the codec writes without copying."""

Records = Buffer | Sequence[Buffer] | None
"""Record batches: one buffer, or several that are written back to back. Decoding gives a
`memoryview` of the frame, which stays alive as long as the view does."""

UNSET: Final[Any] = object()
"""Default of a parameter whose default value must be a new object each time."""


class Struct:
    """Base of the generated classes.

    `unknown_tagged_fields` keeps tagged fields of newer protocol versions (KIP-482), tag -> raw
    bytes, so that a message that is passed on loses nothing; None when there are none.
    """

    __slots__ = ("unknown_tagged_fields",)

    unknown_tagged_fields: dict[int, bytes] | None

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if (self.unknown_tagged_fields or None) != (other.unknown_tagged_fields or None):
            return False
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = [f"{name}={getattr(self, name)!r}" for name in self.__slots__]
        if self.unknown_tagged_fields:
            fields.append(f"unknown_tagged_fields={self.unknown_tagged_fields!r}")
        return f"{type(self).__name__}({', '.join(fields)})"
