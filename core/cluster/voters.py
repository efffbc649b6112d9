"""Who votes in the controller's group, and who learns. Pure.

    own, live voters, dead voters, live others ──the first 1, 3 or 5 of them──> voters
                                                 └── every other node ───────> learners

Rules:

1. Voters stay, also those that cannot be reached: they may be back in a moment, and a new one has
   to catch up first. When nodes leave the cluster and too few are left for as many voters, those
   that cannot be reached go first.
2. A node that cannot be reached does not become a voter. It would not catch up, and the others
   would wait for it: new voters begin together, as their number is to be odd.
3. The leader comes first: it hands over to the first voter when that is another one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from sprawl.core.ids import ReplicaId
from sprawl.core.replication.surroundings import Target

CONTROLLER_VOTERS_MAX: Final = 5
"""Two nodes may fail. More voters would only slow the commits."""


class Candidate(NamedTuple):
    """A registered node.

    Args:
        is_alive: the leader reaches it.
        is_staying: it is not on its way out of the cluster.
    """

    replica_id: ReplicaId
    is_alive: bool
    is_staying: bool


def controller_target(
    *, own: ReplicaId, voters: Sequence[ReplicaId], nodes: Collection[Candidate]
) -> Target:
    """Who should vote in the controller's group, the leader first, and who should learn.

    Args:
        own: the leader.
        voters: who votes now.
    """
    staying = {each.replica_id: each.is_alive for each in nodes if each.is_staying}
    now = [each for each in voters if each in staying]
    now.sort(key=lambda each: (each != own, not staying[each]))
    others = sorted(each for each, is_alive in staying.items() if is_alive and each not in voters)
    fit = [*now, *others]
    count = min(CONTROLLER_VOTERS_MAX, len(fit))
    count -= 1 - count % 2
    # With nobody to take over, who votes goes on.
    chosen = fit[:count] if fit else list(voters)
    learners = [each.replica_id for each in nodes if each.replica_id not in chosen]
    return Target(tuple(chosen), tuple(learners))
