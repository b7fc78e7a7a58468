package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here those about accepting items.

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
}

func TestPromiseInsertBatch(t *testing.T) {
	t.Run("accepted whole beyond MaxSize, flushed in chunks in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			buf := open(t, config(s))
			insert(t, buf, 100)
			require.NoError(t, buf.InsertBatch(t.Context(), upTo(9)))
			synctest.Wait()
			assert.Equal(t, [][]int{{100, 1, 2}, {3, 4, 5}, {6, 7, 8}}, s.batches())
			assert.Equal(t, []int{9}, buf.Dump())
		})
	})
	t.Run("one partition", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(&sink{})
			cfg.Partitions = 4
			buf := open(t, cfg)
			require.NoError(t, buf.InsertBatch(t.Context(), upTo(2)))
			require.NoError(t, buf.InsertBatch(t.Context(), upTo(2)))
			assert.Equal(t, 2, buf.Info().Partitions[0].Counts.Accepted)
			assert.Equal(t, 2, buf.Info().Partitions[1].Counts.Accepted)
		})
	})
	t.Run("needs a partition that is not full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, s := stuff(t, 1, nil)
			done := make(chan error)
			go func() { done <- buf.InsertBatch(t.Context(), upTo(10)) }()
			synctest.Wait()
			assert.Equal(t, 6, buf.Info().Total.Accepted)
			close(g.open)
			assert.NoError(t, <-done)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Len(t, s.items(), 16)
		})
	})
	t.Run("empty", func(t *testing.T) {
		buf := open(t, config(&sink{}))
		assert.NoError(t, buf.InsertBatch(t.Context(), nil))
		assert.NoError(t, buf.Producer().InsertBatch(ended(nil), nil))
	})
	t.Run("the slice is copied", func(t *testing.T) {
		buf := open(t, config(&sink{}))
		items := []int{1, 2}
		require.NoError(t, buf.InsertBatch(t.Context(), items))
		items[0], items[1] = 8, 9
		assert.Equal(t, []int{1, 2}, buf.Dump())
	})
	t.Run("a panic in Key or SizeOf accepts nothing", func(t *testing.T) {
		poison := func(i int) int {
			if i == 3 {
				panic("poison")
			}
			return i
		}
		for name, change := range map[string]func(*buffer.Config[int]){
			"Key":        func(c *buffer.Config[int]) { c.Key = func(i int) uint64 { return uint64(poison(i)) } },
			"SizeOf":     func(c *buffer.Config[int]) { c.SizeOf = poison },
			"both keyed": func(c *buffer.Config[int]) { c.SizeOf = poison; c.Key = func(i int) uint64 { return uint64(i) } },
			"incomparable": func(c *buffer.Config[int]) {
				c.Key = func(i int) uint64 {
					if i == 3 {
						return buffer.Hash[any]([]int{i})
					}
					return 1
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				cfg := config(&sink{})
				cfg.Partitions = 4
				change(&cfg)
				buf := open(t, cfg)
				for _, err := range []error{buf.InsertBatch(t.Context(), upTo(4)), buf.Insert(t.Context(), 3)} {
					panicked, ok := errors.AsType[*flusher.PanicError](err)
					require.True(t, ok, "%v", err)
					assert.NotEmpty(t, panicked.Stack)
				}
				counts := lawful(t, buf)
				assert.Zero(t, counts.Accepted)
				assert.Equal(t, 5, counts.Rejected)
			})
		}
	})
	t.Run("a negative size accepts nothing", func(t *testing.T) {
		cfg := config(&sink{})
		cfg.SizeOf = func(i int) int { return -i }
		buf := open(t, cfg)
		assert.ErrorContains(t, buf.Insert(t.Context(), 7), "-7")
		assert.Zero(t, lawful(t, buf).Accepted)
	})
	t.Run("with Key, all or nothing per partition", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// Items go to a partition by their tens; that of the tens of the first is
			// held and full.
			g := newGate()
			cfg := config(nil)
			var held int
			s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
				if b.Partition == held {
					return g.answer(ctx, b)
				}
				return nil
			}}
			cfg.Flusher, cfg.Partitions, cfg.Overflow = s, 8, buffer.Reject
			cfg.Key = func(i int) uint64 { return uint64(i / 10) }
			buf := open(t, cfg)
			require.NoError(t, buf.Insert(t.Context(), 10))
			held = slices.IndexFunc(infos(buf), func(accepted int) bool { return accepted == 1 })
			other := 2
			for at(t, buf, other*10) == held {
				other++
			}
			before := lawful(t, buf)
			require.NoError(t, buf.InsertBatch(t.Context(), []int{11, 12, 13, 14, 15}))
			require.NoError(t, buf.Flush(t.Context()))
			synctest.Wait()
			err := buf.InsertBatch(t.Context(), []int{10, other * 10, 11, other*10 + 1})
			var partial *buffer.PartialInsertError
			require.ErrorAs(t, err, &partial)
			assert.Equal(t, []int{0, 2}, partial.Rejected)
			assert.ErrorIs(t, err, buffer.ErrFull)
			counts := lawful(t, buf)
			assert.Equal(t, before.Accepted+5+2, counts.Accepted)
			assert.Equal(t, 2, counts.Rejected)
			close(g.open)
		})
	})
}

