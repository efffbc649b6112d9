"""The protocol of one connection without a connection: every state, every refusal, any bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.core.cluster import peer_frames as frames
from sprawl.core.cluster.handshake import (
    Hello,
    Refusal,
    Refused,
    encode_hello,
    encode_refused,
    judge_hello,
    parse_hello,
    parse_refused,
)
from sprawl.core.cluster.peer_frames import MAGIC, FrameType, Goodbye, encode_frame
from sprawl.core.cluster.peer_protocol import PeerSession, SessionState
from sprawl.core.cluster.peers import PeerIdentity
from sprawl.core.errors import ErrorCode, PeerFault
from sprawl.core.ids import BrokerId
from sprawl.core.limits import PEER_FRAME_BYTES_UPFRONT_MAX, PEER_HANDSHAKE_BYTES_MAX
from tests.unit.cluster.peers_world import CLUSTER, directory_of, identity

FRAME_BYTES_MAX = 8 * 1_024 * 1_024
SCRATCH_BYTES = 4_096

Judge = Callable[[Hello, Hello], Refused | None]


def accept_all(ours: Hello, theirs: Hello) -> Refused | None:
    return judge_hello(ours, theirs, None, None)


def session(hello: Hello, *, is_dialer: bool, judge: Judge = accept_all) -> PeerSession:
    return PeerSession(
        hello=hello, is_dialer=is_dialer, judge=judge, frame_bytes_max=FRAME_BYTES_MAX
    )


def hello(node: int, **facts: object) -> Hello:
    made = Hello(identity=identity(node, incarnation=node * 10), cluster_id=CLUSTER)
    return replace(made, **facts)  # type: ignore[arg-type]


def feed(to: PeerSession, data: bytes, step: int = SCRATCH_BYTES) -> list[frames.Event]:
    """Give bytes as a loop would: into the session's own buffer or the scratch buffer."""
    scratch = memoryview(bytearray(SCRATCH_BYTES))
    events: list[frames.Event] = []
    while data:
        target = to.target()
        room = scratch if target is None else target
        count = min(len(room), len(data), step)
        room[:count] = data[:count]
        data = data[count:]
        events += to.received(scratch, count)
        scratch[:] = bytes(SCRATCH_BYTES)  # events must not lean on the scratch buffer
    return events


def pair(
    dialer_hello: Hello, acceptor_hello: Hello, *, judge: Judge = accept_all
) -> tuple[PeerSession, PeerSession]:
    """Two sessions after they have said all that they say by themselves."""
    dialer = session(dialer_hello, is_dialer=True)
    acceptor = session(acceptor_hello, is_dialer=False, judge=judge)
    for _ in range(2):
        feed(acceptor, dialer.output())
        feed(dialer, acceptor.output())
    return dialer, acceptor


def opened() -> PeerSession:
    """An acceptor whose handshake is done."""
    return pair(hello(1), hello(2))[1]


# --- the handshake --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, SCRATCH_BYTES])
def test_two_members_meet(step: int) -> None:
    dialer = session(hello(1, to_node_id=BrokerId(2)), is_dialer=True)
    acceptor = session(hello(2), is_dialer=False)
    assert (dialer.state, acceptor.state) == (SessionState.GREETING, SessionState.LISTENING)
    assert feed(acceptor, dialer.output(), step) == []
    assert acceptor.state is SessionState.WAITING
    (met,) = feed(dialer, acceptor.output(), step)
    assert isinstance(met, frames.Opened)
    assert met.peer.identity == identity(2, 20)
    assert met.peer.to_node_id == 1
    (met,) = feed(acceptor, dialer.output(), step)
    assert isinstance(met, frames.Opened)
    assert met.peer.identity == identity(1, 10)


def test_frames_right_behind_ready_are_read() -> None:
    dialer, acceptor = session(hello(1), is_dialer=True), session(hello(2), is_dialer=False)
    feed(acceptor, dialer.output())
    feed(dialer, acceptor.output())
    _, ping = feed(acceptor, dialer.output() + frames.encode_ping(5))
    assert ping == frames.Ping(5)


REFUSALS: list[tuple[Hello, Hello, Refusal]] = [
    (hello(1, version_min=2, version_max=3), hello(2), Refusal.UNSUPPORTED_VERSION),
    (hello(1, cluster_id="other"), hello(2), Refusal.WRONG_CLUSTER),
    (hello(1, to_node_id=BrokerId(3)), hello(2), Refusal.WRONG_NODE),
    (hello(1, to_directory_id=UUID(int=9)), hello(2), Refusal.WRONG_DIRECTORY),
    (hello(2, identity=identity(2, 21)), hello(2), Refusal.SAME_NODE_ID),
    (hello(2), hello(2), Refusal.OURSELVES),
    (hello(1, cluster_id=""), hello(2), Refusal.NOT_JOINED),
    (hello(1), hello(2, cluster_id=""), Refusal.NOT_JOINED),
]


