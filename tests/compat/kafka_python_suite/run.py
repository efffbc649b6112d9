"""kafka-python's own integration tests, from its source package."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.compat.brokers import Broker
from tests.compat.needs import mark_waiting
from tests.compat.pytest_cases import run_pytest
from tests.compat.report import Case
from tests.compat.workshop import build_step, prepared

HERE = Path(__file__).parent
VERSION = "3.0.12"
KAFKA_LEVEL = "4.0.0"
"""The level of the protocol that the tests may count on; those of later ones are skipped."""
BROKER_CONFIGS = {"num.partitions": "4"}
"""What the suite's own broker sets."""
CASE_LIMIT_S = 60
SUITE_LIMIT_S = 1800
# The suite imports its way of starting brokers from a module that its source package leaves out.
# Its tests use a broker that runs already, so that nothing here has to start one.
SERVICE = '''
class ExternalService:
    def __init__(self, host, port):
        self.host = host
        self.port = port

    def open(self):
        """It runs already."""

    def close(self):
        """Somebody else stops it."""


class SpawnedService:
    """Only named, never started: KAFKA_URI is set."""
'''


def source_folder() -> Path:
    """The source package, unpacked, with an interpreter of its own to run it."""

    def build(folder: Path) -> None:
        python = folder / "venv" / "bin" / "python"
        build_step([sys.executable, "-m", "venv", folder / "venv"], cwd=folder)
        wanted = f"kafka-python=={VERSION}"
        source_only = ["--no-binary", "kafka-python", "--no-deps", wanted]
        build_step([python, "-m", "pip", "download", "-q", *source_only], cwd=folder)
        (archive,) = folder.glob("*.tar.gz")
        build_step(["tar", "xzf", archive, "--strip-components=1"], cwd=folder)
        archive.unlink()
        tools = ["pytest>=8,<9", "pytest-mock>=3,<4", "pytest-timeout>=2,<3", "py", "mock"]
        codecs = ["crc32c", "lz4", "python-snappy", "zstandard"]
        build_step([python, "-m", "pip", "install", "-q", *tools, *codecs], cwd=folder)
        test = folder / "test"
        (test / "__init__.py").touch()
        (test / "service.py").write_text(SERVICE)
        for part in ("kafka-bin", "resources"):
            (folder / "servers" / KAFKA_LEVEL / part).mkdir(parents=True)

    return prepared(f"kafka-python-{VERSION}", build)


def install() -> None:
    source_folder()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the tests of these names, `module::test`, or all."""
    folder = source_folder()
    # The environment is built in a folder that is renamed afterwards: its interpreter can be
    # started at the new place, its scripts cannot.
    python = folder / "venv" / "bin" / "python"
    if names is None:
        arguments = ["test/integration"]
    else:
        arguments = [f"test/integration/{module}.py::{test}" for module, test in map(_split, names)]
    options = ["-q", "-o", "addopts=", "--tb=line", f"--timeout={CASE_LIMIT_S}"]
    cases = run_pytest(
        folder,
        [*arguments, *options, "-p", "no:cacheprovider"],
        work=work,
        env={
            "KAFKA_URI": f"kafka://{broker.bootstrap}",
            "KAFKA_VERSION": KAFKA_LEVEL,
            "PYTHONPATH": os.pathsep.join([str(folder)]),
        },
        timeout_s=SUITE_LIMIT_S,
        python=python,
    )
    return mark_waiting(cases, broker, HERE / "needs.txt")


def _split(name: str) -> tuple[str, str]:
    module, _, test = name.partition("::")
    return module, test
