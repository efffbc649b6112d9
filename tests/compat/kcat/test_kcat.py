"""kcat, the command line client over librdkafka."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable

import pytest
from node_process import NodeProcess

KCAT = shutil.which("kcat")
pytestmark = pytest.mark.skipif(KCAT is None, reason="kcat is not installed")

Unique = Callable[[str], str]


def kcat(node: NodeProcess, *words: str, feed: str = "") -> str:
    done = subprocess.run(
        [str(KCAT), "-b", node.bootstrap, *words],
        input=feed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lists_the_node_and_its_topics(node: NodeProcess, unique: Unique) -> None:
    topic = unique("kcat-list")
    kcat(node, "-P", "-t", topic, feed="x\n")
    found = json.loads(kcat(node, "-L", "-J"))
    assert [broker["name"] for broker in found["brokers"]] == [node.bootstrap]
    assert topic in [each["topic"] for each in found["topics"]]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_reads_back_what_it_wrote(node: NodeProcess, unique: Unique, codec: str) -> None:
    topic = unique(f"kcat-{codec}")
    lines = [f"key{n % 3}:value {n}" for n in range(2_000)]
    kcat(node, "-P", "-t", topic, "-K", ":", "-z", codec, feed="\n".join(lines) + "\n")
    out = kcat(node, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-K", ":")
    assert out.splitlines() == lines


def test_headers_and_offsets(node: NodeProcess, unique: Unique) -> None:
    topic = unique("kcat-headers")
    kcat(node, "-P", "-t", topic, "-H", "trace=abc", "-H", "empty", feed="hello\n")
    out = kcat(node, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o %h %s\n")
    assert out == "0 trace=abc,empty=NULL hello\n"


def test_query_offsets_by_time(node: NodeProcess, unique: Unique) -> None:
    topic = unique("kcat-time")
    kcat(node, "-P", "-t", topic, feed="one\ntwo\n")
    assert kcat(node, "-Q", "-t", f"{topic}:0:0").strip() == f"{topic} [0] offset 0"
    assert kcat(node, "-Q", "-t", f"{topic}:0:-1").strip() == f"{topic} [0] offset 2"


def test_group_continues_where_it_stopped(node: NodeProcess, unique: Unique) -> None:
    topic, group = unique("kcat-group"), unique("group")
    kcat(node, "-P", "-t", topic, feed="1\n2\n3\n")
    balanced = ("-G", group, "-X", "auto.offset.reset=earliest", "-q", "-e", topic)
    assert kcat(node, *balanced).split() == ["1", "2", "3"]
    kcat(node, "-P", "-t", topic, feed="4\n")
    assert kcat(node, *balanced).split() == ["4"]


def test_records_survive_a_restart(own_node: NodeProcess) -> None:
    kcat(own_node, "-P", "-t", "kept", feed="a\nb\n")
    own_node.restart()
    assert kcat(own_node, "-C", "-t", "kept", "-o", "beginning", "-e", "-q").split() == ["a", "b"]
    own_node.kill()
    own_node.start()
    assert kcat(own_node, "-C", "-t", "kept", "-o", "beginning", "-e", "-q").split() == ["a", "b"]
