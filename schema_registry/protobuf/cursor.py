"""The place in a text that is being parsed, and the small steps from there. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sprawl.schema_registry.protobuf.limits import (
    FULL_NAME_CHARACTERS_MAX,
    NESTING_MAX,
    NUMBER_DIGITS_MAX,
)
from sprawl.schema_registry.protobuf.scanning import Lines, Token, fault, scan, unquote
from sprawl.schema_registry.schemas import InvalidSchema

_Item = TypeVar("_Item")


class Cursor:
    """The place in the text, and the small steps from there."""

    def __init__(self, text: str) -> None:
        self._lines = Lines(text)
        self._tokens = scan(text, self._lines)
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    @property
    def line(self) -> int:
        return self._lines.of(self.next.at)

    @property
    def following(self) -> Token:
        """The one after the next."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def sees(self, *spellings: str) -> bool:
        """The next token is one of these; strings are never."""
        return self.next.kind != "text" and self.next.spelling in spellings

    def takes(self, spelling: str) -> bool:
        """Goes past the next token if it is this one."""
        if not self.sees(spelling):
            return False
        self._at += 1
        return True

    def expects(self, spelling: str) -> None:
        if not self.takes(spelling):
            raise self.unexpected(f'"{spelling}"')

    def unexpected(self, wanted: str) -> InvalidSchema:
        token = self.next
        seen = f'"{token.spelling[:40]}"' if token.spelling else "the end of the text"
        return fault(self._lines.of(token.at), f"expected {wanted}, found {seen}")

    def advance(self) -> Token:
        token = self.next
        self._at += 1
        return token

    def deeper(self) -> None:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise fault(self.line, f"more than {NESTING_MAX} levels of nesting")

    def back(self) -> None:
        self._depth -= 1

    def word(self, what: str) -> str:
        if self.next.kind != "word":
            raise self.unexpected(what)
        return self.advance().spelling

    def dotted(self, what: str) -> str:
        """`a.b.c`, or `.a.b.c`."""
        parts = [""] if self.takes(".") else []
        parts.append(self.word(what))
        while self.takes("."):
            parts.append(self.word(what))
        name = ".".join(parts)
        if len(name) > FULL_NAME_CHARACTERS_MAX:
            raise fault(self.line, f"a name has more than {FULL_NAME_CHARACTERS_MAX} characters")
        return name

    def integer(self, what: str) -> int:
        """A number without sign: decimal, `0x` hexadecimal or `0` octal."""
        spelling = self.next.spelling
        if (
            self.next.kind != "number"
            or not spelling.isalnum()
            or len(spelling) > NUMBER_DIGITS_MAX
        ):
            raise self.unexpected(what)
        try:
            number = parse_integer(spelling)
        except ValueError:
            raise self.unexpected(what) from None
        self.advance()
        return number

    def string(self, what: str) -> bytes:
        """One literal, or several in a row that count as one."""
        if self.next.kind != "text":
            raise self.unexpected(what)
        pieces = []
        while self.next.kind == "text":
            line = self.line
            pieces.append(unquote(self.advance().spelling, line))
        return b"".join(pieces)

    def name_string(self, what: str) -> str:
        line = self.line
        try:
            return self.string(what).decode()
        except UnicodeDecodeError:
            raise fault(line, f"{what} is no UTF-8") from None

    def separated(self, item: Callable[[], _Item]) -> tuple[_Item, ...]:
        """One or more, with commas between."""
        found = [item()]
        while self.takes(","):
            found.append(item())
        return tuple(found)


def parse_integer(spelling: str) -> int:
    """The value of an integer literal.

    Raises:
        ValueError: it is none.
    """
    if len(spelling) > NUMBER_DIGITS_MAX:
        raise ValueError("too long")
    sign, digits = (-1, spelling[1:]) if spelling.startswith("-") else (1, spelling)
    if digits[:2] in ("0x", "0X"):
        return sign * int(digits[2:], 16)
    return sign * int(digits, 8 if len(digits) > 1 and digits.startswith("0") else 10)
