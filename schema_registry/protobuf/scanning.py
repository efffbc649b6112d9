"""From text to tokens. Pure; linear in the text whatever stands in it.

Source: protobuf.dev, "Lexical elements" of the language specification.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from sprawl.schema_registry.protobuf.limits import TOKENS_MAX
from sprawl.schema_registry.schemas import InvalidSchema

_TOKEN = re.compile(
    r"""
      [ \t\r\n\v\f]++
    | //[^\n]*+
    | (?P<comment>/\*[^*]*+(?:\*(?!/)[^*]*+)*+\*/)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | (?P<number>0[xX][0-9a-fA-F]++
        | (?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)
    | (?P<text>"[^"\\\n\0]*+(?:\\.[^"\\\n\0]*+)*+"|'[^'\\\n\0]*+(?:\\.[^'\\\n\0]*+)*+')
    | (?P<symbol>[{}()\[\]<>;:,.=/\-])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{1,2})|(?P<octal>[0-7]{1,3})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<letter>.))",
    re.IGNORECASE | re.DOTALL,
)
_LETTERS = dict(zip("abfnrtv\\'\"?", "\a\b\f\n\r\t\v\\'\"?", strict=True))


class Token(NamedTuple):
    """A piece of the text.

    Args:
        kind: "word", "number", "text" (quotes still on), "symbol" or "end".
        at: its offset in the text.
    """

    kind: str
    spelling: str
    at: int


class Lines:
    """Which line an offset is in."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def of(self, at: int) -> int:
        return bisect_right(self._starts, at)


def fault(line: int, message: str) -> InvalidSchema:
    """The error about something in one line; 0 where there are no lines."""
    return InvalidSchema(f"line {line}: {message}" if line else message)


def scan(text: str, lines: Lines) -> list[Token]:
    """Cut a text into tokens, the last of them "end".

    Raises:
        InvalidSchema: a character that starts nothing, a comment or a string without an end.
    """
    tokens: list[Token] = []
    at = 1 if text.startswith("\ufeff") else 0
    match = _TOKEN.match
    while at < len(text):
        found = match(text, at)
        if found is None or (text.startswith("/*", at) and found.end() == at + 1):
            raise fault(lines.of(at), _what_is_wrong(text, at))
        kind = found.lastgroup
        if kind == "comment":
            if (again := text.find("/*", at + 2, found.end())) >= 0:
                raise fault(lines.of(again), "a comment begins inside a comment")
        elif kind is not None:
            tokens.append(Token(kind, found.group(), at))
            if len(tokens) > TOKENS_MAX:
                raise fault(lines.of(at), f"more than {TOKENS_MAX} words and signs")
            if kind == "number" and text[found.end() : found.end() + 1].isidentifier():
                raise fault(
                    lines.of(at), f"a space is missing after the number {found.group()[:20]}"
                )
        at = found.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _what_is_wrong(text: str, at: int) -> str:
    if text.startswith("/*", at):
        return "this comment has no end"
    if text[at] in "\"'":
        return "this string has no closing quote in its line"
    return f"the character {text[at]!r} stands for nothing here"


def unquote(literal: str, line: int) -> bytes:
    """The bytes that a string literal means.

    Raises:
        InvalidSchema: an escape that means nothing.
    """
    inside = literal[1:-1]
    if "\\" not in inside:
        return _encoded(inside, line)
    pieces: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(inside):
        pieces.append(_encoded(inside[at : found.start()], line))
        pieces.append(_meaning(found, line))
        at = found.end()
    pieces.append(_encoded(inside[at:], line))
    return b"".join(pieces)


def _meaning(escape: re.Match[str], line: int) -> bytes:
    kind = escape.lastgroup
    digits = escape.group(kind) if kind else ""
    if kind == "hex":
        return bytes((int(digits, 16),))
    if kind == "octal":
        return bytes((int(digits, 8) & 0xFF,))
    if kind == "letter" and digits in _LETTERS:
        return _LETTERS[digits].encode()
    if kind in ("short", "long") and (point := int(digits, 16)) <= 0x10FFFF:
        return _encoded(chr(point), line)
    raise fault(line, f"the escape {escape.group()[:10]!r} in a string means nothing")


def _encoded(text: str, line: int) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise fault(line, "a string holds half a surrogate pair, which is no character") from None
