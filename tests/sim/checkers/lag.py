"""How far consumers were behind, in time: figures, no verdict.

At the end of a poll, a consumer at position p is as late as the record at p is old, counted from
the moment when a producer knew that p, or anything after p, was stored.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import cast

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.ledger import Key, Ledger, micro_ops
from tests.sim.checkers.report import Findings
from tests.sim.history import Assigned, Polled, Sought


def measure_lag(ledger: Ledger, expect: Expectations, found: Findings) -> None:
    """Adds lag_max_s, lag_p99_s and lag_p50_s to the figures. Final reads do not count."""
    ends = {key: _end_over_time(facts.acknowledged) for key, facts in ledger.partitions.items()}
    positions: dict[int, dict[Key, int]] = {}
    lags_us: list[int] = []
    for event in ledger.events:
        if (event.kind != "ok" and event.op != "crash") or event.process in expect.final:
            continue
        mine = positions.setdefault(event.process, {})
        if event.op in ("crash", "subscribe"):
            mine.clear()
        elif event.op == "assign":
            kept = {Key(*pair) for pair in cast("Assigned", event.value)}
            positions[event.process] = {key: at for key, at in mine.items() if key in kept}
        elif event.op == "seek":
            topic, partition, offset = cast("Sought", event.value)
            mine[Key(topic, partition)] = max(0, offset)
        else:
            polls = [value for op, value in micro_ops(event) if op == "poll"]
            for value in polls:
                for topic, partition, offset, _ in cast("Polled", value):
                    mine[Key(topic, partition)] = offset + 1
            if polls:
                lags_us += [_lag_us(ends.get(key), at, event.at_us) for key, at in mine.items()]
    lags_us.sort()
    if lags_us:
        found.figures["lag_max_s"] = lags_us[-1] / 1e6
        found.figures["lag_p99_s"] = lags_us[int(len(lags_us) * 0.99)] / 1e6
        found.figures["lag_p50_s"] = lags_us[len(lags_us) // 2] / 1e6


def _end_over_time(acknowledged: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The offsets at which the known end of a partition rose, and the times in us."""
    offsets: list[int] = []
    times: list[int] = []
    for at_us, offset in acknowledged:
        if not offsets or offset > offsets[-1]:
            offsets.append(offset)
            times.append(at_us)
    return offsets, times


def _lag_us(end: tuple[list[int], list[int]] | None, position: int, now_us: int) -> int:
    if end is None:
        return 0
    place = bisect_left(end[0], position)
    return max(0, now_us - end[1][place]) if place < len(end[1]) else 0
