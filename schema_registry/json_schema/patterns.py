"""Regular expressions of schemas: which are none, and which names they match. Pure.

JSON Schema means ECMA-262. They come from strangers, so RE2 runs them, in linear time; what RE2
does not know (look-around, backreferences) is accepted, and nothing is claimed about what it
matches.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from sprawl.schema_registry.json_schema import limits

_UNSOUND = ("missing ]", "missing )", "unexpected )", "no argument for", "bad repetition operator")
"""How RE2's faults begin that are faults in every dialect."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_nl = False


def fault_in(pattern: str) -> str | None:
    """Why a text is no regular expression; None: it is one, or may be in another dialect."""
    said = _compiled(pattern)
    return said if isinstance(said, str) and said.startswith(_UNSOUND) else None


def matches(pattern: str, name: str) -> bool | None:
    """Whether it matches anywhere in a name; None: nobody can tell."""
    compiled = _compiled(pattern)
    return None if isinstance(compiled, str) else compiled.search(name) is not None


@lru_cache(maxsize=limits.COMPILED_PATTERNS_MAX)
def _compiled(pattern: str) -> re2._Regexp[str] | str:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as fault:
        return _words(fault)


def _words(fault: Exception) -> str:
    said = fault.args[0] if fault.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
