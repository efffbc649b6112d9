"""Bounds of this folder: a schema comes from a client, and a client may mean harm."""

from __future__ import annotations

SCHEMA_BYTES_MAX = 1_048_576
"""One schema: a record of the log that stores schemas holds no more (message.max.bytes)."""
CLOSURE_BYTES_MAX = 4 * SCHEMA_BYTES_MAX
"""A schema with all that it imports."""
TOKENS_MAX = 200_000
"""Words, numbers and signs of one schema: 1 MiB of usual text has as many. Signs of one character
would be five times as many, and seconds of work."""
NESTING_MAX = 32
"""Messages inside messages, and values inside values of options: protoc's own bound for messages,
far below the depth at which a recursive parser fails."""
IMPORT_DEPTH_MAX = 64
"""Length of a chain of imports. Imports of imports are read recursively."""
NUMBER_DIGITS_MAX = 40
"""Digits of an integer: 2^64 has 20. Longer ones cost quadratic time to read."""
OPTIONS_MAX = 20_000
"""Options of one file, which cost more to understand than other declarations do. 1 MiB of text with
an option in every line of 50 characters has as many."""
SYMBOLS_SEEN_MAX = 2_000_000
"""Declarations that imports make visible, over all files of a schema: files that pass on what they
import, all of it, could make this the square of what they hold."""
FULL_NAME_CHARACTERS_MAX = 512
"""A name with all the scopes around it. Every declaration inside has a longer one, so that long
names would cost memory with the square of the text."""
CACHE_BYTES_MAX = 2_097_152
"""Texts whose parsed form is kept, with the descriptors of all files they need. A byte of these is
some 24 bytes of objects: 50 MiB at most, for about 400 usual schemas."""
CACHE_SCHEMAS_MAX = 1_000
"""Schemas that are kept: the smallest still is 9 KiB of objects."""

FIELD_NUMBER_MAX = 536_870_911
"""2^29 - 1: the wire format leaves 29 bits beside the wire type."""
FIELD_NUMBERS_OWN = range(19_000, 20_000)
"""Numbers that the implementations of Protocol Buffers keep for themselves."""
