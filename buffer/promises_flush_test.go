package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here those about attempts and
// outcomes.

func TestPromiseAttempt(t *testing.T) {
	t.Run("its own goroutine, context and deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			type key struct{}
			var got context.Context
			var deadline time.Time
			s := &sink{answer: func(ctx context.Context, _ flusher.Batch[int]) error {
				got = ctx
				deadline, _ = ctx.Deadline()
				assert.NoError(t, ctx.Err())
				return nil
			}}
			cfg := config(s)
			cfg.MaxSize, cfg.FlushTimeout, cfg.FlushMeta = 1, time.Minute, "meta"
			buf := open(t, cfg)
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "the inserter's"))
			require.NoError(t, buf.Insert(ctx, 1))
			cancel() // one caller's end does not kill the batch of all
			synctest.Wait()
			assert.Nil(t, got.Value(key{}))
			assert.Equal(t, time.Now().Add(time.Minute), deadline)
			assert.Error(t, got.Err(), "ended once the attempt is over")
			assert.Equal(t, "meta", s.seen()[0].Meta)
		})
	})
	for _, most := range []int{1, 3} {
		t.Run(fmt.Sprintf("at most MaxInFlight %d running", most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var running, peak atomic.Int64
				s := &sink{answer: func(context.Context, flusher.Batch[int]) error {
					n := running.Add(1)
					peak.Store(max(peak.Load(), n))
					time.Sleep(time.Millisecond)
					running.Add(-1)
					return nil
				}}
				cfg := config(s)
				cfg.MaxInFlight = most
				buf := open(t, cfg)
				insert(t, buf, upTo(99)...)
				require.NoError(t, buf.Shutdown(t.Context()))
				assert.EqualValues(t, most, peak.Load())
				assert.Equal(t, upTo(99), sorted(s.items()))
			})
		})
	}
}

func TestPromiseNil(t *testing.T) {
	t.Run("delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf := open(t, config(&sink{}))
			insert(t, buf, 1, 2, 3)
			synctest.Wait()
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("also after the timeout, within the grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(1500*time.Millisecond, nil)}
			cfg := config(s)
			cfg.FlushTimeout, cfg.FlushGrace = time.Second, time.Second
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Zero(t, counts.Abandoned)
			assert.Len(t, s.seen(), 1)
		})
	})
}

func TestPromiseError(t *testing.T) {
	t.Run("retried with backoff, without end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(slices.Repeat([]answer{fails(errSink)}, 50)...)}
			cfg := config(s)
			cfg.Overflow = buffer.Reject
			buf := open(t, cfg)
			insert(t, buf, upTo(6)...)
			synctest.Wait()
			assert.ErrorIs(t, buf.Insert(t.Context(), 7), buffer.ErrFull, "the slot stays taken: backpressure, not loss")
			time.Sleep(time.Hour)
			calls := s.seen()
			require.Len(t, calls, 52)
			for i, c := range calls[:51] {
				assert.Equal(t, i+1, c.Attempt)
				assert.Equal(t, []int{1, 2, 3}, c.Items)
				assert.Equal(t, calls[0].ID, c.ID, "one ID, one content")
				if i > 0 {
					wait := c.at.Sub(calls[i-1].at)
					most := 30 * time.Second
					if i < 9 {
						most = 100 * time.Millisecond << (i - 1)
					}
					assert.LessOrEqual(t, wait, most, "attempt %d", i+1)
				}
			}
			assert.Equal(t, []int{4, 5, 6}, calls[51].Items)
			assert.NotEqual(t, calls[0].ID, calls[51].ID)
			counts := lawful(t, buf)
			assert.Equal(t, 6, counts.Delivered)
			assert.Equal(t, 150, counts.Retried)
		})
	})
	t.Run("RetryAfter is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(fmt.Errorf("busy: %w", flusher.RetryAfter(errSink, time.Hour))))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Hour)
			calls := s.seen()
			require.Len(t, calls, 2)
			assert.Equal(t, time.Hour, calls[1].at.Sub(calls[0].at))
		})
	})
	t.Run("MaxAttempts", func(t *testing.T) {
		for most, want := range map[int]int{1: 1, 3: 3} {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: fails(errSink)}
				cfg := config(s)
				cfg.Retry.MaxAttempts = most
				buf := open(t, cfg)
				insert(t, buf, 1, 2, 3)
				time.Sleep(time.Hour)
				assert.Len(t, s.seen(), want)
				assert.Equal(t, 3, lawful(t, buf).Dropped)
			})
		}
	})
}

