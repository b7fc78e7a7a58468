package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
)

var errDown = errors.New("the destination is down")

// What the weather at a destination can be.
const (
	calm    = iota
	flaky   // some attempts fail, some in part
	down    // all fail
	slow    // all take a while
	hostile // some panic, end their goroutine, or refuse for good
	stuck   // none returns before its context ends, or, where it is stubborn, long after
	weathers
)

// weather is a destination's, and changes at random.
type weather struct {
	stubborn time.Duration   // how long a stuck attempt goes on at most, whatever its context says; 0: it looks at it
	running  atomic.Int64    // calls
	reused   atomic.Int64    // calls whose slice changed under them
	slots    int64           // how many calls of a partition there may be at once; 0: it is not looked at
	crowded  atomic.Int64    // calls that were more
	at       [8]atomic.Int64 // calls of each partition

	mu    sync.Mutex // protects the fields below
	now   int
	until time.Time
}

// look is the weather of this moment.
func (w *weather) look() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := time.Now(); t.After(w.until) {
		if !w.until.IsZero() { // it begins calm
			w.now = rand.IntN(weathers)
		}
		w.until = t.Add(100*time.Millisecond + rand.N(900*time.Millisecond))
		if w.now == stuck {
			w.until = t.Add(rand.N(200 * time.Millisecond))
		}
	}
	return w.now
}

// sleep waits for d, or for the end of ctx, which it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// flushes is a Flusher in this weather. What it takes it gives to take, item by
// item, and only that.
func flushes[T comparable](w *weather, take func(T)) flusher.Func[T] {
	return func(ctx context.Context, batch flusher.Batch[T]) error {
		w.running.Add(1)
		defer w.running.Add(-1)
		if w.at[batch.Partition].Add(1) > w.slots && w.slots > 0 {
			w.crowded.Add(1)
		}
		defer w.at[batch.Partition].Add(-1)
		var failed []int
		switch w.look() {
		case flaky:
			switch rand.IntN(6) {
			case 0:
				return errDown
			case 1:
				return flusher.RetryAfter(errDown, rand.N(20*time.Millisecond))
			case 2, 3:
				for i := range batch.Items {
					if rand.IntN(8) == 0 {
						failed = append(failed, i)
					}
				}
			}
		case down:
			return errDown
		case slow:
			if err := sleep(ctx, rand.N(20*time.Millisecond)); err != nil {
				return err
			}
		case hostile:
			switch rand.IntN(10) {
			case 0:
				panic(errDown)
			case 1:
				runtime.Goexit()
			case 2:
				return flusher.Permanent(errDown)
			}
		case stuck:
			if w.stubborn == 0 {
				<-ctx.Done()
				return ctx.Err()
			}
			before := slices.Clone(batch.Items)
			time.Sleep(rand.N(w.stubborn))
			if !slices.Equal(before, batch.Items) {
				w.reused.Add(1)
			}
			if rand.IntN(2) == 0 {
				return errDown
			}
		}
		next := 0
		for i, item := range batch.Items {
			if next < len(failed) && failed[next] == i {
				next++
				continue
			}
			take(item)
		}
		switch {
		case len(failed) == 0:
			return nil
		case len(failed) == 1 || rand.IntN(2) == 0:
			return flusher.Partial(errDown, failed...)
		}
		return errors.Join(flusher.Partial(flusher.Permanent(errDown), failed[0]), flusher.Partial(flusher.RetryAfter(errDown, time.Millisecond), failed[1:]...))
	}
}

// settle waits for the calls that a Shutdown has left behind.
func (w *weather) settle() {
	for w.running.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}
