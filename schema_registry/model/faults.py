"""What the registry refuses, with the codes and the messages that clients of it know.

Clients compare codes, and some compare messages, so both are the anchor registry's to the letter,
the missing blank of 40404 and 40406 too. The first three digits of a code are the HTTP status.

Source: Confluent Schema Registry's REST interface, "Errors"; behaviour as of version 8.
"""

from __future__ import annotations

import enum


class FaultCode(enum.IntEnum):
    """`error_code` of an answer."""

    SUBJECT_NOT_FOUND = 40401
    VERSION_NOT_FOUND = 40402
    SCHEMA_NOT_FOUND = 40403
    SUBJECT_SOFT_DELETED = 40404
    SUBJECT_NOT_SOFT_DELETED = 40405
    VERSION_SOFT_DELETED = 40406
    VERSION_NOT_SOFT_DELETED = 40407
    SUBJECT_COMPATIBILITY_NOT_CONFIGURED = 40408
    SUBJECT_MODE_NOT_CONFIGURED = 40409
    INCOMPATIBLE_SCHEMA = 409
    """As all released registries have it, and clients know it; 40901 in Confluent's next one."""
    INVALID_SCHEMA = 42201
    INVALID_VERSION = 42202
    INVALID_COMPATIBILITY_LEVEL = 42203
    INVALID_MODE = 42204
    OPERATION_NOT_PERMITTED = 42205
    REFERENCE_EXISTS = 42206
    ID_DOES_NOT_MATCH = 42207
    INVALID_SUBJECT = 42208
    SCHEMA_TOO_LARGE = 42209
    INVALID_RULESET = 42210
    CONTEXT_NOT_EMPTY = 42211
    STORE_ERROR = 50001
    OPERATION_TIMEOUT = 50002
    REQUEST_FORWARDING_FAILED = 50003
    UNKNOWN_LEADER = 50004


class RegistryFault(Exception):
    """A command or a lookup is refused; the HTTP edge answers with `error_code` and `message`."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.code if self.code < 1_000 else self.code // 100


def shown(subject: str | None) -> str:
    """A subject as messages spell it; the global scope has none."""
    return "null" if subject is None else subject


def subject_not_found(subject: str | None) -> RegistryFault:
    return RegistryFault(FaultCode.SUBJECT_NOT_FOUND, f"Subject '{shown(subject)}' not found.")


def version_not_found(version: int) -> RegistryFault:
    return RegistryFault(FaultCode.VERSION_NOT_FOUND, f"Version {version} not found.")


def schema_not_found(id_or_guid: int | str | None = None) -> RegistryFault:
    """Args: id_or_guid: what was asked for; None when a schema was looked up by its text."""
    named = "" if id_or_guid is None else f" {id_or_guid}"
    return RegistryFault(FaultCode.SCHEMA_NOT_FOUND, f"Schema{named} not found")


def subject_soft_deleted(subject: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.SUBJECT_SOFT_DELETED,
        f"Subject '{subject}' was soft deleted.Set permanent=true to delete permanently",
    )


def subject_not_soft_deleted(subject: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.SUBJECT_NOT_SOFT_DELETED,
        f"Subject '{subject}' was not deleted first before being permanently deleted",
    )


def version_soft_deleted(subject: str, version: int) -> RegistryFault:
    return RegistryFault(
        FaultCode.VERSION_SOFT_DELETED,
        f"Subject '{subject}' Version {version} was soft deleted."
        "Set permanent=true to delete permanently",
    )


def version_not_soft_deleted(subject: str, version: int) -> RegistryFault:
    return RegistryFault(
        FaultCode.VERSION_NOT_SOFT_DELETED,
        f"Subject '{subject}' Version {version} was not deleted "
        "first before being permanently deleted",
    )


def compatibility_not_configured(subject: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.SUBJECT_COMPATIBILITY_NOT_CONFIGURED,
        f"Subject '{subject}' does not have subject-level compatibility configured",
    )


def mode_not_configured(subject: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.SUBJECT_MODE_NOT_CONFIGURED,
        f"Subject '{subject}' does not have subject-level mode configured",
    )


def incompatible_schema(subject: str, messages: list[str]) -> RegistryFault:
    return RegistryFault(
        FaultCode.INCOMPATIBLE_SCHEMA,
        "Schema being registered is incompatible with an earlier schema for subject "
        f'"{subject}", details: [{", ".join(messages)}]',
    )


def invalid_schema(message: str) -> RegistryFault:
    return RegistryFault(FaultCode.INVALID_SCHEMA, message)


def invalid_version(version: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.INVALID_VERSION,
        f"The specified version '{version}' is not a valid version id. "
        'Allowed values are between [1, 2^31-1] and the string "latest"',
    )


def invalid_compatibility_level() -> RegistryFault:
    return RegistryFault(
        FaultCode.INVALID_COMPATIBILITY_LEVEL,
        "Invalid compatibility level. Valid values are none, backward, forward, full, "
        "backward_transitive, forward_transitive, and full_transitive",
    )


def invalid_compatibility_policy() -> RegistryFault:
    return RegistryFault(
        FaultCode.INVALID_COMPATIBILITY_LEVEL,
        "Invalid compatibility policy. Valid values are STRICT and LENIENT",
    )


def invalid_mode(
    message: str = "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.",
) -> RegistryFault:
    return RegistryFault(FaultCode.INVALID_MODE, message)


def not_permitted(message: str) -> RegistryFault:
    return RegistryFault(FaultCode.OPERATION_NOT_PERMITTED, message)


def wrong_mode(subject: str | None, qualified_context: str, wanted: str) -> RegistryFault:
    """Args: wanted: "in read-only mode", "not in import mode", "not in read-write mode"."""
    return not_permitted(f"Subject {shown(subject)} in context {qualified_context} is {wanted}")


def reference_exists(subject: str, version: int) -> RegistryFault:
    key = f"{{magic=1,keytype=SCHEMA,subject={subject},version={version}}}"
    return RegistryFault(
        FaultCode.REFERENCE_EXISTS, f"One or more references exist to the schema {key}."
    )


def invalid_subject(subject: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.INVALID_SUBJECT, f"The specified subject '{subject}' is not a valid."
    )


def schema_too_large() -> RegistryFault:
    return RegistryFault(
        FaultCode.SCHEMA_TOO_LARGE, "Register operation failed because schema is too large"
    )


def invalid_rule_set(message: str) -> RegistryFault:
    return RegistryFault(FaultCode.INVALID_RULESET, message)


def context_not_empty(qualified_context: str) -> RegistryFault:
    return RegistryFault(
        FaultCode.CONTEXT_NOT_EMPTY, f"The specified context '{qualified_context}' is not empty."
    )