func TestPromisePartial(t *testing.T) {
	t.Run("each index by its own class", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			errBad := errors.New("bad")
			s := &sink{answer: script(fails(fmt.Errorf("bulk: %w", errors.Join(
				flusher.Partial(flusher.RetryAfter(errSink, time.Minute), 0, 4),
				flusher.Partial(flusher.Permanent(errBad), 2),
			))))}
			dead := &sink{}
			cfg := config(s)
			cfg.MaxSize, cfg.DeadLetter = 5, dead
			buf := open(t, cfg)
			insert(t, buf, 10, 11, 12, 13, 14)
			synctest.Wait()
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Delivered)
			assert.Equal(t, 1, counts.DeadLettered, "it does not wait for the others' backoff")
			assert.Equal(t, 2, counts.InFlight)
			time.Sleep(time.Hour)
			calls := s.seen()
			require.Len(t, calls, 2)
			assert.Equal(t, []int{10, 14}, calls[1].Items)
			assert.Equal(t, 2, calls[1].Attempt, "what a Partial leaves keeps counting")
			assert.NotEqual(t, calls[0].ID, calls[1].ID, "a new content has a new ID")
			assert.Equal(t, time.Minute, calls[1].at.Sub(calls[0].at))
			require.Len(t, dead.seen(), 1)
			assert.Equal(t, []int{12}, dead.items())
			assert.ErrorIs(t, dead.seen()[0].Cause, errBad)
			assert.Equal(t, 4, lawful(t, buf).Delivered)
		})
	})
	t.Run("MaxAttempts bounds the attempts of an item", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: fails(flusher.Partial(errSink, 0))}
			cfg := config(s)
			cfg.Retry.MaxAttempts = 4
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, [][]int{{1, 2, 3}, {1}, {1}, {1}}, s.batches())
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Delivered)
			assert.Equal(t, 1, counts.Dropped)
			assert.Equal(t, 3, counts.Retried)
		})
	})
	t.Run("an index out of range fails the whole batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.Partial(errSink, 0, 3)))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, [][]int{{1, 2, 3}, {1, 2, 3}}, s.batches())
		})
	})
}

// panics, exits and refuses fail for good.
func panics(context.Context, flusher.Batch[int]) error { panic(errSink) }
func exits(context.Context, flusher.Batch[int]) error  { runtime.Goexit(); return nil }

