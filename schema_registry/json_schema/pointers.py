"""JSON pointers in URI fragment form, without percent escapes: `#/properties/a~1b`. Pure.

Source: RFC 6901, sections 3 and 6.
"""

from __future__ import annotations

from collections.abc import Iterable


def join(steps: Iterable[str]) -> str:
    """A pointer from the root: no steps are `#`."""
    return "".join(("#", *("/" + _escaped(step) for step in steps)))


def below(pointer: str, *steps: str) -> str:
    """A pointer that goes further."""
    return pointer + join(steps)[1:]


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
