"""How a run ends: everybody gets answers again, stops, and everything is read from the start."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.harness.confluent_kit import ConfluentConsumer
from tests.harness.processes import wait_until
from tests.harness.recorder import Recorder
from tests.harness.workloads import NoAnswer, Place, Worker

FINAL = 1
"""The process that reads everything; those that read committed offsets back come next."""
HEALING_S = 60.0
ENDING_S = 120.0


def await_progress(workers: Sequence[Worker], recorder: Recorder) -> None:
    """Liveness: once all is whole again, everybody gets answers within bounded time."""
    before = {worker: worker.progress for worker in workers}

    def stuck() -> list[Worker]:
        return [worker for worker, seen in before.items() if worker.progress == seen]

    if not wait_until(lambda: not stuck(), HEALING_S):
        for worker in stuck():
            recorder.problem(f"{worker.name} got no answer within {HEALING_S:.0f} s of healing")


def end(workers: Sequence[Worker], recorder: Recorder) -> None:
    """Tell all to stop and wait until they have."""
    for worker in workers:
        worker.stopping.set()
    deadline = time.monotonic() + ENDING_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            recorder.problem(f"{worker.name} did not end within {ENDING_S:.0f} s")


def read_all(
    bootstrap: str, places: Sequence[Place], groups: dict[int, str], recorder: Recorder
) -> None:
    """The final phase: every partition from the start to its end, and every committed offset.

    Args:
        groups: the group of each process; who reads the committed offsets back is added.
    """
    port = ConfluentConsumer(bootstrap, None)
    port.assign(dict.fromkeys(places, 0))
    recorder.do(FINAL, "assign", tuple(places))
    for place in places:
        recorder.do(FINAL, "seek", (*place, 0))
    left: dict[Place, int] = {}
    deadline = time.monotonic() + ENDING_S
    for place in places:
        while (last := _end_of(port, place)) is None and time.monotonic() < deadline:
            time.sleep(0.2)
        if last is None:
            recorder.problem(f"the end of {place} cannot be read")
        elif last > 0:
            left[place] = last
    while left and time.monotonic() < deadline:
        recorder.add(FINAL, "invoke", "poll", ())
        found = [record for part in port.poll(0.5) for record in part]
        recorder.add(FINAL, "ok", "poll", tuple(found))
        for topic, partition, offset, _ in found:
            if offset + 1 >= left.get((topic, partition), offset + 2):
                del left[topic, partition]
    port.close()
    if left:
        recorder.problem(f"the final reads did not come to the end of {sorted(left)}")
    for process, group in enumerate(sorted(set(groups.values())), FINAL + 1):
        groups[process] = group
        _read_committed(bootstrap, places, process, group, recorder)


def _end_of(port: ConfluentConsumer, place: Place) -> int | None:
    """None while its leader is somewhere else than the client believes."""
    try:
        return port.end(place)
    except NoAnswer:
        return None


def _read_committed(
    bootstrap: str, places: Sequence[Place], process: int, group: str, recorder: Recorder
) -> None:
    port = ConfluentConsumer(bootstrap, group)
    asked = tuple((*place, None) for place in places)
    recorder.add(process, "invoke", "committed", asked)
    try:
        found = port.committed(places)
    except NoAnswer as error:
        recorder.problem(f"the offsets of {group} cannot be read: {error!r}")
    else:
        value = tuple((*place, offset) for place, offset in found.items())
        recorder.add(process, "ok", "committed", value)
    port.close()
