"""Apache Kafka's own tools, console clients, Streams example and Connect, from its jars."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.compat.brokers import KAFKA_VERSION, ApacheKafka, Broker, kafka_jars
from tests.compat.kafka_tools import administration, data
from tests.compat.kafka_tools.tools import Tools, connect_jars, one_line, streams_jars
from tests.compat.needs import Needs, read_needs
from tests.compat.report import Case

HERE = Path(__file__).parent
VERSION = KAFKA_VERSION
BROKER_CONFIGS = {"auto.create.topics.enable": "true"}
CASES = {case.__name__: case for case in (*administration.CASES, *data.CASES)}


def install() -> None:
    kafka_jars()
    streams_jars()
    connect_jars()


def run(broker: Broker, work: Path, names: Sequence[str] | None) -> list[Case]:
    """Runs the cases of these names, or all, each in a folder of its own."""
    needs = Needs() if isinstance(broker, ApacheKafka) else read_needs(HERE / "needs.txt")
    return [
        _case(name, case, broker, work / name, needs)
        for name, case in CASES.items()
        if names is None or name in names
    ]


def _case(
    name: str, case: Callable[[Tools], None], broker: Broker, work: Path, needs: Needs
) -> Case:
    work.mkdir()
    began = time.monotonic()
    try:
        case(Tools(broker, work))
    except AssertionError as failure:
        seconds = time.monotonic() - began
        (work / "failure.txt").write_text(f"{failure}\n")
        return Case(
            name=name,
            outcome="failed",
            seconds=seconds,
            detail=one_line(str(failure)),
            needs=needs.of(name, [str(failure)]),
        )
    return Case(name=name, outcome="passed", seconds=time.monotonic() - began)
