"""Which request may start when, and that answers keep the order of the requests."""

from __future__ import annotations

from sprawl.gateway.pipeline import Pipeline, Slot

PRODUCE, FETCH = 0, 1


def request(api_key: int, size: int = 10) -> bytearray:
    return bytearray(api_key.to_bytes(2, "big") + bytes(size - 2))


def pipeline(*, in_flight_max: int = 3, waiting_bytes_max: int = 1_000) -> Pipeline:
    return Pipeline(lambda api_key: api_key == PRODUCE, in_flight_max, waiting_bytes_max)


def start_all(line: Pipeline) -> list[Slot]:
    slots = []
    while (started := line.start()) is not None:
        slots.append(started[1])
    return slots


def arrive(line: Pipeline, *api_keys: int) -> None:
    for api_key in api_keys:
        line.arrived(request(api_key))


def test_a_request_waits_until_the_one_before_it_is_answered() -> None:
    line = pipeline()
    arrive(line, FETCH, FETCH)
    [first] = start_all(line)
    assert start_all(line) == []
    first.answer = [b"1"]
    assert line.answered() == [b"1"]
    assert len(start_all(line)) == 1


def test_produces_overlap_up_to_the_limit() -> None:
    line = pipeline(in_flight_max=3)
    arrive(line, *[PRODUCE] * 5)
    slots = start_all(line)
    assert len(slots) == 3
    slots[0].answer = []
    line.answered()
    assert len(start_all(line)) == 1


def test_nothing_overtakes_a_produce_nor_is_overtaken_by_one() -> None:
    line = pipeline()
    arrive(line, PRODUCE, FETCH, PRODUCE)
    [produce] = start_all(line)
    produce.answer = [b"p"]
    line.answered()
    [fetch] = start_all(line)
    assert fetch.api_key == FETCH
    fetch.answer = [b"f"]
    line.answered()
    [produce] = start_all(line)
    assert produce.api_key == PRODUCE


def test_answers_leave_in_the_order_of_the_requests() -> None:
    line = pipeline()
    arrive(line, PRODUCE, PRODUCE, PRODUCE)
    first, second, third = start_all(line)
    third.answer = [b"3"]
    second.answer = [b"2", b"two"]
    assert line.answered() == []
    first.answer = [b"1"]
    assert line.answered() == [b"1", b"2", b"two", b"3"]
    assert line.answered() == []


def test_an_answer_of_nothing_lets_the_next_one_pass() -> None:
    line = pipeline()
    arrive(line, PRODUCE, PRODUCE)
    silent, loud = start_all(line)
    loud.answer = [b"2"]
    silent.answer = []
    assert line.answered() == [b"2"]
    assert line.is_idle


def test_it_is_full_by_bytes() -> None:
    line = pipeline(waiting_bytes_max=100)
    line.arrived(request(FETCH, 100))
    assert not line.is_full
    line.arrived(request(FETCH, 2))
    assert line.is_full
    line.start()
    assert not line.is_full


def test_it_is_full_by_count() -> None:
    line = pipeline(in_flight_max=3)
    arrive(line, FETCH, FETCH, FETCH)
    assert not line.is_full
    arrive(line, FETCH)
    assert line.is_full


def test_it_is_idle_only_when_nothing_waits_and_nothing_runs() -> None:
    line = pipeline()
    assert line.is_idle
    arrive(line, FETCH)
    assert not line.is_idle
    [slot] = start_all(line)
    assert not line.is_idle
    slot.answer = []
    line.answered()
    assert line.is_idle


def test_what_waits_can_be_forgotten_and_what_runs_cannot() -> None:
    line = pipeline(waiting_bytes_max=15)
    arrive(line, FETCH, FETCH, FETCH)
    [running] = start_all(line)
    assert line.is_full
    line.drop_waiting()
    assert not line.is_full
    running.answer = [b"1"]
    assert line.answered() == [b"1"]
    assert line.start() is None