@pytest.mark.parametrize(("first", "second", "refusal"), REFUSALS, ids=lambda value: str(value)[:4])
def test_both_sides_hear_of_a_refusal(first: Hello, second: Hello, refusal: Refusal) -> None:
    dialer, acceptor = pair(first, second)
    assert acceptor.refused is not None
    assert acceptor.refused.refusal is refusal
    assert acceptor.is_refused_by_us
    assert dialer.refused == acceptor.refused
    assert not dialer.is_refused_by_us
    assert {dialer.state, acceptor.state} == {SessionState.ENDED}
    if not refusal.is_quiet:
        assert "; next: " in acceptor.refused.text


def test_the_dialer_can_refuse_too() -> None:
    dialer = session(
        hello(1), is_dialer=True, judge=lambda ours, theirs: Refused(Refusal.BUSY, "x")
    )
    acceptor = session(hello(2), is_dialer=False)
    feed(acceptor, dialer.output())
    feed(dialer, acceptor.output())
    assert dialer.is_refused_by_us
    assert feed(acceptor, dialer.output()) == []
    assert acceptor.refused == Refused(Refusal.BUSY, "x")


def judged(ours: Hello, theirs: Hello, **facts: object) -> Refusal | None:
    by = {"expected_directory": None, "certified": None} | facts
    refused = judge_hello(ours, theirs, **by)  # type: ignore[arg-type]
    return None if refused is None else refused.refusal


def test_a_member_with_another_directory_is_refused() -> None:
    assert judged(hello(1), hello(2), expected_directory=directory_of(2)) is None
    assert judged(hello(1), hello(2), expected_directory=UUID(int=5)) is Refusal.WRONG_DIRECTORY


def test_a_stranger_may_have_any_directory() -> None:
    """A node that lost its disk has lost its cluster id with it, and must be able to join anew."""
    stranger = hello(2, cluster_id="", is_visit=True)
    assert judged(hello(1), stranger, expected_directory=UUID(int=5)) is None


def test_a_certificate_must_name_the_node() -> None:
    assert judged(hello(1), hello(2), certified=frozenset({2})) is None
    for certified in (frozenset[int](), frozenset({3})):
        assert judged(hello(1), hello(2), certified=certified) is Refusal.WRONG_CERTIFICATE


def test_a_refusal_of_a_later_version_is_told_by_its_text() -> None:
    refused = parse_refused(memoryview(b"\xff\x00\x02hi and more"))
    assert refused == Refused(Refusal.OTHER, "hi")


def test_a_greeting_of_a_later_version_is_read() -> None:
    greeting = hello(1, version_max=9)
    assert parse_hello(memoryview(encode_hello(greeting) + b"later")) == greeting


def test_the_text_of_a_peer_is_fit_for_the_log() -> None:
    refused = Refused(Refusal.BUSY, "a\nb\x1b[31m" + "é" * 2_000)
    text = parse_refused(memoryview(encode_refused(refused))).text
    assert text.startswith("a�b�[31m")
    assert len(text) < 1_100


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_bytes", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"\x00\x00\x00\x20\x00\x12\x00\x03", "Kafka"),
        (MAGIC[:-1] + b"x", "Kafka"),
    ],
)
@pytest.mark.parametrize("step", [1, SCRATCH_BYTES])
def test_other_protocols_are_told_apart(first_bytes: bytes, words: str, step: int) -> None:
    listening = session(hello(2), is_dialer=False)
    assert feed(listening, first_bytes, step) == []
    if step > 1:
        assert words in str(listening.fault)
    assert isinstance(listening.fault, PeerFault)
    assert listening.output() == b""


HELLO_FRAME = encode_frame(FrameType.HELLO, encode_hello(hello(1)))


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x00",
        struct.pack(">I", PEER_HANDSHAKE_BYTES_MAX + 1),
        encode_frame(FrameType.READY, bytes(8)),
        frames.encode_ping(1),
        encode_frame(FrameType.REFUSED, b"\x01\x00\x00"),
        encode_frame(FrameType.HELLO, b""),
        HELLO_FRAME + HELLO_FRAME,
        HELLO_FRAME + encode_frame(FrameType.READY, b"\x00" * 8),
        HELLO_FRAME + encode_frame(FrameType.READY, b""),
        HELLO_FRAME + frames.encode_pong(1),
        encode_frame(FrameType.HELLO, encode_hello(hello(1))[:-1]),
    ],
)
def test_what_does_not_belong_in_a_handshake_is_a_fault(data: bytes) -> None:
    listening = session(hello(2), is_dialer=False)
    assert feed(listening, MAGIC + data) == []
    assert listening.fault is not None
    assert listening.state is SessionState.ENDED
    assert feed(listening, MAGIC + HELLO_FRAME) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x00",
        struct.pack(">I", FRAME_BYTES_MAX + 1),
        HELLO_FRAME,
        encode_frame(FrameType.READY, bytes(8)),
        b"\x00\x00\x00\x02\x04\x00",
        b"\x00\x00\x00\x01\x05",
        frames.request_head(1, 1, b"method", 0)[:-3].replace(b"\x14", b"\x11", 1),
        encode_frame(FrameType.REQUEST, struct.pack(">QIB", 1, 1, 2) + "é".encode()),
        b"\x00\x00\x00\x05\x06\x00\x00\x00\x00",
        b"\x00\x00\x00\x02\x07\x00",
        b"\x00\x00\x00\x03\x08\x00\x00",
        b"\x00\x00\x00\x01\x0a",
        b"\x00\x00\x00\x01\x63",
    ],
)
def test_a_malformed_frame_is_a_fault(data: bytes) -> None:
    connection = opened()
    ping, *events = feed(connection, frames.encode_ping(1) + data + frames.encode_ping(2))
    assert ping == frames.Ping(1)
    assert events == []
    assert connection.fault is not None


