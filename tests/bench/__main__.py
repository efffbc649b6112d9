"""Benchmark of one node: `python -m tests.bench` prints a table and writes JSON with --json FILE.

Back of an envelope, for 1 kB records in batches of about 1 MB on one core: receive, check and
append cost 0.27 ms a megabyte, so 0.3 to 0.6 CPU-s/GB to produce; reading is one copy out of the
page cache and one into the socket, 0.2 to 0.4 CPU-s/GB.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.workloads import (
    CpuMeter,
    consume,
    create_topic,
    idle_connections,
    latency,
    produce,
)
from tests.node_process import NodeProcess

WORKLOADS = ((1_000_000, 100), (500_000, 1_000), (100_000, 10_000))
RATES = (200, 2_000)
LATENCY_S = 10.0


def throughput(data: Path, rounds: int, scale: float) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for full_count, size in WORKLOADS:
        count = int(full_count * scale)
        for direction in ("produce", "consume"):
            rows.append({"direction": direction, "bytes": size, "rounds": []})
        for number in range(rounds):
            with NodeProcess(data / f"{size}-{number}") as node:
                create_topic(node.bootstrap, "bench")
                for row, run in zip(rows[-2:], (produce, consume), strict=True):
                    meter = CpuMeter(node.cpu_s)
                    result = run(node.bootstrap, "bench", count, size, meter)
                    _rounds(row).append(result.row() | {"resident_mib": node.resident_mib()})
    return rows


def _rounds(row: dict[str, object]) -> list[dict[str, float]]:
    rounds = row["rounds"]
    assert isinstance(rounds, list)
    return rounds


def memory(data: Path) -> dict[str, float]:
    """Start-up time and resident memory of nodes that do little."""
    facts: dict[str, float] = {}
    starts = []
    for number in range(5):
        with NodeProcess(data / f"idle-{number}") as node:
            starts.append(float(node.facts["ready_ms"]))
            time.sleep(2)
            facts["idle_mib"] = node.resident_mib()
    facts["start_to_ready_ms"] = statistics.median(starts)
    with NodeProcess(data / "many") as node:
        create_topic(node.bootstrap, "many", 1_000)
        sockets = idle_connections(node.bootstrap, 1_000)
        time.sleep(1)
        facts["partitions_1000_connections_1000_mib"] = node.resident_mib()
        for opened in sockets:
            opened.close()
    return facts


def show(rows: list[dict[str, object]], latencies: list[dict[str, float]], facts: object) -> None:
    columns = ("records_per_s", "mb_per_s", "broker_cpu_s_per_gb", "failures", "resident_mib")
    print("| direction | bytes | " + " | ".join(columns) + " |")
    print("|---|---" * 1 + "|---" * len(columns) + "|")
    for row in rows:
        rounds = _rounds(row)
        cells = [f"{statistics.median(r[name] for r in rounds):,.2f}" for name in columns]
        print(f"| {row['direction']} | {row['bytes']} | " + " | ".join(cells) + " |")
    print()
    for line in latencies:
        print("  ".join(f"{name}={value:,.2f}" for name, value in line.items()))
    print(json.dumps(facts, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each workload")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the record counts")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args()
    parts: dict[str, Callable[[Path], object]] = {
        "throughput": lambda data: throughput(data, given.rounds, given.scale),
        "latency": _latencies,
        "memory": memory,
    }
    found: dict[str, object] = {"machine": platform.platform(), "python": platform.python_version()}
    for name, run in parts.items():
        with tempfile.TemporaryDirectory(prefix="sprawl-bench-") as folder:
            found[name] = run(Path(folder))
    show(found["throughput"], found["latency"], found["memory"])  # type: ignore[arg-type]
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def _latencies(data: Path) -> list[dict[str, float]]:
    rows = []
    for rate in RATES:
        with NodeProcess(data / str(rate)) as node:
            create_topic(node.bootstrap, "latency")
            rows.append(latency(node.bootstrap, "latency", rate, LATENCY_S))
    return rows


if __name__ == "__main__":
    main()
