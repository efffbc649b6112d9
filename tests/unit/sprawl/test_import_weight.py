"""What importing Sprawl loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(found.stdout))


def test_import_sprawl_loads_one_module_of_its_own_and_the_standard_library() -> None:
    loaded = modules_after("import sprawl") - modules_after("pass")
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert foreign == {"sprawl"}
    assert {name for name in loaded if name.startswith("sprawl")} == {"sprawl"}


def test_the_pytest_plugin_loads_no_part_of_a_node() -> None:
    loaded = modules_after("import sprawl.pytest_plugin")
    assert {name for name in loaded if name.startswith("sprawl")} == {
        "sprawl",
        "sprawl.pytest_plugin",
    }


def test_the_command_line_loads_a_verb_only_when_it_is_called() -> None:
    loaded = modules_after("import sprawl.cli")
    assert not {name for name in loaded if name.startswith(("sprawl.cli.", "sprawl.gateway"))}
    assert "asyncio" not in loaded


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import sprawl

    with pytest.raises(AttributeError, match="nonsense"):
        _ = sprawl.nonsense
