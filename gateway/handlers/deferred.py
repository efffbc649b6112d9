"""Turns a result that may come later into a response, without a coroutine when it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

R = TypeVar("R")
S = TypeVar("S")


def respond(answer: R | Awaitable[R], convert: Callable[[R], S]) -> S | Awaitable[S]:
    """`convert` the answer now, or when it comes."""
    if isinstance(answer, Awaitable):
        return _respond_later(answer, convert)
    return convert(answer)


async def _respond_later(answer: Awaitable[R], convert: Callable[[R], S]) -> S:
    return convert(await answer)
