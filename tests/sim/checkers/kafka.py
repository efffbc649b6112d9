"""Judges a history of client operations, whatever made it: the simulator or real processes.

    history --> ledger --> writing   lost_write aborted_read duplicate unseen vanished_read
                                     nonmonotonic_send realtime_send producer_id_twice ...
                       --> reading   poll_skip nonmonotonic_poll gap int_poll_skip ...
                       --> offsets   inconsistent_commit group_skip
                       --> lag       figures

README.md says what each name means. Semantics: Jepsen's Kafka workload, written anew from its
published description.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.lag import measure_lag
from tests.sim.checkers.ledger import read_history
from tests.sim.checkers.offsets import check_commits, check_group_reads
from tests.sim.checkers.reading import ReadingCheck
from tests.sim.checkers.report import Findings, Report
from tests.sim.checkers.writing import (
    check_order,
    check_outcomes,
    check_producer_ids,
    check_transactions,
)
from tests.sim.history import Event

STRICT = Expectations()


def check(history: Iterable[Event], expectations: Expectations = STRICT) -> Report:
    """Judge a history.

    Args:
        history: events in the order in which they happened.
        expectations: what the scenario knows about its clients and topics.

    Raises:
        HistoryError: the history breaks the rules of its format.
    """
    found = Findings(allowed=expectations.allowed)
    ledger = read_history(history, expectations, found)
    sends = ledger.sends.values()
    found.figures |= {
        "events": len(ledger.events),
        "sends": len(sends),
        "acknowledged": sum(1 for send in sends if send.is_ok),
        "failed": sum(1 for send in sends if send.is_failed),
        "partitions": len(ledger.partitions),
        "records_read": ledger.records_read,
        "at_least_once_processes": len(expectations.at_least_once),
    }
    check_outcomes(ledger, expectations, found)
    check_order(ledger, expectations, found)
    check_transactions(ledger, found)
    check_producer_ids(ledger, found)
    ReadingCheck(ledger, expectations, found).run()
    check_commits(ledger, expectations, found)
    check_group_reads(ledger, expectations, found)
    measure_lag(ledger, expectations, found)
    return found.report()
