# Written by `python -m sprawl.gateway.codec.generate` from schemas/k20_delete_topics.kafka; do not edit.
"""DeleteTopics (key 20), versions 1-6.

Deletes topics, by name or by id.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class DeleteTopicState(Struct):
    __slots__ = (
        "name",
        "topic_id",
    )

    name: str | None  # Topic name; null when the id is used.
    topic_id: UUID  # Topic id; all zeros when the name is used.

    def __init__(
        self,
        *,
        name: str | None = None,
        topic_id: UUID = ZERO_UUID,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteTopicsRequest(Struct):
    __slots__ = (
        "topics",
        "topic_names",
        "timeout_ms",
    )

    topics: list[DeleteTopicState]  # One entry a topic. (v6+, refused elsewhere)
    topic_names: list[str]  # Topics to delete. (v1-5, dropped elsewhere)
    timeout_ms: int  # Milliseconds the broker may take.

    def __init__(
        self,
        *,
        topics: list[DeleteTopicState] = UNSET,
        topic_names: list[str] = UNSET,
        timeout_ms: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.topic_names = [] if topic_names is UNSET else topic_names
        self.timeout_ms = timeout_ms
        self.unknown_tagged_fields = unknown_tagged_fields


class DeletableTopicResult(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "error_code",
        "error_message",
    )

    name: str | None  # Topic name; null when the id is unknown.
    topic_id: UUID  # Topic id; all zeros when the name is used. (v6+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        name: str | None = "",
        topic_id: UUID = ZERO_UUID,
        error_code: int = 0,
        error_message: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteTopicsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "responses",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    responses: list[DeletableTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        responses: list[DeletableTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.responses = [] if responses is UNSET else responses
        self.unknown_tagged_fields = unknown_tagged_fields
