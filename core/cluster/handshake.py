"""What two nodes tell each other before anything else, and when they refuse to go on. Pure.

Both sides judge the other's greeting by the same function, so both know who must act. The greeting
and the refusal are read alike by every version of the protocol: fields are only ever appended.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sprawl.core.cluster.peers import PeerIdentity
from sprawl.core.errors import PeerFault
from sprawl.core.ids import ZERO_UUID, BrokerId

VERSION_MIN = 1
VERSION_MAX = 1
UNKNOWN_NODE = BrokerId(-1)
"""Whom a node greets that dialed a bare address."""

_HELLO = struct.Struct(">HHB i16sQ i16s Q B")
_REFUSED = struct.Struct(">BH")
_VISIT_FLAG = 1
_REASON_BYTES_MAX = 1_024


class Refusal(enum.IntEnum):
    """Why a handshake ends; the value is what the wire carries (u8)."""

    OTHER = 0
    """A reason of a later version; its text still says what to do."""
    UNSUPPORTED_VERSION = 1
    WRONG_CLUSTER = 2
    WRONG_NODE = 3
    WRONG_DIRECTORY = 4
    SAME_NODE_ID = 5
    OURSELVES = 6
    NOT_JOINED = 7
    WRONG_CERTIFICATE = 8
    ALREADY_CONNECTED = 9
    BUSY = 10
    CLOSING = 11

    @property
    def is_quiet(self) -> bool:
        """Whether it is part of normal life, worth no warning."""
        return self in (Refusal.OURSELVES, Refusal.ALREADY_CONNECTED, Refusal.CLOSING)


class Refused(NamedTuple):
    """A refusal with the sentence that both sides log: what is wrong and the next step."""

    refusal: Refusal
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A greeting.

    Args:
        identity: who speaks.
        cluster_id: empty while the node has not joined one; at most 255 bytes in UTF-8.
        to_node_id: whom the speaker believes to talk to, or UNKNOWN_NODE.
        to_directory_id: which data directory of it, or ZERO_UUID.
        dial: the dialer's: which of its dials to the peer this is, from 1. The acceptor's: the
            last of its own dials to the peer that has come to nothing or to an end; 0 for none.
        is_visit: the connection is for calls of its dialer only; it is not the pair's link.
        version_min, version_max: protocol versions that the speaker can use.
    """

    identity: PeerIdentity
    cluster_id: str
    to_node_id: BrokerId = UNKNOWN_NODE
    to_directory_id: UUID = ZERO_UUID
    dial: int = 0
    is_visit: bool = False
    version_min: int = VERSION_MIN
    version_max: int = VERSION_MAX


def encode_hello(hello: Hello) -> bytes:
    """The body of a HELLO frame."""
    identity = hello.identity
    cluster_id = hello.cluster_id.encode()
    return (
        _HELLO.pack(
            hello.version_min,
            hello.version_max,
            _VISIT_FLAG if hello.is_visit else 0,
            identity.node_id,
            identity.directory_id.bytes,
            identity.incarnation,
            hello.to_node_id,
            hello.to_directory_id.bytes,
            hello.dial,
            len(cluster_id),
        )
        + cluster_id
    )


def parse_hello(body: memoryview) -> Hello:
    """The greeting in a HELLO frame; bytes behind it are a later version's.

    Raises: PeerFault.
    """
    if len(body) < _HELLO.size:
        raise PeerFault(f"a greeting of {len(body)} bytes is too short")
    low, high, flags, node, directory, incarnation, to_node, to_directory, dial, size = (
        _HELLO.unpack_from(body)
    )
    cluster_id = bytes(body[_HELLO.size : _HELLO.size + size])
    if len(cluster_id) < size:
        raise PeerFault("a greeting ends inside its cluster id")
    if node < 0 or to_node < UNKNOWN_NODE or low > high:
        raise PeerFault(f"a greeting of node {node} to node {to_node} in versions {low} to {high}")
    return Hello(
        identity=PeerIdentity(
            node_id=BrokerId(node), directory_id=UUID(bytes=directory), incarnation=incarnation
        ),
        cluster_id=_text(cluster_id),
        to_node_id=BrokerId(to_node),
        to_directory_id=UUID(bytes=to_directory),
        dial=dial,
        is_visit=bool(flags & _VISIT_FLAG),
        version_min=low,
        version_max=high,
    )


def encode_refused(refused: Refused) -> bytes:
    """The body of a REFUSED frame; a long text is cut."""
    text = refused.text.encode()[:_REASON_BYTES_MAX]
    return _REFUSED.pack(refused.refusal, len(text)) + text


def parse_refused(body: memoryview) -> Refused:
    """The refusal in a REFUSED frame.

    Raises: PeerFault.
    """
    if len(body) < _REFUSED.size:
        raise PeerFault(f"a refusal of {len(body)} bytes is too short")
    code, size = _REFUSED.unpack_from(body)
    text = bytes(body[_REFUSED.size : _REFUSED.size + size])
    if len(text) < size:
        raise PeerFault("a refusal ends inside its text")
    refusal = Refusal(code) if code in _REFUSALS else Refusal.OTHER
    return Refused(refusal, printable(text))


