"""The schema notation, the generator that reads it, and the check against Kafka's definitions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sprawl.gateway.codec import check_reference, generate
from sprawl.gateway.codec.schema import (
    NO_VERSIONS,
    Api,
    SchemaError,
    Versions,
    parse_api,
    parse_versions,
    snake_case,
)

EXAMPLE = """\
api 9 Example  # What it is for.
versions 1-4
unstable 4
flexible 3+

request
  struct Shared 2+
    id uuid
  name string?2+ 0-3 = null ignorable  # Who asks.
  limit int32 = 0x7fffffff
  items []Shared? 2+
  extra Extra 3+ tag 0
    flag bool = true

response
  items []Extra
    code int16
"""


def test_names_follow_one_rule() -> None:
    names = {"ApiVersions": "api_versions", "IsrNodes": "isr_nodes", "Enable2Pc": "enable2_pc"}
    assert {name: snake_case(name) for name in names} == names
    assert snake_case("HTTPServer") == "http_server"


@pytest.mark.parametrize(("text", "low", "high"), [("3", 3, 3), ("3-7", 3, 7), ("0+", 0, 32_767)])
def test_version_ranges(text: str, low: int, high: int) -> None:
    assert parse_versions(text) == (low, high)


def test_ranges_that_do_not_meet_clamp_to_nothing() -> None:
    assert Versions(0, 3).clamp(Versions(5, 9)) == NO_VERSIONS
    assert 0 not in NO_VERSIONS


def test_an_api_is_read_with_its_defaults_filled_in() -> None:
    api = parse_api(EXAMPLE)
    assert (api.key, api.name, api.doc) == (9, "Example", "What it is for.")
    assert (api.versions, api.stable_max, api.flexible) == ((1, 4), 3, (3, 32_767))
    name, limit, items, extra = api.request.fields
    assert (name.versions, name.nullable, name.default) == ((1, 3), (2, 3), None)
    assert (name.ignorable, name.doc) == (True, "Who asks.")
    assert limit.default == 2**31 - 1
    assert limit.versions == (1, 4)
    assert items.struct is not None
    assert items.struct.fields[0].versions == (2, 4)
    assert items.nullable == (2, 4)
    assert extra.tag == 0
    assert extra.struct is not None
    assert extra.struct.fields[0].default is True


def test_a_struct_name_in_both_directions_gets_a_prefix() -> None:
    api = parse_api(EXAMPLE)
    structs = [field.struct for field in (*api.request.fields, *api.response.fields)]
    names = [struct.class_name for struct in structs if struct is not None]
    assert names == ["Shared", "RequestExtra", "ResponseExtra"]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("versions 1-4", "versions one", "not a version range"),
        ("versions 1-4\n", "", "missing sections: versions"),
        ("unstable 4", "stable 4", "line 3: unknown section 'stable'"),
        ("  limit int32", "   limit int32", "line 10: indent by two spaces"),
        ("  limit int32", "      limit int32", "line 10: indented too far"),
        ("limit int32", "limit int33", "line 10: unknown type 'int33'"),
        ("limit int32", "Limit int32", "line 10: not a field"),
        ("= 0x7fffffff", "= many", "line 10: bad default"),
        ("extra Extra 3+", "extra Extra? 3+", "line 12: a struct that may be null"),
    ],
)
def test_mistakes_are_named_by_line(old: str, new: str, error: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(SchemaError, match=error):
        parse_api(EXAMPLE.replace(old, new))


def test_committed_classes_are_those_of_the_schemas() -> None:
    command = [sys.executable, "-m", "sprawl.gateway.codec.generate", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_check_finds_stale_missing_and_leftover_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "GENERATED", tmp_path / "out")
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "out" / "k12_heartbeat.py").write_text("stale")
    (tmp_path / "out" / "k13_leave_group.py").unlink()
    (tmp_path / "out" / "k99_gone.py").write_text("left over")
    assert generate.main(["--check"]) == 1
    told = capsys.readouterr().err
    for name in ("k12_heartbeat", "k13_leave_group", "k99_gone"):
        assert f"_generated/{name}.py is stale" in told
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert generate.main(["--what"]) == 2


# --- the check against Kafka's definitions -------------------------------------------------------


def example_api() -> Api:
    text = """\
