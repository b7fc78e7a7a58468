package buffer_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here what is given up.

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
				assert.Zero(t, counts.Retried, "a half's first attempt is none")
			})
		})
	}
	t.Run("Goexit is not bisected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: exits}
			cfg := config(s)
			cfg.Retry.Bisect = true
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			synctest.Wait()
			assert.Len(t, s.seen(), 1)
			assert.Equal(t, 3, lawful(t, buf).Dropped)
		})
	})
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
