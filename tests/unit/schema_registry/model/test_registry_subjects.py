"""Names of subjects, contexts and versions."""

from __future__ import annotations

import pytest
from registry_world import refusal

from sprawl.schema_registry.model.subjects import (
    check_subject,
    has_prefix,
    in_context,
    normal,
    parse_context,
    parse_subject,
    parse_version,
    qualified_by_parent,
)


@pytest.mark.parametrize(
    ("name", "context", "subject", "kept_as"),
    [
        ("s", ".", "s", "s"),
        ("", ".", "", ""),
        (":.:s", ".", "s", "s"),
        (":.ctx:s", ".ctx", "s", ":.ctx:s"),
        (":.ctx:", ".ctx", "", ":.ctx:"),
        (":.ctx", ".ctx", "", ":.ctx:"),
        (":.ctx:a:b", ".ctx", "a:b", ":.ctx:a:b"),
        (":*:s", "*", "s", ":*:s"),
        (":s", ".", ":s", ":s"),
        (":.__GLOBAL:", ".__GLOBAL", "", ":.__GLOBAL:"),
    ],
)
def test_a_name_is_a_context_and_a_subject(
    name: str, context: str, subject: str, kept_as: str
) -> None:
    assert parse_subject(name) == (context, subject)
    assert normal(name) == kept_as
    assert normal(kept_as) == kept_as


@pytest.mark.parametrize(
    ("name", "parent", "meant"),
    [
        ("s", "p", "s"),
        ("s", ":.c:p", ":.c:s"),
        (":.d:s", ":.c:p", ":.d:s"),
        (":.:s", ":.c:p", ":.c:s"),
    ],
)
def test_a_relative_name_takes_over_its_parents_context(name: str, parent: str, meant: str) -> None:
    assert qualified_by_parent(name, parent) == meant


@pytest.mark.parametrize(
    ("name", "scope", "inside"),
    [
        ("s", None, True),
        (":.c:s", None, True),
        ("s", "s", True),
        ("t", "s", False),
        (":.c:s", ":.c:", True),
        (":.c:s", ":.d:", False),
        ("s", ":.c:", False),
        (":.c:s", ":.__GLOBAL:", True),
        ("s", ":.__GLOBAL:", True),
        (":.c:s", "", False),
    ],
)
def test_scopes_hold_subjects(name: str, scope: str | None, inside: bool) -> None:
    assert in_context(name, scope) is inside


@pytest.mark.parametrize(
    ("name", "prefix", "listed"),
    [
        ("ab", ":*:", True),
        (":.c:ab", ":*:", True),
        (":.c:ab", ":*:a", True),
        (":.c:ab", ":*:b", False),
        ("ab", "", True),
        (":.c:ab", "", False),
        ("ab", "a", True),
        (":.c:ab", "a", False),
        (":.c:ab", ":.c:", True),
        (":.c:ab", ":.c:a", True),
        (":.ctx:ab", ":.c", True),
        (":.ctx:ab", ":.c:", False),
    ],
)
def test_prefixes_of_lists(name: str, prefix: str, listed: bool) -> None:
    assert has_prefix(name, prefix) is listed


@pytest.mark.parametrize(
    "name", ["a\nb", "\x00", "\x7f", "a\x85", "__GLOBAL", "__EMPTY", ":.c:__EMPTY", ":.__GLOBAL:s"]
)
def test_names_that_nothing_is_stored_under(name: str) -> None:
    assert refusal(check_subject, name) == (
        42208,
        f"The specified subject '{name}' is not a valid.",
    )


def test_names_that_json_can_spell_but_utf_8_cannot() -> None:
    assert refusal(check_subject, "\ud800")[0] == 42208


def test_names_that_settings_or_scopes_allow() -> None:
    for name in ("s", "", "*", ":.c:", "café", "a/b", ":.c:s"):
        check_subject(name)
    check_subject(":.__GLOBAL:", for_scope=True)
    for name in ("", "*", ":.c:"):
        assert refusal(check_subject, name, allow_empty=False)[0] == 42208


@pytest.mark.parametrize(
    ("text", "version"),
    [("1", 1), (" 7 ", 7), ("latest", -1), ("LATEST", -1), ("-1", -1), ("2147483647", 2**31 - 1)],
)
def test_versions(text: str, version: int) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    "text",
    ["0", "-2", "earliest", "", "1.0", "2147483648", "9" * 5000, "१", "--1", "+-1", "-+1", "-"],
)
def test_what_is_no_version(text: str) -> None:
    code, message = refusal(parse_version, text)
    assert code == 42202
    assert message == (
        f"The specified version '{text}' is not a valid version id. "
        'Allowed values are between [1, 2^31-1] and the string "latest"'
    )


@pytest.mark.parametrize("name", ["c", ".c", ":.c:"])
def test_contexts_as_paths_spell_them(name: str) -> None:
    assert parse_context(name).name == ":.c:"


def test_the_default_context_as_paths_spell_it() -> None:
    assert parse_context(":.:").name == ""
    assert parse_context(".").context == "."
