"""Where the suites of clients are fetched, built and kept between runs.

Everything comes from the package registries by name and version and lands in one cache folder that
git ignores, so that a second run starts at once. SPRAWL_COMPAT_CACHE moves the folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class MissingToolError(Exception):
    """A program that the suite needs is not installed here."""


def cache_folder() -> Path:
    folder = Path(os.environ.get("SPRAWL_COMPAT_CACHE", ROOT / ".cache" / "compat"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def need(*programs: str) -> None:
    """Raises: MissingToolError, naming every program that is not on the path."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise MissingToolError(f"not installed: {', '.join(missing)}")


def prepared(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache; `build` fills it if it is not there yet.

    Args:
        name: what is in it, with its version: another version is another folder.
        build: fills an empty folder; if it fails, nothing stays behind.
    """
    final = cache_folder() / name
    if final.exists():
        return final
    partial = final.with_name(final.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    build(partial)
    partial.rename(final)
    return final


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 600,
    log: Path | None = None,
    feed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; what it printed (both streams) is in `stdout`.

    Args:
        log: keep the output in this file as well.
        feed: what it reads on its standard input; nothing otherwise.

    A command that takes longer than `timeout_s` is killed with its children and has exit code 124.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(feed, timeout=timeout_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        code = 124
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(output)
    return subprocess.CompletedProcess(list(map(str, command)), code, output)


def build_step(command: Sequence[str | Path], *, cwd: Path, timeout_s: float = 1800) -> None:
    """A step of a build. Raises: RuntimeError with the last lines it printed, if it failed."""
    done = run(command, cwd=cwd, timeout_s=timeout_s)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{tail}")


def maven_jars(name: str, *artifacts: str) -> Path:
    """A folder of jars: the artifacts ("group:name:version") and all they need at run time."""

    def build(folder: Path) -> None:
        need("java", "mvn")
        wanted = "".join(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId>"
            "<version>{}</version></dependency>".format(*artifact.split(":"))
            for artifact in artifacts
        )
        (folder / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            "<groupId>sprawl</groupId><artifactId>jars</artifactId><version>1</version>"
            f"<dependencies>{wanted}</dependencies></project>"
        )
        build_step(
            ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
            cwd=folder,
        )

    return prepared(name, build) / "lib"
