"""One module for each API that is served. `load` imports and registers them all."""

from __future__ import annotations

from importlib import import_module

from sprawl.gateway.dispatch import register

MODULES = (
    "k00_produce",
    "k01_fetch",
    "k02_list_offsets",
    "k03_metadata",
    "k08_offset_commit",
    "k09_offset_fetch",
    "k10_find_coordinator",
    "k11_join_group",
    "k12_heartbeat",
    "k13_leave_group",
    "k14_sync_group",
    "k15_describe_groups",
    "k16_list_groups",
    "k18_api_versions",
    "k19_create_topics",
    "k20_delete_topics",
    "k21_delete_records",
    "k22_init_producer_id",
    "k23_offset_for_leader_epoch",
    "k32_describe_configs",
    "k33_alter_configs",
    "k34_alter_replica_log_dirs",
    "k35_describe_log_dirs",
    "k37_create_partitions",
    "k42_delete_groups",
    "k43_elect_leaders",
    "k44_incremental_alter_configs",
    "k45_alter_partition_reassignments",
    "k46_list_partition_reassignments",
    "k47_offset_delete",
    "k55_describe_quorum",
    "k57_update_features",
    "k60_describe_cluster",
    "k64_unregister_broker",
    "k75_describe_topic_partitions",
)


def load() -> None:
    """Register every API. Importing takes some milliseconds, so it is done when a node starts."""
    for name in MODULES:
        register(import_module(f"{__name__}.{name}").HANDLER)
