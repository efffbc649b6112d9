"""The consumer protocol's bytes and the range assignment."""

from __future__ import annotations

import pytest

from sprawl.client.membership import (
    assign_by_range,
    encode_assignment,
    encode_subscription,
    parse_assignment,
    parse_subscription,
)
from sprawl.core.errors import PeerFault


def test_a_subscription_has_kafkas_bytes() -> None:
    assert encode_subscription(["ab"]) == bytes.fromhex("0000 00000001 0002 6162 ffffffff")


def test_an_assignment_has_kafkas_bytes() -> None:
    assert encode_assignment({"a": [0, 2]}) == bytes.fromhex(
        "0000 00000001 0001 61 00000002 00000000 00000002 ffffffff"
    )


def test_assignments_come_back() -> None:
    assigned = {"orders": [0, 1], "zeichen-ü": [], "x": [7]}
    assert parse_assignment(encode_assignment(assigned)) == assigned


def test_a_rebalancing_member_has_the_empty_assignment() -> None:
    assert parse_assignment(b"") == {}


def test_subscriptions_of_newer_versions_are_read() -> None:
    version_3 = bytes.fromhex("0003") + encode_subscription(["t", "u"])[2:] + b"\0\0\0\0\0\0\0\x01"
    assert parse_subscription(version_3) == ["t", "u"]


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        bytes.fromhex("0000 00000001"),
        bytes.fromhex("0000 00000001 0001 61 7fffffff"),
        bytes.fromhex("0000 00000001 0001 ff 00000000"),
    ],
)
def test_broken_assignments_are_the_peers_fault(data: bytes) -> None:
    with pytest.raises(PeerFault):
        parse_assignment(data)


def test_range_gives_runs_in_member_order_and_the_rest_to_the_first() -> None:
    assert assign_by_range(["c", "a", "b"], [0, 1, 2, 3, 4, 5, 6]) == {
        "a": [0, 1, 2],
        "b": [3, 4],
        "c": [5, 6],
    }


def test_more_members_than_partitions_leaves_some_idle() -> None:
    assert assign_by_range(["a", "b"], [0]) == {"a": [0], "b": []}
