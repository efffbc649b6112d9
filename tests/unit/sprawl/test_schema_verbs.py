"""`sprawl schema` against a running node: what it prints and what it exits with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sprawl.cli import run
from sprawl.faults import EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE
from sprawl.node import Node
from sprawl.schema_registry.rest.auth import parse_users

OLD = (
    '{"type":"record","name":"Order","fields":[{"name":"id","type":"string"},'
    '{"name":"amount","type":"long"}]}'
)
NEW = (
    '{"type":"record","name":"Order","fields":[{"name":"id","type":"string"},'
    '{"name":"note","type":"string"}]}'
)
FITTING = NEW.replace('"note","type":"string"', '"note","type":"string","default":""')


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Node(schema_registry_port=0) as node:
        assert node.schema_registry is not None
        yield node.schema_registry


class Shell:
    """Runs `sprawl schema` against one registry."""

    def __init__(self, url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._folder = folder
        self._capsys = capsys
        self.error = ""

    def __call__(self, *words: str, code: int = EXIT_OK) -> str:
        found = run(["schema", *words, "--registry", self._url])
        output, self.error = self._capsys.readouterr()
        assert found == code, output + self.error
        return output

    def file(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture
def shell(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(url, tmp_path, capsys)


def test_a_schema_is_registered_listed_shown_and_deleted(shell: Shell) -> None:
    file = shell.file("order.avsc", OLD)
    assert "version 1 has this schema" in shell("register", "a/b value", file)
    assert "version 1 has this schema" in shell("register", "a/b value", file)
    lines = [line.split() for line in shell("list", "a/b").splitlines()]
    assert lines[0] == ["SUBJECT", "VERSION", "ID", "TYPE"]
    assert [lines[1][:3], lines[1][-1]] == [["a/b", "value", "1"], "AVRO"]
    found = json.loads(shell("show", "a/b value", "--json"))
    assert (found["subject"], found["version"]) == ("a/b value", 1)
    assert json.loads(shell("show", "--id", str(found["id"]))) == json.loads(OLD)
    assert "a/b value version 1" in shell.error or "id" in shell.error
    assert shell("show", "a/b value", "--raw").strip() == found["schema"]
    assert shell("delete", "a/b value", "-y") == "Deleted version 1 of a/b value.\n"
    assert "a/b" not in shell("list")
    assert "a/b" in shell("list", "--deleted")
    assert "Deleted" in shell("delete", "a/b value", "--permanent", "-y")
    assert "a/b" not in shell("list", "--deleted")


def test_check_says_what_is_wrong_and_diff_marks_it(shell: Shell) -> None:
    shell("register", "orders", shell.file("old.avsc", OLD))
    new = shell.file("new.avsc", NEW)
    said = shell("check", "orders", new, code=EXIT_FAILED)
    assert "Not compatible with orders" in said
    assert "READER_FIELD_MISSING_DEFAULT_VALUE at /fields/1" in said
    said = shell("diff", "orders", new, code=EXIT_FAILED)
    marked = [line for line in said.splitlines() if "<--" in line]
    assert [(line[0], "note" in line) for line in marked] == [("+", True)]
    assert '-      "name": "amount",' in said
    assert '+      "name": "note",' in said
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in said
    fitting = shell.file("fitting.avsc", FITTING)
    assert shell("check", "orders", fitting) == "Compatible with orders.\n"
    assert "Not compatible" not in shell("diff", "orders", fitting)
    shell("register", "orders", fitting)
    assert shell("diff", "orders", fitting) == "No difference.\n"


def test_a_subject_without_versions_takes_anything(shell: Shell) -> None:
    assert "Compatible" in shell("check", "nothing-yet", shell.file("x.avsc", OLD))


def test_references_and_types(shell: Shell) -> None:
    shell("register", "money", shell.file("money.proto", 'syntax = "proto3";\nmessage Money {}\n'))
    text = 'syntax = "proto3";\nimport "money.proto";\nmessage Bill { Money sum = 1; }\n'
    bill = shell.file("bill.proto", text)
    shell("register", "bill", bill, code=EXIT_FAILED)
    assert "money.proto" in shell.error
    shell("register", "bill", bill, "--reference", "money.proto=money:1")
    assert "import" in shell("show", "bill")
    assert "money.proto = money:1" in shell.error
    odd = shell.file("odd.txt", OLD)
    shell("register", "odd", odd, code=EXIT_USAGE)
    assert "--type AVRO|JSON|PROTOBUF" in shell.error
    shell("register", "odd", odd, "--type", "avro")
    shell("register", "odd", odd, "--type", "avro", "--reference", "nonsense", code=EXIT_USAGE)


def test_odd_words_and_files(shell: Shell) -> None:
    """None of them ends in a traceback, or in a request for another subject."""
    file = shell.file("x.avsc", OLD)
    for subject in ("", "a\udcff"):
        for words in (["delete", subject, "-y"], ["show", subject], ["register", subject, file]):
            shell(*words, code=EXIT_USAGE)
    shell("register", "x", file, "--reference", "a=b:--5", code=EXIT_USAGE)
    shell("register", "marked", shell.file("bom.avsc", "\ufeff" + OLD))
    shell("register", "url", shell.file("url.json", '{"type": "string"}'))
    shell(
        *("register", "refers", shell.file("refers.json", '{"$ref": "http://x/?a=b"}')),
        *("--reference", "http://x/?a=b=url:1"),
    )
    deep = shell.file("deep.json", "[" * 20_000 + "]" * 20_000)
    shell("diff", "url", deep, code=EXIT_FAILED)


@pytest.mark.parametrize("name", ["", "a:b", "#ann", " ann", "a\nb", "a\u2028b"])
def test_a_user_whose_line_would_not_be_read_back(name: str) -> None:
    assert run(["schema", "hash-password", name, "--password", "x"]) == EXIT_USAGE


def test_what_the_registry_refuses_is_said_in_its_words(shell: Shell) -> None:
    shell("show", "no-such-subject", code=EXIT_FAILED)
    assert "Subject 'no-such-subject' not found. (error 40401)" in shell.error
    shell("register", "bad", shell.file("bad.avsc", "{"), code=EXIT_FAILED)
    assert "(error 42201)" in shell.error


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "list", "--registry", "http://127.0.0.1:1"]) == EXIT_UNREACHABLE
    assert "no schema registry answers at http://127.0.0.1:1" in capsys.readouterr().err
    assert run(["schema", "list", "--registry", "ftp://x"]) == EXIT_USAGE


def test_users_are_asked_for_their_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", "hash-password", "ann", "--password", "s3cret/"]) == EXIT_OK
    line = capsys.readouterr().out
    parse_users(line)
    users = tmp_path / "users"
    users.write_text(line)
    settings = {"schema.registry.users": str(users)}
    with Node(schema_registry_port=0, **settings) as node:
        url = str(node.schema_registry)
        assert run(["schema", "list", "--registry", url]) == EXIT_FAILED
        assert "(error 401)" in capsys.readouterr().err
        known = url.replace("//", "//ann:s3cret%2F@")
        assert run(["schema", "list", "--registry", known]) == EXIT_OK
