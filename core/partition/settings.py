"""What the partitions of a node take from the broker's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sprawl.core.config.broker import BrokerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSettings:
    """Broker configs, with Kafka's names and defaults where it has them.

    Args:
        retention_check_interval_ms: log.retention.check.interval.ms.
        cleaner_enable: log.cleaner.enable; off, nothing is compacted.
        cleaner_backoff_ms: log.cleaner.backoff.ms, the pause between looks for something to clean.
        scrub_interval_ms: log.scrub.interval.ms, the pause between two searches for damage; -1 for
            none.
        producer_id_expiration_ms: producer.id.expiration.ms, after which an idle producer's
            sequence state is dropped. A producer counts as idle from its last batch on.
        producer_id_expiration_check_interval_ms: producer.id.expiration.check.interval.ms.
        io_threads: threads for work that may block on the disk.
    """

    retention_check_interval_ms: int = 300_000
    cleaner_enable: bool = True
    cleaner_backoff_ms: int = 15_000
    scrub_interval_ms: int = 604_800_000
    producer_id_expiration_ms: int = 86_400_000
    producer_id_expiration_check_interval_ms: int = 600_000
    io_threads: int = 4

    @classmethod
    def from_config(cls, config: BrokerConfig) -> Self:
        """The settings that the broker's configuration asks for."""
        return cls(
            retention_check_interval_ms=config.log_retention_check_interval_ms,
            cleaner_enable=config.log_cleaner_enable,
            cleaner_backoff_ms=config.log_cleaner_backoff_ms,
            scrub_interval_ms=config.log_scrub_interval_ms,
            producer_id_expiration_ms=config.producer_id_expiration_ms,
            producer_id_expiration_check_interval_ms=(
                config.producer_id_expiration_check_interval_ms
            ),
        )
