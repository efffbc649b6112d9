"""Which schemas the records of a batch name, and whether a topic that asks for it may take them.

A key or a value names its schema in front of its data, or in a header of the record:

    00  i32 id     [message indexes]  data
    01  16 bytes   [message indexes]  data         the schema's GUID
    __key_schema_id, __value_schema_id: the same without data; data alone is the key or value then

Message indexes follow only with Protobuf: a count and so many numbers, zigzag varints, the way from
the file to the message; a count of 0 stands for the first one. Whether they are there, the schema
tells; so what is asked of the registry comes back as `by_message` when they matter.

What stands behind the name is not looked at, and a null names none and is taken.

Source: the wire format of Confluent's serializers; broker-side validation of Confluent Server.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from sprawl.core.errors import ErrorCode
from sprawl.core.records.record import RawRecord, read_section, walk_records
from sprawl.core.records.validation import InvalidRecords, RecordError, refused
from sprawl.core.records.varint import read_varint

if TYPE_CHECKING:
    from sprawl.core.records.batch import BatchHeader

_ID: Final = 0
_GUID: Final = 1
_ID_END: Final = 5
_GUID_END: Final = 17
MESSAGE_DEPTH_MAX: Final = 32
"""Numbers in front of a Protobuf message: files nest messages a few levels deep."""


class NameStrategy(enum.StrEnum):
    """From a topic and a type's name to a subject; the values are Confluent's classes."""

    TOPIC = "io.confluent.kafka.serializers.subject.TopicNameStrategy"
    RECORD = "io.confluent.kafka.serializers.subject.RecordNameStrategy"
    TOPIC_RECORD = "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"


class Part(enum.StrEnum):
    """Of a record; the value ends the subject of `NameStrategy.TOPIC`."""

    KEY = "key"
    VALUE = "value"


class SchemaUse(NamedTuple):
    """A schema as records of a topic name it.

    Args:
        schema: its id, or its GUID.
        message: the way to the Protobuf message; None while it does not matter.
    """

    topic: str
    part: Part
    strategy: NameStrategy
    schema: int | UUID
    message: tuple[int, ...] | None = None


class Verdict(NamedTuple):
    """What the registry says of a use.

    Args:
        reason: why records with it are refused, as the end of a sentence; None: they are not.
        by_message: it depends on the message: ask again with the way to it.
    """

    reason: str | None = None
    by_message: bool = False


FITS: Final = Verdict()
BY_MESSAGE: Final = Verdict(by_message=True)


FindSchema: TypeAlias = "Callable[[SchemaUse], Verdict | None]"
"""What is known of a use without asking; None: nothing."""


def no_registry(use: SchemaUse) -> Verdict:
    """The `FindSchema` of a broker without a registry."""
    return Verdict(f"names schema {use.schema}, and this broker has no registry to look it up in")


class SchemaBook(Protocol):
    """Whoever knows which schemas are registered under which subjects."""

    def find(self, use: SchemaUse) -> Verdict | None:
        """What is known without asking; None: nothing, so `learn` it."""
        ...

    async def learn(self, uses: Collection[SchemaUse]) -> Mapping[SchemaUse, Verdict]:
        """Ask. The answers see everything that was registered before the call.

        Raises:
            KafkaFault: nobody can be asked now; a code that producers send again after.
        """
        ...


class SchemaRules(Protocol):
    """The configs of a topic about schemas."""

    @property
    def confluent_key_schema_validation(self) -> bool: ...

    @property
    def confluent_key_subject_name_strategy(self) -> str: ...

    @property
    def confluent_value_schema_validation(self) -> bool: ...

    @property
    def confluent_value_subject_name_strategy(self) -> str: ...


class UnregisteredSchemas(InvalidRecords):
    """Records that name no schema, or one that is not where the topic wants it."""


class SchemasUnknown(Exception):
    """It cannot be told yet whether the batch may be taken; nothing was appended.

    Args:
        uses: to be learned first.
    """

    def __init__(self, uses: AbstractSet[SchemaUse]) -> None:
        super().__init__(f"{len(uses)} schemas are to be asked about")
        self.uses = uses


def check_schemas(
    buf: memoryview,
    header: BatchHeader,
    *,
    topic: str,
    rules: SchemaRules,
    find: FindSchema,
) -> None:
    """Refuse a batch, sound in all else, whose records do not name the schemas they have to.

    Costs what reading the records costs, about 2 us each, as for a compacted topic.

    Raises:
        UnregisteredSchemas: INVALID_RECORD.
        SchemasUnknown: unless a record is refused for what is known already.
        KafkaFault: the records cannot be read.
    """
    parts = []
    if rules.confluent_key_schema_validation:
        strategy = NameStrategy(rules.confluent_key_subject_name_strategy)
        parts.append(_PartCheck(topic, Part.KEY, strategy, find))
    if rules.confluent_value_schema_validation:
        strategy = NameStrategy(rules.confluent_value_subject_name_strategy)
        parts.append(_PartCheck(topic, Part.VALUE, strategy, find))
    section = read_section(buf, 0, header)
    errors: list[RecordError] = []
    for index, record in enumerate(walk_records(section, header.record_count)):
        for part in parts:
            reason = part.judge(section, record)
            if reason is not None:
                errors.append(RecordError(index, f"Its {part.part} {reason}."))
                break
    if errors:
        raise refused(UnregisteredSchemas, ErrorCode.INVALID_RECORD, errors)
    unknown = {use for part in parts for use in part.unknown}
    if unknown:
        raise SchemasUnknown(unknown)


class _PartCheck:
    """The keys, or the values, of one batch."""

    def __init__(
        self,
        topic: str,
        part: Part,
        strategy: NameStrategy,
        find: FindSchema,
    ) -> None:
        self.part = part
        self.unknown: set[SchemaUse] = set()
        self._topic = topic
        self._strategy = strategy
        self._find = find
        self._header = f"__{part}_schema_id".encode()
        self._fitting = b""
        """The name that fitted last, without message indexes."""

    def judge(self, section: bytes, record: RawRecord) -> str | None:
        """Why a record is refused; None when it is not, or not yet."""
        data = self._name_in(section, record)
        if data is None or (self._fitting and data.startswith(self._fitting)):
            return None
        name = _read_name(data)
        if name is None:
            return "does not begin with the id of a schema"
        schema, end = name
        use = SchemaUse(self._topic, self.part, self._strategy, schema)
        verdict = self._find(use)
        if verdict is not None and verdict.by_message:
            message = _read_message(data, end)
            if message is None:
                return "does not tell which message of its Protobuf schema it is"
            use = use._replace(message=message)
            verdict = self._find(use)
        elif verdict == FITS:
            self._fitting = data[:end]
        if verdict is None:
            self.unknown.add(use)
            return None
        return verdict.reason

    def _name_in(self, section: bytes, record: RawRecord) -> bytes | None:
        """What holds the schema's name; None for a null that has none."""
        for key, value in record.headers:
            if key == self._header:
                return value or b""
        if self.part is Part.KEY:
            return record.key
        start, length = record.value_start, record.value_length
        if length < 0:
            return None
        # No more than a name may take: values can be large.
        return section[start : start + min(length, _NAME_BYTES_MAX)]


_NAME_BYTES_MAX: Final = _GUID_END + 5 * (1 + MESSAGE_DEPTH_MAX)


def _read_name(data: bytes) -> tuple[int | UUID, int] | None:
    """A schema's id or GUID, and where it ends."""
    if len(data) >= _ID_END and data[0] == _ID:
        return int.from_bytes(data[1:_ID_END], "big", signed=True), _ID_END
    if len(data) >= _GUID_END and data[0] == _GUID:
        return UUID(bytes=data[1:_GUID_END]), _GUID_END
    return None


def _read_message(data: bytes, pos: int) -> tuple[int, ...] | None:
    try:
        count, pos = read_varint(data, pos, 5)
        if not 0 <= count <= MESSAGE_DEPTH_MAX:
            return None
        indexes = []
        for _ in range(count):
            index, pos = read_varint(data, pos, 5)
            indexes.append(index)
    except (IndexError, ValueError):
        return None
    return tuple(indexes) or (0,)
