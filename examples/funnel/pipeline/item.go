// Package pipeline is the way of a reading from whoever accepted it into the
// store: a buffer of items, and a Flusher that gives them keys, writes them and
// tells those who wait.
package pipeline

import (
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Item is what the buffer holds.
type Item struct {
	reading.Reading
	Key  store.Key // zero: the batch's ID and the item's index become its key
	Done Tracker   // nil: nobody waits for it
	Tag  int64     // the item's own number at Done, for whoever tracks several with one Tracker
}

// Tracker is told once of each item what became of it: nil when it is stored,
// else why it never will be here. A Tracker is comparable, and no two items of
// one Tracker have the same Tag.
//
// Settled is called from a Flusher's goroutine, or from Shutdown's; it must not
// block, and may be called from several goroutines at once.
type Tracker interface{ Settled(tag int64, err error) }