// infos is how many items each partition has accepted.
func infos(buf *buffer.Buffer[int]) []int {
	var accepted []int
	for _, p := range buf.Info().Partitions {
		accepted = append(accepted, p.Counts.Accepted)
	}
	return accepted
}

// at inserts an item and tells which partition it went to.
func at(t *testing.T, buf *buffer.Buffer[int], item int) int {
	before := infos(buf)
	insert(t, buf, item)
	for i, n := range infos(buf) {
		if n > before[i] {
			return i
		}
	}
	panic("nowhere")
}

func TestPromiseBytes(t *testing.T) {
	sized := func(s *sink) buffer.Config[int] {
		cfg := config(s)
		cfg.MaxSize, cfg.MaxBytes, cfg.SizeOf = 1000, 10, func(i int) int { return i }
		return cfg
	}
	for name, each := range map[string]bool{"one by one": true, "in a batch": false} {
		t.Run("a batch never exceeds MaxBytes/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{}
				buf := open(t, sized(s))
				items := []int{4, 4, 4, 10, 0, 1, 9, 5, 5, 6, 7}
				if each {
					insert(t, buf, items...)
				} else {
					require.NoError(t, buf.InsertBatch(t.Context(), items))
				}
				synctest.Wait()
				assert.Equal(t, [][]int{{4, 4}, {4}, {10}, {0, 1, 9}, {5, 5}, {6}}, s.batches())
				for _, c := range s.seen() {
					assert.Equal(t, flusher.Bytes, c.Trigger)
				}
				assert.Equal(t, 7, buf.Info().Partitions[0].Bytes)
			})
		})
	}
	t.Run("ErrTooLarge", func(t *testing.T) {
		buf := open(t, sized(&sink{}))
		err := buf.Insert(t.Context(), 11)
		assert.ErrorIs(t, err, buffer.ErrTooLarge)
		assert.ErrorContains(t, err, "11")
		assert.ErrorIs(t, buf.InsertBatch(t.Context(), []int{1, 2, 11}), buffer.ErrTooLarge)
		counts := lawful(t, buf)
		assert.Zero(t, counts.Accepted)
		assert.Equal(t, 4, counts.Rejected)
	})
}

func TestPromiseThresholdReached(t *testing.T) {
	t.Run("on the insert that reaches it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			buf := open(t, config(s))
			insert(t, buf, 1, 2)
			synctest.Wait()
			assert.Empty(t, s.seen())
			insert(t, buf, 3)
			synctest.Wait()
			require.Len(t, s.seen(), 1)
			c := s.seen()[0]
			assert.Equal(t, []int{1, 2, 3}, c.Items)
			assert.Equal(t, flusher.Size, c.Trigger)
			assert.Equal(t, "test", c.Buffer)
			assert.Equal(t, 1, c.Attempt)
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("does not wait for the flush", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf := open(t, config(&sink{answer: takes(time.Minute, nil)}))
			start := time.Now()
			insert(t, buf, 1, 2, 3)
			assert.Zero(t, time.Since(start))
		})
	})
	for _, size := range []int{1, 2, 3, 4} {
		t.Run(fmt.Sprintf("MaxSize %d", size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{}
				cfg := config(s)
				cfg.MaxSize = size
				buf := open(t, cfg)
				insert(t, buf, upTo(12)...)
				synctest.Wait()
				assert.Equal(t, slices.Collect(slices.Chunk(upTo(12), size)), s.batches())
			})
		})
	}
	t.Run("jitter is drawn anew for each batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			cfg := config(s)
			cfg.MaxSize, cfg.MaxSizeJitter = 10, 10
			buf := open(t, cfg)
			insert(t, buf, upTo(3000)...)
			synctest.Wait()
			sizes := map[int]bool{}
			for _, b := range s.batches() {
				sizes[len(b)] = true
				assert.GreaterOrEqual(t, len(b), 10)
				assert.LessOrEqual(t, len(b), 20)
			}
			assert.Len(t, sizes, 11, "each of 10..20 comes up in about 200 batches")
		})
	})
}

