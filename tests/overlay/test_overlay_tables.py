"""Tables in pages: what is written, and that docs/overlay.md has the figures that were kept."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from overlay import dht
from overlay.dht_tables import table as dht_table
from tests.overlay import membership
from tests.overlay.tables import Table, command, write_page

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "before\n<!-- a -->\nold\n<!-- /a -->\nafter\n<!-- b -->\nother\n<!-- /b -->\n"


def test_a_table_takes_its_place_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    table = Table("a", "All", ("x", "y"), [[1_000, 2.5]], command="make it")
    write_page([table], page)
    once = page.read_text()
    assert once == PAGE.replace(
        "old\n", "**All**\n\n| x | y |\n| --- | --- |\n| 1,000 | 2.5 |\n\n`make it`\n"
    )
    write_page([table], page)
    assert page.read_text() == once


@pytest.mark.parametrize("page", ["", "<!-- a -->\n", "<!-- /a -->\n<!-- a -->\n"])
def test_a_page_without_the_place_is_left_alone(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(SystemExit, match="no place for a"):
        write_page([Table("a", "All", ("x",), [[1]])], path)
    assert path.read_text() == page


def test_a_command_names_what_counts() -> None:
    parser = argparse.ArgumentParser(prog="make")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10])
    parser.add_argument("--kind-of", default="x")
    parser.add_argument("--json", type=Path)
    assert command(parser, parser.parse_args(["--json", "file"])) == "make"
    words = ["--nodes", "20", "30", "--kind-of", "a b"]
    assert command(parser, parser.parse_args(words)) == "make --nodes 20 30 --kind-of 'a b'"


def test_the_page_shows_the_figures_that_were_kept() -> None:
    page = (DOCS / "overlay.md").read_text()
    for kept in json.loads((DOCS / "figures" / "overlay.json").read_text()):
        assert Table(**kept).in_page() in page
    for name, rows in json.loads((DOCS / "figures" / "dht.json").read_text())["tables"].items():
        assert dht_table(name, rows).markdown() in page


@pytest.mark.parametrize("part", [membership, dht])
def test_one_table_goes_from_a_run_into_a_page(
    tmp_path: Path, part: object, capsys: pytest.CaptureFixture[str]
) -> None:
    key, words = (
        ("detection", ["--only", "detection", "--nodes", "10", "--loss", "0"])
        if part is membership
        else ("dht-sizes", ["--only", "sizes", "--nodes", "30", "--lookups", "5"])
    )
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {key} -->\n<!-- /{key} -->\n")
    assert part.main([*words, "--page", str(page)]) == 0  # type: ignore[attr-defined]
    shown = page.read_text()
    assert capsys.readouterr().out.strip() in shown
    assert "--only" in shown.splitlines()[-2]
