package buffer_test

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What was found broken once. Each test is named for what it proves.

// standstill fails the process where virtual time does not get on: a bubble in
// which a goroutine spins would stay for ever. It is for outside of the bubble.
func standstill(t *testing.T) {
	t.Helper()
	name := t.Name()
	watch := time.AfterFunc(20*time.Second, func() { panic(name + ": a goroutine spins, virtual time stands still") })
	t.Cleanup(func() { watch.Stop() })
}

func TestSettledAttemptThatIsAbandonedChangesNothing(t *testing.T) {
	// The first attempt is abandoned, and succeeds late, while the second one runs
	// that hangs too. What the second comes to is of no importance any more.
	for name, retry := range map[string]flusher.Retry{
		"without end":        {},
		"the last of two":    {MaxAttempts: 2},
		"the second of nine": {MaxAttempts: 9},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: script(takes(15*time.Second, nil), takes(time.Minute, errSink))}
				cfg := config(s)
				cfg.FlushTimeout = 10 * time.Second
				cfg.Retry = retry
				buf := open(t, cfg)
				insert(t, buf, 1, 2, 3)
				time.Sleep(10 * time.Minute)
				counts := lawful(t, buf)
				assert.Equal(t, 3, counts.Delivered)
				assert.Zero(t, counts.Dropped)
				assert.Zero(t, buf.Info().Partitions[0].Batches, "the slot is free")
				insert(t, buf, 4, 5, 6)
				synctest.Wait()
				assert.Equal(t, 6, lawful(t, buf).Delivered, "and the next batch goes through")
			})
		})
	}
	t.Run("beside the other half of a bisection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.Permanent(errSink)), takes(15*time.Second, nil), takes(time.Minute, errSink))}
			cfg := config(s)
			cfg.FlushTimeout = 10 * time.Second
			cfg.MaxSize, cfg.Retry.Bisect = 4, true
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3, 4)
			time.Sleep(10 * time.Minute)
			assert.Equal(t, 4, lawful(t, buf).Delivered)
			assert.Equal(t, [][]int{{1, 2, 3, 4}, {1, 2}, {1, 2}, {3, 4}}, s.batches())
		})
	})
}

func TestAbortSleepsThroughItsGrace(t *testing.T) {
	stubborn := takes(10*time.Second, nil) // whatever its context says
	t.Run("beside a batch whose backoff is over", func(t *testing.T) {
		standstill(t)
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
				if b.Items[0] == 1 {
					return flusher.RetryAfter(errSink, 300*time.Millisecond)
				}
				return stubborn(ctx, b)
			}}
			cfg := config(s)
			cfg.MaxInFlight = 2
			buf := open(t, cfg)
			insert(t, buf, upTo(6)...)
			synctest.Wait()
			start := time.Now()
			var left *buffer.ShutdownError[int]
			require.ErrorAs(t, buf.Shutdown(ended(errSink)), &left)
			assert.Equal(t, time.Second, time.Since(start))
			assert.Equal(t, []int{1, 2, 3}, left.Undelivered)
			assert.Equal(t, []int{4, 5, 6}, left.InDoubt)
			time.Sleep(time.Minute)
		})
	})
	t.Run("over an attempt whose own grace is over", func(t *testing.T) {
		standstill(t)
		synctest.Test(t, func(t *testing.T) {
			cfg := config(&sink{answer: takes(time.Minute, nil)})
			cfg.FlushTimeout = 10 * time.Second
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(10500 * time.Millisecond)
			start := time.Now()
			var left *buffer.ShutdownError[int]
			require.ErrorAs(t, buf.Shutdown(ended(errSink)), &left)
			assert.Equal(t, time.Second, time.Since(start))
			assert.Equal(t, []int{1, 2, 3}, left.InDoubt)
			time.Sleep(time.Minute)
		})
	})
}

