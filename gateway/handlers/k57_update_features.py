"""UpdateFeatures (key 57) v0-2

Behaviour:
- Changes the finalized level of `sprawl.version`, all of the request or nothing; answered when the
  controller has it durably.
- A level that a registered broker does not know, also one that is away: INVALID_UPDATE_VERSION,
  which names the broker. So are an unknown feature or upgrade type, a lower level without
  permission, and a safe downgrade that would not be one.
- A feature that is named more than once: INVALID_REQUEST.
- A controller whose program is from before levels, or that cannot write: FEATURE_UPDATE_FAILED.

Version notes:
- 0: `allow_downgrade` allows a safe one. 1: upgrade type, validate only.
- 2: no results, as the error is that of all.

Not implemented: nothing.

Source: KIP-584, KIP-778; messages as Kafka's FeatureControlManager and QuorumController.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.controller.features import FeatureUpdate, UpgradeType
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k57_update_features import (
    FeatureUpdateKey,
    UpdatableFeatureResult,
    UpdateFeaturesRequest,
    UpdateFeaturesResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


async def handle(ctx: RequestContext, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse:
    """Answer when the level is durable, or was only judged."""
    updates = [
        FeatureUpdate(each.feature, each.max_version_level, _kind(ctx.api_version, each))
        for each in request.feature_updates
    ]
    try:
        await ctx.broker.controller.update_features(updates, validate_only=request.validate_only)
    except KafkaFault as fault:
        return _failed(fault)
    return UpdateFeaturesResponse(
        error_code=ErrorCode.NONE,
        error_message=None,
        results=[
            UpdatableFeatureResult(
                feature=each.feature, error_code=ErrorCode.NONE, error_message=None
            )
            for each in updates
        ],
    )


def _kind(version: int, update: FeatureUpdateKey) -> int:
    if version > 0:
        return update.upgrade_type
    return UpgradeType.SAFE_DOWNGRADE if update.allow_downgrade else UpgradeType.UPGRADE


def _failed(fault: KafkaFault) -> UpdateFeaturesResponse:
    code, message = fault.code, fault.message
    if code is ErrorCode.INVALID_UPDATE_VERSION:
        message = (
            "The update failed for all features since the following feature had an error:"
            f" {message}"
        )
    elif code is ErrorCode.UNSUPPORTED_VERSION:
        code = ErrorCode.FEATURE_UPDATE_FAILED
        message = "The broker whose controller leads runs a program from before feature levels."
    elif code is ErrorCode.KAFKA_STORAGE_ERROR:
        code = ErrorCode.FEATURE_UPDATE_FAILED
    return UpdateFeaturesResponse(error_code=code, error_message=message)


HANDLER = HandlerSpec(57, 0, 2, handle)
