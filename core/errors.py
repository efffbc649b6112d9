"""Kafka's error codes as data, and the one exception that carries them inside the core.

A code is returned in a response; `KafkaFault` is raised and caught inside the broker only: a
request handler turns it into the response's error fields and never lets it pass its own edge.
`PeerFault` is the other kind: the peer broke the protocol, so its connection is closed with one
log line.

Source: the Kafka protocol guide, "Error Codes" (Apache Kafka 4.3). Descriptions are our own words.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class ErrorCode(enum.IntEnum):
    """Every error code of the 4.3 protocol; the value is what the wire carries (int16)."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_FETCH_SIZE = 4
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    BROKER_NOT_AVAILABLE = 8
    REPLICA_NOT_AVAILABLE = 9
    MESSAGE_TOO_LARGE = 10
    STALE_CONTROLLER_EPOCH = 11
    OFFSET_METADATA_TOO_LARGE = 12
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_COMMIT_OFFSET_SIZE = 28
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTION_COORDINATOR_FENCED = 52
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    SECURITY_DISABLED = 54
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    LOG_DIR_NOT_FOUND = 57
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59
    REASSIGNMENT_IN_PROGRESS = 60
    DELEGATION_TOKEN_AUTH_DISABLED = 61
    DELEGATION_TOKEN_NOT_FOUND = 62
    DELEGATION_TOKEN_OWNER_MISMATCH = 63
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
    DELEGATION_TOKEN_EXPIRED = 66
    INVALID_PRINCIPAL_TYPE = 67
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    INVALID_FETCH_SESSION_EPOCH = 71
    LISTENER_NOT_FOUND = 72
    TOPIC_DELETION_DISABLED = 73
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    STALE_BROKER_EPOCH = 77
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    PREFERRED_LEADER_NOT_AVAILABLE = 80
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
    ELECTION_NOT_NEEDED = 84
    NO_REASSIGNMENT_IN_PROGRESS = 85
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    THROTTLING_QUOTA_EXCEEDED = 89
    PRODUCER_FENCED = 90
    RESOURCE_NOT_FOUND = 91
    DUPLICATE_RESOURCE = 92
    UNACCEPTABLE_CREDENTIAL = 93
    INCONSISTENT_VOTER_SET = 94
    INVALID_UPDATE_VERSION = 95
    FEATURE_UPDATE_FAILED = 96
    PRINCIPAL_DESERIALIZATION_FAILURE = 97
    SNAPSHOT_NOT_FOUND = 98
    POSITION_OUT_OF_RANGE = 99
    UNKNOWN_TOPIC_ID = 100
    DUPLICATE_BROKER_REGISTRATION = 101
    BROKER_ID_NOT_REGISTERED = 102
    INCONSISTENT_TOPIC_ID = 103
    INCONSISTENT_CLUSTER_ID = 104
    TRANSACTIONAL_ID_NOT_FOUND = 105
    FETCH_SESSION_TOPIC_ID_ERROR = 106
    INELIGIBLE_REPLICA = 107
    NEW_LEADER_ELECTED = 108
    OFFSET_MOVED_TO_TIERED_STORAGE = 109
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    UNSUPPORTED_ASSIGNOR = 112
    STALE_MEMBER_EPOCH = 113
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    UNKNOWN_CONTROLLER_ID = 116
    UNKNOWN_SUBSCRIPTION_ID = 117
    TELEMETRY_TOO_LARGE = 118
    INVALID_REGISTRATION = 119
    TRANSACTION_ABORTABLE = 120
    INVALID_RECORD_STATE = 121
    SHARE_SESSION_NOT_FOUND = 122
    INVALID_SHARE_SESSION_EPOCH = 123
    FENCED_STATE_EPOCH = 124
    INVALID_VOTER_KEY = 125
    DUPLICATE_VOTER = 126
    VOTER_NOT_FOUND = 127
    INVALID_REGULAR_EXPRESSION = 128
    REBOOTSTRAP_REQUIRED = 129
    STREAMS_INVALID_TOPOLOGY = 130
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131
    STREAMS_TOPOLOGY_FENCED = 132
    SHARE_SESSION_LIMIT_REACHED = 133


class KafkaError(NamedTuple):
    """What is known about one code: may the same request succeed later, and what it means."""

    retriable: bool
    description: str


