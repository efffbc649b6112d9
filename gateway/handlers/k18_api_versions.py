"""ApiVersions (key 18) v0-4

Behaviour:
- Announces the APIs that are registered, and nothing else: what is announced is what is served.
- Produce is announced from version 0, though 0 to 2 are refused when used: librdkafka before 2.8
  takes the lowest version for the codecs a broker knows and would silently stop compressing.
- Names the client's software for logs; a malformed name is INVALID_REQUEST.
- Tells the levels of `sprawl.version` that this program knows, the one that the cluster is at,
  and the epoch of it, which grows with each change.
- An unknown version is answered by the server with a version 0 body (gateway/server.py).

Version notes:
- 3: flexible; client software name and version; features. The response header stays version 0.
- 4: features whose lowest version is 0 may be told.

Not implemented: none of Kafka's own features is told (transaction.version, group.version ... come
with the APIs they gate), so clients use what needs none.

Source: KIP-35, KIP-511, KIP-584; KAFKA-18659.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sprawl.core.controller.features import FEATURE
from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k18_api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from sprawl.gateway.dispatch import HandlerSpec, registered

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

PRODUCE = 0
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(ctx: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """Answer at once."""
    if ctx.api_version >= 3:
        name, version = request.client_software_name, request.client_software_version
        if not (_SOFTWARE.fullmatch(name) and _SOFTWARE.fullmatch(version)):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
        ctx.connection.client_software_name = name
        ctx.connection.client_software_version = version
    controller = ctx.broker.controller
    known, level = controller.levels, controller.state.level
    return ApiVersionsResponse(
        api_keys=announced(),
        supported_features=[
            SupportedFeatureKey(name=FEATURE, min_version=known.min, max_version=known.max)
        ],
        finalized_features_epoch=controller.state.level_epoch,
        finalized_features=[
            FinalizedFeatureKey(name=FEATURE, min_version_level=level, max_version_level=level)
        ],
    )


def announced() -> list[ApiVersion]:
    """The version ranges of the registered APIs, by key."""
    return [
        ApiVersion(
            api_key=key,
            min_version=0 if key == PRODUCE else spec.min_version,
            max_version=spec.max_version,
        )
        for key, spec in sorted(registered().items())
    ]


HANDLER = HandlerSpec(18, 0, 4, handle)
