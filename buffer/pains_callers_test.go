package buffer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What hurts users elsewhere, row by row of the matrix in matrix_test.go: here
// callers that get in each other's way, and the reference's own flaws.

func TestPainOneCallersContext(t *testing.T) {
	t.Run("of an insert and of a SyncFlush, while their batch is flushed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: func(ctx context.Context, _ flusher.Batch[int]) error {
				time.Sleep(time.Minute)
				return ctx.Err()
			}}
			buf := open(t, config(s))
			ctx, cancel := context.WithCancel(t.Context())
			require.NoError(t, buf.Insert(ctx, 1))
			insert(t, buf, 2)
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := buf.SyncFlush(ctx)
				assert.ErrorIs(t, err, context.Canceled)
			})
			wg.Go(func() {
				results, err := buf.SyncFlush(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, []flusher.Result{{Items: 2, Delivered: 2}}, results)
			})
			synctest.Wait()
			cancel()
			wg.Wait()
			assert.Len(t, s.seen(), 1, "the attempt knew nothing of it")
		})
	})
	t.Run("of an insert that waits beside others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, s := stuff(t, 1, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for item := range 10 {
				wg.Go(func() { assert.ErrorIs(t, buf.Insert(ctx, -1), context.Canceled) })
				wg.Go(func() { assert.NoError(t, buf.Insert(t.Context(), 100+item)) })
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			assert.Equal(t, 10, buf.Info().Waiting)
			close(g.open)
			wg.Wait()
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Len(t, s.items(), 16)
			assert.NotContains(t, s.items(), -1)
		})
	})
}

func TestPainOneSlowPartition(t *testing.T) {
	// The Flusher hangs over what partition 0 gives it; no insert waits for that.
	for _, routing := range []buffer.Routing{buffer.RoundRobin, buffer.Sticky} {
		for _, overflow := range []buffer.Overflow{buffer.Block, buffer.Reject, buffer.DropOldest} {
			t.Run(routing.String()+"/"+overflow.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newGate()
					s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
						if b.Partition == 0 {
							return g.answer(ctx, b)
						}
						return nil
					}}
					cfg := config(s)
					cfg.Partitions, cfg.Routing, cfg.Overflow = 8, routing, overflow
					buf := open(t, cfg)
					start := time.Now()
					for i := range 300 {
						insert(t, buf, i)
						require.NoError(t, buf.InsertBatch(t.Context(), upTo(2)))
						synctest.Wait() // the others flush; only the first does not
					}
					assert.Zero(t, time.Since(start))
					counts := lawful(t, buf)
					assert.Equal(t, 900, counts.Accepted)
					assert.Zero(t, counts.Dropped)
					assert.LessOrEqual(t, buf.Info().Partitions[0].Counts.Accepted, 7, "two batches, and what the last InsertBatch had more")
					close(g.open)
				})
			})
		}
	}
}

func TestReferenceAFlushOverwritesTheRunningTimeout(t *testing.T) {
	// There a flush by time or by hand, while one is running, takes over its
	// timeout, and two run at once.
	synctest.Test(t, func(t *testing.T) {
		running := 0
		var took []time.Duration
		s := &sink{answer: func(ctx context.Context, _ flusher.Batch[int]) error {
			running++
			assert.Equal(t, 1, running)
			start := time.Now()
			<-ctx.Done()
			took = append(took, time.Since(start))
			running--
			return nil
		}}
		cfg := config(s)
		cfg.FlushInterval, cfg.FlushJitter, cfg.FlushTimeout = 3*time.Second, -1, 10*time.Second
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		for range 8 {
			time.Sleep(time.Second)
			insert(t, buf, 4)
			if buf.Size() == 2 {
				continue // one short of what makes the insert wait
			}
			require.NoError(t, buf.Flush(t.Context()))
		}
		require.NoError(t, buf.Shutdown(t.Context()))
		for _, d := range took {
			assert.Equal(t, 10*time.Second, d)
		}
		assert.Greater(t, len(took), 1)
	})
}

func TestReferenceFlushesWithinThePartition(t *testing.T) {
	// There SyncFlush and the end of the buffer call the user's function in the
	// partition itself: without a timeout, without isolation, and nobody can insert.
	end := map[string]func(*buffer.Buffer[int]) error{
		"SyncFlush": func(buf *buffer.Buffer[int]) error { _, err := buf.SyncFlush(background()); return err },
		"Shutdown":  func(buf *buffer.Buffer[int]) error { return buf.Shutdown(background()) },
	}
	for name, end := range end {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: script(untilDone, exits)}
				cfg := config(s)
				cfg.FlushTimeout = 10 * time.Second
				buf := open(t, cfg)
				insert(t, buf, 1, 2)
				start := time.Now()
				done := make(chan error, 1)
				go func() { done <- end(buf) }()
				synctest.Wait()
				if name == "SyncFlush" {
					insert(t, buf, 3, 4)
					assert.Zero(t, time.Since(start), "inserts go on")
					assert.Equal(t, []int{3, 4}, buf.Dump())
				}
				err := <-done
				waited := time.Since(start)
				assert.GreaterOrEqual(t, waited, 10*time.Second, "the timeout ended the first attempt")
				assert.LessOrEqual(t, waited, 11*time.Second, "and the second ended its goroutine")
				if name == "SyncFlush" {
					assert.ErrorIs(t, err, flusher.ErrGoexit)
				}
				assert.Equal(t, 2, lawful(t, buf).Dropped)
			})
		})
	}
}

func TestReferenceDumpLeavesOut(t *testing.T) {
	// There Dump leaves out what is being flushed, and nothing tells. Here Info
	// tells, and the two add up.
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		cfg := config(&sink{answer: g.answer})
		buf := open(t, cfg)
		require.NoError(t, buf.InsertBatch(t.Context(), upTo(8))) // 3 in flight, 3 wait for the slot, 2 begun
		synctest.Wait()
		assert.Equal(t, []int{4, 5, 6, 7, 8}, buf.Dump())
		assert.Equal(t, 5, buf.Size())
		counts := lawful(t, buf)
		assert.Equal(t, 5, counts.Buffered)
		assert.Equal(t, 3, counts.InFlight)
		close(g.open)
	})
}
