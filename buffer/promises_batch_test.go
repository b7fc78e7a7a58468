package buffer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here InsertBatch, and bytes.

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
