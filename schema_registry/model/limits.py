"""Every bound of the model in one place: name, unit in the name, and the reason."""

from __future__ import annotations

RECORD_BYTES_MAX = 1_000_000
"""Key and value of one record of `_schemas`. A broker takes batches of 1 MiB by default
(message.max.bytes); the rest is for the batch around the record. More is error code 42209."""
PARSED_SCHEMAS_MAX = 1_000
"""Parsed schemas that a node keeps, the anchor registry's schema.cache.size: a subject with 200
versions that is checked transitively is parsed once, not at every registration."""
PARSED_CHARS_MAX = 16_777_216
"""Characters of the texts of those, with what they refer to: a parsed schema takes some ten times
its text, so this is about 160 MiB at worst, when there are a thousand schemas of 16 kB each."""
PRINTED_SCHEMAS_MAX = 65_536
"""Schemas whose canonical text is remembered as a digest: some 200 bytes each, 13 MiB."""
REFERRED_SCHEMAS_MAX = 1_000
"""Schemas that one schema may refer to, those of its references with them. The largest known trees
of imports have a few hundred; beyond it is a mistake, or an attack on the parser."""
SCHEMAS_PAGE_MAX = 1_000
"""Schemas of one answer, schema.search.max.limit; a request for more gets so many."""
PAGE_MAX = 2_147_483_647
"""Subjects, versions and contexts of one answer: no limit by default in the anchor registry."""
RULE_NAME_CHARS_MAX = 256
"""Longest name of a rule, as the anchor registry has it."""
SHOWN_SCHEMA_CHARS_MAX = 10_240
"""How much of an older schema stands in the message that it is incompatible."""
