"""The cluster's feature level: what it is, how far it could go, and raising it."""

from __future__ import annotations

from typing import NamedTuple

from sprawl import __version__
from sprawl.client.cluster import Cluster
from sprawl.client.connection import API_VERSIONS
from sprawl.client.faults import Refused, raise_for
from sprawl.core.controller.features import FEATURE, Levels, UpgradeType
from sprawl.gateway.codec._generated.k18_api_versions import (
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from sprawl.gateway.codec._generated.k57_update_features import (
    FeatureUpdateKey,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)

UPDATE_FEATURES = 57


class FeatureLevel(NamedTuple):
    """The level that the cluster is at, and those that the program of the asked node knows."""

    level: int
    known: Levels


async def read_level(cluster: Cluster) -> FeatureLevel | None:
    """None when the node that was asked runs a program from before levels. Raises: Unreachable."""
    answer = await cluster.request(
        API_VERSIONS,
        ApiVersionsRequest(client_software_name="sprawl-cli", client_software_version=__version__),
        ApiVersionsResponse,
    )
    raise_for(answer.error_code, "the feature level")
    known = {each.name: each for each in answer.supported_features}.get(FEATURE)
    final = {each.name: each for each in answer.finalized_features}.get(FEATURE)
    if known is None or final is None:
        return None
    return FeatureLevel(final.max_version_level, Levels(known.min_version, known.max_version))


async def highest_level(cluster: Cluster, now: FeatureLevel) -> int | None:
    """The highest level above the present one that every node knows; None when there is none.

    Raises: Unreachable.
    """
    for level in range(now.known.max, now.level, -1):
        try:
            await raise_level(cluster, level, validate_only=True)
        except Refused:
            continue
        return level
    return None


async def raise_level(cluster: Cluster, level: int, *, validate_only: bool = False) -> None:
    """Raise the cluster's level, or only have that judged. Raises: Refused, Unreachable."""
    update = FeatureUpdateKey(
        feature=FEATURE, max_version_level=level, upgrade_type=UpgradeType.UPGRADE
    )
    answer = await cluster.request(
        UPDATE_FEATURES,
        UpdateFeaturesRequest(feature_updates=[update], validate_only=validate_only),
        UpdateFeaturesResponse,
    )
    raise_for(answer.error_code, f"level {level}", answer.error_message)
