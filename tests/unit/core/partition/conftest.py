"""The brokers that these tests use."""

from __future__ import annotations

from data_fixtures import disk_world, other_world, world

__all__ = ["disk_world", "other_world", "world"]
