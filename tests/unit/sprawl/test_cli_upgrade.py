"""`sprawl cluster upgrade` against a running node: what it prints and what it exits with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sprawl.cli import run
from sprawl.core.controller import features
from sprawl.core.controller.features import SUPPORTED, Levels
from sprawl.faults import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from sprawl.node import Node

TOP = SUPPORTED.max


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a cluster whose program knew the first level only."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "SUPPORTED", Levels(1, 1))
        Node(data_dir=folder).start().stop()
    return folder


@pytest.fixture(scope="module")
def address(data: Path) -> Iterator[str]:
    with Node(data_dir=data) as node:
        yield node.bootstrap


def sprawl(
    address: str, capsys: pytest.CaptureFixture[str], *words: str, code: int = EXIT_OK
) -> str:
    found = run(["cluster", *words, "-b", address])
    output, error = capsys.readouterr()
    assert found == code, error
    return output or error


def test_an_upgrade_is_offered_checked_and_done(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = f"level 1, and every node knows {TOP}: sprawl cluster upgrade"
    assert offered in sprawl(address, capsys, "status")
    status = json.loads(sprawl(address, capsys, "status", "--json"))
    assert (status["level"], status["upgrade_to"]) == (1, TOP)

    checked = sprawl(address, capsys, "upgrade", "--check")
    assert checked == f"every node knows level {TOP}; the cluster is at 1\n"
    facts = {"before": 1, "to": TOP, "known": list(SUPPORTED)}
    found = json.loads(sprawl(address, capsys, "upgrade", "--check", "--json"))
    assert found == {"level": 1, "changed": False, **facts}

    beyond = sprawl(address, capsys, "upgrade", "--to", str(TOP + 1), code=EXIT_FAILED)
    assert f"Broker 1 only supports versions {SUPPORTED}." in beyond
    assert "INVALID_UPDATE_VERSION" in beyond
    sprawl(address, capsys, "upgrade", "--to", "0", code=EXIT_USAGE)

    done = json.loads(sprawl(address, capsys, "upgrade", "--json"))
    assert done == {"level": TOP, "changed": True, **facts}
    assert "level" not in sprawl(address, capsys, "status")
    again = sprawl(address, capsys, "upgrade")
    assert again == f"the cluster is at level {TOP} already; this version knows {SUPPORTED}\n"


def test_a_new_cluster_needs_no_upgrade(capsys: pytest.CaptureFixture[str]) -> None:
    with Node() as node:
        assert f"at level {TOP} already" in sprawl(node.bootstrap, capsys, "upgrade", "--check")
        status = json.loads(sprawl(node.bootstrap, capsys, "status", "--json"))
        assert (status["level"], status["upgrade_to"]) == (TOP, None)