def printable(text: bytes) -> str:
    """A peer's text, fit for a log line: no control characters, bounded."""
    decoded = text[:_REASON_BYTES_MAX].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "�" for letter in decoded)


def common_version(ours: Hello, theirs: Hello) -> int | None:
    """The newest version that both can use."""
    newest = min(ours.version_max, theirs.version_max)
    return newest if newest >= max(ours.version_min, theirs.version_min) else None


def are_members(ours: Hello, theirs: Hello) -> bool:
    """Whether both belong to one cluster; otherwise only calls for strangers are served."""
    return bool(ours.cluster_id) and ours.cluster_id == theirs.cluster_id


def judge_hello(
    ours: Hello, theirs: Hello, expected_directory: UUID | None, certified: frozenset[int] | None
) -> Refused | None:
    """Whether to go on with a peer.

    Args:
        ours: what we told it, or would tell; its `is_visit` and `to_...` are the dialer's when we
            dialed.
        expected_directory: of the peer's node id as far as the cluster knows.
        certified: node ids that its certificate proves; None without TLS.

    Returns: why not, None when all is well.
    """
    me, you = ours.identity, theirs.identity
    if common_version(ours, theirs) is None:
        return Refused(
            Refusal.UNSUPPORTED_VERSION,
            f"node {me.node_id} speaks versions {ours.version_min} to {ours.version_max} of the"
            f" protocol between nodes, node {you.node_id} {theirs.version_min} to"
            f" {theirs.version_max}; next: upgrade the older node by way of a release both know",
        )
    return (
        _judge_node(me, you)
        or _judge_certificate(you, certified)
        or _judge_cluster(ours, theirs)
        or _judge_beliefs(ours, theirs)
        or _judge_directory(ours, theirs, expected_directory)
    )


def _judge_node(me: PeerIdentity, you: PeerIdentity) -> Refused | None:
    if me == you:
        return Refused(Refusal.OURSELVES, f"node {me.node_id} dialed its own address")
    if me.node_id == you.node_id:
        return Refused(
            Refusal.SAME_NODE_ID,
            f"two nodes have node.id={me.node_id}; next: give one of them another node.id",
        )
    return None


def _judge_certificate(you: PeerIdentity, certified: frozenset[int] | None) -> Refused | None:
    if certified is None or you.node_id in certified:
        return None
    proved = ", ".join(str(node) for node in sorted(certified)) or "no node"
    return Refused(
        Refusal.WRONG_CERTIFICATE,
        f"a peer says it is node {you.node_id}, but its certificate is for {proved}; next: issue"
        f" node {you.node_id} a certificate with the subject alternative name"
        f" URI:sprawl:node:{you.node_id}",
    )


def _judge_cluster(ours: Hello, theirs: Hello) -> Refused | None:
    me, you = ours.identity.node_id, theirs.identity.node_id
    if ours.cluster_id and theirs.cluster_id and ours.cluster_id != theirs.cluster_id:
        return Refused(
            Refusal.WRONG_CLUSTER,
            f"node {me} belongs to cluster {ours.cluster_id!a}, node {you} to cluster"
            f" {theirs.cluster_id!a}; next: correct the address by which one knows the other, or"
            " give the newcomer an empty data directory",
        )
    if not are_members(ours, theirs) and not (ours.is_visit or theirs.is_visit):
        stranger = you if ours.cluster_id else me
        return Refused(
            Refusal.NOT_JOINED,
            f"node {stranger} has not joined the cluster yet; next: wait until it has, or look into"
            " its log",
        )
    return None


def _judge_beliefs(ours: Hello, theirs: Hello) -> Refused | None:
    for speaker, other in ((ours, theirs.identity), (theirs, ours.identity)):
        wanted = speaker.to_node_id
        if wanted not in (UNKNOWN_NODE, other.node_id):
            return Refused(
                Refusal.WRONG_NODE,
                f"node {speaker.identity.node_id} looked for node {wanted} and found node"
                f" {other.node_id}; next: correct the address of node {wanted}",
            )
        directory = speaker.to_directory_id
        if directory not in (ZERO_UUID, other.directory_id) and are_members(ours, theirs):
            return _lost_disk(other, directory)
    return None


def _judge_directory(ours: Hello, theirs: Hello, expected: UUID | None) -> Refused | None:
    """A stranger may have any directory: what it may call decides for itself."""
    if expected in (None, theirs.identity.directory_id) or not are_members(ours, theirs):
        return None
    assert expected is not None
    return _lost_disk(theirs.identity, expected)


def _lost_disk(you: PeerIdentity, expected: UUID) -> Refused:
    return Refused(
        Refusal.WRONG_DIRECTORY,
        f"node {you.node_id} has data directory {you.directory_id}, but the cluster knows it with"
        f" {expected}; next: start it with its former data directory, or, if that is lost, with an"
        " empty one so that it joins anew",
    )


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PeerFault("a cluster id is not UTF-8") from error


_REFUSALS = frozenset(Refusal)