func TestEveryWaitingInsertThatHasRoomIsWoken(t *testing.T) {
	// Both flights end at once: that makes room for the batch that is filled, for
	// one more in flight, and for one to fill.
	for name, pinned := range map[string]bool{"anywhere": false, "pinned": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, others := newGate(), newGate()
				s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
					if b.Items[0] <= 2 {
						return first.answer(ctx, b)
					}
					return others.answer(ctx, b)
				}}
				cfg := config(s)
				cfg.MaxSize, cfg.MaxInFlight = 1, 2
				buf := open(t, cfg)
				insert(t, buf, 1, 2, 3)
				into := buf.Insert
				if pinned {
					into = buf.Producer().Insert
				}
				for item := range 4 {
					go func() { assert.NoError(t, into(background(), 4+item)) }()
				}
				synctest.Wait()
				require.Equal(t, 4, buf.Info().Waiting)
				close(first.open)
				synctest.Wait()
				assert.Equal(t, 5, buf.Info().Total.Accepted, "two in flight, and a filled one")
				assert.Equal(t, 2, buf.Info().Waiting)
				close(others.open)
				synctest.Wait()
			})
		})
	}
}

func TestDropOldestKeepsTheBoundOfMemory(t *testing.T) {
	// At most MaxSize in flight, MaxSize to fill, and the excess of one InsertBatch.
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&sink{answer: newGate().answer})
		cfg.MaxSize, cfg.Overflow = 10, buffer.DropOldest
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		for range 20 {
			require.NoError(t, buf.InsertBatch(t.Context(), upTo(1000)))
			synctest.Wait()
			counts := lawful(t, buf)
			assert.LessOrEqual(t, counts.InFlight+counts.Buffered, 2*10+1000)
		}
		assert.Error(t, buf.Shutdown(ended(errSink)))
	})
}

// causes is an error of a type that == panics on.
type causes []error

func (c causes) Error() string   { return "several causes" }
func (c causes) Unwrap() []error { return c }

func TestKeyedInsertBatchTakesACauseThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&sink{answer: newGate().answer})
		cfg.Partitions, cfg.MaxSize, cfg.Key = 2, 1, func(item int) uint64 { return uint64(item) }
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		for item := range 100 { // until both are full
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = buf.Insert(ctx, item)
			cancel()
		}
		go func() {
			time.Sleep(time.Minute)
			cancel(causes{context.Canceled, errSink})
		}()
		var refused *buffer.PartialInsertError
		require.NotPanics(t, func() { require.ErrorAs(t, buf.InsertBatch(ctx, upTo(100)), &refused) })
		assert.Len(t, refused.Rejected, 100)
		assert.ErrorIs(t, refused, errSink)
		assert.Error(t, buf.Shutdown(ended(errSink)))
	})
}

// loop is an error that wraps itself.
type loop struct{ _ byte }

func (l *loop) Error() string { return "round and round" }
func (l *loop) Unwrap() error { return l }

func TestLogTakesAnErrorWithoutEnd(t *testing.T) {
	standstill(t)
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&sink{answer: fails(&loop{})})
		cfg.Retry.MaxAttempts = 1
		buf := open(t, cfg)
		insert(t, buf, upTo(6)...)
		synctest.Wait()
		assert.Equal(t, 6, lawful(t, buf).Dropped)
		assert.NoError(t, buf.Shutdown(background()))
	})
}

func TestPartialsInARowKeepOnlyWhatIsLeft(t *testing.T) {
	// A slow destination that takes one item per attempt, as a Chan does that its
	// timeout cuts off: the batch must not get heavier with each.
	const n = 2000
	attempts := 0
	var heap uint64
	synctest.Test(t, func(t *testing.T) {
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		rest := make([]int, n)
		for i := range rest {
			rest[i] = i + 1
		}
		cfg := config(flusher.Func[int](func(_ context.Context, b flusher.Batch[int]) error {
			if attempts++; attempts == n-100 {
				var after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&after)
				heap = after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
			}
			if len(b.Items) == 1 {
				return nil
			}
			return flusher.Partial(errSink, rest[:len(b.Items)-1]...)
		}))
		cfg.MaxSize, cfg.Retry.MaxBackoff = n, time.Second
		buf := open(t, cfg)
		require.NoError(t, buf.InsertBatch(t.Context(), upTo(n)))
		_, err := buf.SyncFlush(t.Context())
		require.NoError(t, err)
	})
	assert.Less(t, heap, uint64(2<<20), "bytes held late in the batch; a copy of it is %d", n*8)
}

func TestSyncFlushThatGaveUpLeavesNothingBehind(t *testing.T) {
	// An outage, and an impatient caller: what it waited with must not pile up.
	synctest.Test(t, func(t *testing.T) {
		cfg := config(&sink{answer: newGate().answer})
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		insert(t, buf, upTo(4)...)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 5000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err := buf.SyncFlush(ctx)
			require.Error(t, err)
			cancel()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<18))
		assert.Error(t, buf.Shutdown(ended(errSink)))
	})
}

