"""The `sprawl` fixture: a node of its own for each test, in the test's process.

    def test_orders(sprawl):
        producer = Producer({"bootstrap.servers": sprawl.bootstrap})

The node keeps everything in memory, listens on a free port of the loopback interface (so tests can
run side by side, pytest-xdist included) and is gone after the test. Settings go in a marker:

    @pytest.mark.sprawl(num_partitions=3)
    def test_three_partitions(sprawl): ...

`sprawl_session` is the same for the whole session, when tests choose topic names of their own.
Nothing of Sprawl is loaded until a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sprawl.node import Node

MARKER = "sprawl(**settings): settings of the node behind the `sprawl` fixture, as sprawl.Node's"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def sprawl(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A fresh node in memory: `.bootstrap` is its Kafka address, `.http` its HTTP address."""
    from sprawl.node import Node

    marker = request.node.get_closest_marker("sprawl")
    with Node(**(marker.kwargs if marker else {})) as node:
        yield node


@pytest.fixture(scope="session")
def sprawl_session() -> Iterator[Node]:
    """One node in memory for all tests of the session."""
    from sprawl.node import Node

    with Node() as node:
        yield node