# --- frames ---------------------------------------------------------------------------------------


def test_every_frame_comes_back() -> None:
    connection = opened()
    sent = [
        frames.one_way_head(65_535, 3) + b"abc",
        frames.one_way_head(0, 0),
        frames.request_head(2**63, 2**32 - 1, b"node.join", 2) + b"xy",
        frames.response_head(7, 1) + b"z",
        frames.encode_error(8, ErrorCode.NOT_CONTROLLER, "Knöten"),
        frames.encode_ping(9),
        frames.encode_pong(2**64 - 1),
        frames.encode_goaway(Goodbye.CLOSING, "bye"),
    ]
    assert feed(connection, b"".join(sent)) == [
        frames.Message(65_535, memoryview(b"abc")),
        frames.Message(0, memoryview(b"")),
        frames.Request(2**63, 2**32 - 1, "node.join", memoryview(b"xy")),
        frames.Response(7, memoryview(b"z")),
        frames.Failure(8, ErrorCode.NOT_CONTROLLER, "Knöten"),
        frames.Ping(9),
        frames.Pong(2**64 - 1),
        frames.Goaway(Goodbye.CLOSING, "bye"),
    ]
    assert connection.fault is None


def test_codes_of_a_later_version_are_read() -> None:
    connection = opened()
    failure, goaway = feed(
        connection,
        encode_frame(FrameType.ERROR, struct.pack(">Qh", 1, 30_000) + b"new")
        + encode_frame(FrameType.GOAWAY, b"\xfenew"),
    )
    assert failure == frames.Failure(1, ErrorCode.UNKNOWN_SERVER_ERROR, "new")
    assert goaway == frames.Goaway(Goodbye.OTHER, "new")


def test_a_large_frame_grows_as_it_arrives() -> None:
    connection = opened()
    body = bytes(range(256)) * (FRAME_BYTES_MAX // 256 - 1)
    head = frames.one_way_head(1, len(body))
    assert feed(connection, head) == []
    target = connection.target()
    assert target is not None
    assert len(target) < PEER_FRAME_BYTES_UPFRONT_MAX
    (message,) = feed(connection, body, step=100_000)
    assert message == frames.Message(1, memoryview(body))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.binary(max_size=9_000), max_size=8), st.integers(1, 5_000))
def test_frames_do_not_depend_on_how_they_arrive(bodies: list[bytes], step: int) -> None:
    data = b"".join(frames.one_way_head(3, len(body)) + body for body in bodies)
    events = feed(opened(), data, step)
    assert events == [frames.Message(3, memoryview(body)) for body in bodies]


# --- any bytes ------------------------------------------------------------------------------------


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=400), st.booleans(), st.integers(1, 64))
def test_any_bytes_before_the_handshake(data: bytes, is_dialer: bool, step: int) -> None:
    for prefix in (b"", MAGIC, MAGIC + HELLO_FRAME):
        stranger = session(hello(2), is_dialer=is_dialer)
        feed(stranger, prefix + data, step)
        assert stranger.fault is None or stranger.state is SessionState.ENDED


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.one_of(
            st.builds(encode_frame, st.sampled_from(FrameType), st.binary(max_size=60)),
            st.binary(max_size=40),
        ),
        max_size=6,
    ),
    st.integers(1, 64),
)
def test_any_frames_after_the_handshake(pieces: list[bytes], step: int) -> None:
    connection = opened()
    events = feed(connection, b"".join(pieces), step)
    assert all(isinstance(event, tuple) for event in events)
    assert (connection.fault is None) == (connection.state is SessionState.OPEN)


@settings(deadline=None)  # the machine may be busy
@given(st.integers(0, len(MAGIC + HELLO_FRAME) - 1), st.integers(0, 255))
def test_a_changed_byte_of_a_greeting(place: int, value: int) -> None:
    data = bytearray(MAGIC + HELLO_FRAME)
    data[place] = value
    listening = session(hello(2), is_dialer=False)
    feed(listening, bytes(data))
    assert listening.state in SessionState


def test_identity_is_compared_whole() -> None:
    one = PeerIdentity(node_id=BrokerId(1), directory_id=directory_of(1), incarnation=1)
    assert one != replace(one, incarnation=2)
