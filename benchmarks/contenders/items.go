// Package contenders has this library and what one would take instead, each as
// its documentation shows it, with what makes it fast: buffers that hold a batch,
// no timers shorter than the run, and no limit that the others do not have.
package contenders

import (
	"context"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// Record is the item of most scenarios, 32 bytes.
type Record [4]uint64

// Items are what producers insert, over and over: a few kilobytes, so that
// making items costs nobody anything.
type Items[T any] struct {
	All [mask + 1]T
	Key func(T) uint64
	See func(T) // called for each item at the sink, where it is set
}

const (
	mask  = 127
	bytes = 32 // of an item
)

// Values are items that are copied.
func Values() *Items[Record] {
	items := &Items[Record]{Key: func(r Record) uint64 { return r[0] }}
	for i := range items.All {
		items.All[i] = Record{uint64(i)}
	}
	return items
}

// Pointers are items that are pointed to.
func Pointers() *Items[*Record] {
	items := &Items[*Record]{Key: func(r *Record) uint64 { return r[0] }}
	for i := range items.All {
		items.All[i] = &Record{uint64(i)}
	}
	return items
}

// take hands a batch to the sink.
func (items *Items[T]) take(sink *measure.Sink, batch []T) {
	if items.See != nil {
		for _, item := range batch {
			items.See(item)
		}
	}
	sink.Take(len(batch))
}

// takeBoxed is take for a batch of interfaces.
func (items *Items[T]) takeBoxed(sink *measure.Sink, batch []any) {
	if items.See != nil {
		for _, item := range batch {
			items.See(item.(T))
		}
	}
	sink.Take(len(batch))
}

// each inserts n items by a function that reports an error.
func (items *Items[T]) each(n int, insert func(T) error) (accepted int) {
	for i := range n {
		if insert(items.All[i&mask]) == nil {
			accepted++
		}
	}
	return accepted
}

// ctx is the context of all inserts.
var ctx = context.Background()
