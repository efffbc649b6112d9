"""Names of subjects and contexts, and version numbers as paths spell them.

    subject                 in the default context `.`
    :.ctx:subject           in the context `.ctx`
    :.ctx:                  the context itself, for its config and mode, and as a scope of ids
    :.__GLOBAL:             all contexts, for config and mode only
    :*:prefix               in lists: every context

A name that is kept or compared is normal: the default context is never spelled out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sprawl.schema_registry.model import faults

DEFAULT_CONTEXT = "."
GLOBAL_CONTEXT = ".__GLOBAL"
ANY_CONTEXT = ":*:"
"""The prefix that stands for all contexts in lists."""
LATEST = -1
"""The version number that stands for the highest version that is not deleted."""
VERSION_MAX = 2**31 - 1

_VERSION = re.compile(r"[+-]?[0-9]{1,10}")
_CONTEXT_START = ":."
_RESERVED_SUBJECTS = ("__GLOBAL", "__EMPTY")
_CONTROL_CHARACTERS = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))


class QualifiedSubject(NamedTuple):
    """A subject in its context.

    Args:
        context: with its leading dot; `*` for all contexts.
        subject: without the context; "" when the name is that of a context.
    """

    context: str
    subject: str

    @property
    def qualified_context(self) -> str:
        """`:.ctx:`; "" for the default context."""
        return "" if self.context == DEFAULT_CONTEXT else f":{self.context}:"

    @property
    def name(self) -> str:
        """The normal name."""
        return self.qualified_context + self.subject

    @property
    def is_default_context(self) -> bool:
        return self.context == DEFAULT_CONTEXT and not self.subject

    @property
    def is_global_context(self) -> bool:
        return self.context == GLOBAL_CONTEXT and not self.subject


def parse_subject(name: str) -> QualifiedSubject:
    """Take a name apart; every text is a name."""
    if name.startswith(_CONTEXT_START):
        context, _, subject = name[1:].partition(":")
        return QualifiedSubject(context, subject)
    if name.startswith(ANY_CONTEXT):
        return QualifiedSubject("*", name[len(ANY_CONTEXT) :])
    return QualifiedSubject(DEFAULT_CONTEXT, name)


def normal(name: str) -> str:
    """The name under which a subject is kept."""
    return parse_subject(name).name


def context_of(name: str) -> str:
    return parse_subject(name).context


def qualified_by_parent(name: str, parent: str) -> str:
    """What a relative name means inside `parent`: references and aliases take over its context."""
    subject = parse_subject(name)
    if subject.context != DEFAULT_CONTEXT:
        return subject.name
    return QualifiedSubject(parse_subject(parent).context, subject.subject).name


def in_context(name: str, scope: str | None) -> bool:
    """Whether a subject belongs to a scope: itself, its context, or all of them (None)."""
    if scope is None or name == scope:
        return True
    outer = parse_subject(scope)
    if outer.subject:
        return False
    return outer.context in (GLOBAL_CONTEXT, context_of(name))


def has_prefix(name: str, prefix: str) -> bool:
    """Whether a list with `subjectPrefix` shows a subject.

    A prefix without a context means the default context; `:.ab` means every context that starts
    so; `:*:ab` means every context.
    """
    subject = parse_subject(name)
    if prefix.startswith(ANY_CONTEXT):
        return subject.subject.startswith(prefix[len(ANY_CONTEXT) :])
    if prefix.startswith(_CONTEXT_START) and ":" not in prefix[1:]:
        return subject.context.startswith(prefix[1:])
    wanted = parse_subject(prefix)
    return subject.context == wanted.context and subject.subject.startswith(wanted.subject)


def check_subject(name: str, *, for_scope: bool = False, allow_empty: bool = True) -> None:
    """Refuse a name that nothing can be stored under.

    Args:
        for_scope: config and mode may be set for `:.__GLOBAL:`.
        allow_empty: whether "" and `*` name a subject (schema.reject.empty.subject is false).

    Raises:
        RegistryFault: 42208.
    """
    subject = parse_subject(name)
    bad = (
        not _CONTROL_CHARACTERS.isdisjoint(name)
        or any("\ud800" <= character <= "\udfff" for character in name)
        or subject.subject in _RESERVED_SUBJECTS
        or (not allow_empty and subject.subject in ("", "*"))
        or (not for_scope and subject.context == GLOBAL_CONTEXT)
    )
    if bad:
        raise faults.invalid_subject(name)


def parse_context(name: str) -> QualifiedSubject:
    """A context as paths and parameters spell it: `:.ctx:`, `.ctx` or `ctx`."""
    bare = name.removeprefix(":").removesuffix(":")
    return QualifiedSubject(bare if bare.startswith(".") else f".{bare}", "")


def parse_version(text: str) -> int:
    """A version as paths spell it.

    Returns: 1 and up, or `LATEST` for "latest" and "-1".

    Raises:
        RegistryFault: 42202.
    """
    bare = text.strip()
    if bare.lower() == "latest":
        return LATEST
    if not _VERSION.fullmatch(bare):
        raise faults.invalid_version(text)
    version = int(bare)
    if version != LATEST and not 1 <= version <= VERSION_MAX:
        raise faults.invalid_version(str(version))
    return version
