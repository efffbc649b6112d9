"""A client that follows a fetch session knows as much as one that asks for everything each time."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k01_fetch import PartitionData
from sprawl.gateway.fetch_session import Answer, FetchKey, FetchSessions, PartitionFetch

PARTITIONS = st.integers(0, 4)

CHANGES = st.one_of(
    st.tuples(st.just("append"), PARTITIONS),
    st.tuples(st.just("delete records"), PARTITIONS),
    st.tuples(st.just("break or mend"), PARTITIONS),
    st.tuples(st.just("ask for"), PARTITIONS),
    st.tuples(st.just("forget"), PARTITIONS),
    st.tuples(st.just("fetch"), st.integers(1, 3)),
)

State = tuple[int, int, int]
"""Error code, high watermark, log start offset of a partition."""


class Truth:
    """The partitions as they are."""

    def __init__(self) -> None:
        self.high_watermark = dict.fromkeys(range(5), 0)
        self.log_start = dict.fromkeys(range(5), 0)
        self.broken: set[int] = set()

    def state(self, partition: int) -> State:
        if partition in self.broken:
            return (ErrorCode.KAFKA_STORAGE_ERROR, -1, -1)
        return (0, self.high_watermark[partition], self.log_start[partition])


class Client:
    """A consumer that keeps a session: what it wants, and what it was told last."""

    def __init__(self, sessions: FetchSessions, truth: Truth) -> None:
        self.sessions = sessions
        self.truth = truth
        self.session_id = 0
        self.epoch = 0
        self.positions: dict[int, int] = {}
        self.told: dict[int, State] = {}
        self.changed: set[int] = set()
        self.forgotten: set[int] = set()

    def fetch(self, batches_max: int) -> None:
        """One round: at most so many partitions return records, in the broker's order."""
        listed = sorted(self.changed if self.epoch else self.positions)
        context = self.sessions.open_context(
            session_id=self.session_id,
            session_epoch=self.epoch,
            uses_topic_ids=False,
            wanted=[
                (FetchKey("t", each), PartitionFetch(self.positions[each], 1, -1, -1))
                for each in listed
            ],
            forgotten=[FetchKey("t", each) for each in sorted(self.forgotten)],
            now_ms=0,
        )
        for each in self.forgotten:  # what was asked for again meanwhile was never forgotten
            self.told.pop(each, None)
        self.changed.clear()
        self.forgotten.clear()
        answers = []
        for key, wish in context.wanted:
            code, high_watermark, log_start = self.truth.state(key.partition)
            has_records = not code and wish.fetch_offset < high_watermark and batches_max > 0
            batches_max -= has_records
            data = PartitionData(
                partition_index=key.partition,
                error_code=code,
                high_watermark=high_watermark,
                log_start_offset=log_start,
            )
            answers.append(Answer(key, data, 10 if has_records else 0))
        selection = context.select(answers, now_ms=0, rng=Random(1))
        assert selection.error_code == ErrorCode.NONE
        self.session_id = selection.session_id
        self.epoch = 0 if self.session_id == 0 else self.epoch + 1
        for key, data, records_bytes in selection.answers:
            index = key.partition
            self.told[index] = (data.error_code, data.high_watermark, data.log_start_offset)
            if records_bytes:
                self.positions[index] += 1
                self.changed.add(index)


@given(st.lists(CHANGES, max_size=60))
def test_a_session_tells_all_that_a_full_fetch_would(changes: list[tuple[str, int]]) -> None:
    truth = Truth()
    client = Client(FetchSessions(), truth)
    for what, index in changes:
        if what == "append":
            truth.high_watermark[index] += 1
        elif what == "delete records":
            truth.log_start[index] = truth.high_watermark[index]
        elif what == "break or mend":
            truth.broken ^= {index}
        elif what == "ask for" and index not in client.positions:
            client.positions[index] = 0
            client.changed.add(index)
            client.forgotten.discard(index)
        elif what == "forget" and index in client.positions:
            del client.positions[index]
            client.changed.discard(index)
            client.forgotten.add(index)
        elif what == "fetch":
            client.fetch(index)
            assert client.told == {each: truth.state(each) for each in client.positions}


@given(st.integers(1, 5), st.integers(1, 3))
def test_no_partition_is_starved(partitions: int, batches_max: int) -> None:
    truth = Truth()
    client = Client(FetchSessions(), truth)
    client.positions = dict.fromkeys(range(partitions), 0)
    client.changed = set(range(partitions))
    client.fetch(0)
    truth.high_watermark = dict.fromkeys(range(5), 1_000)
    rounds = 12
    for _ in range(rounds):
        client.fetch(batches_max)
    fair = min(1.0, batches_max / partitions) * rounds
    assert all(abs(position - fair) <= 1 for position in client.positions.values())
