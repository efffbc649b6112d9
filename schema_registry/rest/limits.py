"""Every bound of the REST interface in one place: name, unit in the name, and the reason."""

from __future__ import annotations

REQUEST_BYTES_MAX = 4_194_304
"""Body of one request. A record of 1,000,000 bytes is the largest that is stored, and its text is
up to twice as long as a JSON text, seldom more: whoever is above the record's limit but below this
one learns it from the registry (42209), others by 413."""
PARSED_AT_ONCE_BYTES_MAX = 65_536
"""Bodies up to this size, nearly all of them, are parsed on the event loop, in a millisecond or
two; larger ones in a thread."""
JSON_VALUES_MAX = 100_000
"""Values in a larger body: a record of a MB has no room for more of ten characters. The interpreter
parses so many in some 30 ms; 4 MiB of empty objects would take ten times as long."""
REQUEST_LINE_BYTES_MAX = 65_536
"""Path and query: a subject of the longest topic name and of the longest record name, each of its
characters percent-encoded as three bytes of UTF-8, is below 10 kB."""
HEADERS_MAX = 100
HEADER_BYTES_MAX = 8_192
"""One header. With HEADERS_MAX that is 0.8 MB for a request's head, of which 32 wait on a
connection that sends them one behind the other."""
ACCEPT_HEADERS_KEPT_MAX = 64
"""`Accept` headers whose meaning is remembered: each client sends its own with every request. Of
HEADER_BYTES_MAX they take half a MB."""
QUERY_FIELDS_MAX = 1_000
"""Fields of a query; `findTags`, `key` and `value` may come many times."""
REQUESTS_MAX = 256
"""Requests under way at once, until their answers are sent; with the largest bodies they take
1 GiB. More are refused with 503, which clients try again."""
CONNECTIONS_MAX = 10_000
"""Open connections, some 20 kB each while they are idle. Clients keep theirs open; more are closed
at once."""
BODY_S = 30.0
"""For the body of one request to arrive."""
SEND_S = 60.0
"""For a client to take its answer; a page of a thousand usual schemas has some MB. Whoever takes
longer is cut off: the answer stays in memory meanwhile, or occupies a connection to the leader."""
IDLE_S = 75.0
"""How long a connection may wait for its next request: longer than the 60 s of load balancers, so
that they close it first and never send into a closing one."""
TLS_HANDSHAKE_S = 10.0
ACCEPT_PAUSE_S = 1.0
"""Before the next connection is taken when one could not be."""
STOP_S = 5.0
"""For requests under way when the server stops, and once more for what they answered to be taken;
then they are cut off."""
FORWARD_S = 60.0
"""For the leader's whole answer. Above the time that the leader itself gives a write, so that its
50002 comes first."""
FORWARD_CONNECT_S = 5.0
FORWARD_CONNECTIONS_MAX = 64
"""Connections to the leader; further requests wait for one within FORWARD_S."""
REQUEST_ID_CHARS_MAX = 128
"""A longer X-Request-ID is replaced: it goes into the log."""
PATH_SHOWN_CHARS_MAX = 256
"""How much of a path goes into the log."""
SHORT_READ_ENTRIES_MAX = 250
"""Entries of the state that a look-up may go through to count as short: some 30 us, a third of what
the hop to a thread and back takes."""
PASSWORD_CHECKS_MAX = 2
"""Passwords that are hashed at once: 16 MiB and some 50 ms of a core each."""
PASSWORD_CHECKS_WAITING_MAX = 64
"""Requests that wait for that: a quarter of REQUESTS_MAX, so that wrong passwords leave room for
whoever is known. The last one waits for less than two seconds at the usual cost of a hash; more are
refused with 503."""
PASSWORD_WAIT_S = 5.0
"""The same where a user file has dearer hashes."""
PASSWORDS_KEPT_MAX = 1_000
"""Right passwords that are remembered, as digests, so that only their first request is slow; and as
many wrong ones. Each takes some 200 bytes."""
USERS_MAX = 100_000
"""Users of one file: some 30 MB; more belong into a directory service."""
