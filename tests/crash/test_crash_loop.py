"""A short crash loop for every run of the tests; README.md has the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash.loop import run


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    findings = run(tmp_path / "data", kills=4, seed=1, log=tmp_path / "node.log")
    assert findings.problems == []
    assert findings.acknowledged > 0
    assert findings.kills == 4
