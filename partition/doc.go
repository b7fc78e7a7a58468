// Package partition is the runtime of a buffer: one goroutine and one store. It
// accepts items, decides when a batch is due, runs the Flusher's attempts in
// isolation, and settles what becomes of every item.
//
// The path of an item through the files: accept.go and filling.go (into the
// batch being filled), loop.go (closed, ready, in flight), attempt.go (the call
// of the Flusher), settle.go (its outcome), giveback.go (what Shutdown returns).
// Beside the path stand waiters.go (inserts that wait for room), barrier.go
// (SyncFlush), info.go (snapshots) and log.go.
//
// It is there for package buffer and its siblings, which check the settings;
// use those. This package carries no compatibility promise of its own.
package partition
