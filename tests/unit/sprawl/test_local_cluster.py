"""`sprawl cluster local`: the plan, the words, and the commands of its nodes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sprawl.cli.cluster_local import banner, obituary, ready_facts
from sprawl.faults import SettingFault, StartFault
from sprawl.local_cluster import LocalCluster
from sprawl.local_plan import NodePlan, Wish, check_ports, data_folder, make_plan, settle_plan


def began(folder: Path, wish: Wish) -> list[NodePlan]:
    """A cluster whose nodes have data."""
    plan = settle_plan(folder, wish)
    for each in plan:
        data_folder(folder, each.node_id).mkdir(parents=True)
    return plan


def test_ports_follow_each_other() -> None:
    plan = make_plan(Wish())
    assert [each.port for each in plan] == [9092, 9093, 9094]
    assert [each.peer_port for each in plan] == [9192, 9193, 9194]
    assert [each.http_port for each in plan] == [9644, 9645, 9646]


def test_free_ports_are_all_different() -> None:
    plan = make_plan(Wish(nodes=5, port=0))
    ports = {port for each in plan for _, port in each.ports()}
    assert len(ports) == 20


def test_http_ports_may_be_chosen_beside_free_ones() -> None:
    plan = make_plan(Wish(nodes=2, port=0, http_port=7000))
    assert [each.http_port for each in plan] == [7000, 7001]
    assert all(each.port not in (0, 9092) for each in plan)


def test_the_plan_stays_with_the_data(tmp_path: Path) -> None:
    first = began(tmp_path, Wish(nodes=3, port=0))
    assert settle_plan(tmp_path, Wish()) == first
    with pytest.raises(SettingFault, match="holds a cluster of 3 nodes, not of 2"):
        settle_plan(tmp_path, Wish(nodes=2))


def test_a_plan_without_data_binds_nobody(tmp_path: Path) -> None:
    settle_plan(tmp_path, Wish(nodes=3))
    assert len(settle_plan(tmp_path, Wish(nodes=2, port=0))) == 2


def test_a_cluster_grows(tmp_path: Path) -> None:
    first = began(tmp_path, Wish(nodes=3))
    grown = settle_plan(tmp_path, Wish(nodes=5))
    assert grown[:3] == first
    assert grown[4] == NodePlan(
        node_id=5, port=9096, peer_port=9196, http_port=9648, schema_registry_port=8085
    )
    assert settle_plan(tmp_path, Wish()) == grown


def test_only_peers_keep_their_ports(tmp_path: Path) -> None:
    first = began(tmp_path, Wish(nodes=3))
    moved = settle_plan(tmp_path, Wish(port=19000))
    assert [each.port for each in moved] == [19000, 19001, 19002]
    assert [each.peer_port for each in moved] == [each.peer_port for each in first]
    assert [each.http_port for each in moved] == [each.http_port for each in first]


def test_a_plan_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(StartFault, match="cannot be read"):
        settle_plan(tmp_path, Wish())


def test_a_busy_port_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plan = [NodePlan(node_id=1, port=port, peer_port=0, http_port=0)]
        with pytest.raises(StartFault, match=rf"port {port}, node 1's for clients, is in use by"):
            check_ports(plan)


def test_only_the_first_node_does_not_join(tmp_path: Path) -> None:
    cluster = LocalCluster(make_plan(Wish()), tmp_path, ["--set", "num.partitions=2"])
    first, *others = cluster.nodes
    assert "--join" not in first.arguments(founds=True)
    for node in others:
        words = node.arguments(founds=False)
        assert words[words.index("--join") + 1].startswith("localhost:9192")
        assert {"min.insync.replicas=2", "num.partitions=2"} <= set(words)
    assert cluster.bootstrap == "localhost:9092,localhost:9093,localhost:9094"


def test_a_node_with_data_needs_no_join(tmp_path: Path) -> None:
    cluster = LocalCluster(began(tmp_path, Wish()), tmp_path)
    assert all("--join" not in node.arguments(founds=False) for node in cluster.nodes)


def test_a_lost_first_node_does_not_found_a_second_cluster(tmp_path: Path) -> None:
    plan = began(tmp_path, Wish())
    data_folder(tmp_path, 1).rmdir()
    words = LocalCluster(plan, tmp_path).nodes[0].arguments(founds=False)
    assert words[words.index("--join") + 1] == "localhost:9193,localhost:9194"


def test_a_node_in_memory_comes_back_as_a_replacement(tmp_path: Path) -> None:
    cluster = LocalCluster(make_plan(Wish()), tmp_path, in_memory=True)
    command = cluster.nodes[1].command_again()
    assert "--storage memory" in command
    assert "--join localhost:9192,localhost:9194" in command
    assert "--replace-node" in command


def test_two_nodes_keep_kafkas_defaults(tmp_path: Path) -> None:
    cluster = LocalCluster(make_plan(Wish(nodes=2)), tmp_path)
    assert "--set" not in cluster.nodes[0].arguments(founds=True)
    assert ready_facts(cluster)["settings"] == {}
    assert "one replica" in banner(cluster, ready_facts(cluster))


def test_the_banner_says_what_to_type_next(tmp_path: Path) -> None:
    cluster = LocalCluster(make_plan(Wish()), tmp_path)
    facts = ready_facts(cluster)
    text = banner(cluster, facts)
    assert "export SPRAWL_BOOTSTRAP=localhost:9092,localhost:9093,localhost:9094" in text
    assert "default.replication.factor=3, min.insync.replicas=2" in text
    assert max(map(len, text.splitlines())) < 100 + len(str(tmp_path))
    assert list(json.loads(json.dumps(facts)))[-1] == "event"


def test_an_obituary_has_the_last_lines_and_the_way_back(tmp_path: Path) -> None:
    node = LocalCluster(make_plan(Wish()), tmp_path).nodes[2]
    node.log.parent.mkdir(parents=True)
    node.log.write_text("".join(f"line {number}\n" for number in range(20)))
    text = obituary(node, -9, 2)
    assert text.startswith("node 3 was ended by SIGKILL. The other 2 go on.")
    assert "line 19" in text
    assert "line 13\n" not in text
    assert "serve --node-id 3" in text
    assert "exit code 4. No other node is left." in obituary(node, 4, 0)
