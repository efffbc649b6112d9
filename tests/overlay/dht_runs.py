"""What is asked of simulated networks, and the rows of figures that come out."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from overlay.liars import Colluding, Dropping, Inventing, Misdirecting, Stale
from overlay.network import Liar, Network, claim_of, key_of_partition, resident_mib
from sprawl.core.dht.effects import LookupDone
from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.records import Record
from sprawl.core.dht.settings import DhtSettings

Row = dict[str, float | str]

PATHS: Final = (1, 3, 8)
SIZES: Final = (10, 30, 100, 300, 1_000, 3_000, 10_000)
LOSSES: Final = (0.0, 0.01, 0.05)
LIES: Final = ("drop", "invent", "misdirect", "collude", "stale")
_NEVER_MS: Final = 1 << 50
CHURN_STEP_MS: Final = 1_000
CHURN_WARM_MS: Final = 10 * 60_000
CHURN_LASTS_MS: Final = 20 * 60_000
ELECTION_MS: Final = 3_000
"""From a leader's death to the word of the next one."""
SETTLED_MS: Final = 5_000
"""A record counts as current if it was, so long before the lookup."""


def network(
    count: int,
    seed: int,
    *,
    paths: int = 1,
    has_registry: bool = False,
    has_upkeep: bool = False,
    loss: float | None = None,
) -> Network:
    """Nodes whose tables are as a long life would have filled them. Without upkeep there is
    nothing but the lookups that are measured. With a `loss`, messages travel as bytes."""
    maintenance_ms = DhtSettings().maintenance_ms if has_upkeep else _NEVER_MS
    settings = DhtSettings(disjoint_paths=paths, maintenance_ms=maintenance_ms)
    net = Network(
        settings,
        seed,
        has_registry=has_registry,
        has_codec=loss is not None,
        loss=loss or 0.0,
    )
    net.add(count)
    net.fill_tables()
    return net


def build(count: int, seed: int) -> Row:
    """Time and memory of so many nodes."""
    before_mib, started = resident_mib(), time.process_time()
    net = network(count, seed)
    took_s = time.process_time() - started
    grown_mib = resident_mib() - before_mib
    contacts = statistics.mean(len(each.table) for each in net.nodes[:200])
    return {
        "nodes": count,
        "build s": took_s,
        "MiB": grown_mib,
        "kB a node": grown_mib * 1024 / count,
        "contacts a node": contacts,
    }


def dead(count: int, shares: Sequence[float], lookups: int, seed: int) -> Iterator[Row]:
    """Lookups of random ids, and of records published before, after a share died at once."""
    for share in shares:
        net = network(count, seed)
        records = min(lookups, 200)
        for number in range(records):
            _publish(net, number, number % count)
        alive = net.kill(share)
        rng = Random(seed)
        targets = [Key(rng.getrandbits(256)) for _ in range(lookups)]
        row: Row = {"nodes": count, "dead": share, **_nodes_found(net, alive, targets, rng)}
        askers = [rng.choice(alive) for _ in range(records)]
        found = [net.lookup(a, key_of_partition(n)).record for n, a in enumerate(askers)]
        row["record found"] = sum(each is not None for each in found) / records
        yield row


def losing(count: int, lookups: int, seed: int) -> Iterator[Row]:
    """Lookups over a network that loses messages, each of them encoded and parsed."""
    for loss in LOSSES:
        net = network(count, seed, loss=loss)
        rng = Random(seed)
        targets = [Key(rng.getrandbits(256)) for _ in range(lookups)]
        found = _nodes_found(net, net.alive(), targets, rng)
        columns = ("8 closest found", "of the 8 closest", "requests", "ms", "ms p99", "lookups/s")
        yield {
            "nodes": count,
            "lost": loss,
            **{column: found[column] for column in columns},
            "bytes": net.bytes / lookups,
        }


def sizes(largest: int, lookups: int, seed: int) -> Iterator[Row]:
    """How hops grow with the number of nodes, beside log of N to the base 2^b."""
    for count in [each for each in SIZES if each < largest] + [largest]:
        net = network(count, seed)
        rng = Random(seed)
        targets = [Key(rng.getrandbits(256)) for _ in range(lookups)]
        found = _nodes_found(net, net.alive(), targets, rng)
        yield {
            "nodes": count,
            "hops": found["hops"],
            "hops max": found["hops max"],
            "requests": found["requests"],
            "log2 N (b=1)": math.log2(count),
            "log16 N (b=4)": math.log2(count) / 4,
            "log32 N (b=5)": math.log2(count) / 5,
        }