func TestPromisePermanentPanicGoexit(t *testing.T) {
	for name, c := range map[string]struct {
		answer answer
		cause  func(t *testing.T, err error)
	}{
		"Permanent": {fails(fmt.Errorf("refused: %w", flusher.Permanent(errSink))), func(t *testing.T, err error) { assert.ErrorIs(t, err, errSink) }},
		"panic": {panics, func(t *testing.T, err error) {
			var panicked *flusher.PanicError
			require.ErrorAs(t, err, &panicked)
			assert.Equal(t, errSink, panicked.Value)
			assert.Contains(t, string(panicked.Stack), "panics")
		}},
		"Goexit": {exits, func(t *testing.T, err error) { assert.ErrorIs(t, err, flusher.ErrGoexit) }},
	} {
		t.Run(name+"/dead letter", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, dead := &sink{answer: script(c.answer)}, &sink{}
				cfg := config(s)
				cfg.DeadLetter = dead
				buf := open(t, cfg)
				insert(t, buf, upTo(6)...)
				synctest.Wait()
				assert.Len(t, s.seen(), 2, "not retried; the next batch goes on")
				require.Len(t, dead.seen(), 1)
				c.cause(t, dead.seen()[0].Cause)
				assert.Equal(t, s.seen()[0].ID, dead.seen()[0].ID, "the same content")
				counts := lawful(t, buf)
				assert.Equal(t, 3, counts.DeadLettered)
				assert.Equal(t, 3, counts.Delivered)
			})
		})
		t.Run(name+"/dropped", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buf := open(t, config(&sink{answer: script(c.answer)}))
				insert(t, buf, upTo(6)...)
				synctest.Wait()
				counts := lawful(t, buf)
				assert.Equal(t, 3, counts.Dropped)
				assert.Equal(t, 3, counts.Delivered)
			})
		})
	}
	for name, fail := range map[string]answer{"Permanent": fails(flusher.Permanent(errSink)), "panic": panics} {
		t.Run(name+"/Bisect isolates the poison item", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
					if slices.Contains(b.Items, 5) {
						return fail(ctx, b)
					}
					return nil
				}}
				dead := &sink{}
				cfg := config(s)
				cfg.MaxSize, cfg.Retry.Bisect, cfg.DeadLetter = 8, true, dead
				buf := open(t, cfg)
				insert(t, buf, upTo(8)...)
				synctest.Wait()
				assert.Equal(t, []int{5}, dead.items())
				assert.Equal(t, [][]int{upTo(8), {1, 2, 3, 4}, {5, 6, 7, 8}, {5, 6}, {5}, {6}, {7, 8}}, s.batches())
				ids := map[flusher.ID]bool{}
				for _, c := range s.seen() {
					ids[c.ID] = true
					assert.Equal(t, 1, c.Attempt)
				}
				assert.Len(t, ids, 7)
				counts := lawful(t, buf)
				assert.Equal(t, 7, counts.Delivered)
				assert.Equal(t, 1, counts.DeadLettered)
			})
		})
	}
	t.Run("never on exhaustion", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: fails(errSink)}
			cfg := config(s)
			cfg.Retry = flusher.Retry{Bisect: true, MaxAttempts: 2}
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, [][]int{{1, 2, 3}, {1, 2, 3}}, s.batches())
		})
	})
}

func TestPromiseDeadLetter(t *testing.T) {
	given := func(t *testing.T, retry flusher.Retry, deadAnswer answer) (*buffer.Buffer[int], *sink, *sink) {
		s, dead := &sink{answer: fails(flusher.Permanent(errSink))}, &sink{answer: deadAnswer}
		cfg := config(s)
		cfg.DeadLetter, cfg.Retry, cfg.FlushTimeout = dead, retry, time.Second
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		time.Sleep(time.Hour)
		return buf, s, dead
	}
	for most, want := range map[int]int{0: 5, -1: 5, 2: 2} {
		t.Run(fmt.Sprintf("MaxAttempts %d", most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buf, _, dead := given(t, flusher.Retry{MaxAttempts: most}, fails(errSink))
				require.Len(t, dead.seen(), want)
				for i, c := range dead.seen() {
					assert.Equal(t, i+1, c.Attempt)
					assert.ErrorIs(t, c.Cause, errSink)
				}
				assert.Equal(t, 3, lawful(t, buf).Dropped)
			})
		})
	}
	t.Run("5 attempts of the Flusher before it, by default", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, dead := &sink{answer: fails(errSink)}, &sink{}
			cfg := config(s)
			cfg.DeadLetter = dead
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Len(t, s.seen(), 5)
			require.Len(t, dead.seen(), 1)
			assert.Equal(t, 1, dead.seen()[0].Attempt)
			assert.Equal(t, 3, lawful(t, buf).DeadLettered)
		})
	})
	t.Run("its Partial drops only the named items", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, _, dead := given(t, flusher.Retry{}, script(fails(flusher.Partial(errSink, 1))))
			counts := lawful(t, buf)
			assert.Equal(t, 1, counts.Dropped)
			assert.Equal(t, 2, counts.DeadLettered)
			assert.Len(t, dead.seen(), 1)
		})
	})
	t.Run("same isolation", func(t *testing.T) {
		for _, fail := range []answer{panics, exits, fails(flusher.Permanent(errSink))} {
			synctest.Test(t, func(t *testing.T) {
				buf, _, dead := given(t, flusher.Retry{}, fail)
				assert.Len(t, dead.seen(), 1)
				assert.Equal(t, 3, lawful(t, buf).Dropped)
			})
		}
	})
	t.Run("same timeout, and a late nil is never Delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, _, dead := given(t, flusher.Retry{}, script(takes(30*time.Minute, nil), untilDone, untilDone, fails(flusher.RetryAfter(errSink, time.Hour))))
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Abandoned)
			assert.Zero(t, counts.Delivered)
			assert.Equal(t, 3, counts.DeadLettered)
			assert.Len(t, dead.seen(), 4)
		})
	})
	t.Run("a late nil of the Flusher changes nothing after giving up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Minute, nil), fails(flusher.Permanent(errSink)))}
			dead := &sink{answer: script(fails(flusher.RetryAfter(errSink, 10*time.Minute)))}
			cfg := config(s)
			cfg.DeadLetter, cfg.FlushTimeout = dead, time.Second
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			assert.Equal(t, 3, lawful(t, buf).InFlight)
			time.Sleep(time.Hour)
			assert.Equal(t, 3, lawful(t, buf).DeadLettered)
		})
	})
}

