"""A node inside the test's own process, and the fixtures built on it."""

from __future__ import annotations

import errno
import socket
import urllib.request
from pathlib import Path

import pytest

import sprawl as package
from sprawl.client.cluster import Cluster
from sprawl.client.fetching import EARLIEST, LATEST, Reader, list_offsets
from sprawl.client.groups import commit_offsets, committed_offsets
from sprawl.client.producing import NewRecord, Producer
from sprawl.client.topics import ResourceType, create_topic, delete_topics, describe_configs
from sprawl.core.groups.coordinators import GroupCoordinators
from sprawl.core.storage.rocksdb import RocksKeyValueStore
from sprawl.faults import SettingFault, StartFault
from sprawl.gateway.sockets import free_ports

pytest_plugins = ["pytester"]


async def write(bootstrap: str, topic: str, *values: bytes) -> None:
    async with Cluster(bootstrap) as cluster:
        view = await cluster.topic(topic, create=True)
        records = [
            NewRecord(timestamp_ms=1_000 + n, key=None, value=v) for n, v in enumerate(values)
        ]
        await Producer(cluster, view).send(records)


async def read(bootstrap: str, topic: str) -> list[bytes | None]:
    async with Cluster(bootstrap) as cluster:
        view = await cluster.topic(topic)
        partitions = [entry.partition for entry in view.partitions]
        starts = await list_offsets(cluster, view, dict.fromkeys(partitions, EARLIEST))
        ends = await list_offsets(cluster, view, dict.fromkeys(partitions, LATEST))
        wanted = {partition: found.offset for partition, found in ends.items()}
        reader = Reader(cluster, view, {p: found.offset for p, found in starts.items()})
        values: list[bytes | None] = []
        while any(reader.positions[p] < wanted[p] for p in partitions):
            values += [entry.record.value for entry in await reader.poll(wanted=wanted)]
        return values


async def test_a_node_in_the_callers_loop_keeps_records() -> None:
    async with package.Node() as node:
        await write(node.bootstrap, "t", b"a", b"b")
        assert await read(node.bootstrap, "t") == [b"a", b"b"]


async def test_a_node_in_a_thread_serves_other_threads() -> None:
    with package.Node() as node:
        await write(node.bootstrap, "t", b"a")
        assert await read(node.bootstrap, "t") == [b"a"]


async def test_settings_are_keyword_arguments() -> None:
    async with package.Node(num_partitions=3) as node, Cluster(node.bootstrap) as cluster:
        assert await create_topic(cluster, "t") == 3


def test_an_unknown_setting_is_refused_at_once() -> None:
    with pytest.raises(SettingFault, match=r"num\.partitions"):
        package.Node(num_partition=3)


async def test_records_on_disk_outlive_the_node(tmp_path: Path) -> None:
    async with package.Node(data_dir=tmp_path) as node:
        await write(node.bootstrap, "t", b"a")
        async with Cluster(node.bootstrap) as cluster:
            cluster_id = (await cluster.metadata()).cluster_id
    async with package.Node(data_dir=tmp_path) as node:
        assert await read(node.bootstrap, "t") == [b"a"]
        async with Cluster(node.bootstrap) as cluster:
            assert (await cluster.metadata()).cluster_id == cluster_id


async def test_offsets_do_not_outlive_their_topic_when_the_node_ends_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with package.Node(data_dir=tmp_path) as node, Cluster(node.bootstrap) as cluster:
        for topic in ("kept", "gone"):
            await create_topic(cluster, topic)
        await commit_offsets(cluster, "g", {("kept", 0): 3, ("gone", 0): 5})
        with monkeypatch.context() as patch:
            patch.setattr(GroupCoordinators, "topics_deleted", lambda *_: None)
            await delete_topics(cluster, ["gone"])
    async with package.Node(data_dir=tmp_path) as node, Cluster(node.bootstrap) as cluster:
        await create_topic(cluster, "gone")
        assert list(await committed_offsets(cluster, "g")) == [("kept", 0)]


async def test_a_group_of_an_embedded_node_starts_at_once() -> None:
    async with package.Node() as node, Cluster(node.bootstrap) as cluster:
        configs = await describe_configs(cluster, ResourceType.BROKER, "1")
        values = {config.name: config.value for config in configs}
        assert values["group.initial.rebalance.delay.ms"] == "0"


async def test_two_nodes_do_not_share_a_data_directory(tmp_path: Path) -> None:
    async with package.Node(data_dir=tmp_path):
        with pytest.raises(StartFault, match="in use"):
            await package.Node(data_dir=tmp_path).__aenter__()


async def test_a_failed_start_leaves_port_and_directory_free(tmp_path: Path) -> None:
    [port] = free_ports("127.0.0.1", 1)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(StartFault, match=f"port {port}"),
    ):
        await package.Node(data_dir=tmp_path, port=port).__aenter__()
    async with package.Node(data_dir=tmp_path, port=port) as node:
        assert node.bootstrap == f"127.0.0.1:{port}"


def test_a_busy_port_names_its_holder_and_a_way_out() -> None:
    with package.Node() as node:
        port = int(node.bootstrap.rpartition(":")[2])
        with pytest.raises(StartFault, match=r"pid \d+") as caught:
            package.Node(port=port).start()
    assert "--port 0" in caught.value.next_step


def test_nodes_run_side_by_side_and_stop_twice() -> None:
    with package.Node() as one, package.Node() as two:
        assert one.bootstrap != two.bootstrap
        one.stop()
        one.stop()
        with pytest.raises(RuntimeError, match="not running"):
            _ = one.bootstrap
        with pytest.raises(RuntimeError, match="running already"):
            two.start()


def test_health_and_metrics_are_served_over_http() -> None:
    with package.Node() as node:
        assert node.http is not None
        with urllib.request.urlopen(f"{node.http}/health", timeout=5) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{node.http}/metrics", timeout=5) as answer:
            assert b"# TYPE" in answer.read()


def test_http_can_be_left_out() -> None:
    with package.Node(http_port=None) as node:
        assert node.http is None


def test_the_fixture_gives_each_test_a_fresh_node(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import pytest
        from sprawl.client.cluster import Cluster
        from sprawl.client.topics import create_topic

        async def topics(address, create=None):
            async with Cluster(address) as cluster:
                if create:
                    await create_topic(cluster, create)
                return {name: len(view.partitions) for name, view in
                        (await cluster.metadata()).topics.items()}

        def test_one(sprawl):
            assert asyncio.run(topics(sprawl.bootstrap, create="a")) == {"a": 1}

        @pytest.mark.sprawl(num_partitions=2)
        def test_two(sprawl):
            assert asyncio.run(topics(sprawl.bootstrap, create="b")) == {"b": 2}

        def test_session_a(sprawl_session):
            assert sprawl_session.http.startswith("http://127.0.0.1:")

        def test_session_b(sprawl, sprawl_session):
            assert sprawl.bootstrap != sprawl_session.bootstrap
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--strict-markers")
    result.assert_outcomes(passed=4)


async def test_a_disk_that_takes_no_write_is_a_fault_of_the_start_and_none_of_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with package.Node(data_dir=tmp_path):
        monkeypatch.setattr(RocksKeyValueStore, "write_batch", full)
    assert "no mark of a clean stop" in caplog.text
    with pytest.raises(StartFault, match="No space left"):
        await package.Node(data_dir=tmp_path).__aenter__()
