"""Every bound in one place: name, unit in the name, and the reason.

A bound that users may change is a setting (core/config) whose default stands there; these are the
ones that protect the node itself. Each section belongs to the folder it names.
"""

from __future__ import annotations

# --- gateway/codec -------------------------------------------------------------------------------
FRAME_BYTES_MAX = 104_857_600
"""Largest request frame: Kafka's socket.request.max.bytes default (100 MiB)."""
REQUEST_ELEMENTS_MAX = 1_000_000
"""Array elements and unknown tagged fields of one request, all levels together. An element of a few
bytes becomes objects of some hundred; the largest honest requests (a reassignment or a commit of
100,000 partitions) stay below half of this."""
RESPONSE_ELEMENTS_MAX = 8_000_000
"""The same for a response that we read as a client: metadata of 500,000 partitions fits."""

# --- core/records --------------------------------------------------------------------------------
DECOMPRESSED_BYTES_MAX = 268_435_456
"""Largest decompressed size of one batch that the broker itself looks into: 256 MiB. Clients cap
a batch near 1 MiB by default; this stops a decompression bomb, not a user."""
COMPACTION_KEYS_MAX = 250_000
"""Keys that one compaction pass remembers: about 50 MiB while it runs. A log with more dirty keys
is compacted in several passes, as Kafka does with log.cleaner.dedupe.buffer.size."""

# --- core/log_limit ------------------------------------------------------------------------------
LOG_LIMIT_LINES_MAX = 10
LOG_LIMIT_WINDOW_MS = 60_000
"""Lines about the faults of one peer host: ten a minute tell what is wrong."""
LOG_LIMIT_KEYS_MAX = 1_024
"""Peer hosts whose lines are counted each for itself."""

# --- core/log ------------------------------------------------------------------------------------
MEMORY_TAIL_BYTES_MAX = 16_777_216
"""Recently appended batches that the node keeps in memory for tail readers, over all partitions:
16 MiB, small beside the 60 MiB budget of an idle node; the page cache serves what is older."""
READ_BUFFER_BYTES = 1_048_576
"""Size of the buffers that reads from the page cache use again: what clients ask of a partition at
most by default (max.partition.fetch.bytes)."""
READ_BUFFERS_MAX = 16
"""Such buffers of a node: 16 MiB, made when needed, for about three answers of six partitions under
way. Reads beyond that get memory of their own, at its price in CPU."""
FETCH_ANSWER_BYTES_MAX = 8_388_608
"""Record bytes of one Fetch answer, whatever more the client allows (50 MiB by default): half of
the read buffers, so that an answer is made while the one before is sent. A client that reads 100
partitions from the start asks more often and costs a third less CPU."""
INDEX_CACHE_BYTES_MAX = 16_777_216
"""Sparse indexes of sealed segments that the node keeps in memory: 16 MiB, which index 3 GiB at
Kafka's default density. Others are loaded from the key-value store when a reader comes by."""
INDEX_CHECKPOINT_BYTES = 67_108_864
"""How much an active segment grows before a sync also stores its index: after a crash at most so
much of what was synced is read again."""
PRODUCER_SNAPSHOTS_MAX = 3
"""Producer tables a log keeps in the key-value store, one a sealed segment; a truncation that goes
back further replays from the log."""

# --- core/raft -----------------------------------------------------------------------------------
RAFT_FRAME_BYTES_MAX = 134_217_728
"""Largest frame between two nodes: 128 MiB, above the largest request of a client plus its header,
so that whatever a leader could append can be replicated."""
RAFT_FRAME_MESSAGES_MAX = 65_536
"""Messages of one frame: a node that leads 30,000 groups and speaks of each once stays below."""
RAFT_KEYS_CACHED_MAX = 8_192
"""Names of groups that are kept as they were read from frames, so that one that is heard of again
costs no new UUID: some 2 MiB when full; a node seldom hears of more awake groups at a time."""
RAFT_APPEND_ENTRIES_MAX = 8_192
"""Entries of one Append: the smallest are 22 bytes, so that 1 MiB of them would be 48,000 objects
made in one go."""
RAFT_CONFIGURATION_REPLICAS_MAX = 64
"""Replicas in one list of a configuration. Kafka's users run 3 to 5, a controller with learners on
every node of a placement cell stays below."""
RAFT_READS_WAITING_MAX = 65_536
"""Reads that wait for one leader to confirm itself; further ones are refused at once."""

