"""Follows the transactions of a log while it is compacted, oldest batch first.

Which data was aborted is known before its marker comes (from the aborted transactions of the log).
A marker is of use as long as data of its transaction is in the log; after that it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from sprawl.core.errors import KafkaFault
from sprawl.core.records.batch import BatchHeader
from sprawl.core.records.control import EndTxnMarker, read_marker
from sprawl.core.records.crc import Readable
from sprawl.core.records.producers import AbortedTransaction


class CleanedTransactions:
    """State of the walk.

    Args:
        aborted: transactions that touch the log from where the walk starts.
    """

    __slots__ = ("_aborting", "_coming", "_committing", "_seen", "remaining")

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        self._coming = sorted(aborted, key=lambda each: each.first_offset, reverse=True)
        self._aborting: dict[int, AbortedTransaction] = {}
        self._seen: set[int] = set()
        self._committing: set[int] = set()
        self.remaining: list[AbortedTransaction] = []
        """Aborted transactions that had data when their marker was reached, in marker order."""

    def on_batch(self, batch: Readable, header: BatchHeader) -> bool:
        """Take the next batch of the log.

        Returns:
            True when its records are of no use: data of an aborted transaction, or a marker of a
            transaction without data left.
        """
        self._open_up_to(header.last_offset)
        if header.is_control:
            return self._on_marker(batch, header)
        if not header.is_transactional:
            return False
        if self._aborts(header) is not None:
            self._seen.add(header.producer_id)
            return True
        self._committing.add(header.producer_id)
        return False

    def _open_up_to(self, offset: int) -> None:
        coming = self._coming
        while coming and coming[-1].first_offset <= offset:
            transaction = coming.pop()
            self._aborting[transaction.producer_id] = transaction
            self._seen.discard(transaction.producer_id)

    def _aborts(self, header: BatchHeader) -> AbortedTransaction | None:
        # An earlier pass may have removed all of a transaction that is still listed as aborted:
        # it says nothing about batches after its marker.
        transaction = self._aborting.get(header.producer_id)
        if transaction is None or header.base_offset > transaction.last_offset:
            return None
        return transaction

    def _on_marker(self, batch: Readable, header: BatchHeader) -> bool:
        try:
            marker = read_marker(batch, 0, header)
        except KafkaFault:
            return False
        if marker is None:
            return header.record_count == 0
        return not self._had_data(header, marker)

    def _had_data(self, header: BatchHeader, marker: EndTxnMarker) -> bool:
        producer_id = header.producer_id
        if marker.is_commit:
            had_data = producer_id in self._committing
            self._committing.discard(producer_id)
            return had_data
        transaction = self._aborts(header)
        self._aborting.pop(producer_id, None)
        if transaction is None or producer_id not in self._seen:
            return False
        self._seen.discard(producer_id)
        self.remaining.append(transaction)
        return True