api 9 Example
versions 1-4
unstable 4
flexible 3+

request
  struct Shared 2+
    id uuid
  name string?2+ 0-3 = null ignorable
  limit int32 = 0x7fffffff
  items []Shared? 2+
  extra Extra 3+ tag 0
    flag bool = true

response
  code int16
"""
    return parse_api(text)


def write_definitions(folder: Path, **changes: object) -> None:
    """Kafka's form of `example_api`; `changes` go into the field `name`."""
    name = {"name": "Name", "type": "string", "versions": "0-3", "nullableVersions": "2+"}
    extra = [{"name": "Flag", "type": "bool", "versions": "3+", "default": "true"}]
    request = {
        "apiKey": 9,
        "type": "request",
        "name": "ExampleRequest",
        "validVersions": "1-4",
        "flexibleVersions": "3+",
        "latestVersionUnstable": True,
        "fields": [
            {**name, "default": "null", "ignorable": True, **changes},
            {"name": "Limit", "type": "int32", "versions": "0+", "default": "0x7fffffff"},
            {"name": "Old", "type": "int32", "versions": "0"},
            {"name": "Items", "type": "[]Shared", "versions": "2+", "nullableVersions": "2+"},
            {
                "name": "Extra",
                "type": "Extra",
                "versions": "3+",
                "taggedVersions": "3+",
                "tag": 0,
                "fields": extra,
            },
        ],
        "commonStructs": [
            {
                "name": "Shared",
                "versions": "2+",
                "fields": [{"name": "Id", "type": "uuid", "versions": "2+"}],
            }
        ],
    }
    response = {
        "apiKey": 9,
        "type": "response",
        "name": "ExampleResponse",
        "validVersions": "1-4",
        "flexibleVersions": "3+",
        "fields": [{"name": "Code", "type": "int16", "versions": "0+"}],
    }
    head = "// A comment, as Kafka's files have.\n"
    (folder / "ExampleRequest.json").write_text(head + json.dumps(request))
    (folder / "ExampleResponse.json").write_text(json.dumps(response, indent=1) + " // the end")


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check_reference, "load_apis", lambda: [example_api()])
    return tmp_path


def test_the_reference_check_accepts_what_is_equal(messages: Path) -> None:
    write_definitions(messages)
    assert check_reference.find_differences(messages) == []
    assert check_reference.main(["--messages", str(messages)]) == 0


@pytest.mark.parametrize(
    ("change", "value", "difference"),
    [
        ("type", "bytes", "type is 'string', reference 'bytes'"),
        ("type", "[]string", "array is False, reference True"),
        ("versions", "2-3", "versions is"),
        ("nullableVersions", "3+", "nullable is"),
        ("default", "x", "default is None, reference 'x'"),
        ("ignorable", False, "ignorable is True, reference False"),
        ("name", "Title", "fields"),
    ],
)
def test_the_reference_check_finds_what_differs(
    messages: Path, change: str, value: object, difference: str
) -> None:
    write_definitions(messages, **{change: value})
    told = check_reference.find_differences(messages)
    assert any(difference in line for line in told), told
    assert check_reference.main(["--messages", str(messages)]) == 1


def test_the_reference_check_finds_a_missing_message(messages: Path) -> None:
    write_definitions(messages)
    (messages / "ExampleResponse.json").unlink()
    assert check_reference.find_differences(messages) == [
        "ExampleResponse: the reference has no such message"
    ]


def test_the_reference_check_is_skipped_without_definitions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_reference.main(["--messages", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.startswith("skipped")
    assert check_reference.main(["--message"]) == 2


def test_the_schemas_are_those_of_kafka() -> None:
    if not check_reference.DEFAULT_MESSAGES.is_dir():
        pytest.skip("Kafka's message definitions are not beside the repository")
    assert check_reference.find_differences(check_reference.DEFAULT_MESSAGES) == []