func TestPromiseTimeout(t *testing.T) {
	timed := func(s *sink) buffer.Config[int] {
		cfg := config(s)
		cfg.FlushTimeout, cfg.FlushGrace = 10*time.Second, time.Second
		return cfg
	}
	t.Run("cancelled with ErrTimeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var cause error
			s := &sink{answer: script(func(ctx context.Context, b flusher.Batch[int]) error {
				defer func() { cause = context.Cause(ctx) }()
				return untilDone(ctx, b)
			})}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.ErrorIs(t, cause, flusher.ErrTimeout)
			assert.ErrorIs(t, cause, context.DeadlineExceeded)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Equal(t, 3, counts.Retried)
			assert.Zero(t, counts.Abandoned)
		})
	})
	t.Run("abandoned after the grace, and retried beside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var read []int
			s := &sink{}
			s.answer = script(func(_ context.Context, b flusher.Batch[int]) error {
				time.Sleep(time.Hour)
				read = slices.Clone(b.Items)
				return errSink
			})
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(20 * time.Second)
			calls := s.seen()
			require.Len(t, calls, 2)
			wait := calls[1].at.Sub(calls[0].at)
			assert.GreaterOrEqual(t, wait, 11*time.Second)
			assert.LessOrEqual(t, wait, 11*time.Second+100*time.Millisecond)
			assert.Equal(t, calls[0].ID, calls[1].ID)
			insert(t, buf, upTo(300)...) // would fill the slice, were it reused
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			assert.Equal(t, []int{1, 2, 3}, read, "its slice was not reused until it returned")
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Abandoned)
			assert.Equal(t, 303, counts.Delivered)
		})
	})
	t.Run("with one already abandoned the partition waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var running, peak atomic.Int64
			s := &sink{}
			s.answer = func(_ context.Context, b flusher.Batch[int]) error {
				peak.Store(max(peak.Load(), running.Add(1)))
				defer running.Add(-1)
				if b.Attempt < 4 {
					time.Sleep(time.Hour)
					return errSink
				}
				return nil
			}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(50 * time.Minute)
			assert.Len(t, s.seen(), 2)
			time.Sleep(10 * time.Hour)
			assert.EqualValues(t, 2, peak.Load(), "MaxInFlight and one abandoned")
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("a nil after the grace, while another is abandoned, is delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Hour, errSink), takes(time.Minute, nil))}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			assert.Len(t, s.seen(), 2)
			assert.Equal(t, 3, lawful(t, buf).Delivered)
			assert.Equal(t, 3, lawful(t, buf).Abandoned)
			time.Sleep(time.Hour)
		})
	})
	t.Run("a late nil ends a backoff", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Minute, nil), fails(flusher.RetryAfter(errSink, time.Hour)))}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Zero(t, counts.InFlight)
			assert.Zero(t, buf.Info().Partitions[0].Batches)
			time.Sleep(2 * time.Hour)
			assert.Len(t, s.seen(), 2)
		})
	})
	t.Run("a late nil settles its items that have no outcome yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(
				takes(time.Minute, nil),
				fails(errors.Join(flusher.Partial(flusher.RetryAfter(errSink, time.Hour), 0), flusher.Partial(flusher.Permanent(errSink), 1))),
			)}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Delivered, "3 by the Partial, 1 by the late nil")
			assert.Equal(t, 1, counts.Dropped, "what was given up stays so")
			assert.Zero(t, counts.InFlight)
		})
	})
	t.Run("a late nil while the next attempt runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(15*time.Second, nil), takes(9*time.Second, flusher.Permanent(errSink)))}
			buf := open(t, timed(s))
			insert(t, buf, upTo(6)...)
			time.Sleep(16 * time.Second)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Zero(t, counts.InFlight)
			assert.Equal(t, 1, buf.Info().Partitions[0].Batches, "the slot is taken while the attempt runs")
			assert.Len(t, s.seen(), 2)
			time.Sleep(time.Minute)
			counts = lawful(t, buf)
			assert.Equal(t, 6, counts.Delivered, "its error changes nothing")
			assert.Zero(t, counts.Dropped)
		})
	})
	t.Run("a late error changes nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Minute, flusher.Permanent(errSink)))}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("an abandoned attempt is one of MaxAttempts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(time.Minute, nil)}
			cfg := timed(s)
			cfg.Retry.MaxAttempts = 1
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(12 * time.Second)
			assert.Equal(t, 3, lawful(t, buf).Dropped)
			time.Sleep(time.Hour)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Dropped, "given up: the late nil changes nothing")
			assert.Zero(t, counts.Delivered)
		})
	})
}

