"""Raft for many groups: each replica of a group is a state machine without I/O, clock or chance.

`RaftNode` (node.py) takes events and says in `Ready` what they make necessary. Whoever owns one has
these duties, for each of its groups, in this order:

1.  Give it events one at a time: `step` for a message, `tick` once every `settings.tick_ms` while
    the group is awake, `appended`, `durable`, `hard_state_stored` and the others. Events write to
    the log at once, in the call.
2.  Then ask `ready()` until it returns None. Many events may share one call, and had better: what
    they send travels together.
3.  Store `Ready.hard_state`, synced, before anything of the same or a later Ready is sent; then
    call `hard_state_stored(token)`. Hard states are stored in their order; of several that wait the
    last one is enough, with its token. One synced write may serve all groups of a node.
4.  Send `Ready.messages`, in order, once that is done. They may get lost; no duty to repeat them.
    A message names its receiver by replica: give it to no other one.
5.  On `needs_flush` flush the log, in a thread if it blocks, and call `durable` with what the flush
    returned. A flush need not wait for the hard state, nor the other way round, nor sending for
    the flush: answers that depend on it are made after `durable`. When a flush fails, stop the
    group's replica until its log is opened again.
6.  `commit_index`: answer producers up to it, serve consumers up to it; apply committed entries.
7.  `role_change`, `is_serving`: serve as leader only while `is_serving`. On a change of leader,
    whatever was appended and is not committed has an unknown end: say so, in a retriable way.
8.  Before an append as leader call `check_can_append`, then append to the log in term `node.term`,
    then `appended`, with nothing in between.
9.  `snapshots`: bring these followers a copy of what the log cannot give entry by entry, then
    `snapshot_sent`. The follower's owner, with nothing in between: asks `needs_snapshot`, stores
    `snapshot_state`, synced, puts the copy in the place of its log, synced, and calls `restored`.
    A log forgets its oldest entries only up to `commit_index`, and only while every hard state is
    stored, since configurations may be among them.
10. `configuration`: a replica may be deleted once the controller wants it elsewhere and it is in no
    configuration that its log has in force or waiting (`membership_index`), or a leader says so
    (core/replication/leaving.py). Store its hard state with `lost` before, and begin with that and
    an empty log should it come back.
11. Hibernation: stop the ticks while `is_hibernating`. Keep a session with the node of each member.
    When one breaks, `wake` the groups whose leader is there, saying `leader_is_gone`, and those led
    here that have no quorum in sight any more; when one begins anew, those led here.
12. `InvariantBroken` out of any call: stop this replica, keep its files, tell people.
13. A replica whose disk lost something that was synced comes back only with an empty log and
    `HardState.damaged`, stored first, or under another id.

The rules that Raft and this implementation follow are in README.md, and at the head of each file.
"""