def lies(count: int, shares: Sequence[float], lookups: int, seed: int) -> Iterator[Row]:
    """Lookups of records while a share of the nodes lies, on one path and on disjoint ones."""
    for kind in LIES:
        for share in shares:
            for paths in PATHS:
                yield lied_to(count, kind, share, lookups, seed, paths=paths)
            if kind == "invent":
                yield lied_to(count, kind, share, lookups, seed, has_registry=True)


def lied_to(
    count: int,
    kind: str,
    share: float,
    lookups: int,
    seed: int,
    *,
    paths: int = 1,
    has_registry: bool = False,
) -> Row:
    """Lookups of records, each published twice: before some of the nodes lie, and while they do."""
    net = network(count, seed, paths=paths, has_registry=has_registry)
    rng = Random(seed)
    old: dict[Key, Record] = {}
    for number in range(lookups):
        done = _publish(net, number, rng.randrange(count))
        old[key_of_partition(number)] = done
    liar: Liar = {
        "drop": Dropping,
        "invent": Inventing,
        "misdirect": Misdirecting,
        "collude": Colluding,
    }.get(kind, lambda: Stale(old))()
    chosen = rng.sample(range(count), round(share * count))
    net.liars = dict.fromkeys(chosen, liar)
    honest = [number for number in range(count) if number not in net.liars]
    for number in range(lookups):
        _publish(net, number, rng.choice(honest), term=2)
    askers = [rng.choice(honest) for _ in range(lookups)]
    done = [net.lookup(asker, key_of_partition(n)) for n, asker in enumerate(askers)]
    closest = [_closest_found(net, a, each) for a, each in zip(askers, done, strict=True)]
    current = [each.record is not None and each.record.claim.term == 2 for each in done]
    return {
        "lie": kind,
        "liars": share,
        "paths": paths,
        "registry": "yes" if has_registry else "no",
        "current record": sum(current) / lookups,
        "of the 8 closest": statistics.mean(closest),
        "requests": statistics.mean(each.requests for each in done),
        "requests max": max(each.requests for each in done),
        "ms": statistics.mean(each.took_ms for each in done),
    }


def churn(count: int, lifetimes_min: Sequence[float], seed: int) -> Iterator[Row]:
    """Nodes die without a word and as many join; leaders die with them and others are elected.
    Nobody hears of it but by asking: membership would tell."""
    for lifetime in lifetimes_min:
        yield Churn(count, lifetime, seed).run()


