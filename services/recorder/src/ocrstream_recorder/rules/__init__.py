"""The state rules: pure functions from a set of events to rows. No I/O, no clock.

Every state here is a join-semilattice: `join` is commutative, associative and idempotent, so that
any order, repetition or grouping of events ends in the same state. A row holds its whole state, so
folding an event into a loaded row equals folding it into the set of all events before it.

Runs in both processes; in the recording one alone: `canonical_json`, `deadline`, `fingerprints`,
`image`, `poll_changes`, `row_changes`.
"""
