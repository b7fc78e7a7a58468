package pipeline

import (
	"errors"
	"sync"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// trackers sees to it that each item's Tracker is told once. An attempt tells of
// what it settled; of what Shutdown left, Shutdown tells. Where an attempt outlives
// Shutdown's context, one of the two comes first under mu, and the other is silent.
type trackers struct {
	mu      sync.Mutex
	running map[*attempt]struct{}
	closing bool              // Shutdown was called
	told    map[Item]struct{} // Done and Tag of what attempts have settled since then
	left    bool              // Shutdown has told of the rest

	over sync.Once
}

// attempt is one call of write or reject.
type attempt struct {
	items   []Item
	tracked bool
	outcome func(i int) (settled bool, err error) // nil: nothing is settled
}

func (t *trackers) begin(items []Item) *attempt {
	a := &attempt{items: items}
	for i := range items {
		if items[i].Done != nil {
			a.tracked = true
			break
		}
	}
	if a.tracked {
		t.mu.Lock()
		t.running[a] = struct{}{}
		t.mu.Unlock()
	}
	return a
}

// all settles all items with err.
func (a *attempt) all(err error) {
	a.outcome = func(int) (bool, error) { return true, err }
}

// stored settles the items that are stored, according to what the store said, and
// counts them.
func (a *attempt) stored(err error) int {
	if err == nil {
		a.all(nil)
		return len(a.items)
	}
	verdict := flusher.Inspect(err, len(a.items))
	if verdict.Whole {
		return 0
	}
	failed := make(map[int]bool, len(verdict.Retry)+len(verdict.Permanent))
	for _, i := range verdict.Retry {
		failed[i] = true
	}
	for _, i := range verdict.Permanent {
		failed[i] = true
	}
	a.outcome = func(i int) (bool, error) { return !failed[i], nil }
	return len(a.items) - len(failed)
}

// end tells the Trackers what the attempt settled.
func (t *trackers) end(a *attempt) {
	if !a.tracked {
		return
	}
	t.mu.Lock()
	delete(t.running, a)
	if t.left || a.outcome == nil {
		t.mu.Unlock()
		return
	}
	if t.closing { // Shutdown may already have the items down as left
		for i, item := range a.items {
			if settled, _ := a.outcome(i); settled && item.Done != nil {
				t.note(item)
			}
		}
	}
	t.mu.Unlock()
	a.tell()
}

func (a *attempt) tell() {
	for i := range a.items {
		item := &a.items[i]
		if item.Done == nil {
			continue
		}
		if settled, err := a.outcome(i); settled {
			item.Done.Settled(item.Tag, err)
		}
	}
}

// note remembers, with mu held, that an item's Tracker was told or is about to be.
func (t *trackers) note(item Item) {
	if t.told == nil {
		t.told = make(map[Item]struct{})
	}
	t.told[Item{Done: item.Done, Tag: item.Tag}] = struct{}{}
}

func (t *trackers) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = true
}

// tellLeft tells of what Shutdown left.
func (t *trackers) tellLeft(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = true
	left, ok := errors.AsType[*buffer.ShutdownError[Item]](err)
	if !ok {
		return
	}
	for _, items := range [][]Item{left.Undelivered, left.InDoubt} {
		for _, item := range items {
			if item.Done == nil {
				continue
			}
			if _, told := t.told[Item{Done: item.Done, Tag: item.Tag}]; !told {
				item.Done.Settled(item.Tag, buffer.ErrClosed)
			}
		}
	}
	t.told = nil
}