class Churn:
    """One network whose nodes live for so long on average."""

    def __init__(self, count: int, lifetime_min: float, seed: int) -> None:
        self._net = network(count, seed, has_upkeep=True)
        self._rng = Random(seed)
        self._count = count
        self._lifetime_min = lifetime_min
        self._partitions = count // 10
        self._leaders: dict[int, int] = {}
        self._terms = [0] * self._partitions
        self._elected_ms = [0] * self._partitions
        self._asked: list[tuple[int, int, int]] = []
        self._born_ms: list[int] = [-CHURN_WARM_MS] * count

    def run(self) -> Row:
        net = self._net
        net.start_clocks()
        for number in range(self._partitions):
            self._elect(number)
        done: list[LookupDone] = []
        current: list[bool] = []
        closest: list[float] = []
        messages = 0
        end_ms = CHURN_WARM_MS + CHURN_LASTS_MS
        while net.now_ms < end_ms:
            self._turn_over()
            is_measured = net.now_ms >= CHURN_WARM_MS
            if is_measured:
                messages = messages or net.messages
                self._ask()
            net.run(until_ms=net.now_ms + CHURN_STEP_MS)
            for asker, number, expected in self._take_answered():
                found = net.lookups.pop((asker, key_of_partition(number)))
                done.append(found)
                if len(done) % 5 == 0:
                    closest.append(_closest_found(net, asker, found))
                current.append(found.record is not None and found.record.claim.term >= expected)
        requests = sum(each.requests for each in done)
        background = net.messages - messages - 2 * requests
        return {
            "nodes": self._count,
            "lifetime min": self._lifetime_min,
            "lookups": len(done),
            "current record": sum(current) / len(current),
            "of the 8 closest": statistics.mean(closest),
            "hops": statistics.mean(each.hops for each in done),
            "requests": requests / len(done),
            "ms": statistics.mean(each.took_ms for each in done),
            "other messages a node and minute": background
            / self._count
            / (CHURN_LASTS_MS / 60_000),
        }

    def _turn_over(self) -> None:
        net, rng = self._net, self._rng
        alive = net.alive()
        chance = CHURN_STEP_MS / (self._lifetime_min * 60_000)
        for number in alive:
            if rng.random() < chance:
                net.is_dead[number] = True
                (newcomer,) = net.add(1)
                self._born_ms.append(net.now_ms)
                known = net.contacts[rng.choice(alive)]
                node = net.nodes[newcomer]
                node.table.add(known)
                net.do(newcomer, node.join(net.now))
        for number, leader in self._leaders.items():
            if net.is_dead[leader] and net.now_ms - self._elected_ms[number] > ELECTION_MS:
                self._elect(number)

    def _elect(self, number: int) -> None:
        net = self._net
        leader = self._rng.choice(self._settled())
        self._leaders[number] = leader
        self._terms[number] += 1
        self._elected_ms[number] = net.now_ms
        claim = claim_of(number, leader, self._terms[number])
        net.do(leader, net.nodes[leader].store(claim, net.now))

    def _settled(self) -> list[int]:
        """Nodes that had a minute to find their way in."""
        born_before = self._net.now_ms - 60_000
        return [each for each in self._net.alive() if self._born_ms[each] <= born_before]

    def _ask(self) -> None:
        net = self._net
        asker = self._rng.choice(self._settled())
        number = self._rng.randrange(self._partitions)
        is_settled = net.now_ms - self._elected_ms[number] >= SETTLED_MS
        expected = self._terms[number] - (0 if is_settled else 1)
        self._asked.append((asker, number, expected))
        net.do(asker, net.nodes[asker].lookup(key_of_partition(number), net.now))

    def _take_answered(self) -> list[tuple[int, int, int]]:
        lookups = self._net.lookups
        answered = [each for each in self._asked if (each[0], key_of_partition(each[1])) in lookups]
        self._asked = [
            each for each in self._asked if each not in answered and not self._net.is_dead[each[0]]
        ]
        return answered


def _publish(net: Network, number: int, leader: int, term: int = 1) -> Record:
    node = net.nodes[leader]
    net.do(leader, node.store(claim_of(number, leader, term), net.now))
    net.run()
    node.withdraw(claim_of(number, leader).log_key)
    return net.stores.pop().record


def _nodes_found(net: Network, alive: Sequence[int], targets: Sequence[Key], rng: Random) -> Row:
    askers = [rng.choice(alive) for _ in targets]
    messages, started = net.messages, time.process_time()
    done = [net.find_nodes(a, target) for a, target in zip(askers, targets, strict=True)]
    took_s = time.process_time() - started
    shares = [_closest_found(net, a, each) for a, each in zip(askers, done, strict=True)]
    hops = [each.hops for each in done]
    took_ms = sorted(each.took_ms for each in done)
    return {
        "8 closest found": statistics.mean(share == 1 for share in shares),
        "of the 8 closest": statistics.mean(shares),
        "hops": statistics.mean(hops),
        "hops max": max(hops),
        "requests": statistics.mean(each.requests for each in done),
        "messages": (net.messages - messages) / len(done),
        "ms": statistics.mean(took_ms),
        "ms p99": took_ms[int(len(done) * 0.99)],
        "lookups/s": len(done) / took_s,
    }


def _closest_found(net: Network, asker: int, done: LookupDone) -> float:
    """Which share of the nearest nodes, other than who asked, a lookup ended with."""
    expected = _nearest_others(net, asker, done.key)
    found = {node.id for node in done.closest}
    return sum(each in found for each in expected) / max(1, len(expected))


def _nearest_others(net: Network, asker: int, key: Key) -> list[NodeId]:
    own = net.contacts[asker].id
    return [node for node in net.true_closest(key, 9) if node != own][:8]