func TestPromiseFlushWhileFlushing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf, g, s := stuff(t, 1, func(c *buffer.Config[int]) { c.MaxSize = 4 })
		require.NoError(t, buf.Flush(t.Context()))
		require.NoError(t, buf.Flush(t.Context()))
		var results []flusher.Result
		done := make(chan error, 1)
		go func() {
			var err error
			results, err = buf.SyncFlush(t.Context())
			done <- err
		}()
		synctest.Wait()
		assert.Len(t, s.seen(), 1, "behind what is running")
		close(g.open)
		require.NoError(t, <-done)
		assert.Equal(t, []flusher.Result{{Partition: 0, Items: 8, Delivered: 8}}, results)
		assert.Equal(t, [][]int{{1, 2, 3, 4}, {5, 6, 7, 8}}, s.batches(), "never a second flush of the same items")
	})
	t.Run("Flush does not wait, and closes the batch as it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(time.Minute, nil)}
			cfg := config(s)
			cfg.Partitions = 2
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			start := time.Now()
			require.NoError(t, buf.Flush(t.Context()))
			insert(t, buf, 4)
			assert.Zero(t, time.Since(start))
			synctest.Wait()
			assert.ElementsMatch(t, [][]int{{1, 3}, {2}}, s.batches())
			assert.Equal(t, flusher.Manual, s.seen()[0].Trigger)
			assert.ErrorIs(t, buf.Flush(ended(errSink)), errSink)
		})
	})
	t.Run("SyncFlush is a barrier, retries included", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(errSink), fails(errSink), takes(time.Second, nil))}
			cfg := config(s)
			cfg.Partitions = 3
			buf := open(t, cfg)
			insert(t, buf, 1, 2)
			results, err := buf.SyncFlush(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []flusher.Result{{Partition: 0, Items: 1, Delivered: 1}, {Partition: 1, Items: 1, Delivered: 1}, {Partition: 2}}, results)
			assert.Equal(t, 2, lawful(t, buf).Delivered)
		})
	})
	t.Run("SyncFlush joins the failures", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.Partial(flusher.Permanent(errSink), 0)))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2)
			results, err := buf.SyncFlush(t.Context())
			require.ErrorIs(t, err, errSink)
			assert.Equal(t, 2, results[0].Items)
			assert.Equal(t, 1, results[0].Delivered)
			assert.ErrorIs(t, results[0].Err, errSink)
		})
	})
	t.Run("at ctx's end the results so far come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: func(_ context.Context, b flusher.Batch[int]) error {
				if b.Partition == 1 {
					return flusher.Partial(errSink, 0)
				}
				return nil
			}}
			cfg := config(s)
			cfg.Partitions = 2
			buf := open(t, cfg)
			insert(t, buf, upTo(4)...)
			cause := errors.New("no patience")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
			defer cancel()
			results, err := buf.SyncFlush(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, cause)
			assert.Equal(t, flusher.Result{Partition: 0, Items: 2, Delivered: 2}, results[0])
			assert.Equal(t, 2, results[1].Items)
			assert.Equal(t, 1, results[1].Delivered)
			assert.ErrorIs(t, results[1].Err, cause)
			s.mu.Lock()
			s.answer = nil
			s.mu.Unlock()
		})
	})
}

func TestPromiseInsideTheFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf, other *buffer.Buffer[int]
		inner := &sink{}
		cfg := config(inner)
		cfg.Name = "other"
		other = open(t, cfg)
		var full, sync, shutdown, flush, elsewhere error
		var once onlyOnce
		s := &sink{}
		s.answer = func(ctx context.Context, b flusher.Batch[int]) error {
			once.Do(func() {
				for range 10 {
					if full = buf.Insert(context.WithoutCancel(ctx), 100); full != nil {
						break
					}
				}
				flush = buf.Flush(ctx)
				_, sync = buf.SyncFlush(ctx)
				shutdown = buf.Shutdown(ctx)
				elsewhere = other.Insert(ctx, 1)
				if _, err := other.SyncFlush(ctx); err != nil {
					elsewhere = err
				}
			})
			return nil
		}
		buf = open(t, config(s))
		insert(t, buf, 1, 2, 3)
		synctest.Wait()
		assert.ErrorIs(t, full, buffer.ErrFull)
		assert.ErrorIs(t, sync, buffer.ErrReentrant)
		assert.ErrorIs(t, shutdown, buffer.ErrReentrant)
		assert.NoError(t, flush)
		assert.NoError(t, elsewhere, "other buffers behave as always")
		assert.Equal(t, []int{1}, inner.items())
		assert.Equal(t, []int{1, 2, 3, 100, 100, 100}, s.items())
	})
}

// onlyOnce is sync.Once, for where a variable shadows the package.
type onlyOnce = sync.Once

