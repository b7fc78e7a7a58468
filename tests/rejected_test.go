package tests

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// gate holds the Flusher until it is opened.
func gate() (f answer, open func()) {
	opened := make(chan struct{})
	return func(ctx context.Context, _ flusher.Batch[int]) error {
		select {
		case <-opened:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, func() { close(opened) }
}

// fillUp makes the only partition full: one batch in flight, one filled.
func fillUp(t testing.TB, buf *buffer.Buffer[int]) {
	t.Helper()
	insert(t, buf, 1, 2, 3)
	synctest.Wait()
	insert(t, buf, 4, 5, 6)
}

// rejected are the reasons that are not zero.
func rejected(t testing.TB, s *sdk) map[string]float64 {
	t.Helper()
	reasons := make(map[string]float64)
	for attributes, n := range s.collect(t).values(t, "databuffer.item.rejected") {
		if n != 0 {
			reasons[attributes[len("databuffer.reject.reason="):]] = n
		}
	}
	return reasons
}

func TestRejectedByReason(t *testing.T) {
	t.Run("nothing yet", func(t *testing.T) {
		s := newSDK()
		buf := open(t, s.config(answers(nil)))
		assert.Equal(t, map[string]float64{
			"databuffer.reject.reason=closed": 0, "databuffer.reject.reason=full": 0,
			"databuffer.reject.reason=too_large": 0, "databuffer.reject.reason=canceled": 0,
		}, s.collect(t).values(t, "databuffer.item.rejected"))
		shutdown(t, buf)
	})

	t.Run("closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSDK()
			f, release := gate()
			buf := open(t, s.config(f))
			fillUp(t, buf)
			go func() { assert.ErrorIs(t, buf.InsertBatch(t.Context(), []int{7, 8}), buffer.ErrClosed) }()
			synctest.Wait()
			assert.InDelta(t, 1, s.collect(t).value(t, "databuffer.insert.waiting"), 0)
			go shutdown(t, buf)
			synctest.Wait()
			assert.ErrorIs(t, buf.Insert(t.Context(), 9), buffer.ErrClosed)
			assert.Equal(t, map[string]float64{"closed": 3}, rejected(t, s))
			release()
			synctest.Wait()
			agree(t, s, buf)
			assert.ErrorIs(t, buf.Insert(t.Context(), 9), buffer.ErrClosed)
			assert.Equal(t, map[string]float64{"closed": 3}, rejected(t, s), "the counts are final")
		})
	})

	t.Run("full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSDK()
			f, release := gate()
			cfg := s.config(f)
			cfg.Overflow = buffer.Reject
			buf := open(t, cfg)
			fillUp(t, buf)
			assert.ErrorIs(t, buf.Insert(t.Context(), 7), buffer.ErrFull)
			assert.ErrorIs(t, buf.InsertBatch(t.Context(), []int{7, 8}), buffer.ErrFull)
			assert.Equal(t, map[string]float64{"full": 3}, rejected(t, s))
			assert.Empty(t, s.collect(t).histogram(t, "databuffer.insert.wait.duration"), "it did not wait")
			release()
			shutdown(t, buf)
			agree(t, s, buf)
		})
	})

	t.Run("too large", func(t *testing.T) {
		s := newSDK()
		cfg := s.config(answers(nil))
		cfg.MaxBytes, cfg.SizeOf = 10, func(item int) int { return item }
		buf := open(t, cfg)
		assert.ErrorIs(t, buf.Insert(t.Context(), 11), buffer.ErrTooLarge)
		assert.ErrorIs(t, buf.InsertBatch(t.Context(), []int{1, 11}), buffer.ErrTooLarge)
		insert(t, buf, 10)
		assert.Equal(t, map[string]float64{"too_large": 3}, rejected(t, s))
		shutdown(t, buf)
		agree(t, s, buf)
	})

	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSDK()
			f, release := gate()
			buf := open(t, s.config(f))
			fillUp(t, buf)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			assert.ErrorIs(t, buf.Insert(ctx, 7), context.DeadlineExceeded)
			assert.ErrorIs(t, buf.Insert(ctx, 8), context.DeadlineExceeded, "it has ended before")
			assert.Equal(t, map[string]float64{"canceled": 2}, rejected(t, s))
			assert.Equal(t, map[string]recorded{"": {1, 60}}, s.collect(t).histogram(t, "databuffer.insert.wait.duration"))
			release()
			shutdown(t, buf)
			agree(t, s, buf)
		})
	})

	t.Run("invalid", func(t *testing.T) {
		s := newSDK()
		cfg := s.config(answers(nil))
		cfg.SizeOf = func(item int) int { return item }
		cfg.Key = func(item int) uint64 { return uint64(10 / item) }
		buf := open(t, cfg)
		assert.Error(t, buf.Insert(t.Context(), 0), "Key panics")
		assert.Error(t, buf.Insert(t.Context(), -1), "a negative size")
		assert.Error(t, buf.InsertBatch(t.Context(), []int{1, 0, 2}))
		assert.Equal(t, map[string]float64{"_OTHER": 5}, rejected(t, s))
		shutdown(t, buf)
		agree(t, s, buf)
	})
}

func TestWaitingInsertsAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		f, release := gate()
		buf := open(t, s.config(f))
		fillUp(t, buf)
		producer := buf.Producer()
		go func() { assert.NoError(t, buf.Insert(t.Context(), 7)) }()
		go func() { assert.NoError(t, producer.Insert(t.Context(), 8)) }()
		time.Sleep(5 * time.Second)
		assert.InDelta(t, 2, s.collect(t).value(t, "databuffer.insert.waiting"), 0, "pinned ones too")
		agree(t, s, buf)
		release()
		synctest.Wait()
		assert.Zero(t, s.collect(t).value(t, "databuffer.insert.waiting"))
		assert.Equal(t, map[string]recorded{"": {2, 10}}, s.collect(t).histogram(t, "databuffer.insert.wait.duration"))
		shutdown(t, buf)
		agree(t, s, buf)
	})
}

// A refused insert is an error on its span, whatever the reason and the way.
func TestRefusedInsertsHaveASpan(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	plainConfig := func(*buffer.Config[int]) {}
	keyed := func(cfg *buffer.Config[int]) { cfg.Key = func(item int) uint64 { return uint64(10 / item) } }
	sized := func(cfg *buffer.Config[int]) {
		cfg.SizeOf, cfg.MaxBytes = func(item int) int { return item }, 10
	}
	sticky := func(cfg *buffer.Config[int]) { cfg.Routing = buffer.Sticky }

	tests := []struct {
		name string
		set  func(*buffer.Config[int])
		act  func(buf *buffer.Buffer[int]) error
	}{
		{"a context that has ended", plainConfig, func(buf *buffer.Buffer[int]) error { return buf.Insert(ended, 1) }},
		{"with a batch", plainConfig, func(buf *buffer.Buffer[int]) error { return buf.InsertBatch(ended, []int{1, 2}) }},
		{"with Sticky", sticky, func(buf *buffer.Buffer[int]) error { return buf.Insert(ended, 1) }},
		{"with a Producer", plainConfig, func(buf *buffer.Buffer[int]) error { return buf.Producer().Insert(ended, 1) }},
		{"with Key", keyed, func(buf *buffer.Buffer[int]) error { return buf.Insert(ended, 1) }},
		{"with Key and a batch", keyed, func(buf *buffer.Buffer[int]) error { return buf.InsertBatch(ended, []int{1, 2}) }},
		{"too large", sized, func(buf *buffer.Buffer[int]) error { return buf.Insert(context.Background(), 11) }},
		{"Key panics", keyed, func(buf *buffer.Buffer[int]) error { return buf.Insert(context.Background(), 0) }},
		{"Key panics in a batch", keyed, func(buf *buffer.Buffer[int]) error { return buf.InsertBatch(context.Background(), []int{1, 0}) }},
		{"a negative size", sized, func(buf *buffer.Buffer[int]) error { return buf.Insert(context.Background(), -1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSDK()
			cfg := s.config(answers(nil))
			test.set(&cfg)
			buf := open(t, cfg)
			require.Error(t, test.act(buf))
			spans := s.ended("insert")
			if assert.Len(t, spans, 1, "every insert emits a span") {
				assert.Equal(t, "insert refused", spans[0].Status().Description)
			}
			shutdown(t, buf)
			agree(t, s, buf)
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrClosed)
			assert.Len(t, s.ended("insert"), 2, "after Shutdown too")
		})
	}
}
