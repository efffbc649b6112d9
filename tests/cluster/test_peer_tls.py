"""Nodes that talk by mutual TLS, set up as the documentation says: openssl, real processes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sprawl.faults import EXIT_START_FAILED
from sprawl.gateway.sockets import free_ports
from tests.cluster.local_command import PROGRAM, read, run_sprawl, write

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"


def openssl_commands() -> str:
    """The block of the documentation that makes the certificates."""
    blocks = re.findall(r"```\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    [found] = [block for block in blocks if "openssl req -x509" in block]
    return found


def make_certificates(folder: Path) -> None:
    """Run it."""
    folder.mkdir()
    subprocess.run(
        ["bash", "-euc", openssl_commands()], cwd=folder, check=True, capture_output=True
    )


class TlsNode:
    """`sprawl serve` with a certificate; its ready line, or its last words."""

    def __init__(self, number: int, peer_ports: list[int], certificates: Path, ca: Path) -> None:
        words = ["serve", "--storage", "memory", "--node-id", str(number), "--host", "127.0.0.1"]
        words += ["--port", "0", "--http-port", "0", "--peer-port", str(peer_ports[number - 1])]
        if number > 1:
            words += ["--join", f"127.0.0.1:{peer_ports[0]}"]
        words += ["--peer-certificate", str(certificates / f"node-{number}.pem")]
        words += ["--peer-key", str(certificates / f"node-{number}.key"), "--peer-ca", str(ca)]
        words += ["--gossip-keys", str(certificates / "gossip.keys")]
        words += ["--set", "default.replication.factor=3"]
        words += ["--set", "group.initial.rebalance.delay.ms=0"]
        self.process = subprocess.Popen(
            [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        facts = json.loads(line) if line else {"bootstrap": "", "http": ""}
        self.bootstrap, self.http = facts["bootstrap"], facts["http"][len("http://") :]

    def stop(self) -> str:
        """What it said on standard error."""
        self.process.terminate()
        return self.process.communicate(timeout=30)[1]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl")
def test_three_nodes_with_the_documented_certificates_and_a_stranger(tmp_path: Path) -> None:
    make_certificates(tmp_path / "ours")
    make_certificates(tmp_path / "theirs")
    ours = tmp_path / "ours"
    ports = free_ports("127.0.0.1", 4)
    nodes = [TlsNode(1, ports, ours, ours / "ca.pem")]
    try:
        nodes += [TlsNode(number, ports, ours, ours / "ca.pem") for number in (2, 3)]
        assert all(node.bootstrap for node in nodes)
        bootstrap = nodes[1].bootstrap
        write(bootstrap, "orders", "a", "b")
        assert read(bootstrap, "orders", 2, "g") == ["a", "b"]
        # Another authority's node 2 is let in by nobody, and lets nobody in.
        stranger = TlsNode(2, [ports[0], ports[3]], tmp_path / "theirs", ours / "ca.pem")
        assert stranger.process.wait(timeout=30) == EXIT_START_FAILED
        assert "cannot join" in stranger.stop()
        # A certificate of ours, for another node.
        shutil.copy(ours / "node-2.pem", ours / "node-4.pem")
        shutil.copy(ours / "node-2.key", ours / "node-4.key")
        impostor = TlsNode(4, [ports[0], 0, 0, ports[3]], ours, ours / "ca.pem")
        assert impostor.process.wait(timeout=30) == EXIT_START_FAILED
        assert "its certificate is for 2" in impostor.stop()
        words = ("cluster", "members", "--json", "--http", nodes[1].http)
        members = json.loads(run_sprawl(*words, bootstrap=bootstrap).stdout)
        assert [(each["node_id"], each["state"]) for each in members] == [
            (1, "alive"),
            (2, "alive"),
            (3, "alive"),
        ]
        assert [each["membership"]["state"] for each in members] == ["alive"] * 3
    finally:
        for node in nodes:
            node.stop()