# --- core/replication ----------------------------------------------------------------------------
COPY_PIECE_BYTES = 1_048_576
"""A piece of a segment in one call: large enough that round trips cost little, small beside what
else a connection carries."""
ELECTIONS_MAX = 32
"""Partitions of one ElectLeaders request that change their leader at once: enough to hide the round
trips, few enough to keep a cluster busy with its clients."""
COPIES_MAX = 2
"""Logs that a node copies at once: one waits for its disk while the other one's pieces come."""
COPIES_SERVED_MAX = 16
"""Logs that a node has copied from it at once, by eight nodes that were away."""
COPY_BYTES_PER_S_MAX = 67_108_864
"""Copied bytes of a node per second, each way: 64 MiB/s, half of 1 Gbit/s, an eighth of what a
common disk writes. Clients go first."""

# --- core/cluster --------------------------------------------------------------------------------
PEER_FRAME_BYTES_MAX = 134_283_264
"""Largest frame between two nodes: 128 MiB for what replication makes of the largest request a
client may send (FRAME_BYTES_MAX, 100 MiB), and 64 KiB for what the transport puts before it."""
PEER_FRAME_BYTES_UPFRONT_MAX = 2_097_152
"""Bytes allocated for a frame because its size says so: two replication frames of usual size.
Larger ones grow as they arrive."""
PEER_HANDSHAKE_BYTES_MAX = 4_096
"""Largest frame before a peer has told who it is: four times the longest greeting or refusal."""
PEER_SCRATCH_BYTES = 131_072
"""The receive buffer that the connections of a transport share, as on the gateway."""
PEER_JOINED_BYTES_MAX = 65_536
"""Outgoing pieces up to this size altogether are copied into one write; a larger piece is written
as it lies."""
PEER_SEND_QUEUE_BYTES_MAX = 33_554_432
"""Unsent bytes for one peer from which on one-way messages are dropped, and at twice as many calls
are refused: 32 MiB, what 10 Gbit/s carries in 27 ms and 100 Mbit/s in 2.7 s, just within the
silence that counts as loss."""
PEER_CALLS_MAX = 1_024
"""Calls to one peer under way at once. Forwarded requests of a thousand clients fit; more at once
means that the peer does not keep up, and the caller should hear of it."""
PEER_SERVED_CALLS_MAX = 1_024
"""Calls of one peer that are served at once; the same number, so that a peer with the same limits
is refused only when calls it gave up are still being served."""
PEER_ACCEPTED_CONNECTIONS_MAX = 2_048
"""Accepted connections of a transport, strangers included: twice a cluster of a thousand nodes."""
PEER_HANDSHAKES_MAX = 256
"""Accepted connections that have not told who they are: a restarting cluster comes in at once, a
stranger cannot take more."""
PEER_REFUSAL_WINDOW_MS = 600_000
"""The same refusal of the same peer is logged once in ten minutes; it lasts until somebody acts."""
PEER_CLOSING_MS_MAX = 1_000
"""How long the last frames of a connection may take when a transport closes."""

