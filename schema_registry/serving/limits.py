"""Every bound of the service in one place: name, unit in the name, and the reason."""

from __future__ import annotations

from typing import Final

WRITES_WAITING_MAX: Final = 128
"""Writes that wait their turn: half of the requests that the REST interface has under way at once,
so that reads are answered while writes wait for a leader. Each holds a request of up to 1 MB, so
128 MB at worst; at 1.3 ms for a write of a node that is alone, the last one is answered after a
sixth of a second."""
READS_MAX: Final = 1_024
"""Reads under way or waiting for a thread, more than the REST interface has under way at once; one
takes about 0.1 ms, so the last one of them waits that many times as long."""
CATCH_UP_S: Final = 10.0
"""How long the first connection after a start waits for the topic to be read, as a write waits for
a leader; after that, clients hear that it is not."""
READ_THREADS: Final = 3
"""Threads that answer reads, so that a look-up by id passes by two schemas that take long to parse.
More would not make reads faster, as one interpreter runs one of them at a time, and each keeps
parsed schemas of its own."""
READER_SCHEMAS_MAX: Final = 250
READER_CHARS_MAX: Final = 4_194_304
"""Parsed schemas that each of those threads keeps, and the characters of their texts: a quarter of
what the writer keeps. Reads that parse are look-ups by text and compatibility checks."""
READ_TRIES_MAX: Final = 3
"""A read during which the state changed is done again; after so many times it makes changes
wait."""
OVERTAKEN_MAX: Final = 16
"""A command is judged again when somebody else appended meanwhile; a topic that others fill so fast
that this happens so often in a row takes no writes from here."""

PIECE_BYTES: Final = 262_144
"""Read of the log at once: a thousand usual schemas, decoded in one go where they are in memory."""
APPLY_SLICE: Final = 100
"""Records applied before other work of the event loop gets a turn: some 4 ms of usual ones."""

WRITE_WAIT_S: Final = 10.0
"""How long a write waits for its turn, or for a leader to be there: below the 30 s that clients
give a request by default, so that they hear why."""
COMMIT_S: Final = 10.0
"""How long an append may take to be committed. Elections and a slow disk take a second or two;
after that it is not known what becomes of it."""
CLOSING_S: Final = 5.0
"""How long a stopping node waits for the write that is under way."""
LOOK_S: Final = 1.0
"""The longest sleep of an idle service. What it waits for wakes it; this is for what nobody tells,
such as a topic that another node created."""
LOOK_WHILE_WAITED_FOR_S: Final = 0.05
"""The same while a write waits for a leader: elections end within a few of these."""
RETRY_S: Final = 1.0
"""Pause after the topic could not be read or written."""
LEADERLESS_MS_MAX: Final = 600_000
"""A replica that knew of no leader for so long is read again from the start: compaction may have
taken tombstones away that it never saw, a day after they were written by default."""

CHECKED_KNOWN_MAX: Final = 10_000
"""Schemas under their subjects that records were found to name rightly; the one found first goes
first. A topic has a few that are in use, and one takes about 300 bytes."""
CHECKED_USES_MAX: Final = 1_000
"""Schemas that one question may be about, and one batch may name without being known: batches name
one or two. A thousand take 10 ms to look up."""
CHECK_AGAIN_MS: Final = 60_000
"""After which a schema that fitted is looked up again when it is used."""
LEARN_S: Final = 10.0
"""How long a batch waits for the registry: elections take a second or two, and producers give a
request 30 s."""
LEARN_AGAIN_S: Final = 0.1
"""Pause before the registry is asked again."""
