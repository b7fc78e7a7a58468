package buffer_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/partition"
)

var (
	modelCases = flag.Int("model.cases", 300, "how many cases TestModel draws")
	modelSeed  = flag.Uint64("model.seed", 0, "of the first case of TestModel; 0: at random")
)

// TestModel draws settings, users and answers, lets them loose on a buffer in
// virtual time, and holds what comes of it against the design: the law at every
// step; one outcome for each item, and the one that the destinations have seen;
// order, sizes, IDs, attempts; and an end that leaves nothing behind, which the
// bubble sees to.
//
// The seed of a case that fails is printed. It draws the same case again, though
// not the same turns of its goroutines:
//
//	go test -race -run TestModel ./buffer -model.seed 42 -model.cases 1
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range uint64(*modelCases) {
		if play(t, seed+i); t.Failed() {
			return
		}
	}
}

// play runs one case.
func play(t *testing.T, seed uint64) {
	again := fmt.Sprintf("again with: -run TestModel -model.cases 1 -model.seed %d", seed)
	watch := time.AfterFunc(time.Minute, func() { panic("virtual time stands still; " + again) })
	returned := false
	defer func() {
		watch.Stop()
		if !returned || t.Failed() { // a bubble that is deadlocked panics
			fmt.Fprintln(os.Stderr, again)
		}
	}()
	s := draw(rand.New(rand.NewPCG(seed, 0)))
	synctest.Test(t, func(t *testing.T) { s.play(t) })
	returned = true
}

func (s scene) play(t *testing.T) {
	w := newWorld(t)
	s.cfg.Flusher = &destination{world: w, replies: s.answers}
	if s.dead {
		s.cfg.DeadLetter = &destination{world: w, dead: true, replies: s.funerals}
	}
	buf, err := buffer.New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.cfg, w.buf = s.cfg, buf

	var actors, closers sync.WaitGroup
	for i, a := range s.actors {
		number := i
		if a.pinned {
			number += pinner
		}
		actors.Go(func() { w.act(a, number) })
	}
	results := make([]error, len(s.shutdowns))
	for i, sh := range s.shutdowns {
		closers.Go(func() { results[i] = w.shutDown(sh, s.shutdowns) })
	}

	stop := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() { w.watch(s, stop) })
	closers.Wait()
	actors.Wait()
	time.Sleep(20 * time.Second) // for the attempts that nobody waits for
	close(stop)
	watcher.Wait()

	var left buffer.ShutdownError[int]
	for _, err := range results {
		if err != results[0] {
			t.Errorf("two answers of Shutdown: %v and %v", results[0], err)
		}
	}
	if err := results[0]; err != nil {
		var given *buffer.ShutdownError[int]
		if !errors.As(err, &given) || len(given.Undelivered)+len(given.InDoubt) == 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Shutdown: %v", err)
		}
		left = *given
	}
	if info := buf.Info(); fmt.Sprint(info) != fmt.Sprint(w.final) {
		t.Errorf("after Shutdown something changed:\n%+v\n%+v", w.final, info)
	}
	if err := buf.Insert(context.Background(), 1); !errors.Is(err, buffer.ErrClosed) {
		t.Errorf("Insert after Shutdown: %v", err)
	}
	w.settled(&left)
	if t.Failed() {
		t.Logf("%+v", s)
	}
}

// act does what the actor does.
func (w *world) act(a actor, number int) {
	producer := w.buf.Producer()
	next := 0
	for _, o := range a.ops {
		time.Sleep(o.pause)
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if o.deadline > 0 {
			ctx, cancel = context.WithTimeout(ctx, o.deadline)
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
			if a.pinned {
				err = producer.Insert(ctx, items[0])
			} else {
				err = w.buf.Insert(ctx, items[0])
			}
		case insertSome:
			if a.pinned {
				err = producer.InsertBatch(ctx, items)
			} else {
				err = w.buf.InsertBatch(ctx, items)
			}
		case flushAll:
			err = w.buf.Flush(ctx)
		case syncFlush:
			err = w.syncFlush(ctx)
		}
		if o.what <= insertSome && len(items) > 0 {
			w.took(items, err)
		}
		waited := time.Since(start)
		if o.deadline > 0 && waited > o.deadline || waited > 0 && (o.what == flushAll || o.what <= insertSome && w.cfg.Overflow != buffer.Block) {
			w.t.Errorf("%+v waited %v", o, waited)
		}
		w.reasoned(ctx, o, err)
		cancel()
	}
}

// reasoned checks that an error is one that the operation may return.
func (w *world) reasoned(ctx context.Context, o op, err error) {
	full := errors.Is(err, buffer.ErrFull) && (o.what == syncFlush || w.cfg.Overflow == buffer.Reject)
	if err == nil || full || errors.Is(err, buffer.ErrClosed) || o.what == syncFlush || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	w.t.Errorf("%+v: %v", o, err)
}

