"""What a node says of its load."""

from __future__ import annotations

import pytest

from sprawl.gateway.metrics import LATENCY_BUCKETS_S
from sprawl.load_figures import percentile_us

BUCKETS = len(LATENCY_BUCKETS_S) + 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, 0),
        ({0: 1}, 100),
        ({0: 99, 3: 1}, 100),
        ({0: 98, 3: 2}, 1_000),
        ({BUCKETS - 1: 1}, 5_000_000),
    ],
)
def test_a_percentile_is_the_bound_of_its_bucket(counts: dict[int, int], expected: int) -> None:
    assert percentile_us([counts.get(each, 0) for each in range(BUCKETS)], 0.99) == expected
