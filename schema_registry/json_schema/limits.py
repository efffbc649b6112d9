"""What a schema may ask of the registry: name, unit in the name, and the reason. Pure.

A schema comes from whoever may send a request; none of these stops an honest one.
"""

from __future__ import annotations

SCHEMA_BYTES_MAX = 1_048_576
"""UTF-8 bytes of one text: a schema is one record, and a record of Kafka's default is 1 MiB."""
SCHEMA_DEPTH_MAX = 100
"""Objects and arrays inside each other: two make one level of a document. Comparisons of
alternatives go down by up to eight calls a level, and Python allows a thousand."""
SCHEMA_VALUES_MAX = 50_000
"""Objects, arrays and scalars of one text: about a second of checking. A generated schema of 500
types has about 20,000."""
NUMBER_DIGITS_MAX = 1_000
"""Digits of one number: what Jackson reads at most (its maxNumberLength)."""
NUMBER_EXPONENT_MAX = 10_000
"""Magnitude of a decimal exponent: above IEEE 754 quad precision, and still exact to divide."""
REFERENCES_MAX = 1_000
"""Schemas that one refers to, all levels together."""
REFERENCED_BYTES_MAX = 16_777_216
"""UTF-8 bytes of all those: sixteen schemas of the largest size, or a thousand of 16 KiB."""
PATTERN_PROPERTIES_MAX = 100
"""Patterns in one `patternProperties`: each is tried on every name that the other schema declares,
a microsecond each."""
COMPILED_PATTERNS_MAX = 256
"""Compiled patterns that are kept: those of the two schemas under comparison, a few KiB each."""

COMPARED_PAIRS_MAX = 50_000
"""Pairs of subschemas that one comparison looks at: alternatives in alternatives multiply. About
two seconds; twice what two versions of the largest honest schema need."""
TRIALS_NESTED_MAX = 60
"""Alternatives tried inside alternatives that are being tried, through references too: as many as a
text of allowed depth has in itself, and each is up to eight of Python's thousand calls."""
DIFFERENCES_MAX = 1_000
"""Incompatibilities that one comparison lists: nobody reads more, and each is text in an answer."""
