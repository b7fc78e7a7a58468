package buffer_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here when a batch is due.

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
