// Package measure runs contenders side by side on the same work, in rounds of
// which each has every contender once, so that whatever disturbs the machine
// disturbs them all alike.
package measure

import (
	"sync/atomic"
	"time"
)

// Kind says what a contender is.
type Kind uint8

const (
	// Ours is this library.
	Ours Kind = iota
	// ByHand is what one would write without a library.
	ByHand
	// Library is a peer.
	Library
)

// Work is what every contender of a scenario does alike.
type Work struct {
	Producers  int           // goroutines that insert at once
	Batch      int           // items a call; 1: one by one
	Partitions int           // where a contender has them
	MaxSize    int           // items of a batch
	Handlers   int           // batches at the sink at once, where a contender asks for that
	Interval   time.Duration // until a batch that does not fill is due
	Held       bool          // nothing is handed over before the end: MaxSize is what is held
}

// Contender is one of those who do the work.
type Contender struct {
	Name string
	Kind Kind
	// Notes say where the work is not equal: what this one does besides, or
	// leaves out.
	Notes []string
	// Start makes a new instance, which hands everything to the sink.
	Start func(Work, *Sink) (Load, error)
}

// Load is a contender at work.
type Load struct {
	// Insert inserts n items as the producer of this index, and returns how many
	// were accepted. Different producers call it at once.
	Insert func(producer, n int) int
	// Close returns when the contender says that all is delivered.
	Close func() error
	// Lingers says that Close may take long after everything was delivered.
	Lingers bool
}

// Sink is the destination. It counts what it is given.
type Sink struct {
	// Hold, where it is set, is how long a batch takes: it returns when the
	// destination is done. Several may be held at once.
	Hold func()

	items   atomic.Int64
	batches atomic.Int64
}

// Take takes a batch of so many items.
func (s *Sink) Take(items int) {
	if s.Hold != nil {
		s.Hold()
	}
	s.items.Add(int64(items))
	s.batches.Add(1)
}

// Items is how many items have come.
func (s *Sink) Items() int { return int(s.items.Load()) }

// Batches is in how many pieces.
func (s *Sink) Batches() int { return int(s.batches.Load()) }
