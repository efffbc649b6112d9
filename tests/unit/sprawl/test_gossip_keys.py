"""The file of keys: what it may hold, and what becomes of a change."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from sprawl.gossip_keys import KeyFile

OLD, NEW = b"o" * 32, b"n" * 16


def write(path: Path, *keys: bytes) -> None:
    lines = [base64.b64encode(each).decode() for each in keys]
    path.write_text("# the first one seals\n\n" + "\n".join(lines) + "\n", encoding="ascii")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "gossip.keys"
    write(found, OLD)
    return found


def test_a_change_is_taken_over_once(path: Path) -> None:
    file = KeyFile(path)
    assert file.keys == [OLD]
    assert not file.refresh()
    write(path, NEW, OLD)
    assert file.refresh()
    assert file.keys == [NEW, OLD]
    assert not file.refresh()


def test_a_file_that_was_only_touched_changes_nothing(path: Path) -> None:
    file = KeyFile(path)
    path.write_bytes(path.read_bytes() + b"# and a comment\n")
    assert not file.refresh()


@pytest.mark.parametrize(
    "text",
    [b"", b"no base64!\n", base64.b64encode(b"short"), b"#" * 5_000, b"\xff\xfe"],
)
def test_what_is_no_key_is_refused_with_a_reason(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"base64|key|larger"):
        KeyFile(path)


def test_a_bad_change_keeps_the_former_keys_and_is_said_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(path)
    path.write_bytes(b"half a ke")
    for _ in range(3):
        assert not file.refresh()
    path.unlink()
    assert not file.refresh()
    assert file.keys == [OLD]
    assert caplog.text.count("go on with the former ones") == 2
    write(path, NEW)
    assert file.refresh()
    assert file.keys == [NEW]
