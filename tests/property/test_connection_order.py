"""Whatever arrives in whatever pieces, and whichever handler is slow: frames and order hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sprawl.gateway.framing import FrameReader
from sprawl.gateway.pipeline import Pipeline, Slot

FRAME_BYTES_MAX = 300
PRODUCE, FETCH, HEARTBEAT = 0, 1, 12
IN_FLIGHT_MAX = 3


def feed(data: bytes, cuts: list[int], scratch_bytes: int) -> tuple[list[bytes], str | None]:
    """What a reader makes of `data` when it comes in pieces of these sizes."""
    reader = FrameReader(FRAME_BYTES_MAX)
    scratch = memoryview(bytearray(scratch_bytes))
    frames: list[bytearray] = []
    sizes = iter(cuts)
    while data and reader.fault is None:
        target = reader.target()
        buffer = scratch if target is None else target
        count = min(len(buffer), len(data), next(sizes, len(data)))
        buffer[:count] = data[:count]
        del target, buffer
        frames += reader.received(scratch, count)
        data = data[count:]
    return [bytes(frame) for frame in frames], None if reader.fault is None else str(reader.fault)


streams = st.one_of(
    st.binary(max_size=600),
    st.lists(st.binary(min_size=1, max_size=FRAME_BYTES_MAX), max_size=6).map(
        lambda bodies: b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    ),
)


@given(
    data=streams, cuts=st.lists(st.integers(1, 50)), scratch_bytes=st.sampled_from([4, 7, 64, 1000])
)
def test_frames_and_faults_do_not_depend_on_how_the_bytes_were_cut(
    data: bytes, cuts: list[int], scratch_bytes: int
) -> None:
    assert feed(data, cuts, scratch_bytes) == feed(data, [], 10_000)


@given(bodies=st.lists(st.binary(min_size=1, max_size=FRAME_BYTES_MAX), max_size=8))
def test_well_formed_frames_come_out_as_they_went_in(bodies: list[bytes]) -> None:
    data = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    assert feed(data, [3] * len(data), 16) == (bodies, None)


@given(
    api_keys=st.lists(st.sampled_from([PRODUCE, FETCH, HEARTBEAT]), max_size=30),
    data=st.data(),
)
def test_any_interleaving_starts_and_answers_requests_in_order(
    api_keys: list[int], data: st.DataObject
) -> None:
    line = Pipeline(lambda api_key: api_key == PRODUCE, IN_FLIGHT_MAX, 10_000)
    arriving = list(enumerate(api_keys))
    running: list[tuple[int, Slot]] = []
    started: list[int] = []
    sent: list[int] = []
    while arriving or running:
        steps = ["arrive"] * bool(arriving) + ["answer"] * bool(running)
        if data.draw(st.sampled_from(steps)) == "arrive":
            number, api_key = arriving.pop(0)
            line.arrived(bytearray(api_key.to_bytes(2, "big") + bytes([number])))
        else:
            number, slot = running.pop(data.draw(st.integers(0, len(running) - 1)))
            slot.answer = [bytes([number])]
        sent += (bytes(buffer)[0] for buffer in line.answered())
        while (begun := line.start()) is not None:
            frame, slot = begun
            started.append(frame[2])
            running.append((frame[2], slot))
            others = {other.api_key for _, other in running}
            assert len(running) == 1 or others == {PRODUCE}
            assert len(running) <= IN_FLIGHT_MAX
    assert started == list(range(len(api_keys)))
    assert sent == list(range(len(api_keys)))
    assert line.is_idle
