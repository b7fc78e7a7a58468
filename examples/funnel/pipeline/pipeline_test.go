package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// fakeStore does what write says, and keeps what it says was stored.
type fakeStore struct {
	store.Store // nil: only Write is asked for
	write       func(ctx context.Context, call int, rows []store.Row) error

	mu    sync.Mutex
	calls int
	rows  []store.Row
}

func (f *fakeStore) Write(ctx context.Context, rows []store.Row) error {
	f.mu.Lock()
	f.calls++
	call := f.calls
	f.mu.Unlock()
	var err error
	if f.write != nil {
		err = f.write(ctx, call, rows)
	}
	verdict := flusher.Inspect(err, len(rows))
	if verdict.Whole {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, row := range rows {
		if !slices.Contains(verdict.Retry, i) && !slices.Contains(verdict.Permanent, i) {
			f.rows = append(f.rows, row)
		}
	}
	return err
}

func (f *fakeStore) stored() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, row := range f.rows {
		names = append(names, row.Sensor)
	}
	return names
}

// ledger is a Tracker that keeps what it is told, and how often.
type ledger struct {
	mu   sync.Mutex
	told map[int64][]error
}

func (l *ledger) Settled(tag int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = make(map[int64][]error)
	}
	l.told[tag] = append(l.told[tag], err)
}

// only is what was told of tag, which must be one thing.
func (l *ledger) only(t *testing.T, tag int64) error {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(t, l.told[tag], 1, "tag %d", tag)
	return l.told[tag][0]
}

func start(t *testing.T, cfg Config) *Pipeline {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := New(cfg)
	require.NoError(t, err)
	return p
}

func numbered(n int, done Tracker) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = Item{Reading: reading.Reading{Sensor: fmt.Sprint("s", i), Metric: "m", Value: float64(i)}, Done: done, Tag: int64(i)}
	}
	return items
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "Store is nil")
	_, err = New(Config{Store: &fakeStore{}, WriteTimeout: -1})
	require.ErrorContains(t, err, "WriteTimeout")
	_, err = New(Config{Store: &fakeStore{}, Partitions: -1, MaxSize: -1})
	require.ErrorContains(t, err, "Partitions")
	require.ErrorContains(t, err, "MaxSize")
}

func TestEveryRowHasAKeyThatARetryKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen [][]store.Key
		own := store.Key{Origin: [16]byte{7}, Index: 99}
		s := &fakeStore{write: func(_ context.Context, call int, rows []store.Row) error {
			var keys []store.Key
			for _, row := range rows {
				keys = append(keys, row.Key)
			}
			seen = append(seen, keys)
			if call == 1 {
				return errors.New("down")
			}
			return nil
		}}
		p := start(t, Config{Store: s})
		items := numbered(3, nil)
		items[1].Key = own
		require.NoError(t, p.Insert(t.Context(), items))
		require.NoError(t, p.Sync(t.Context()))
		require.Len(t, seen, 2)
		assert.Equal(t, seen[0], seen[1])
		assert.NotEqual(t, store.Key{}, seen[0][0])
		assert.Equal(t, own, seen[0][1])
		assert.Equal(t, store.Key{Origin: seen[0][0].Origin, Index: 2}, seen[0][2])
		stats := p.Stats()
		assert.Equal(t, Totals{Accepted: 3, Delivered: 3, Retried: 3}, stats.Total)
		assert.Equal(t, int64(1), stats.Batches)
		assert.Equal(t, 3, stats.LastBatch)
		assert.Equal(t, Quantiles{3, 3, 3, 3}, stats.BatchSize)
		assert.Empty(t, stats.WriteError)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestTrackersAreToldOnceOfEachItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		poison, busy := errors.New("poison"), errors.New("busy")
		s := &fakeStore{write: func(_ context.Context, call int, rows []store.Row) error {
			if call == 1 {
				return errors.Join(flusher.Partial(busy, 1, 3), flusher.Partial(flusher.Permanent(poison), 2))
			}
			return nil
		}}
		var rejected []Item
		p := start(t, Config{Store: s, Rejected: func(_ context.Context, items []Item, cause error) error {
			rejected = append(rejected, items...)
			assert.ErrorIs(t, cause, poison)
			if len(rejected) < 3 {
				return flusher.Partial(errors.New("the dead letter is down"), 0) // all or nothing: the index says nothing
			}
			return nil
		}})
		var l ledger
		require.NoError(t, p.Insert(t.Context(), numbered(5, &l)))
		require.NoError(t, p.buffer.Flush(t.Context()))
		synctest.Wait()
		assert.Len(t, l.told, 2, "0 and 4 at once; what is to be tried again waits")
		_ = p.Sync(t.Context())
		for _, tag := range []int64{0, 1, 3, 4} {
			assert.NoError(t, l.only(t, tag))
		}
		assert.ErrorIs(t, l.only(t, 2), poison)
		assert.Len(t, rejected, 3)
		assert.ElementsMatch(t, []string{"s0", "s1", "s3", "s4"}, s.stored())
		assert.Equal(t, 1, p.Stats().Total.DeadLettered)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestARejectionThatFailsForEverIsToldAsWell(t *testing.T) {
	for name, rejected := range map[string]func(context.Context, []Item, error) error{
		"error":     func(context.Context, []Item, error) error { return errors.New("no") },
		"permanent": func(context.Context, []Item, error) error { return flusher.Permanent(errors.New("no")) },
		"panic":     func(context.Context, []Item, error) error { panic("no") },
		"none":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeStore{write: func(context.Context, int, []store.Row) error { panic("at the disco") }}
				p := start(t, Config{Store: s, Rejected: rejected})
				var l ledger
				require.NoError(t, p.Insert(t.Context(), numbered(3, &l)))
				_ = p.Sync(t.Context())
				for tag := range int64(3) {
					assert.ErrorContains(t, l.only(t, tag), "at the disco")
				}
				assert.Equal(t, 3, p.Stats().Total.Dropped)
				assert.Empty(t, p.trackers.running)
				require.NoError(t, p.Shutdown(t.Context()))
			})
		})
	}
}

