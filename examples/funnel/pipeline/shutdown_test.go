package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// What Shutdown leaves is told to the Trackers: of what waits, of what is being
// written and ends, and of a write that ends only when nobody listens any more.
func TestShutdownTellsOfWhatItLeft(t *testing.T) {
	for name, c := range map[string]struct {
		hang time.Duration // of the write, after its context's end
		err  error
		told error // of the batch that is being written
	}{
		"a write that fails":                  {0, errors.New("cut off"), buffer.ErrClosed},
		"a write that ends well all the same": {500 * time.Millisecond, nil, nil},
		"a write that ends well too late":     {time.Minute, nil, buffer.ErrClosed},
		"a write that fails too late":         {time.Minute, errors.New("cut off"), buffer.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeStore{write: func(ctx context.Context, _ int, _ []store.Row) error {
					<-ctx.Done()
					time.Sleep(c.hang)
					return c.err
				}}
				p := start(t, Config{Store: s, Partitions: 1, MaxSize: 4})
				var l ledger
				require.NoError(t, p.Insert(t.Context(), numbered(6, &l)))
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := p.Shutdown(ctx)
				left, ok := errors.AsType[*buffer.ShutdownError[Item]](err)
				require.True(t, ok, "%v", err)
				require.NotEmpty(t, left.Undelivered)
				for tag := range int64(6) {
					want := buffer.ErrClosed
					if tag < 4 {
						want = c.told
					}
					assert.Equal(t, want, l.only(t, tag), "tag %d", tag)
				}
				assert.Equal(t, err, p.Shutdown(t.Context()))
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				for tag := range int64(6) {
					l.only(t, tag)
				}
				assert.ErrorIs(t, p.Insert(t.Context(), numbered(1, nil)), buffer.ErrClosed)
			})
		})
	}
}

func TestStoredWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{write: func(context.Context, int, []store.Row) error { time.Sleep(40 * time.Millisecond); return nil }}
		p := start(t, Config{Store: s, FlushInterval: time.Hour})
		direct := NewDirect(p, time.Second)
		began := time.Now()
		require.NoError(t, direct.Accept(t.Context(), make([]reading.Reading, 7), true))
		assert.Equal(t, 40*time.Millisecond, time.Since(began), "who waits does not wait for a full batch")
		assert.Len(t, s.stored(), 7)
		require.NoError(t, direct.Accept(t.Context(), nil, true))

		require.NoError(t, direct.Accept(t.Context(), make([]reading.Reading, 3), false))
		assert.Equal(t, 40*time.Millisecond, time.Since(began), "who does not is gone at once")

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, direct.Accept(ctx, make([]reading.Reading, 2), true), context.DeadlineExceeded)
		require.NoError(t, p.Shutdown(t.Context()))
		assert.Len(t, s.stored(), 12, "accepted is accepted, though nobody waits for it any more")
		require.ErrorIs(t, direct.Accept(t.Context(), make([]reading.Reading, 1), true), buffer.ErrClosed)
	})
}

func TestStoredSaysWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{write: func(context.Context, int, []store.Row) error { panic("no") }}
		p := start(t, Config{Store: s, Rejected: func(context.Context, []Item, error) error { return nil }})
		err := NewDirect(p, time.Second).Accept(t.Context(), make([]reading.Reading, 2), true)
		require.ErrorContains(t, err, "panic")
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestQuantilesAreByNearestRank(t *testing.T) {
	var r ring
	assert.Equal(t, Quantiles{}, r.quantiles())
	for i := range recentBatches + 100 {
		r.add(float64(i))
	}
	// 100 to 355 are left
	assert.Equal(t, Quantiles{P50: 100 + 127, P90: 100 + 230, P99: 100 + 253, Max: 355}, r.quantiles())
}
