"""Records of `_schemas`: any bytes are a record or a fault, and what is written is read back."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from sprawl.schema_registry.model.records import RecordFault, decode, encode_key, encode_value
from sprawl.schema_registry.model.state import State

KEYTYPES = ["SCHEMA", "CONFIG", "MODE", "CONTEXT", "DELETE_SUBJECT", "CLEAR_SUBJECT", "NOOP", "X"]
NAMES = ["keytype", "subject", "version", "id", "schema", "schemaType", "references", "metadata",
         "ruleSet", "deleted", "md5", "mode", "compatibilityLevel", "context", "tenant", "maxId",
         "tags", "properties", "sensitive", "domainRules", "name", "params"]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2**33)
    | st.floats()
    | st.sampled_from(["s", ":.c:s", "IMPORT", "FULL", "\ud800", "\x00", *KEYTYPES])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
DATA = st.binary(max_size=30) | TREES.map(lambda tree: json.dumps(tree).encode())
KEYS = DATA | st.fixed_dictionaries(
    {"keytype": st.sampled_from(KEYTYPES)},
    optional={
        "subject": st.sampled_from(["s", ":.c:s", None, "\ud800"]),
        "version": st.integers(0, 3),
        "context": st.just(".c"),
    },
).map(lambda fields: json.dumps(fields).encode())


@given(st.lists(st.tuples(st.none() | KEYS, st.none() | DATA), max_size=12))
@example([(b'{"keytype":"CONFIG","subject":"\\ud800"}', b"{}")])
def test_any_bytes_are_applied_or_a_fault(records: list[tuple[bytes | None, bytes | None]]) -> None:
    state = State()
    for key, value in records:
        with suppress(RecordFault):
            state.apply(key, value)


@given(KEYS, DATA)
def test_what_is_read_is_written_so_that_it_is_read_the_same(key: bytes, value: bytes) -> None:
    try:
        record = decode(key, value)
        rewritten = encode_key(record.key), encode_value(record.key, record.value)
    except ValueError:
        return
    again = decode(*rewritten)
    assert (again.key, again.value, again.spelling) == (record.key, record.value, None)
