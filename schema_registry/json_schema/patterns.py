"""Regular expressions of schemas: which are none, and which names they match. Pure.

JSON Schema means ECMA-262. They come from strangers, so RE2 runs them, in linear time; what RE2
does not know (look-around, backreferences) is accepted, and nothing is claimed about what it
matches.
"""

from __future__ import annotations

import re2

_UNSOUND = ("missing ]", "missing )", "unexpected )", "no argument for", "bad repetition operator")
"""How RE2's faults begin that are faults in every dialect."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_nl = False


def fault_in(pattern: str) -> str | None:
    """Why a text is no regular expression; None: it is one, or may be in another dialect."""
    try:
        re2.compile(pattern, _OPTIONS)
    except re2.error as fault:
        words = _words(fault)
        return words if words.startswith(_UNSOUND) else None
    return None


def matches(pattern: str, name: str) -> bool | None:
    """Whether it matches anywhere in a name; None: nobody can tell."""
    try:
        return re2.compile(pattern, _OPTIONS).search(name) is not None
    except re2.error:
        return None


def _words(fault: Exception) -> str:
    said = fault.args[0] if fault.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
