"""The brokers that a suite runs against: Sprawl, Apache Kafka, or one that is running already."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol, Self

from sprawl.gateway.sockets import free_ports
from tests.compat.workshop import maven_jars, run
from tests.node_process import NodeProcess, process_cpu_s, process_resident_mib

KAFKA_VERSION = "4.1.1"
CLUSTER_ID = "c3ByYXdsLWNvbXBhdC10ZQ"
# What Kafka's start script passes to the JVM.
JVM_FLAGS = (
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)
START_S = 60
# What a test wants of any broker: groups that form at once and topics of one replica.
TEST_CONFIGS = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


class Broker(Protocol):
    """One broker that can be started, measured and stopped."""

    name: str

    @property
    def bootstrap(self) -> str: ...

    @property
    def schema_registry(self) -> str | None:
        """The URL of its schema registry; None: it has none."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class MeasuredBroker(Broker, Protocol):
    """A broker whose process can be measured.

    Args:
        start_s: seconds from the start of its process until clients could connect.
    """

    start_s: float

    def cpu_s(self) -> float: ...

    def resident_mib(self) -> float: ...


class SprawlBroker:
    """A node of this checkout in a process of its own.

    Args:
        folder: data and log go here.
        configs: broker configs by their Kafka names, over TEST_CONFIGS.
        with_registry: with a schema registry.
    """

    name = "sprawl"

    def __init__(
        self,
        folder: Path,
        configs: dict[str, str] | None = None,
        *,
        with_registry: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        served = {"group.initial.rebalance.delay.ms", "offsets.topic.replication.factor"}
        # As for Apache Kafka below, what clients are told is set and not left to the default.
        advertised = {"advertised.listeners": "PLAINTEXT://127.0.0.1:0"}
        common = {k: v for k, v in TEST_CONFIGS.items() if k in served}
        wanted = advertised | common | (configs or {})
        flags = [word for name, value in wanted.items() for word in ("--set", f"{name}={value}")]
        if with_registry:
            flags += ["--schema-registry-port", "0"]
        self.node = NodeProcess(folder / "data", *flags, log=folder / "broker.log")
        self.start_s = 0.0

    @property
    def bootstrap(self) -> str:
        return self.node.bootstrap

    @property
    def schema_registry(self) -> str | None:
        url = self.node.facts["schema_registry"]
        return None if url is None else str(url)

    def cpu_s(self) -> float:
        return self.node.cpu_s()

    def resident_mib(self) -> float:
        return self.node.resident_mib()

    def __enter__(self) -> Self:
        began = time.perf_counter()
        self.node.start()
        self.start_s = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        self.node.stop()


class ApacheKafka:
    """Apache Kafka's own broker, one process as broker and controller (KRaft), from its jars.

    Heap and garbage collector are what its start script chooses: 1 GiB and G1.

    Args:
        folder: data and log go here.
        configs: broker configs by their Kafka names, over TEST_CONFIGS.
        ports: for clients and for the controller, where others have to know them.
    """

    name = "apache-kafka"

    def __init__(
        self,
        folder: Path,
        configs: dict[str, str] | None = None,
        ports: tuple[int, int] | None = None,
    ) -> None:
        self._folder = folder
        self._configs = TEST_CONFIGS | (configs or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = ports
        self._port = 0
        self.start_s = 0.0

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def schema_registry(self) -> str | None:
        return None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker is not running"
        return self._process

    def cpu_s(self) -> float:
        return process_cpu_s(self.process.pid)

    def resident_mib(self) -> float:
        return process_resident_mib(self.process.pid)

    def __enter__(self) -> Self:
        jars = kafka_jars()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._port, controller = self._ports or free_ports("127.0.0.1", 2)
        properties = self._folder / "server.properties"
        node_id = self._configs.get("node.id", "1")
        lines = {
            "process.roles": "broker,controller",
            "node.id": node_id,
            "controller.quorum.voters": f"{node_id}@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._folder / "logs"),
        } | self._configs
        properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        java = ["java", "-cp", f"{jars}/*"]
        format_storage = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties]
        format_storage += ["--ignore-formatted"]
        formatted = run([*java, *format_storage], cwd=self._folder)
        if formatted.returncode != 0:
            raise RuntimeError(f"Apache Kafka's storage could not be formatted\n{formatted.stdout}")
        began = time.perf_counter()
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*java, *JVM_FLAGS, "kafka.Kafka", properties],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )
        self._wait()
        self.start_s = time.perf_counter() - began
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"Apache Kafka did not start; see {self._folder / 'broker.log'}")

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RunningBroker:
    """A broker that somebody else started and will stop."""

    def __init__(self, bootstrap: str, schema_registry: str | None = None) -> None:
        self.name = bootstrap
        self.bootstrap = bootstrap
        self.schema_registry = schema_registry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def kafka_jars() -> Path:
    """Apache Kafka's broker and tools."""
    return maven_jars(
        f"apache-kafka-{KAFKA_VERSION}",
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    )