func TestPromiseInterval(t *testing.T) {
	t.Run("after the batch's first item, with jitter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			cfg := config(s)
			cfg.FlushInterval, cfg.FlushJitter = time.Second, time.Second
			buf := open(t, cfg)
			var least, most time.Duration = time.Hour, 0
			for range 200 {
				time.Sleep(700 * time.Millisecond) // the interval counts from the first item, not from the last flush
				insert(t, buf, 1)
				first := time.Now()
				at := buf.Info().Partitions[0].FlushAt
				time.Sleep(500 * time.Millisecond)
				insert(t, buf, 2)
				time.Sleep(2 * time.Second)
				calls := s.seen()
				last := calls[len(calls)-1]
				assert.Equal(t, []int{1, 2}, last.Items)
				assert.Equal(t, flusher.Interval, last.Trigger)
				assert.Equal(t, first, last.Oldest)
				assert.Equal(t, at, last.at)
				waited := last.at.Sub(first)
				least, most = min(least, waited), max(most, waited)
			}
			assert.GreaterOrEqual(t, least, time.Second)
			assert.LessOrEqual(t, most, 2*time.Second)
			assert.Less(t, least, 1100*time.Millisecond)
			assert.Greater(t, most, 1900*time.Millisecond)
		})
	})
	t.Run("an empty partition never flushes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			cfg := config(s)
			cfg.FlushInterval = time.Second
			buf := open(t, cfg)
			time.Sleep(time.Hour)
			insert(t, buf, 1, 2, 3) // flushed by size: its timer must not flush nothing
			time.Sleep(time.Hour)
			require.NoError(t, buf.Flush(t.Context()))
			_, err := buf.SyncFlush(t.Context())
			require.NoError(t, err)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Len(t, s.seen(), 1)
			assert.True(t, buf.Info().Partitions[0].FlushAt.IsZero())
		})
	})
	t.Run("a size flush starts the interval anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			cfg := config(s)
			cfg.FlushInterval, cfg.FlushJitter = 10*time.Second, -1
			buf := open(t, cfg)
			insert(t, buf, 1)
			time.Sleep(9 * time.Second)
			insert(t, buf, 2, 3, 4)
			time.Sleep(9 * time.Second)
			assert.Len(t, s.seen(), 1)
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(t, [][]int{{1, 2, 3}, {4}}, s.batches())
		})
	})
	t.Run("the defaults", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			buf := open(t, buffer.Config[int]{Name: "defaults", Flusher: s})
			insert(t, buf, 1)
			info := buf.Info().Partitions
			assert.Len(t, info, 1)
			assert.Equal(t, 5000, info[0].FlushSize)
			wait := time.Until(info[0].FlushAt)
			assert.GreaterOrEqual(t, wait, 10*time.Second)
			assert.LessOrEqual(t, wait, 12*time.Second)
		})
	})
	t.Run("partitions do not flush in step", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			cfg := config(s)
			cfg.Partitions, cfg.FlushInterval = 32, 10*time.Second
			buf := open(t, cfg)
			insert(t, buf, upTo(32)...)
			time.Sleep(time.Minute)
			times := map[time.Time]bool{}
			for _, c := range s.seen() {
				times[c.at] = true
			}
			assert.Greater(t, len(times), 30)
		})
	})
}