// syncFlush checks that the barrier is one.
func (w *world) syncFlush(ctx context.Context) error {
	w.mu.Lock()
	before := make(map[int]bool, len(w.accepted))
	for item := range w.accepted {
		before[item] = true
	}
	w.mu.Unlock()
	results, err := w.buf.SyncFlush(ctx)
	cut := errors.Is(err, buffer.ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err())
	if !cut {
		for _, item := range w.buf.Dump() {
			if before[item] {
				w.t.Errorf("item %d is still buffered behind the barrier", item)
			}
		}
	}
	if !cut && len(results) != w.cfg.Partitions {
		w.t.Errorf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if r.Partition != i || r.Delivered > r.Items || !cut && (r.Err == nil) != (r.Delivered == r.Items) || r.Err != nil && !errors.Is(err, r.Err) && !cut && err == nil {
			w.t.Errorf("SyncFlush: %+v, %v", r, err)
		}
	}
	return err
}

// shutDown is one of those who end the buffer.
func (w *world) shutDown(sh shutdown, all []shutdown) error {
	time.Sleep(sh.at)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if sh.deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, sh.deadline)
	}
	defer cancel()
	start := time.Now()
	err := w.buf.Shutdown(ctx)
	if waited := time.Since(start); sh.deadline > 0 && waited > sh.deadline+w.cfg.FlushGrace {
		w.t.Errorf("Shutdown took %v, its ctx had %v", waited, sh.deadline)
	}
	w.shut()
	return err
}

// watch looks at the buffer again and again.
func (w *world) watch(s scene, stop <-chan struct{}) {
	began := time.Now()
	pinned, loose, batch := 0, 0, 0
	for _, a := range s.actors {
		if a.pinned || s.cfg.Key != nil {
			pinned++
		} else {
			loose++
		}
		for _, o := range a.ops {
			batch = max(batch, o.items)
		}
	}
	closing, aborting := s.shutdowns[0].at, time.Duration(math.MaxInt64)
	for _, sh := range s.shutdowns {
		closing = min(closing, sh.at)
		if sh.deadline > 0 {
			aborting = min(aborting, sh.at+sh.deadline)
		}
	}
	for {
		select {
		case <-stop:
			return
		case <-time.After(137 * time.Millisecond):
		}
		synctest.Wait()
		info := w.buf.Info()
		full := 0
		var total partition.Counts
		for _, p := range info.Partitions {
			w.lawful(p, batch)
			if time.Since(began) < aborting { // nothing is flushed after that
				w.prompt(p)
			}
			if w.full(p) {
				full++
			}
			total = total.Plus(p.Counts)
		}
		if total != info.Total || w.buf.Size() != total.Buffered {
			w.t.Errorf("the total: %+v", info)
		}
		switch waits := info.Waiting > 0; {
		case waits && time.Since(began) > closing:
			w.t.Errorf("an insert waits after Shutdown was called")
		case waits && (full == 0 || pinned == 0 && full < len(info.Partitions)):
			w.t.Errorf("an insert waits though there is room: %+v", info)
		}
	}
}

// lawful checks a partition in which all is quiet.
func (w *world) lawful(p partition.Info, batch int) {
	c, cfg := p.Counts, w.cfg
	if c.Accepted != c.Buffered+c.InFlight+c.Delivered+c.DeadLettered+c.Dropped+c.Returned ||
		min(c.Accepted, c.Buffered, c.InFlight, c.Delivered, c.DeadLettered, c.Dropped, c.Returned, c.Rejected, c.Retried, c.Abandoned) < 0 {
		w.t.Errorf("the law: %+v", c)
	}
	if most := (cfg.MaxSize+cfg.MaxSizeJitter)*(1+cfg.MaxInFlight) + batch; c.Buffered+c.InFlight > most {
		w.t.Errorf("%d items are held, %d at most may be", c.Buffered+c.InFlight, most)
	}
	if p.Batches > cfg.MaxInFlight || c.InFlight > 0 && p.Batches == 0 {
		w.t.Errorf("%d batches are in flight: %+v", p.Batches, c)
	}
}

// prompt checks that nothing waits in the partition that need not.
func (w *world) prompt(p partition.Info) {
	c, cfg := p.Counts, w.cfg
	if p.Batches < cfg.MaxInFlight && (c.Buffered >= p.FlushSize || c.Buffered > 0 && !p.FlushAt.IsZero() && time.Now().After(p.FlushAt)) {
		w.t.Errorf("a batch is due and there is a slot: %+v", p)
	}
}
