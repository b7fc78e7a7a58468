package flusher

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// A Batch is what one call of [Flusher.Flush] is to deliver, and what is known
// about it.
type Batch[T any] struct {
	// Items are the items to deliver, at least one, in the order in which the
	// partition accepted them. The slice is read-only, as a retry may be reading
	// it at the same time, and it is valid until Flush returns: afterwards the
	// buffer fills it anew. Keep a copy, not the slice.
	Items []T

	// ID is the batch's identity: one ID, one content. It is the same on every
	// attempt over the same Items, and no other batch has it, of whichever
	// partition, buffer or process. What a Partial leaves over, and each half of
	// a bisection, are a new content and have a new ID. A destination that
	// remembers the IDs it has seen turns at-least-once into exactly-once, as long
	// as it stores a batch whole or not at all and Retry.Bisect is off.
	ID ID

	// Buffer is the Name in the buffer's Config.
	Buffer string

	// Partition is the index of the partition, from 0.
	Partition int

	// Attempt counts the attempts at these items, from 1. What a Partial leaves
	// over goes on counting; a half of a bisection and a dead letter start at 1.
	Attempt int

	// Trigger is why the batch was closed. It does not change with attempts.
	Trigger Trigger

	// Oldest is when the oldest of the items was accepted; of what a Partial or a
	// bisection leaves over, the oldest of those that they were in a batch with.
	Oldest time.Time

	// Meta is FlushMeta of the buffer's Config, as it was given.
	Meta any

	// Cause is why the batch was given up, and is set only where the Flusher is
	// the buffer's DeadLetter: the error of the last attempt.
	Cause error
}

// An ID identifies a batch over partitions, buffers and processes, and serves
// as an idempotency key at the destination. IDs of one partition sort in the
// order in which they were given.
type ID [16]byte

// NewID makes an ID of its three parts, each in big-endian order: the 8 bytes
// that the buffer drew at random, 2 bytes of the partition, and the lower 6
// bytes of the partition's sequence. At a million IDs a second these last for
// nine years.
func NewID(buffer [8]byte, partition uint16, sequence uint64) ID {
	var id ID
	// The sequence is written first, in 8 bytes; the partition then takes the
	// place of its upper two.
	binary.BigEndian.PutUint64(id[8:], sequence)
	binary.BigEndian.PutUint16(id[8:], partition)
	copy(id[:8], buffer[:])
	return id
}

// String returns the ID as 32 lower-case hexadecimal digits.
func (id ID) String() string {
	return hex.EncodeToString(id[:])
}

// MarshalText returns what String does, so that JSON and [log/slog] show the ID
// in the form in which it is searched for. It never fails.
func (id ID) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, id[:]), nil
}

// A Trigger is why a batch was closed and became due.
type Trigger uint8

const (
	Size     Trigger = iota // it reached the partition's threshold in items
	Bytes                   // it reached MaxBytes, or the next item would have exceeded it
	Interval                // FlushInterval passed since its first item
	Manual                  // Flush or SyncFlush was called
	Shutdown                // Shutdown was called
)

// String returns the trigger in lower case: size, bytes, interval, manual or
// shutdown. A value that is none of these returns Trigger(n).
func (t Trigger) String() string {
	switch t {
	case Size:
		return "size"
	case Bytes:
		return "bytes"
	case Interval:
		return "interval"
	case Manual:
		return "manual"
	case Shutdown:
		return "shutdown"
	default:
		return fmt.Sprintf("Trigger(%d)", uint8(t))
	}
}

// A Result is what a SyncFlush came to in one partition, summed over all the
// batches that it waited for.
type Result struct {
	// Partition is the index of the partition, from 0.
	Partition int

	// Items counts the items of all batches that the barrier covered, those among
	// them included that had their outcome before, or joined the batch being
	// filled meanwhile.
	Items int

	// Delivered counts those of Items that were delivered. The others were
	// dead-lettered, dropped or returned by Shutdown, or have no outcome yet
	// because the context of SyncFlush ended first.
	Delivered int

	// Err joins the errors of the batches that failed, and where the context of
	// SyncFlush ended first, that and the newest failure of an attempt. It is nil
	// when all Items were delivered, and when there were none.
	Err error
}
