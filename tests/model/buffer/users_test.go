package buffer_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
)

// act does what the actor does.
func (w *world) act(a actor, number int) {
	producer := w.buf.Producer()
	insert, insertBatch := w.buf.Insert, w.buf.InsertBatch
	if a.pinned {
		insert, insertBatch = producer.Insert, producer.InsertBatch
	}
	next := 0
	for _, o := range a.ops {
		if o.pause > 0 {
			time.Sleep(o.pause)
		}
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if o.deadline != 0 {
			ctx, cancel = context.WithTimeout(ctx, o.deadline)
		}
		if o.dawdles > 0 {
			ctx = &dawdling{Context: ctx, d: o.dawdles}
		}
		items := make([]int, o.items)
		for i := range items {
			next++
			items[i] = itemOf(number, next)
		}
		start := time.Now()
		var err error
		switch o.what {
		case insertOne:
			w.tries(items)
			err = insert(ctx, items[0])
			w.took(items, err)
		case insertSome:
			given := append([]int(nil), items...)
			w.tries(items)
			err = insertBatch(ctx, given)
			clear(given) // it was copied
			w.took(items, err)
		case flushAll:
			err = w.buf.Flush(ctx)
		case syncFlush:
			err = w.syncFlush(ctx)
		case dump:
			w.dump()
		}
		waited := time.Since(start)
		mayWait := o.what == syncFlush || o.what <= insertSome && w.cfg.Overflow == buffer.Block
		if o.dawdles > 0 {
			waited = 0 // or who knows
		}
		if o.deadline > 0 && waited > o.deadline || waited > 0 && !mayWait {
			w.t.Errorf("%+v waited %v", o, waited)
		}
		if o.deadline < 0 && err == nil && o.items > 0 && o.what != dump {
			w.t.Errorf("%+v: no error though its context was over", o)
		}
		w.reasoned(ctx, o, items, err)
		cancel()
	}
}

// reasoned checks that an error is one that the operation may return.
func (w *world) reasoned(ctx context.Context, o op, items []int, err error) {
	if errors.Is(err, buffer.ErrTooLarge) && slices.ContainsFunc(items, w.tooLarge) {
		return
	}
	full := errors.Is(err, buffer.ErrFull) && w.cfg.Overflow == buffer.Reject && o.what <= insertSome
	closed := errors.Is(err, buffer.ErrClosed) && w.closes()
	if err == nil || full || closed || o.what == syncFlush || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	w.t.Errorf("%+v: %v", o, err)
}

// tooLarge tells whether an item must not be accepted.
func (w *world) tooLarge(item int) bool {
	return w.cfg.MaxBytes > 0 && sizeOf(item) > w.cfg.MaxBytes
}

// closes tells whether Shutdown was called.
func (w *world) closes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.closed.IsZero()
}

// syncFlush checks that the barrier is one.
func (w *world) syncFlush(ctx context.Context) error {
	w.mu.Lock()
	before := maps.Clone(w.accepted)
	w.mu.Unlock()
	results, err := w.buf.SyncFlush(ctx)
	cut := errors.Is(err, buffer.ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err())
	if !cut {
		for _, item := range w.buf.Dump() {
			if before[item] {
				w.t.Errorf("item %d is still buffered behind the barrier", item)
			}
		}
		w.mu.Lock()
		for item := range before {
			w.behind[item] = true
		}
		w.mu.Unlock()
	}
	if !cut && len(results) != w.cfg.Partitions {
		w.t.Errorf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if r.Partition != i || r.Delivered < 0 || r.Delivered > r.Items || !cut && (r.Err == nil) != (r.Delivered == r.Items) || r.Err != nil && !errors.Is(err, r.Err) && !cut && err == nil {
			w.t.Errorf("SyncFlush: %+v, %v", r, err)
		}
	}
	return err
}

// dump checks a Dump, whatever happens beside it.
func (w *world) dump() {
	w.mu.Lock()
	seen, refused := maps.Clone(w.seen), maps.Clone(w.refused)
	w.mu.Unlock()
	twice, newest := map[int]bool{}, map[stream]int{}
	for _, item := range w.buf.Dump() {
		_, no := refused[item]
		if twice[item] || seen[item] || no {
			w.t.Errorf("item %d is in a Dump: twice, or after it was handed over, or refused", item)
		}
		twice[item] = true
		if at := (stream{actorOf(item), 0}); w.cfg.Partitions == 1 && actorOf(item) != insider {
			if newest[at] > item {
				w.t.Errorf("item %d comes after %d in a Dump", item, newest[at])
			}
			newest[at] = item
		}
	}
}

// tries notes that an insert begins.
func (w *world) tries(items []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, item := range items {
		w.open[item] = true
	}
}

// took notes the answer of an insert.
func (w *world) took(items []int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	refused := map[int]bool{}
	var partly *buffer.PartialInsertError
	switch {
	case errors.As(err, &partly):
		if !slices.IsSorted(partly.Rejected) {
			w.t.Errorf("indexes that are not in order: %v", partly.Rejected)
		}
		for _, i := range partly.Rejected {
			refused[items[i]] = true
		}
	case err != nil:
		for _, item := range items {
			refused[item] = true
		}
	case w.cfg.Key == nil && len(items) > 0:
		w.whole = append(w.whole, items)
	}
	for _, item := range items {
		delete(w.open, item)
		if refused[item] {
			w.refused[item] = time.Now()
		} else {
			w.accepted[item] = true
			if w.tooLarge(item) {
				w.t.Errorf("item %d has %d bytes, and was accepted", item, sizeOf(item))
			}
		}
	}
}

// fromInside calls the buffer with a context of its own Flusher.
func (w *world) fromInside(ctx context.Context) {
	w.mu.Lock()
	w.inside++
	item := itemOf(insider, w.inside)
	w.mu.Unlock()
	type key struct{}
	derived, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
	defer cancel()
	start := time.Now()
	w.tries([]int{item})
	w.took([]int{item}, w.buf.Insert(derived, item))
	if err := w.buf.Flush(derived); err != nil && derived.Err() == nil && !errors.Is(err, buffer.ErrClosed) {
		w.t.Errorf("Flush inside the Flusher: %v", err)
	}
	if _, err := w.buf.SyncFlush(derived); !errors.Is(err, buffer.ErrReentrant) {
		w.t.Errorf("SyncFlush inside the Flusher: %v", err)
	}
	if err := w.buf.Shutdown(derived); !errors.Is(err, buffer.ErrReentrant) {
		w.t.Errorf("Shutdown inside the Flusher: %v", err)
	}
	if waited := time.Since(start); waited != 0 {
		w.t.Errorf("calls inside the Flusher waited %v", waited)
	}
}