func TestPromiseOrdering(t *testing.T) {
	// Whatever fails as a whole batch, and however often, the order of a producer
	// and of a key is kept with MaxInFlight 1.
	unreliable := func() *sink {
		var n atomic.Int64
		s := &sink{}
		s.answer = func(ctx context.Context, b flusher.Batch[int]) error {
			switch n.Add(1) % 3 {
			case 0:
				return errSink
			case 1:
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		return s
	}
	delivered := func(s *sink) []int {
		var items []int
		for _, c := range s.seen() {
			if c.err == nil {
				items = append(items, c.Items...)
			}
		}
		return items
	}
	t.Run("per Producer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := unreliable()
			cfg := config(s)
			cfg.Partitions = 3
			buf := open(t, cfg)
			var wg sync.WaitGroup
			for g := range 5 {
				producer := buf.Producer()
				wg.Go(func() {
					for i := range 60 {
						if i%7 == 0 {
							assert.NoError(t, producer.InsertBatch(t.Context(), []int{g*1000 + 2*i, g*1000 + 2*i + 1}))
						} else {
							assert.NoError(t, producer.Insert(t.Context(), g*1000+2*i))
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, buf.Shutdown(t.Context()))
			last := map[int]int{}
			for _, item := range delivered(s) {
				assert.GreaterOrEqual(t, item%1000, last[item/1000], "producer %d", item/1000)
				last[item/1000] = item % 1000
			}
			assert.Len(t, last, 5)
		})
	})
	t.Run("per key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := unreliable()
			cfg := config(s)
			cfg.Partitions, cfg.Key = 4, func(i int) uint64 { return uint64(i % 10) }
			buf := open(t, cfg)
			for i := range 50 {
				require.NoError(t, buf.InsertBatch(t.Context(), []int{20 * i, 20*i + 1, 20*i + 2, 20*i + 10}))
				require.NoError(t, buf.Insert(t.Context(), 20*i+11))
			}
			require.NoError(t, buf.Shutdown(t.Context()))
			last, partition := map[int]int{}, map[int]int{}
			for _, c := range s.seen() {
				for _, item := range c.Items {
					if p, ok := partition[item%10]; ok {
						assert.Equal(t, p, c.Partition, "one partition a key")
					}
					partition[item%10] = c.Partition
					if c.err == nil {
						assert.GreaterOrEqual(t, item, last[item%10])
						last[item%10] = item
					}
				}
			}
			assert.Len(t, last, 3)
		})
	})
	t.Run("bisection keeps it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			s := &sink{answer: func(_ context.Context, b flusher.Batch[int]) error {
				if len(b.Items) > 3 {
					return flusher.Permanent(errSink)
				}
				if n.Add(1)%2 == 1 {
					return errSink
				}
				return nil
			}}
			cfg := config(s)
			cfg.MaxSize, cfg.Retry.Bisect = 12, true
			buf := open(t, cfg)
			insert(t, buf, upTo(24)...)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Equal(t, upTo(24), delivered(s))
		})
	})
	t.Run("round robin goes exactly in turn", func(t *testing.T) {
		buf := open(t, func() buffer.Config[int] { c := config(&sink{}); c.Partitions = 3; return c }())
		for i := range 7 {
			assert.Equal(t, i%3, at(t, buf, i))
		}
	})
}

func TestPromiseMemory(t *testing.T) {
	for _, inFlight := range []int{1, 3} {
		t.Run(fmt.Sprintf("MaxInFlight %d", inFlight), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				cfg := config(&sink{answer: g.answer})
				cfg.Partitions, cfg.MaxSize, cfg.MaxSizeJitter, cfg.MaxInFlight, cfg.Overflow = 4, 10, 5, inFlight, buffer.Reject
				buf := open(t, cfg)
				most := cfg.Partitions * (cfg.MaxSize + cfg.MaxSizeJitter) * (1 + inFlight)
				for i := range 10 * most {
					_ = buf.Insert(t.Context(), i)
					_ = buf.Producer().Insert(t.Context(), i)
					if i%50 == 0 {
						synctest.Wait()
						require.NoError(t, buf.Flush(t.Context()))
					}
					counts := buf.Info().Total
					require.LessOrEqual(t, counts.Buffered+counts.InFlight, most)
				}
				lawful(t, buf)
				close(g.open)
			})
		})
	}
}

func TestPromiseSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrays := map[*int]int{}
		s := flusher.Items(func(_ context.Context, items []int) error {
			arrays[&items[0]]++
			return nil
		})
		buf := open(t, config(s))
		for i := range 300 {
			insert(t, buf, i)
			synctest.Wait()
		}
		assert.LessOrEqual(t, len(arrays), 2, "reused after Flush returns")
	})
	t.Run("what a used slice held is let go", func(t *testing.T) {
		var collected atomic.Bool
		buf, err := buffer.New(buffer.Config[*[64]byte]{Name: "t", MaxSize: 1, Flusher: flusher.Items(func(context.Context, []*[64]byte) error { return nil })})
		require.NoError(t, err)
		func() {
			item := new([64]byte)
			runtime.AddCleanup(item, func(struct{}) { collected.Store(true) }, struct{}{})
			require.NoError(t, buf.Insert(t.Context(), item))
		}()
		require.Eventually(t, func() bool { runtime.GC(); return collected.Load() }, 10*time.Second, time.Millisecond)
		require.NoError(t, buf.Shutdown(t.Context()))
	})
}