# --- core/gossip ---------------------------------------------------------------------------------
GOSSIP_MEMBERS_MAX = 10_000
"""Members known at once, those that died or left of late included: the size of cluster Sprawl is
thought for. More would be strangers with our key, or ids made up."""
GOSSIP_PACKET_BYTES_MIN = 512
"""Smallest setting of a packet's size: a probe that carries the longest news still fits, sealed."""
GOSSIP_PACKET_BYTES_MAX = 65_507
"""Largest datagram that IPv4 carries; a larger one was never one of ours."""
GOSSIP_STATE_BYTES_MAX = 4_194_304
"""Everything a node knows, in one exchange: GOSSIP_MEMBERS_MAX members with usual addresses and
full digests are 2 MB."""
GOSSIP_HOST_BYTES_MAX = 45
"""Longest host in a member's address: an IPv6 address in its longest spelling."""
GOSSIP_BROADCASTS_MAX = 4_096
"""Pieces of news on their way: half of a cluster of 8,000 may go at once. The rest comes with the
next exchange of everything."""
GOSSIP_HELPS_MAX = 1_024
"""Probes for others under way: those of a thousand members that all suspect at once."""
GOSSIP_DIGEST_BYTES_MAX = 200
"""A load digest; ten of them fit beside a probe."""
GOSSIP_KEYS_MAX = 8
"""Keys of a keyring: one in use, one to come, one on its way out, and room for mistakes."""
GOSSIP_REPLAY_WINDOW = 1_024
"""Packets of one sender that may overtake each other: what a member sends in ten seconds."""
GOSSIP_SEEDS_ASKED_MAX = 8
"""Seeds that a node asks at once while it knows nobody: one that answers is enough, and eight of a
large cluster are hardly all away."""
GOSSIP_STATE_MS_MAX = 10_000
"""How long one exchange may take, as memberlist's TCPTimeout."""
GOSSIP_LOOKUPS_MAX = 4
"""Host names of other nodes that are looked up at once: each may hold a thread for its timeout, and
packets that wait for one are worth nothing."""
GOSSIP_LOOKUP_AGAIN_MS = 10_000
"""After a name was not found; until then nothing is sent there, as to a node that is away."""
GOSSIP_KEY_FILE_BYTES_MAX = 4_096
"""GOSSIP_KEYS_MAX keys and much comment; a larger file is another one."""

# --- core/dht ------------------------------------------------------------------------------------
DHT_FULL_VIEW_NODES_MAX = 200
"""Up to so many members a node knows them all, so that each key is one hop away: 200 contacts are
also what a node among 10,000 knows, so a small cluster costs no more memory than a large one."""
DHT_REPLACEMENTS_MAX = 10
"""Newcomers that wait for a place in one bucket: half a bucket. They are as fresh as can be when
their bucket's dead contacts are noticed, and older ones would have to be pinged anyway."""
DHT_ROUND_TRIPS_MAX = 1_024
"""Nodes whose round trip is remembered: five times what a routing table holds among 10,000."""
DHT_MESSAGE_CONTACTS_MAX = 64
"""Contacts of one answer. k is 20; a cluster that sets it higher stays below, and a liar cannot
make a lookup longer than that by one answer."""
DHT_MESSAGE_BYTES_MAX = 24_576
"""Largest message: 64 contacts with the longest racks, 18 KiB, and the largest record, 3 KiB. With
k contacts and common racks it is 1 to 2 KiB."""
DHT_RACK_BYTES_MAX = 249
"""Longest name of a rack in a contact: its length is one byte, and 255 stands for none. Kafka takes
any string for broker.rack; 249 is what it allows for topic names."""
DHT_RECORD_REPLICAS_MAX = 64
"""Replicas in one record, as in a Raft configuration."""
DHT_CREDENTIAL_BYTES_MAX = 1_024
"""Longest credential: the public key of RSA with 4,096 bits takes 550 bytes, of P-256 91."""
DHT_SIGNATURE_BYTES_MAX = 1_024
"""Longest signature: RSA with 4,096 bits makes 512 bytes, Ed25519 64."""
DHT_RECORDS_MAX = 131_072
"""Records a node keeps for others: 100,000 partitions of three nodes, where each holds all, fit;
among 10,000 nodes with a million partitions it is 800. About 1 KiB each, 128 MiB at worst."""
DHT_PUBLISHED_MAX = 131_072
"""Partitions whose leader is published by one node: more than a node is built to lead."""
DHT_LOOKUPS_MAX = 1_024
"""Lookups of one node under way at once, each a few kB; more are refused at once, and the caller
asks a replica or the controller instead."""
DHT_LOOKUP_CANDIDATES_MAX = 1_024
"""Contacts that one lookup remembers for each path, the nearest ones. Honest answers bring some
hundred; much fewer, and a few liars could push all others out with contacts they made up."""
DHT_LOOKUP_REQUESTS_MAX = 200
"""Requests of one lookup: among 10,000 nodes, 30 % of them dead, it takes 15, with
30 % of liars up to 60. What is beyond is a chase after contacts that liars made up."""
DHT_PUBLICATIONS_MAX = 256
"""Publications of one node under way at once. A node that comes to lead 30,000 partitions tells
the others of them at the rate at which they answer: 256 each few round trips, so that 1,000
partitions are some messages to a node. One that nobody answers keeps its place for 100 ms."""
DHT_PUBLISHED_AT_ONCE_MAX = 64
"""Publications that begin in one turn of the loop: 2 ms of signing with Ed25519, 50 with RSA."""
DHT_INTRODUCED_AT_ONCE_MAX = 256
"""Partitions led here that are looked at in one turn for a node that came: 3 ms."""
DHT_BATCH_BYTES_MAX = 262_144
"""Messages for one node are joined up to so many bytes: 1,000 records of three replicas. More would
keep the Raft messages behind them waiting for longer than a millisecond."""
DHT_BATCH_MESSAGES_MAX = 4_096
"""And so many: a tenth of a second of work, which is what a peer can ask for at once."""
DHT_SETTLED_KEYS_MAX = 131_072
"""Partitions of which a node remembers whether it is one of those that are told of it."""
DHT_ROUTES_MAX = 262_144
"""Cached routes of a gateway, two generations of half as many, so that one has room for all the
records that a node holds (DHT_RECORDS_MAX): about 350 bytes each, 92 MiB at worst."""
ROUTES_SOUGHT_MAX = 16_384
"""Routes that one node looks for at once; more are told to have no leader for now, and clients ask
again. Metadata for 16,000 partitions that a node knows nothing of is answered in one step."""
ROUTE_QUESTION_KEYS_MAX = 1_024
"""Partitions in one question to a replica: 20 kB, answered in a few milliseconds."""

