"""Topics that come, change and go, and the judgement that the controller did one thing at a time.

Each client does one operation on one of a few names and writes it down; afterwards every name must
have one order of its operations that a single controller could have shown, up to what the nodes
know of it in the end.

    create, grow, set, delete    one at a time: at some moment between call and answer
    partitions, configs          Metadata and DescribeConfigs, from the asked node's copy, as in
                                 Kafka: a state that there was no later than the answer. A copy does
                                 not go back while its node lives, and has what it said was done
                                 That there is no topic is true at some moment after the call

Nothing more is promised for those reads, so that they are no part of what is linearizable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sim.clients import CLIENT_TIMEOUT_MS, Client
from sim.history import History, Kind

from sprawl.client.cluster import Cluster, ClusterView
from sprawl.client.faults import Refused
from sprawl.client.topics import (
    TOPIC_SOURCE,
    ResourceType,
    add_partitions,
    alter_configs,
    create_topic,
    delete_topics,
    describe_configs,
)
from sprawl.core.errors import ErrorCode
from sprawl.faults import CommandFault
from tests.sim.checkers.linearizable import Operation, Verdict, check_by_key
from tests.sim.checkers.models import TopicLife, TopicState

NAMES = ("coming", "going", "changing")
PARTITIONS_MAX = 4
GO_ELSEWHERE_ODDS = 0.3
"""How often a client turns to another node before it does something."""
READS = frozenset({"partitions", "configs"})
CONFIGS = ("retention.ms", "segment.ms")
SEARCH_STEPS_MAX = 200_000
"""A second of CPU; one search in a thousand needs more."""

_ANSWERS = {
    ErrorCode.TOPIC_ALREADY_EXISTS: False,
    ErrorCode.INVALID_PARTITIONS: False,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: False,
}
"""Refusals that say what the state was."""
_NOTHING_DONE = frozenset({ErrorCode.NOT_CONTROLLER})


class AnyNode(Cluster):
    """Asks whichever node it is connected to: every one takes commands, not only the leader that
    Metadata names."""

    @property
    def asked(self) -> object:
        """The connection of the last answer: to one life of one node."""
        return self._first

    async def metadata(
        self, topics: Sequence[str] | None = None, *, create: bool = False
    ) -> ClusterView:
        return replace(await super().metadata(topics, create=create), controller_id=-1)


class TopicAdmin(Client):
    """Creates, grows, configures, deletes and looks at topics of a few names."""

    cluster: AnyNode

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._values = 0
        self._asked: object = None
        self._sessions = 0

    def _new_cluster(self) -> AnyNode:
        nodes = self._bootstrap.split(",")
        self.rng.shuffle(nodes)
        name = f"sim-{self.number}"
        return AnyNode(",".join(nodes), client_id=name, timeout_ms=CLIENT_TIMEOUT_MS)

    async def _step(self) -> None:
        if self.rng.random() < GO_ELSEWHERE_ODDS:
            await self.cluster.close()
            self.cluster = self._new_cluster()
        name = self.rng.choice(NAMES)
        actions = ("create", "create", "delete", "grow", "set", "set", *["look"] * 4)
        match self.rng.choice(actions):
            case "create":
                count = self.rng.randint(1, PARTITIONS_MAX - 1)
                await self._do(name, "create", count)
            case "delete":
                await self._do(name, "delete", None)
            case "grow":
                await self._do(name, "grow", self.rng.randint(2, PARTITIONS_MAX))
            case "look":
                await self._look(name, "partitions")
                await self._look(name, "configs")
            case _:
                self._values += 1
                value = str(100_000_000 + 1_000 * self._values + self.number)
                await self._do(name, "set", (self.rng.choice(CONFIGS), value))

    async def _do(self, name: str, what: str, argument: Any) -> None:
        self._write("invoke", name, what, argument)
        answer: bool | None = True
        try:
            await self._ask(name, what, argument)
        except CommandFault as fault:
            self._went_wrong(fault)
            code = fault.code if isinstance(fault, Refused) else None
            if code not in _ANSWERS:
                kind = "fail" if code in _NOTHING_DONE else "info"
                self._write(kind, name, what, argument)
                return
            answer = _ANSWERS[code]
            if what == "grow" and code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                answer = None
        self._write("ok", name, what, argument, answer)
        self._succeeded()

    async def _look(self, name: str, what: str) -> None:
        """Let a node say what it knows of a topic."""
        self._write("invoke", name, what, None)
        answer: object
        try:
            if what == "partitions":
                answer = len((await self.cluster.metadata([name])).topics[name].partitions)
            else:
                found = await describe_configs(self.cluster, ResourceType.TOPIC, name)
                own = {each.name: each.value for each in found if each.source == TOPIC_SOURCE}
                answer = tuple(sorted(own.items()))
        except CommandFault as fault:
            self._went_wrong(fault)
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if not isinstance(fault, Refused) or fault.code is not unknown:
                self._write("fail", name, what, None)
                return
            answer = None
        self._write("ok", name, what, None, answer)

    def _write(self, kind: Kind, name: str, what: str, argument: Any, answer: Any = None) -> None:
        if self.cluster.asked is not self._asked:
            self._asked = self.cluster.asked
            self._sessions += 1
        session = self._sessions if kind == "ok" else None
        self.history.add(self.number, kind, "topic", (name, what, argument, answer, session))

    async def _ask(self, name: str, what: str, argument: Any) -> None:
        if what == "create":
            await create_topic(self.cluster, name, partitions=argument)
        elif what == "delete":
            await delete_topics(self.cluster, [name])
        elif what == "grow":
            await add_partitions(self.cluster, name, total=argument)
        else:
            config, value = argument
            await alter_configs(self.cluster, ResourceType.TOPIC, name, set_values={config: value})


def check_topics(history: History, final: Mapping[str, TopicState]) -> bool:
    """Is there an order for each name, in which every read has a place?

    Args:
        final: what every node knows in the end.

    Returns: False when the search of one was given up: too many changes of unknown outcome.

    Raises:
        AssertionError: there is none.
    """
    by_name = operations(history)
    end = len(history)
    for name in NAMES:
        state = final.get(name)
        by_name[name].append(Operation(name="describe", result=state, called=end, returned=end + 1))
    outcomes = check_by_key(TopicLife(), by_name, steps_max=SEARCH_STEPS_MAX)
    for name, outcome in outcomes.items():
        assert outcome.verdict is not Verdict.IMPOSSIBLE, f"topic {name}: {outcome.explain()}"
    return all(each.verdict is Verdict.LINEARIZABLE for each in outcomes.values())


def was_deleted(history: History) -> bool:
    """Whether a topic was deleted."""
    return any(
        each.name == "delete" and each.result is True
        for found in operations(history).values()
        for each in found
    )


def operations(history: History) -> dict[Any, list[Operation]]:
    """What was done to each name; what certainly was not done is left out."""
    open_ones: dict[int, tuple[int, tuple[Any, ...]]] = {}
    found: dict[Any, list[Operation]] = defaultdict(list)
    # What a node is known to know, by process, session and name: where its answer stands.
    known: dict[tuple[int, int, str], int] = {}

    def put(process: int, returned: int | None, result: object, session: int = 0) -> None:
        called, (name, what, argument, *_) = open_ones.pop(process)
        copy = (process, session, name)
        is_read = what in READS
        found[name].append(
            Operation(
                name=what,
                argument=argument,
                result=result,
                # That there is none is asked of the controller before it is said.
                called=-1 if is_read and result is not None else called,
                returned=returned,
                process=process,
                follows=known.get(copy) if is_read else None,
            )
        )
        if returned is not None and (is_read or result is True):
            known[copy] = returned

    for event in history:
        if event.op == "crash" and event.process in open_ones:
            put(event.process, None, None)
        if event.op != "topic":
            continue
        assert isinstance(event.value, tuple)
        if event.kind == "invoke":
            open_ones[event.process] = (event.index, event.value)
        elif event.kind == "ok":
            put(event.process, event.index, *event.value[3:])
        elif event.kind == "info":
            put(event.process, None, None)
        else:
            del open_ones[event.process]
    for process in list(open_ones):
        put(process, None, None)
    return found
