"""The state, changed on the event loop and read from threads.

    event loop   apply: one piece of the log at a time, between two steps of other work
    one thread   judge: commands, one after another; nothing is applied meanwhile
    3 threads    read:  queries; what is applied meanwhile makes them begin again
    event loop   read:  queries that say of themselves that they are short

Parsing a large schema may take a second, so neither commands nor queries run on the event loop as a
rule: both are calls into the model whose weight nobody knows before. The exception is a look-up
that parses nothing and goes through few entries of the state, and can tell so beforehand.

Rules:

1. Only `apply` changes a state, and it runs on the event loop, for one caller: the owner. The owner
   does not apply while it has a command judged, so a command needs no lock and is judged once.
2. A query runs without a lock, beside `apply`. A number counts the changes; when it is another one
   after the query, whatever the query found or raised is thrown away, and it runs again. What it
   can meet in between is a wrong answer or an exception, never harm: queries only read, and give
   finished answers, no views of the state. After `READ_TRIES_MAX` times it has `apply` wait.
3. A piece of the log is whole batches, so no answer shows half a command.
4. Parsed schemas remember, and are not made for two threads: each thread has its own.
5. A short query runs on the event loop, where nothing can be applied between its beginning and its
   end. While `apply` is half way through a piece it takes the way of all others, and waits for it.
   It has no schema types: one that parses after all is an error of ours.

What it costs: a hop to a thread and back, 0.09 ms in all, for each read that is not short. One that
is short holds the loop for as long as it takes, which its rule bounds (`rest/short_reads.py`), and
longer only to spell the text of a large schema: 1 MB in some ms, which no thread would do beside
the loop, as the interpreter does it in one step. A schema that is looked up by its text may be
parsed once in each thread, and is kept as often: the readers' share is bounded by
`READER_CHARS_MAX`. And one interpreter runs one thread at a time: while a large schema is parsed,
the event loop gets its turn within 5 ms (sys.getswitchinterval), not at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TypeAlias, TypeVar

from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.records import RecordFault
from sprawl.schema_registry.model.registry import Judged, Registry, Settings
from sprawl.schema_registry.model.state import State
from sprawl.schema_registry.schemas import SchemaFormat, SchemaType
from sprawl.schema_registry.service import StoreFault
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.topic import SCHEMAS_TOPIC, TopicRecord

_log = logging.getLogger(__name__)
T = TypeVar("T")

Formats: TypeAlias = Callable[[], Mapping[SchemaType, SchemaFormat]]
"""Makes the schema types anew: they remember what they parsed, so threads do not share them. Called
by a thread when it first has something to do."""


class _NoFormats(dict[SchemaType, SchemaFormat]):
    """What short queries have for schema types."""

    def __missing__(self, key: SchemaType) -> SchemaFormat:
        raise AssertionError(f"a short query parses a schema of type {key.value}")


class SharedState:
    """See the module.

    Args:
        formats: makes the schema types.
        judging: an executor of one thread.
        reading: an executor of any number of threads.
    """

    def __init__(
        self, formats: Formats, settings: Settings, *, judging: Executor, reading: Executor
    ) -> None:
        self._formats = formats
        self._settings = settings
        self._judging = judging
        self._reading = reading
        self._judge_schemas: ParsedSchemas | None = None
        self._of_thread = threading.local()
        self._state = State()
        self._published: State | None = None
        self._turn = asyncio.Lock()
        self._changes = 0
        self._is_changing = False
        self._no_schemas = ParsedSchemas(_NoFormats())
        self.reads_under_way = 0
        self.reads_here = 0
        self.reads_again = 0
        self.applied = 0
        self.skipped = 0

    # --- the owner's side ------------------------------------------------------------------------

    @property
    def published(self) -> State | None:
        """The state that queries see."""
        return self._published

    def begin(self) -> None:
        """Apply to an empty state from now on; queries still see the one that was published."""
        self._state = State()

    def publish(self) -> None:
        """Have queries see what was applied."""
        self._published = self._state
        self._changes += 1

    def withdraw(self) -> None:
        """There is no state here for queries any more."""
        self._published = None
        self._changes += 1

    async def apply(self, records: Sequence[TopicRecord]) -> None:
        """Take in whole batches; a record that cannot be used is reported and left out."""
        if not records:
            return
        is_seen = self._state is self._published
        async with self._turn:
            self._changes += is_seen
            self._is_changing = is_seen
            try:
                for count, record in enumerate(records, start=1):
                    self._apply(record)
                    if count % limits.APPLY_SLICE == 0:
                        await asyncio.sleep(0)
            finally:
                self._is_changing = False

    def _apply(self, record: TopicRecord) -> None:
        try:
            self._state.apply(record.key, record.value, record.timestamp_ms)
        except RecordFault as fault:
            self.skipped += 1
            _log.warning(
                "%s-0: the record at offset %d is left out: %s", SCHEMAS_TOPIC, record.offset, fault
            )
        else:
            self.applied += 1

    async def judge(self, command: Callable[[Registry], Judged[T]]) -> Judged[T]:
        """Judge a command in its thread. Raises: whatever the command does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._judging, self._run_command, command, self._state)

    def _run_command(self, command: Callable[[Registry], T], state: State) -> T:
        if self._judge_schemas is None:
            self._judge_schemas = ParsedSchemas(self._formats())
        return command(Registry(state, self._judge_schemas, self._settings))

    # --- queries ---------------------------------------------------------------------------------

    async def read(
        self,
        query: Callable[[Registry], T],
        is_short: Callable[[Registry], bool] | None = None,
    ) -> T:
        """Answer a query.

        Args:
            is_short: see `RegistryService.read`.

        Raises:
            StoreFault: there is no state, or too many reads are under way.
            RegistryFault, and whatever else the query does.
        """
        if is_short is not None and self._published is not None and not self._is_changing:
            here = Registry(self._published, self._no_schemas, self._settings)
            if is_short(here):
                self.reads_here += 1
                return query(here)
        if self.reads_under_way >= limits.READS_MAX:
            raise StoreFault(f"{limits.READS_MAX} reads are under way")
        self.reads_under_way += 1
        try:
            for _ in range(limits.READ_TRIES_MAX):
                if self._is_changing:
                    async with self._turn:
                        pass
                changes = self._changes
                try:
                    answer = await self._query(query)
                except Exception:
                    if changes == self._changes:
                        raise
                else:
                    if changes == self._changes:
                        return answer
                self.reads_again += 1
            async with self._turn:
                return await self._query(query)
        finally:
            self.reads_under_way -= 1

    def _query(self, query: Callable[[Registry], T]) -> asyncio.Future[T]:
        state = self._published
        if state is None:
            raise StoreFault(f"{SCHEMAS_TOPIC} has not been read to its end yet")
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._reading, self._run_query, query, state)

    def _run_query(self, query: Callable[[Registry], T], state: State) -> T:
        schemas: ParsedSchemas | None = getattr(self._of_thread, "schemas", None)
        if schemas is None:
            schemas = self._of_thread.schemas = ParsedSchemas(
                self._formats(),
                schemas_max=limits.READER_SCHEMAS_MAX,
                chars_max=limits.READER_CHARS_MAX,
            )
        return query(Registry(state, schemas, self._settings))