func TestDeliveredItemsAreLetGo(t *testing.T) {
	type item = *[1 << 10]byte
	held := func(t *testing.T, items []weak.Pointer[[1 << 10]byte]) int {
		t.Helper()
		runtime.GC()
		runtime.GC()
		return len(slices.DeleteFunc(items, func(p weak.Pointer[[1 << 10]byte]) bool { return p.Value() == nil }))
	}
	fill := func(t *testing.T, buf *buffer.Buffer[item], n int) (weakly []weak.Pointer[[1 << 10]byte]) {
		t.Helper()
		items := make([]item, n)
		for i := range items {
			items[i] = new([1 << 10]byte)
			weakly = append(weakly, weak.Make(items[i]))
		}
		require.NoError(t, buf.InsertBatch(t.Context(), items))
		return weakly
	}
	t.Run("after an abandoned attempt has returned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			buf, err := buffer.New(buffer.Config[item]{
				Name: "test", MaxSize: 3, FlushTimeout: time.Second, FlushInterval: -1, Logger: slog.New(slog.DiscardHandler),
				Flusher: flusher.Items(func(_ context.Context, _ []item) error {
					if calls.Add(1) == 1 {
						time.Sleep(time.Minute)
						return errSink
					}
					return nil
				}),
			})
			require.NoError(t, err)
			weakly := fill(t, buf, 3)
			time.Sleep(time.Hour)
			require.Equal(t, 3, lawful(t, buf).Delivered)
			assert.Zero(t, held(t, weakly))
			require.NoError(t, buf.Shutdown(t.Context()))
		})
	})
	t.Run("after the excess of an InsertBatch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, err := buffer.New(buffer.Config[item]{
				Name: "test", MaxSize: 3, FlushInterval: -1, Logger: slog.New(slog.DiscardHandler),
				Flusher: flusher.Items(func(context.Context, []item) error { return nil }),
			})
			require.NoError(t, err)
			weakly := fill(t, buf, 30)
			synctest.Wait()
			require.Equal(t, 30, lawful(t, buf).Delivered)
			assert.Zero(t, held(t, weakly))
			require.NoError(t, buf.Shutdown(t.Context()))
		})
	})
}

func TestRefusedIsCountedUntilShutdownReturns(t *testing.T) {
	// One partition has ended already, the other still flushes.
	for busy := range 2 {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			cfg := config(&sink{answer: g.answer})
			cfg.Partitions = 2
			buf := open(t, cfg)
			producers := []*buffer.Producer[int]{buf.Producer(), buf.Producer()}
			require.NoError(t, producers[busy].Insert(t.Context(), 1))
			done := make(chan error)
			go func() { done <- buf.Shutdown(background()) }()
			synctest.Wait()
			for range 4 {
				require.ErrorIs(t, buf.Insert(t.Context(), 2), buffer.ErrClosed)
			}
			assert.Equal(t, 4, lawful(t, buf).Rejected)
			close(g.open)
			require.NoError(t, <-done)
			before := buf.Info()
			require.ErrorIs(t, buf.Insert(t.Context(), 2), buffer.ErrClosed)
			assert.Equal(t, before, buf.Info(), "and not after")
		})
	}
}

// exitsError and explodesError are errors whose text is not to be had.
type (
	exitsError    struct{}
	explodesError struct{}
)

func (exitsError) Error() string      { runtime.Goexit(); return "" }
func (e explodesError) Error() string { panic(e) } // even fmt does not survive that

func TestErrorsAreNotAskedForTheirTextByThePartition(t *testing.T) {
	// Its goroutine would end, wait, or end the process.
	for _, err := range []error{exitsError{}, explodesError{}} {
		if t.Failed() {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			cfg := config(&sink{answer: fails(err)})
			cfg.Retry.MaxAttempts = 1
			buf, err := buffer.New(cfg)
			require.NoError(t, err)
			insert(t, buf, 1, 2, 3)
			synctest.Wait()
			require.Equal(t, 3, lawful(t, buf).Dropped)
			require.NoError(t, buf.Shutdown(t.Context()))
		})
	}
}
