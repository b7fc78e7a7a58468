package buffer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here inserts, and when they find no
// room.

func TestPromiseInsertReturnsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		buf := open(t, config(s))
		insert(t, buf, 1, 2)
		synctest.Wait()
		counts := lawful(t, buf)
		assert.Equal(t, 2, counts.Accepted)
		assert.Equal(t, 2, counts.Buffered)
		assert.Equal(t, []int{1, 2}, buf.Dump())
		assert.Equal(t, 2, buf.Size())
		assert.Empty(t, s.seen(), "it is not delivered yet")
	})
}

func TestPromiseContextAlreadyDone(t *testing.T) {
	for name, cfg := range map[string]func(*buffer.Config[int]){
		"plain":  func(*buffer.Config[int]) {},
		"keyed":  func(c *buffer.Config[int]) { c.Key = func(i int) uint64 { return uint64(i) } },
		"sized":  func(c *buffer.Config[int]) { c.SizeOf = func(int) int { return 1 } },
		"sticky": func(c *buffer.Config[int]) { c.Routing = buffer.Sticky },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(&sink{})
			cfg(&c)
			buf := open(t, c)
			cause := errors.New("the caller went away")
			producer := buf.Producer()
			for _, insert := range []func(context.Context) error{
				func(ctx context.Context) error { return buf.Insert(ctx, 1) },
				func(ctx context.Context) error { return buf.InsertBatch(ctx, []int{1}) },
				func(ctx context.Context) error { return producer.Insert(ctx, 1) },
				func(ctx context.Context) error { return producer.InsertBatch(ctx, []int{1}) },
			} {
				err := insert(ended(cause))
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, cause)
			}
			counts := lawful(t, buf)
			assert.Zero(t, counts.Accepted, "nothing is accepted even where there is room")
			assert.Equal(t, 4, counts.Rejected)
		})
	}
}

// stuff fills a buffer of n partitions whose sink is held: each has a batch in
// flight and a filled one.
func stuff(t *testing.T, n int, change func(*buffer.Config[int])) (*buffer.Buffer[int], *gate, *sink) {
	g := newGate()
	s := &sink{answer: g.answer}
	cfg := config(s)
	cfg.Partitions = n
	if change != nil {
		change(&cfg)
	}
	buf := open(t, cfg)
	insert(t, buf, upTo(2*n*cfg.MaxSize)...)
	synctest.Wait()
	return buf, g, s
}

func TestPromiseFull(t *testing.T) {
	reject := func(c *buffer.Config[int]) { c.Overflow = buffer.Reject }
	t.Run("threshold reached while all slots are taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, _ := stuff(t, 1, reject)
			assert.ErrorIs(t, buf.Insert(t.Context(), 7), buffer.ErrFull)
			close(g.open)
			synctest.Wait()
			assert.NoError(t, buf.Insert(t.Context(), 7))
		})
	})
	t.Run("more slots, more room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, _ := stuff(t, 1, func(c *buffer.Config[int]) { reject(c); c.MaxInFlight = 3 })
			insert(t, buf, upTo(6)...)
			synctest.Wait()
			assert.ErrorIs(t, buf.Insert(t.Context(), 7), buffer.ErrFull)
			assert.Equal(t, 3, buf.Info().Partitions[0].Batches)
			close(g.open)
		})
	})
	t.Run("a filled batch waits for a slot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			cfg := config(&sink{answer: g.answer})
			cfg.Overflow = buffer.Reject
			cfg.MaxSize, cfg.MaxBytes, cfg.SizeOf = 100, 10, func(i int) int { return i }
			buf := open(t, cfg)
			insert(t, buf, 10, 6, 7) // in flight; closed by the next; begun
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrFull)
			close(g.open)
		})
	})
	t.Run("a filled batch waits, and the next one is begun", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			cfg := config(&sink{answer: g.answer})
			cfg.Overflow, cfg.MaxSize = buffer.Reject, 10
			buf := open(t, cfg)
			require.NoError(t, buf.InsertBatch(t.Context(), upTo(25))) // 10 in flight, 10 wait, 5 begun
			synctest.Wait()
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrFull)
			assert.ErrorIs(t, buf.InsertBatch(t.Context(), upTo(2)), buffer.ErrFull)
			close(g.open)
			synctest.Wait()
			insert(t, buf, 26)
			assert.Equal(t, []int{21, 22, 23, 24, 25, 26}, buf.Dump())
		})
	})
	t.Run("an interval or a manual flush only marks the batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			s := &sink{answer: g.answer}
			cfg := config(s)
			cfg.Overflow, cfg.FlushInterval, cfg.FlushJitter = buffer.Reject, time.Second, -1
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3, 4)
			time.Sleep(2 * time.Second) // due by interval
			require.NoError(t, buf.Flush(t.Context()))
			insert(t, buf, 5)
			close(g.open)
			synctest.Wait()
			assert.Equal(t, [][]int{{1, 2, 3}, {4, 5}}, s.batches())
			assert.Equal(t, flusher.Interval, s.seen()[1].Trigger)
		})
	})
}

