"""Listener texts as Kafka writes them, and addresses that will not work where the client is."""

from __future__ import annotations

import pytest

from sprawl.core.broker import Endpoint
from sprawl.gateway.listeners import (
    Listener,
    ListenerFault,
    diagnose,
    endpoints_of,
    judge,
    network_of,
    parse_listeners,
)


def listener(host: str, advertised_host: str, port: int = 9092) -> Listener:
    return Listener(
        name="PLAINTEXT",
        host=host,
        port=port,
        advertised_host=advertised_host,
        advertised_port=port,
    )


# --- texts ---------------------------------------------------------------------------------------


def test_each_listener_advertises_what_it_is_told_to() -> None:
    inner, outer = parse_listeners(
        "INNER://0.0.0.0:9092, outer://:19092",
        "INNER://broker:9092,OUTER://localhost:29092",
        "machine",
    )
    assert (inner.name, inner.host, inner.port) == ("INNER", "0.0.0.0", 9092)
    assert (inner.advertised_host, inner.advertised_port) == ("broker", 9092)
    assert (outer.name, outer.host, outer.port) == ("OUTER", "", 19092)
    assert (outer.advertised_host, outer.advertised_port) == ("localhost", 29092)


@pytest.mark.parametrize(
    ("bind_host", "advertised_host"),
    [("0.0.0.0", "machine"), ("[::]", "machine"), ("", "machine"), ("localhost", "localhost")],
)
def test_without_an_advertised_address_it_is_the_bound_one_or_the_machines_name(
    bind_host: str, advertised_host: str
) -> None:
    [found] = parse_listeners(f"PLAINTEXT://{bind_host}:9092", None, "machine")
    assert found.advertised_host == advertised_host


def test_a_free_port_is_advertised_once_it_is_known() -> None:
    listeners = parse_listeners("A://127.0.0.1:0,B://127.0.0.1:0", "B://b.example:1234", "machine")
    assert endpoints_of(listeners, {"A": 40_001, "B": 40_002}) == {
        "A": Endpoint("127.0.0.1", 40_001),
        "B": Endpoint("b.example", 1234),
    }


def test_an_ipv6_address_loses_its_brackets() -> None:
    [found] = parse_listeners("PLAINTEXT://[::1]:9092", None, "machine")
    assert (found.host, found.advertised_host) == ("::1", "::1")


def test_the_protocol_map_gives_names_their_protocol() -> None:
    [found] = parse_listeners("SSL://:9092", None, "machine", "SSL:PLAINTEXT")
    assert found.security_protocol == "PLAINTEXT"


@pytest.mark.parametrize(
    ("listeners", "advertised", "protocol_map", "word"),
    [
        ("", None, None, "at least one"),
        ("localhost:9092", None, None, "NAME://host:port"),
        ("PLAINTEXT://localhost", None, None, "NAME://host:port"),
        ("PLAINTEXT://localhost:70000", None, None, "NAME://host:port"),
        ("A://:1,a://:2", None, None, "twice"),
        ("SASL_SSL://:9092", None, None, "only PLAINTEXT"),
        ("A://:9092", None, "A:SSL", "only PLAINTEXT"),
        ("A://:9092", None, "A", "NAME:PROTOCOL"),
        ("A://:9092", "B://host:9092", None, "which listeners does not"),
        ("A://:9092", "A://0.0.0.0:9092", None, "nonroutable"),
    ],
)
def test_texts_that_cannot_be_used_are_refused_with_the_reason(
    listeners: str, advertised: str | None, protocol_map: str | None, word: str
) -> None:
    with pytest.raises(ListenerFault, match=word):
        parse_listeners(listeners, advertised, "machine", protocol_map)


# --- clients that cannot come back ---------------------------------------------------------------

LOCALHOST = Endpoint("localhost", 9092)


@pytest.mark.parametrize("told", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_a_client_in_a_container_that_is_sent_to_its_own_loopback_is_certain(told: str) -> None:
    advice = judge("172.17.0.2", Endpoint("172.17.0.1", 9092), Endpoint(told, 9092))
    assert advice is not None
    assert advice.is_certain
    assert "172.17.0.2" in advice.cause
    assert f"{told}:9092" in advice.cause
    assert "172.17.0.1:9092" in advice.next_step  # the address that worked for the client


def test_a_client_on_the_lan_that_is_sent_to_localhost_is_certain() -> None:
    advice = judge("192.168.7.20", Endpoint("192.168.7.5", 9092), LOCALHOST)
    assert advice is not None
    assert advice.is_certain


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.168.7.5"])
def test_a_client_on_the_same_machine_may_be_sent_to_localhost(peer: str) -> None:
    assert judge(peer, Endpoint("192.168.7.5", 9092), LOCALHOST) is None


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("172.17.0.1", "172.17.0.2"),
        ("172.18.0.1", "172.18.0.9"),
        ("192.168.65.1", "172.17.0.2"),
        ("10.0.2.2", "10.0.2.100"),
    ],
)
def test_the_host_of_our_container_is_only_doubtful(peer: str, local: str) -> None:
    advice = judge(peer, Endpoint(local, 9092), LOCALHOST)
    assert advice is not None
    assert not advice.is_certain


@pytest.mark.parametrize("told", ["broker.example", "192.168.7.5", "fd00::5", "203.0.113.9"])
def test_an_address_that_can_be_elsewhere_is_not_blamed(told: str) -> None:
    assert judge("192.168.7.20", Endpoint("192.168.7.5", 9092), Endpoint(told, 9092)) is None


def test_a_public_client_that_is_sent_to_a_private_address_is_doubtful() -> None:
    advice = judge("8.8.8.8", Endpoint("10.0.0.4", 9092), Endpoint("10.0.0.4", 9092))
    assert advice is not None
    assert not advice.is_certain
    assert judge("8.8.8.8", Endpoint("10.0.0.4", 9092), Endpoint("8.8.4.4", 9092)) is None


def test_a_peer_without_an_address_is_not_judged() -> None:
    assert judge("", Endpoint("", 0), LOCALHOST) is None


@pytest.mark.parametrize(
    ("bind_host", "told"),
    [
        ("localhost", "localhost"),
        ("127.0.0.1", "localhost"),
        ("0.0.0.0", "broker.example"),
        ("192.168.7.5", "192.168.7.5"),
    ],
)
def test_sound_settings_need_no_advice(bind_host: str, told: str) -> None:
    assert diagnose([listener(bind_host, told)]) == []


@pytest.mark.parametrize(
    ("bind_host", "told", "is_certain"),
    [
        ("127.0.0.1", "broker.example", False),
        ("0.0.0.0", "localhost", False),
        ("192.168.7.5", "localhost", True),
    ],
)
def test_settings_that_shut_clients_out_are_found(
    bind_host: str, told: str, is_certain: bool
) -> None:
    [advice] = diagnose([listener(bind_host, told)])
    assert advice.is_certain is is_certain
    assert told in str(advice)


def test_neighbours_share_a_network_and_strangers_do_not() -> None:
    assert network_of("10.1.2.3") == network_of("10.1.2.200")
    assert network_of("10.1.2.3") != network_of("10.1.3.3")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("name") == "name"
