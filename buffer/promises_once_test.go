package buffer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here how often an item can arrive.

func TestPromiseAtMostOnce(t *testing.T) {
	// With MaxAttempts 1 the Flusher gets each item once, whatever comes of it.
	for name, answer := range map[string]answer{
		"nil":       fails(nil),
		"error":     fails(errSink),
		"later":     fails(flusher.RetryAfter(errSink, time.Second)),
		"partial":   fails(flusher.Partial(errSink, 1)),
		"permanent": fails(flusher.Permanent(errSink)),
		"panic":     panics,
		"Goexit":    exits,
		"timeout":   untilDone,
		"abandoned": takes(time.Minute, nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: answer}
				cfg := config(s)
				cfg.FlushTimeout, cfg.Retry.MaxAttempts = time.Second, 1
				buf := open(t, cfg)
				insert(t, buf, upTo(5)...)
				time.Sleep(time.Hour)
				require.NoError(t, buf.Shutdown(t.Context()))
				assert.Equal(t, [][]int{{1, 2, 3}, {4, 5}}, s.batches())
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestPromiseAtLeastOnce(t *testing.T) {
	// An abandoned attempt and its retry both write, under one ID, of which the
	// first may do so even after Shutdown.
	synctest.Test(t, func(t *testing.T) {
		var wrote atomic.Int64
		s := &sink{}
		s.answer = func(_ context.Context, b flusher.Batch[int]) error {
			if b.Attempt == 1 {
				time.Sleep(time.Hour)
			}
			wrote.Add(int64(len(b.Items)))
			return nil
		}
		cfg := config(s)
		cfg.FlushTimeout = time.Second
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		start := time.Now()
		require.NoError(t, buf.Shutdown(t.Context()))
		assert.Less(t, time.Since(start), 3*time.Second, "it does not wait for what has no item of its own")
		assert.EqualValues(t, 3, wrote.Load())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 6, wrote.Load())
		calls := s.seen()
		require.Len(t, calls, 2)
		assert.Equal(t, calls[0].ID, calls[1].ID)
		assert.Equal(t, 3, lawful(t, buf).Delivered, "counted once")
	})
}
