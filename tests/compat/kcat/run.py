"""kcat by scenario tests of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial

from tests.compat.scenarios import run_scenarios
from tests.compat.workshop import need


def _version() -> str:
    if shutil.which("kcat") is None:
        return "not installed"
    told = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Version (\S+)", told)
    return found[1] if found else "unknown"


VERSION = _version()
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}


def install() -> None:
    need("kcat")


run = partial(run_scenarios, "kcat")