ERRORS: dict[ErrorCode, KafkaError] = {
    ErrorCode.UNKNOWN_SERVER_ERROR: KafkaError(
        False, "The server met an unexpected condition while handling the request."
    ),
    ErrorCode.NONE: KafkaError(False, "No error."),
    ErrorCode.OFFSET_OUT_OF_RANGE: KafkaError(
        False, "The requested offset lies outside the range of offsets the partition holds."
    ),
    ErrorCode.CORRUPT_MESSAGE: KafkaError(
        True, "A record failed its checksum, has an invalid size, or is otherwise corrupt."
    ),
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: KafkaError(
        True, "This server does not host this topic-partition."
    ),
    ErrorCode.INVALID_FETCH_SIZE: KafkaError(False, "The requested fetch size is invalid."),
    ErrorCode.LEADER_NOT_AVAILABLE: KafkaError(
        True, "The partition has no leader at the moment, as during an election."
    ),
    ErrorCode.NOT_LEADER_OR_FOLLOWER: KafkaError(
        True, "This broker is not the leader, or for fetches not a replica, of the partition."
    ),
    ErrorCode.REQUEST_TIMED_OUT: KafkaError(True, "The request timed out."),
    ErrorCode.BROKER_NOT_AVAILABLE: KafkaError(False, "The broker is not available."),
    ErrorCode.REPLICA_NOT_AVAILABLE: KafkaError(
        True, "The replica is not available for the requested topic-partition."
    ),
    ErrorCode.MESSAGE_TOO_LARGE: KafkaError(
        False, "The batch is larger than the largest message size the topic accepts."
    ),
    ErrorCode.STALE_CONTROLLER_EPOCH: KafkaError(False, "The controller moved to another broker."),
    ErrorCode.OFFSET_METADATA_TOO_LARGE: KafkaError(
        False, "The metadata string of the offset commit is too large."
    ),
    ErrorCode.NETWORK_EXCEPTION: KafkaError(
        True, "The server disconnected before a response was received."
    ),
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS: KafkaError(
        True, "The coordinator is loading its state and cannot process requests yet."
    ),
    ErrorCode.COORDINATOR_NOT_AVAILABLE: KafkaError(True, "The coordinator is not available."),
    ErrorCode.NOT_COORDINATOR: KafkaError(
        True, "This broker is not the coordinator of the group or transactional id."
    ),
    ErrorCode.INVALID_TOPIC_EXCEPTION: KafkaError(
        False, "The request names a topic that is not valid."
    ),
    ErrorCode.RECORD_LIST_TOO_LARGE: KafkaError(
        False, "The request holds a batch larger than the segment size configured on the server."
    ),
    ErrorCode.NOT_ENOUGH_REPLICAS: KafkaError(
        True, "Fewer replicas are in sync than the topic requires; nothing was appended."
    ),
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: KafkaError(
        True, "The records were appended, but fewer replicas than required are in sync."
    ),
    ErrorCode.INVALID_REQUIRED_ACKS: KafkaError(
        False, "The produce request names an invalid value for required acks."
    ),
    ErrorCode.ILLEGAL_GENERATION: KafkaError(False, "The group generation is not the current one."),
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL: KafkaError(
        False, "The member's protocol type or protocols are incompatible with those of the group."
    ),
    ErrorCode.INVALID_GROUP_ID: KafkaError(False, "The group id is invalid."),
    ErrorCode.UNKNOWN_MEMBER_ID: KafkaError(False, "The coordinator does not know this member."),
    ErrorCode.INVALID_SESSION_TIMEOUT: KafkaError(
        False, "The session timeout lies outside the range the broker allows."
    ),
    ErrorCode.REBALANCE_IN_PROGRESS: KafkaError(
        False, "The group is rebalancing, so a rejoin is needed."
    ),
    ErrorCode.INVALID_COMMIT_OFFSET_SIZE: KafkaError(
        False, "The offset commit is too large to be stored."
    ),
    ErrorCode.TOPIC_AUTHORIZATION_FAILED: KafkaError(False, "Not authorized to access the topic."),
    ErrorCode.GROUP_AUTHORIZATION_FAILED: KafkaError(False, "Not authorized to access the group."),
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED: KafkaError(
        False, "Not authorized for the cluster operation."
    ),
    ErrorCode.INVALID_TIMESTAMP: KafkaError(
        False, "The timestamp of the message is out of the accepted range."
    ),
    ErrorCode.UNSUPPORTED_SASL_MECHANISM: KafkaError(
        False, "The broker does not support the requested SASL mechanism."
    ),
    ErrorCode.ILLEGAL_SASL_STATE: KafkaError(
        False, "The request is not valid in the current SASL state."
    ),
    ErrorCode.UNSUPPORTED_VERSION: KafkaError(False, "The version of the API is not supported."),
    ErrorCode.TOPIC_ALREADY_EXISTS: KafkaError(False, "A topic with this name already exists."),
    ErrorCode.INVALID_PARTITIONS: KafkaError(False, "The number of partitions is invalid."),
    ErrorCode.INVALID_REPLICATION_FACTOR: KafkaError(
        False, "The replication factor is below 1 or larger than the number of available brokers."
    ),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT: KafkaError(False, "The replica assignment is invalid."),
    ErrorCode.INVALID_CONFIG: KafkaError(False, "The configuration is invalid."),
    ErrorCode.NOT_CONTROLLER: KafkaError(True, "This is not the controller of the cluster."),
    ErrorCode.INVALID_REQUEST: KafkaError(
        False, "The request is malformed or contradicts itself; see the broker's log."
    ),
    ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT: KafkaError(
        False, "The broker's message format does not support this request."
    ),
    ErrorCode.POLICY_VIOLATION: KafkaError(False, "The request violates the configured policy."),
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER: KafkaError(
        False, "The broker received a sequence number that does not follow the last one."
    ),
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER: KafkaError(
        False, "The broker received a sequence number that it has seen before."
    ),
    ErrorCode.INVALID_PRODUCER_EPOCH: KafkaError(
        False, "The producer tried to produce with an old epoch."
    ),
    ErrorCode.INVALID_TXN_STATE: KafkaError(
        False, "The producer tried an operation its transaction's state does not allow."
    ),
    ErrorCode.INVALID_PRODUCER_ID_MAPPING: KafkaError(
        False, "The producer id is not the one assigned to the transactional id."
    ),
    ErrorCode.INVALID_TRANSACTION_TIMEOUT: KafkaError(
        False, "The transaction timeout is larger than the broker's maximum."
    ),
    ErrorCode.CONCURRENT_TRANSACTIONS: KafkaError(
        True, "An earlier transaction of the same producer is still being completed."
    ),
    ErrorCode.TRANSACTION_COORDINATOR_FENCED: KafkaError(
        False, "The transaction coordinator that sent this marker is no longer current."
    ),
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: KafkaError(
        False, "Not authorized to use the transactional id."
    ),
    ErrorCode.SECURITY_DISABLED: KafkaError(
        False, "Security features are disabled: no authorizer is configured."
    ),
    ErrorCode.OPERATION_NOT_ATTEMPTED: KafkaError(
        False, "The broker did not attempt this operation."
    ),
    ErrorCode.KAFKA_STORAGE_ERROR: KafkaError(
        True, "A disk error occurred while accessing the log."
    ),
    ErrorCode.LOG_DIR_NOT_FOUND: KafkaError(
        False, "The named log directory is not in the broker's configuration."
    ),
    ErrorCode.SASL_AUTHENTICATION_FAILED: KafkaError(False, "SASL authentication failed."),
    ErrorCode.UNKNOWN_PRODUCER_ID: KafkaError(
        False, "The broker holds no state for this producer id."
    ),
    ErrorCode.REASSIGNMENT_IN_PROGRESS: KafkaError(
        False, "A reassignment of the partition is in progress."
    ),
    ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED: KafkaError(
        False, "Delegation tokens are not enabled."
    ),
    ErrorCode.DELEGATION_TOKEN_NOT_FOUND: KafkaError(False, "The delegation token was not found."),
    ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH: KafkaError(
        False, "The principal is not an owner or renewer of the delegation token."
    ),
    ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: KafkaError(
        False, "Delegation token requests are not allowed on this connection."
    ),
    ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED: KafkaError(
        False, "Not authorized to use delegation tokens."
    ),
    ErrorCode.DELEGATION_TOKEN_EXPIRED: KafkaError(False, "The delegation token has expired."),
    ErrorCode.INVALID_PRINCIPAL_TYPE: KafkaError(False, "The principal type is not supported."),
    ErrorCode.NON_EMPTY_GROUP: KafkaError(False, "The group is not empty."),
    ErrorCode.GROUP_ID_NOT_FOUND: KafkaError(False, "The group id does not exist."),
    ErrorCode.FETCH_SESSION_ID_NOT_FOUND: KafkaError(True, "The fetch session id was not found."),
    ErrorCode.INVALID_FETCH_SESSION_EPOCH: KafkaError(True, "The fetch session epoch is invalid."),
    ErrorCode.LISTENER_NOT_FOUND: KafkaError(
        True, "The leader has no listener that matches the one the request arrived on."
    ),
    ErrorCode.TOPIC_DELETION_DISABLED: KafkaError(False, "Topic deletion is disabled."),
    ErrorCode.FENCED_LEADER_EPOCH: KafkaError(
        True, "The leader epoch of the request is older than the broker's."
    ),
    ErrorCode.UNKNOWN_LEADER_EPOCH: KafkaError(
        True, "The leader epoch of the request is newer than the broker's."
    ),
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE: KafkaError(
        False, "The request's version does not support the compression type of the batch."
    ),
    ErrorCode.STALE_BROKER_EPOCH: KafkaError(False, "The broker epoch has changed."),
    ErrorCode.OFFSET_NOT_AVAILABLE: KafkaError(
        True, "The leader's high watermark has not caught up after a recent election."
    ),
    ErrorCode.MEMBER_ID_REQUIRED: KafkaError(
        False, "The member needs a member id before it can join the group."
    ),
    ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE: KafkaError(
        True, "The preferred leader is not available."
    ),
    ErrorCode.GROUP_MAX_SIZE_REACHED: KafkaError(False, "The group has reached its maximum size."),
    ErrorCode.FENCED_INSTANCE_ID: KafkaError(
        False, "Another member with the same group.instance.id has taken this member's place."
    ),
    ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE: KafkaError(True, "No eligible leader is available."),
    ErrorCode.ELECTION_NOT_NEEDED: KafkaError(True, "The partition already has the wanted leader."),
    ErrorCode.NO_REASSIGNMENT_IN_PROGRESS: KafkaError(
        False, "No reassignment of the partition is in progress."
    ),
    ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC: KafkaError(
        False, "The group is subscribed to the topic, so its offsets cannot be deleted."
    ),
    ErrorCode.INVALID_RECORD: KafkaError(
        False, "The broker rejected a record because it failed validation."
    ),
    ErrorCode.UNSTABLE_OFFSET_COMMIT: KafkaError(
        True, "Offsets of the partition are part of an unfinished transaction."
    ),
    ErrorCode.THROTTLING_QUOTA_EXCEEDED: KafkaError(
        True, "The throttling quota has been exceeded."
    ),
    ErrorCode.PRODUCER_FENCED: KafkaError(
        False, "A newer producer with the same transactional id has fenced this one."
    ),
    ErrorCode.RESOURCE_NOT_FOUND: KafkaError(
        False, "The request names a resource that does not exist."
    ),
    ErrorCode.DUPLICATE_RESOURCE: KafkaError(False, "The request names the same resource twice."),
    ErrorCode.UNACCEPTABLE_CREDENTIAL: KafkaError(
        False, "The credential does not meet the criteria."
    ),
    ErrorCode.INCONSISTENT_VOTER_SET: KafkaError(
        False, "The voter set of the request is inconsistent with the current one."
    ),
    ErrorCode.INVALID_UPDATE_VERSION: KafkaError(False, "The version of the update is invalid."),
    ErrorCode.FEATURE_UPDATE_FAILED: KafkaError(False, "The features could not be updated."),
    ErrorCode.PRINCIPAL_DESERIALIZATION_FAILURE: KafkaError(
        False, "The forwarded principal could not be read."
    ),
    ErrorCode.SNAPSHOT_NOT_FOUND: KafkaError(False, "The requested snapshot was not found."),
    ErrorCode.POSITION_OUT_OF_RANGE: KafkaError(
        False, "The requested position lies outside the snapshot."
    ),
    ErrorCode.UNKNOWN_TOPIC_ID: KafkaError(True, "This server does not host this topic id."),
    ErrorCode.DUPLICATE_BROKER_REGISTRATION: KafkaError(False, "The broker id is already in use."),
    ErrorCode.BROKER_ID_NOT_REGISTERED: KafkaError(False, "The broker id is not registered."),
    ErrorCode.INCONSISTENT_TOPIC_ID: KafkaError(
        True, "The topic id of the log does not match the one of the request."
    ),
    ErrorCode.INCONSISTENT_CLUSTER_ID: KafkaError(
        False, "The cluster id of the request is not the server's."
    ),
    ErrorCode.TRANSACTIONAL_ID_NOT_FOUND: KafkaError(False, "The transactional id was not found."),
    ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR: KafkaError(
        True, "The fetch session met inconsistent use of topic ids."
    ),
    ErrorCode.INELIGIBLE_REPLICA: KafkaError(
        False, "The new in-sync replicas contain an ineligible replica."
    ),
    ErrorCode.NEW_LEADER_ELECTED: KafkaError(False, "The partition has elected a new leader."),
    ErrorCode.OFFSET_MOVED_TO_TIERED_STORAGE: KafkaError(
        False, "The requested offset is now in tiered storage."
    ),
    ErrorCode.FENCED_MEMBER_EPOCH: KafkaError(
        False, "The coordinator fenced the member's epoch; the member must rejoin."
    ),
    ErrorCode.UNRELEASED_INSTANCE_ID: KafkaError(
        False, "Another member still uses the instance id."
    ),
    ErrorCode.UNSUPPORTED_ASSIGNOR: KafkaError(
        False, "The assignor is not supported by the group."
    ),
    ErrorCode.STALE_MEMBER_EPOCH: KafkaError(
        False, "The member epoch is stale; retry with the one in the next heartbeat response."
    ),
    ErrorCode.MISMATCHED_ENDPOINT_TYPE: KafkaError(
        False, "The request was sent to an endpoint of the wrong type."
    ),
    ErrorCode.UNSUPPORTED_ENDPOINT_TYPE: KafkaError(False, "The endpoint type is not supported."),
    ErrorCode.UNKNOWN_CONTROLLER_ID: KafkaError(False, "The controller id is not known."),
    ErrorCode.UNKNOWN_SUBSCRIPTION_ID: KafkaError(
        False, "The telemetry subscription id is invalid or outdated."
    ),
    ErrorCode.TELEMETRY_TOO_LARGE: KafkaError(
        False, "The pushed telemetry is larger than the maximum size."
    ),
    ErrorCode.INVALID_REGISTRATION: KafkaError(False, "The broker registration is invalid."),
    ErrorCode.TRANSACTION_ABORTABLE: KafkaError(
        False, "The transaction met an error and must be aborted."
    ),
    ErrorCode.INVALID_RECORD_STATE: KafkaError(
        False, "The record is not in the state the acknowledgement needs."
    ),
    ErrorCode.SHARE_SESSION_NOT_FOUND: KafkaError(True, "The share session was not found."),
    ErrorCode.INVALID_SHARE_SESSION_EPOCH: KafkaError(True, "The share session epoch is invalid."),
    ErrorCode.FENCED_STATE_EPOCH: KafkaError(
        False, "The share group's state epoch is older than the current one."
    ),
    ErrorCode.INVALID_VOTER_KEY: KafkaError(
        False, "The voter key does not match the receiving replica's."
    ),
    ErrorCode.DUPLICATE_VOTER: KafkaError(False, "The voter is already in the voter set."),
    ErrorCode.VOTER_NOT_FOUND: KafkaError(False, "The voter is not in the voter set."),
    ErrorCode.INVALID_REGULAR_EXPRESSION: KafkaError(False, "The regular expression is not valid."),
    ErrorCode.REBOOTSTRAP_REQUIRED: KafkaError(
        False, "The client's metadata is stale; it should bootstrap again."
    ),
    ErrorCode.STREAMS_INVALID_TOPOLOGY: KafkaError(False, "The supplied topology is invalid."),
    ErrorCode.STREAMS_INVALID_TOPOLOGY_EPOCH: KafkaError(
        False, "The supplied topology epoch is invalid."
    ),
    ErrorCode.STREAMS_TOPOLOGY_FENCED: KafkaError(
        False, "The supplied topology epoch is outdated."
    ),
    ErrorCode.SHARE_SESSION_LIMIT_REACHED: KafkaError(
        True, "The limit of share sessions has been reached."
    ),
}


class KafkaFault(Exception):
    """A request (or one partition of it) fails with a Kafka error code.

    Args:
        code: what the response will carry.
        message: text for responses that have an error message field and for the log; the
            code's own description when not given.
    """

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(f"{code.name}: {message or ERRORS[code].description}")
        self.code = code
        self.message = message or ERRORS[code].description


class PeerFault(Exception):
    """The peer sent something no correct client sends. Its connection is closed, nothing else."""