func TestPromisePartitionFull(t *testing.T) {
	// Of two partitions of MaxSize 3, the first is held with batches 1 3 5 and
	// 7 9 11; the second is not held.
	half := func(t *testing.T, change func(*buffer.Config[int])) (*buffer.Buffer[int], *gate) {
		g := newGate()
		s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
			if b.Partition == 0 {
				return g.answer(ctx, b)
			}
			return nil
		}}
		cfg := config(s)
		cfg.Partitions = 2
		if change != nil {
			change(&cfg)
		}
		buf := open(t, cfg)
		p := buf.Producer() // partition 0
		require.NoError(t, p.InsertBatch(t.Context(), upTo(3)))
		require.NoError(t, p.InsertBatch(t.Context(), upTo(3)))
		synctest.Wait()
		return buf, g
	}
	for _, overflow := range []buffer.Overflow{buffer.Block, buffer.Reject, buffer.DropOldest} {
		t.Run("unkeyed inserts go where there is room/"+overflow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buf, g := half(t, func(c *buffer.Config[int]) { c.Overflow = overflow })
				for _, item := range upTo(100) {
					insert(t, buf, item)
					synctest.Wait() // else the other is full now and then as well
				}
				info := buf.Info()
				assert.Equal(t, 6, info.Partitions[0].Counts.Accepted)
				assert.Equal(t, 100, info.Partitions[1].Counts.Accepted)
				assert.Zero(t, info.Total.Dropped)
				close(g.open)
			})
		})
	}
	t.Run("Producers and keys stay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g := half(t, func(c *buffer.Config[int]) { c.Overflow = buffer.Reject })
			_ = buf.Producer() // partition 1
			assert.ErrorIs(t, buf.Producer().Insert(t.Context(), 1), buffer.ErrFull)
			close(g.open)
		})
		synctest.Test(t, func(t *testing.T) {
			buf, g, _ := stuff(t, 1, func(c *buffer.Config[int]) {
				c.Partitions, c.Overflow, c.Key = 8, buffer.Reject, func(int) uint64 { return 5 }
			})
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrFull)
			close(g.open)
		})
	})
	t.Run("a waiting insert takes the first room anywhere", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gates := []*gate{newGate(), newGate(), newGate()}
			cfg := config(&sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
				return gates[b.Partition].answer(ctx, b)
			}})
			cfg.Partitions = 3
			buf := open(t, cfg)
			insert(t, buf, upTo(18)...)
			var err error
			done := make(chan struct{})
			go func() { err = buf.Insert(t.Context(), 19); close(done) }()
			synctest.Wait()
			assert.Equal(t, 1, buf.Info().Waiting)
			close(gates[1].open)
			<-done
			assert.NoError(t, err)
			assert.Equal(t, 7, buf.Info().Partitions[1].Counts.Accepted)
			assert.Zero(t, buf.Info().Waiting)
			close(gates[0].open)
			close(gates[2].open)
		})
	})
	t.Run("Block waits for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, s := stuff(t, 2, nil)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() { assert.NoError(t, buf.Insert(t.Context(), 100+i)) })
				wg.Go(func() { assert.NoError(t, buf.Producer().Insert(t.Context(), 200+i)) })
			}
			synctest.Wait()
			assert.Equal(t, 100, buf.Info().Waiting)
			close(g.open)
			wg.Wait()
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Len(t, s.items(), 112)
		})
	})
	t.Run("Block waits for ctx", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, _ := stuff(t, 2, nil)
			cause := errors.New("too slow")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			start := time.Now()
			err := buf.Insert(ctx, 1)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, cause)
			assert.Equal(t, time.Second, time.Since(start))
			assert.Equal(t, 1, lawful(t, buf).Rejected)
			assert.Zero(t, buf.Info().Waiting)
			close(g.open)
		})
	})
	t.Run("a wake-up that ctx's end left unused goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, _ := stuff(t, 1, func(c *buffer.Config[int]) { c.MaxSize = 1 })
			var wg sync.WaitGroup
			for i := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					wg.Go(func() { _ = buf.Insert(ctx, i) })
					time.AfterFunc(time.Second, cancel)
				} else {
					wg.Go(func() { defer cancel(); assert.NoError(t, buf.Insert(ctx, i)) })
				}
			}
			time.AfterFunc(time.Second, func() { close(g.open) })
			wg.Wait()
		})
	})
	t.Run("Reject returns ErrFull", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, _ := stuff(t, 2, func(c *buffer.Config[int]) { c.Overflow = buffer.Reject })
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrFull)
			assert.ErrorIs(t, buf.InsertBatch(t.Context(), upTo(4)), buffer.ErrFull)
			counts := lawful(t, buf)
			assert.Equal(t, 5, counts.Rejected)
			assert.Equal(t, 12, counts.Accepted)
			close(g.open)
		})
	})
	t.Run("DropOldest drops the filled batch that waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, s := stuff(t, 1, func(c *buffer.Config[int]) { c.Overflow = buffer.DropOldest })
			insert(t, buf, 7)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Dropped)
			assert.Equal(t, []int{7}, buf.Dump())
			close(g.open)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Equal(t, []int{1, 2, 3, 7}, s.items())
		})
	})
	t.Run("DropOldest never drops a batch that has a slot", func(t *testing.T) {
		for range 50 { // the partition's goroutine may or may not have taken it yet
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				s := &sink{answer: g.answer}
				cfg := config(s)
				cfg.Overflow = buffer.DropOldest
				buf := open(t, cfg)
				insert(t, buf, upTo(7)...)
				close(g.open)
				require.NoError(t, buf.Shutdown(t.Context()))
				assert.Equal(t, []int{1, 2, 3, 7}, s.items())
			})
		}
	})
}