func TestOnePoisonRowDoesNotTakeTheOthersAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{write: func(_ context.Context, _ int, rows []store.Row) error {
			for _, row := range rows {
				if row.Sensor == "s5" {
					return flusher.Permanent(errors.New("constraint"))
				}
			}
			return nil
		}}
		p := start(t, Config{Store: s})
		var l ledger
		require.NoError(t, p.Insert(t.Context(), numbered(8, &l)))
		_ = p.Sync(t.Context())
		for tag := range int64(8) {
			if err := l.only(t, tag); tag == 5 {
				assert.ErrorContains(t, err, "constraint")
			} else {
				assert.NoError(t, err)
			}
		}
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestAWriteHasATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{write: func(ctx context.Context, call int, _ []store.Row) error {
			if call > 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		p := start(t, Config{Store: s, WriteTimeout: 3 * time.Second})
		var l ledger
		require.NoError(t, p.Insert(t.Context(), numbered(1, &l)))
		require.NoError(t, p.Flush(t.Context()))
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		if text := p.Stats().WriteError; text != "" { // else the second attempt came at once
			assert.Contains(t, text, flusher.ErrTimeout.Error())
		}
		require.NoError(t, p.Sync(t.Context()))
		assert.NoError(t, l.only(t, 0))
		require.NoError(t, p.Shutdown(t.Context()))
	})
}

func TestAStoreThatIsDownMakesInsertsWaitAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(time.Minute)
		s := &fakeStore{write: func(context.Context, int, []store.Row) error {
			if time.Now().Before(up) {
				return errors.New("down")
			}
			return nil
		}}
		p := start(t, Config{Store: s, Partitions: 2, MaxSize: 10})
		direct := NewDirect(p, time.Second)
		accepted, refused := 0, 0
		for time.Now().Before(up.Add(30 * time.Second)) {
			began := time.Now()
			err := direct.Accept(t.Context(), make([]reading.Reading, 5), false)
			if err == nil {
				accepted += 5
				time.Sleep(100 * time.Millisecond)
				continue
			}
			require.ErrorIs(t, err, buffer.ErrFull)
			require.Equal(t, time.Second, time.Since(began))
			refused++
		}
		assert.GreaterOrEqual(t, refused, 50)
		stats := p.Stats()
		assert.Equal(t, refused*5, stats.Total.Rejected)
		require.Len(t, stats.Partitions, 2)
		assert.Equal(t, 20, stats.Partitions[1].Capacity)
		require.NoError(t, p.Shutdown(t.Context()))
		assert.Equal(t, accepted, p.Stats().Total.Delivered)
		assert.Len(t, s.stored(), accepted)
	})
}

func TestThoseWhoWaitAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &fakeStore{write: func(context.Context, int, []store.Row) error { <-release; return nil }}
		p := start(t, Config{Store: s, Partitions: 1, MaxSize: 1})
		require.NoError(t, p.Insert(t.Context(), numbered(1, nil)))
		synctest.Wait()
		require.NoError(t, p.Insert(t.Context(), numbered(1, nil)))
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				assert.NoError(t, p.Insert(t.Context(), numbered(1, nil)))
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
			assert.Equal(t, i+1, p.Stats().Waiting)
		}
		gone, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("gone")
		cancel(cause)
		err := p.Insert(gone, numbered(2, nil))
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, cause)
		for range 10 {
			release <- struct{}{}
			synctest.Wait()
		}
		all.Wait()
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
		close(release)
		require.NoError(t, p.Shutdown(t.Context()))
		assert.Equal(t, 2, p.Stats().Total.Rejected)
	})
}