# --- gateway -------------------------------------------------------------------------------------
SCRATCH_BYTES = 131_072
"""The receive buffer that all connections of a server share: one read takes at most this much. What
lies in it is copied once, so more would only make the first piece of a large frame dearer."""
SCRUB_BYTES_PER_S = 1_048_576
"""How fast sealed segments are read through for damage: 90 GB a day, a few percent of a core with
batches of a kilobyte, and no more of a disk."""
FRAME_BYTES_UPFRONT_MAX = 2_097_152
"""Bytes allocated for a frame because its size says so: twice the default max.request.size of a
producer. Larger frames grow as they arrive, so four bytes cannot make us take 100 MiB."""
IN_FLIGHT_REQUESTS_MAX = 64
"""Produce requests of one connection under way at once. Clients send 5 by default
(max.in.flight.requests.per.connection); librdkafka allows more when not idempotent."""
WAITING_REQUEST_BYTES_MAX = 1_048_576
"""Bytes of requests a connection may have waiting their turn before we stop reading from it."""
REQUESTS_PER_TURN_MAX = 32
"""Requests of one connection started before the event loop looks after the others: about 1 ms."""
JOINED_BYTES_MAX = 65_536
"""Answers up to this size are copied together into one write; larger ones are written as they
lie."""
WRITE_BUFFER_BYTES_MAX = 4_194_304
"""Unsent answer bytes of a connection beyond which none of its requests is started."""
STUCK_WRITE_MS_MAX = 120_000
"""A client that leaves more than WRITE_BUFFER_BYTES_MAX unread and takes not a byte for this long
is disconnected."""
CLOSING_MS_MAX = 10_000
"""How long the last answers of a connection that is being closed may stay unread, with no byte
taken, before they are dropped."""
UNSENT_BYTES_MAX = 268_435_456
"""Unsent answer bytes of the connections that do not read, all together: 256 MiB, five fetches of
the largest size. Beyond it those that have not read for the longest time are disconnected."""
WARNED_NETWORKS_MAX = 256
"""Client networks remembered so that a warning about an unreachable address is given once each."""
HTTP_REQUEST_BYTES_MAX = 8_192
"""Largest request head on the HTTP port, Tomcat's default."""
HTTP_CONNECTIONS_MAX = 64
"""Open connections of the HTTP port; probes and scrapers need a handful."""
