"""A replicated log in few words: what nodes do one by one, written down as observations."""

from __future__ import annotations

from typing import Any

from tests.sim.checkers import observations as seen
from tests.sim.checkers.raft import RaftChecker

NODES = (1, 2, 3)


class RaftScript:
    """Three nodes of one group; each method is something a node does, right or wrong."""

    def __init__(self, *, nodes: tuple[int, ...] = NODES, **settings: bool) -> None:
        self.checker = RaftChecker(**settings)
        self.lives = dict.fromkeys(nodes, 0)
        self.logs: dict[int, list[tuple[int, int, int]]] = {node: [] for node in nodes}
        """(term, first offset, offsets) of each entry."""
        self.terms = dict.fromkeys(nodes, 0)
        for node in nodes:
            self.emit(seen.Started, node)
            self.configure(node, *nodes)

    def emit(self, kind: type[Any], node: int, **fields: Any) -> None:
        life = fields.pop("life", self.lives[node])
        self.checker.observe(kind(node=node, incarnation=life, group="g", **fields))

    def configure(
        self,
        node: int,
        *voters: int,
        index: int = 0,
        term: int | None = None,
        outgoing: tuple[int, ...] = (),
    ) -> None:
        self.emit(
            seen.ConfigurationApplied,
            node,
            index=index,
            term=self.terms[node] if term is None else term,
            voters=frozenset(voters),
            outgoing=frozenset(outgoing),
        )

    def vote(self, node: int, term: int, candidate: int, *, flush: bool = True) -> None:
        if term > self.terms[node]:
            self.emit(seen.TermChanged, node, term=term)
            self.terms[node] = term
        self.emit(seen.Voted, node, term=term, candidate=candidate)
        if flush:
            self.emit(seen.HardStateFlushed, node, term=term, vote=candidate)
        self.emit(seen.VoteAnswered, node, term=term, candidate=candidate)

    def elect(self, node: int, term: int, *others: int) -> None:
        for voter in (node, *others):
            self.vote(voter, term, node)
        self.emit(seen.LeaderElected, node, term=term)

    def append(
        self, node: int, term: int | None = None, *, count: int = 1, crc: int = 0, **fields: Any
    ) -> int:
        log = self.logs[node]
        offset = log[-1][1] + log[-1][2] if log else 0
        entry = (self.terms[node] if term is None else term, offset, count)
        log.append(entry)
        self._emit_entry(node, len(log), entry, crc=crc, **fields)
        return len(log)

    def _emit_entry(
        self, node: int, index: int, entry: tuple[int, int, int], **fields: Any
    ) -> None:
        facts = {"term": entry[0], "base_offset": entry[1], "count": entry[2], "crc": 0}
        self.emit(seen.Appended, node, index=index, **(facts | fields))

    def flush(self, node: int) -> None:
        if self.logs[node]:
            self.emit(seen.Flushed, node, index=len(self.logs[node]), term=self.logs[node][-1][0])

    def follow(self, node: int, term: int) -> None:
        """Hear of a term."""
        if term > self.terms[node]:
            self.terms[node] = term
            self.emit(seen.TermChanged, node, term=term)
            self.emit(seen.HardStateFlushed, node, term=term, vote=None)

    def replicate(self, leader: int, *followers: int, flush: bool = True) -> None:
        """Followers take over the leader's log."""
        for node in followers:
            self.follow(node, self.terms[leader])
            mine, theirs = self.logs[node], self.logs[leader]
            same = 0
            while same < min(len(mine), len(theirs)) and mine[same] == theirs[same]:
                same += 1
            if same < len(mine):
                self.truncate(node, same + 1)
            for place in range(same, len(theirs)):
                mine.append(theirs[place])
                self._emit_entry(node, place + 1, theirs[place])
            if flush:
                self.flush(node)
                self.emit(seen.AppendAnswered, node, index=len(mine), term=self.terms[node])

    def truncate(self, node: int, from_index: int) -> None:
        del self.logs[node][from_index - 1 :]
        self.emit(seen.Cutting, node, from_index=from_index)
        self.emit(seen.Truncated, node, from_index=from_index)

    def commit(self, node: int, index: int | None = None) -> None:
        self.emit(seen.Committed, node, index=len(self.logs[node]) if index is None else index)

    def restart(self, node: int, **facts: Any) -> None:
        """With everything that was in memory, unless told otherwise."""
        self.lives[node] += 1
        log = self.logs[node]
        found = {"last_index": len(log), "last_term": log[-1][0] if log else 0} | facts
        self.emit(seen.Started, node, term=self.terms[node], **found)
        del log[found["last_index"] :]


def led(*, stop_at_first: bool = False) -> RaftScript:
    """Node 1 leads term 1; three entries are committed everywhere."""
    script = RaftScript(stop_at_first=stop_at_first)
    script.elect(1, 1, 2, 3)
    script.append(1, count=0)
    script.append(1)
    script.append(1, count=5)
    script.flush(1)
    script.replicate(1, 2, 3)
    for node in NODES:
        script.commit(node)
    return script


def assert_good(script: RaftScript) -> None:
    assert script.checker.is_good, script.checker.text()
    assert script.checker.text().startswith("good")


def assert_names(script: RaftScript, *expected: str) -> None:
    assert script.checker.names == set(expected), script.checker.text()
    assert expected[0] in script.checker.text()
