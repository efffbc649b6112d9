"""Kafka's programs that move records: console, verifiable, performance, Streams, Connect."""

from __future__ import annotations

import json
from pathlib import Path

from sprawl.gateway.sockets import free_ports
from tests.compat.kafka_tools.tools import Tools, connect_jars, expect, streams_jars, wait_for

STRING = "org.apache.kafka.common.serialization.StringDeserializer"
LONG = "org.apache.kafka.common.serialization.LongDeserializer"


def console(kafka: Tools) -> None:
    topic = kafka.topic("tools-console")
    keyed = ("--property", "parse.key=true", "--property", "key.separator=:")
    kafka.produce(topic, ["k1:one", "k2:two"], *keyed)
    shown = ("--property", "print.key=true", "--property", "print.partition=true")
    read = kafka.consume(topic, 2, *shown)
    assert read == ["Partition:0\tk1\tone", "Partition:0\tk2\ttwo"], read


def console_codecs(kafka: Tools) -> None:
    topic = kafka.topic("tools-codecs")
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    for codec in codecs:
        kafka.produce(topic, [codec], "--compression-codec", codec)
    assert kafka.consume(topic, len(codecs)) == codecs


def verifiable(kafka: Tools) -> None:
    topic = kafka.topic("tools-verifiable", 3)
    sent = kafka.at(
        "org.apache.kafka.tools.VerifiableProducer",
        *("--topic", topic, "--max-messages", "1000", "--acks", "-1"),
    )
    last = json.loads(sent.splitlines()[-1])
    assert (last["sent"], last["acked"]) == (1000, 1000), last
    read = kafka.at(
        "org.apache.kafka.tools.VerifiableConsumer",
        *("--topic", topic, "--group-id", "tools-verifiable", "--max-messages", "1000"),
        *("--reset-policy", "earliest"),
    )
    events = [json.loads(line) for line in read.splitlines() if line.startswith("{")]
    consumed = sum(each["count"] for each in events if each["name"] == "records_consumed")
    assert consumed == 1000, consumed


def performance(kafka: Tools) -> None:
    topic = kafka.topic("tools-perf", 3)
    sent = kafka.run(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", topic, "--num-records", "50000", "--record-size", "200"),
        *("--throughput", "-1", "--producer-props"),
        *(f"bootstrap.servers={kafka.bootstrap}", "acks=all", "enable.idempotence=true"),
    )
    expect(sent, "50000 records sent")
    read = kafka.at(
        "org.apache.kafka.tools.ConsumerPerformance", "--topic", topic, "--messages", "50000"
    )
    count = int(float(read.splitlines()[-1].split(", ")[4]))
    assert count >= 50_000, read


def word_count(kafka: Tools) -> None:
    """Kafka Streams: repartition and changelog topics, state in RocksDB, groups with metadata."""
    kafka.topic("streams-plaintext-input")
    kafka.topic("streams-wordcount-output")
    kafka.produce("streams-plaintext-input", ["all streams lead to kafka", "hello kafka streams"])
    config = f"bootstrap.servers={kafka.bootstrap}\nstate.dir={kafka.work / 'streams'}\n"
    path = kafka.file("streams.properties", config + "commit.interval.ms=500\n")
    main = "org.apache.kafka.streams.examples.wordcount.WordCountDemo"
    with kafka.running(main, path, classpath=streams_jars()):
        read = kafka.consume(
            "streams-wordcount-output",
            8,
            *("--property", "print.key=true", "--property", f"key.deserializer={STRING}"),
            *("--property", f"value.deserializer={LONG}"),
        )
    counts = dict(line.split("\t") for line in read)
    assert {"kafka", "streams", "hello", "all"} <= set(counts), read
    assert counts["kafka"] == "2", read


def connect_file(kafka: Tools) -> None:
    """Connect in one process: a file to a topic, the topic to another file."""
    kafka.topic("tools-connect")
    source, target = kafka.file("in.txt", "first\nsecond\n"), kafka.work / "out.txt"
    [port] = free_ports("127.0.0.1", 1)
    converter = "org.apache.kafka.connect.storage.StringConverter"
    worker = {
        "bootstrap.servers": kafka.bootstrap,
        "key.converter": converter,
        "value.converter": converter,
        "offset.storage.file.filename": str(kafka.work / "connect.offsets"),
        "offset.flush.interval.ms": "500",
        "listeners": f"http://127.0.0.1:{port}",
    }
    common = {"tasks.max": "1"}
    source_config = common | {
        "name": "source",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": source,
        "topic": "tools-connect",
    }
    sink_config = common | {
        "name": "sink",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "file": str(target),
        "topics": "tools-connect",
    }
    files = [
        kafka.file(f"{name}.properties", "".join(f"{key}={value}\n" for key, value in each.items()))
        for name, each in (("worker", worker), ("source", source_config), ("sink", sink_config))
    ]
    main = "org.apache.kafka.connect.cli.ConnectStandalone"
    with kafka.running(main, *files, classpath=connect_jars()):
        wait_for("out.txt", lambda: _lines(target) == ["first", "second"])
        with Path(source).open("a") as more:
            more.write("third\n")
        wait_for("out.txt", lambda: _lines(target) == ["first", "second", "third"])


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


CASES = (console, console_codecs, verifiable, performance, word_count, connect_file)
