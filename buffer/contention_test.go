package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// Everything at once, in real time: what the matrix in matrix_test.go cannot show
// one event at a time.

// bounded fails the process where a test in real time does not end: then
// somebody was not woken.
func bounded(t *testing.T) {
	t.Helper()
	name := t.Name()
	watch := time.AfterFunc(time.Minute, func() { panic(name + ": somebody waits for ever") })
	t.Cleanup(func() { watch.Stop() })
}

// busy is a buffer of small batches that retries at once.
func busy(l *ledger, t testing.TB, stubborn time.Duration) buffer.Config[int] {
	return buffer.Config[int]{
		Name: "busy", Flusher: l.hostile(t, isDelivered, stubborn), DeadLetter: l.hostile(t, isDeadLettered, stubborn),
		Partitions: 4, MaxSize: 10, MaxSizeJitter: 5, MaxInFlight: 2,
		FlushInterval: time.Millisecond, FlushJitter: time.Millisecond, FlushTimeout: -1,
		Retry:  flusher.Retry{MinBackoff: time.Microsecond, MaxBackoff: 100 * time.Microsecond, MaxAttempts: 4},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestContentionAgainstAHostileFlusher(t *testing.T) {
	items := 20_000
	if testing.Short() {
		items = 4000
	}
	key := func(item int) uint64 { return uint64(item % 13) }
	for name, change := range map[string]func(*buffer.Config[int]){
		"Block":        func(*buffer.Config[int]) {},
		"Reject":       func(c *buffer.Config[int]) { c.Overflow = buffer.Reject },
		"DropOldest":   func(c *buffer.Config[int]) { c.Overflow = buffer.DropOldest },
		"Sticky":       func(c *buffer.Config[int]) { c.Routing = buffer.Sticky },
		"Key":          func(c *buffer.Config[int]) { c.Key = key },
		"Key, Reject":  func(c *buffer.Config[int]) { c.Key, c.Overflow = key, buffer.Reject },
		"bytes":        func(c *buffer.Config[int]) { c.SizeOf, c.MaxBytes = func(item int) int { return item % 7 }, 20 },
		"Bisect":       func(c *buffer.Config[int]) { c.Retry.Bisect = true },
		"without end":  func(c *buffer.Config[int]) { c.Retry.MaxAttempts, c.DeadLetter = -1, nil },
		"at most once": func(c *buffer.Config[int]) { c.Retry.MaxAttempts, c.DeadLetter = 1, nil },
	} {
		t.Run(name, func(t *testing.T) {
			bounded(t)
			l := newLedger(items)
			cfg := busy(l, t, 0)
			change(&cfg)
			buf, err := buffer.New(cfg)
			require.NoError(t, err)
			var wg sync.WaitGroup
			for range 64 {
				producer := buf.Producer()
				wg.Go(func() {
					for i := 0; ; i++ {
						ctx, cancel := context.WithCancel(background())
						if i%16 == 0 {
							time.AfterFunc(10*time.Microsecond, cancel)
						}
						err := l.chance(ctx, t, buf, producer)
						cancel()
						if errors.Is(err, errNoMore) {
							return
						}
						switch i % 64 {
						case 0:
							lawful(t, buf)
						case 1:
							assert.NoError(t, buf.Flush(background()))
						case 2:
							_, _ = buf.SyncFlush(background())
						case 3:
							_ = buf.Dump()
						}
					}
				})
			}
			wg.Wait()
			l.balance(t, buf, buf.Shutdown(background()))
			assert.Positive(t, buf.Info().Total.Delivered)
		})
	}
}

func TestContentionLosesNoWakeUp(t *testing.T) {
	// The smallest batches, and many more callers than room: each of them waits
	// again and again, for the first room anywhere or for that of one partition.
	for _, partitions := range []int{1, 3, 8} {
		for _, size := range []int{1, 2} {
			t.Run(fmt.Sprintf("Partitions %d, MaxSize %d", partitions, size), func(t *testing.T) {
				bounded(t)
				items := 20_000
				if testing.Short() {
					items = 2000
				}
				l := newLedger(items)
				buf, err := buffer.New(buffer.Config[int]{
					Name: "wake", Partitions: partitions, MaxSize: size, FlushInterval: -1, FlushTimeout: -1,
					Flusher: flusher.Items(func(_ context.Context, items []int) error {
						l.note(t, isDelivered, items...)
						return nil
					}),
				})
				require.NoError(t, err)
				var wg sync.WaitGroup
				for g := range 64 {
					producer := buf.Producer()
					wg.Go(func() {
						for i := 0; ; i++ {
							ctx, cancel := context.WithCancel(background())
							if g%8 == 0 {
								// It leaves the queue now and then as it is woken.
								time.AfterFunc(time.Duration(rand.IntN(100))*time.Microsecond, cancel)
							}
							err := l.chance(ctx, t, buf, producer)
							cancel()
							if errors.Is(err, errNoMore) {
								return
							}
						}
					})
				}
				wg.Wait()
				assert.Zero(t, buf.Info().Waiting)
				err = buf.Shutdown(background())
				require.NoError(t, err)
				l.balance(t, buf, err)
			})
		}
	}
}

func TestContentionShutdownAtARandomMoment(t *testing.T) {
	// Between the first insert and the last, with a ctx that ends soon, late or at
	// once, against inserts, flushes and barriers, and a Flusher that may outlive
	// its grace.
	bounded(t)
	end := time.Now().Add(1500 * time.Millisecond)
	if testing.Short() {
		end = time.Now().Add(time.Second / 4)
	}
	returned, clean := 0, 0
	for round := 0; time.Now().Before(end); round++ {
		l := newLedger(5000)
		cfg := busy(l, t, 3*time.Millisecond)
		cfg.FlushGrace = time.Duration(1 + rand.IntN(int(2*time.Millisecond)))
		cfg.Overflow = buffer.Overflow(round % 3)
		cfg.Routing = buffer.Routing(round / 3 % 2)
		if round%5 == 0 {
			cfg.Key = func(item int) uint64 { return uint64(item % 13) }
		}
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for g := range 16 {
			producer := buf.Producer()
			wg.Go(func() {
				for i := 0; ; i++ {
					err := l.chance(background(), t, buf, producer)
					if errors.Is(err, errNoMore) || errors.Is(err, buffer.ErrClosed) {
						return
					}
					switch (g + i) % 64 {
					case 0:
						_ = buf.Flush(background())
					case 1:
						_, _ = buf.SyncFlush(background())
					case 2:
						lawful(t, buf)
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(int(3 * time.Millisecond))))
		errs := make([]error, 3)
		for i := range errs {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(background(), time.Duration(rand.IntN(int(10*time.Millisecond))))
				defer cancel()
				errs[i] = buf.Shutdown(ctx)
				assert.ErrorIs(t, buf.Insert(background(), 0), buffer.ErrClosed)
			})
		}
		wg.Wait()
		for _, err := range errs {
			assert.Equal(t, errs[0], err, "one answer for all")
		}
		l.balance(t, buf, errs[0])
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
		if errs[0] == nil {
			clean++
		} else {
			returned++
		}
	}
	t.Logf("%d ended with nothing left, %d gave items back", clean, returned)
	assert.Positive(t, returned)
}

func TestContentionTimerAgainstStop(t *testing.T) {
	// Intervals so short that a timer fires in about the moment of Shutdown.
	bounded(t)
	end := time.Now().Add(time.Second)
	if testing.Short() {
		end = time.Now().Add(time.Second / 4)
	}
	for time.Now().Before(end) {
		l := newLedger(5)
		cfg := busy(l, t, 0)
		cfg.Partitions = 1 + rand.IntN(3)
		cfg.FlushInterval = time.Duration(1 + rand.IntN(int(20*time.Microsecond)))
		cfg.FlushTimeout = cfg.FlushInterval
		cfg.FlushGrace = time.Minute
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		for _, item := range l.draw(5) {
			require.NoError(t, buf.Insert(background(), item))
			l.note(t, isAccepted, item)
		}
		for deadline := time.Now().Add(time.Duration(rand.IntN(int(20 * time.Microsecond)))); time.Now().Before(deadline); {
		}
		l.balance(t, buf, buf.Shutdown(background()))
	}
}
