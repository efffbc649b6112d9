"""The nodes' alarms are heard: two leaders that publish the same term do not go by unnoticed."""

from __future__ import annotations

import pytest
from sim.scenario import run_seed
from sim.scenarios.many_nodes import ManyNodes

from sprawl.core.clock import Instant
from sprawl.core.cluster.overlay import Overlay
from sprawl.core.dht.dht import Dht
from sprawl.core.dht.effects import Effect
from sprawl.core.dht.records import Claim
from sprawl.core.ids import Term

SEED = 3


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_leaders_of_one_term_are_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    store, sound = Dht.store, Overlay._sound

    def as_if_nobody_counted_terms(dht: Dht, claim: Claim, now: Instant) -> list[Effect]:
        return store(dht, claim._replace(term=Term(1)), now)

    monkeypatch.setattr(Dht, "store", as_if_nobody_counted_terms)
    report = run_seed(ManyNodes, SEED)
    assert "two leaders in one term" in str(report.failure)
    assert Overlay._sound is sound
