package writer

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
)

// Periodic is a function that a Writer calls again and again while it runs. Make
// it with Every or Beside, and give it to New.
type Periodic struct {
	interval time.Duration
	serial   bool // with the output's Write and each other
	most     int  // calls at once, where it is not serial
	do       func(context.Context) error
}

// Every has do called every d, and never at the same time as the output's Write
// or another Every: to commit, or to fsync, what was written. Writes are accepted
// meanwhile and wait to be written. A call that takes longer than d skips those
// that would have been due. Between two attempts at writing it may be called.
//
// It is called once more after the last write at Stop or Close, in the order
// given to New; where a Stop left a stuck output behind, when that has returned.
// Its ctx ends when the context of a Stop does, and never for Close.
//
// An error or a panic is in Errors, and in what the next Sync, and Stop or Close,
// return. do must not write to its own Writer, Sync or Close it, nor Stop or Restart
// it with another ctx than its own: it may wait for itself. With its own, Stop and
// Restart return buffer.ErrReentrant.
func Every(d time.Duration, do func(context.Context) error) Periodic {
	return Periodic{interval: d, serial: true, do: do}
}

// Beside has do called every d, whatever else runs, as a keep-alive is; at most
// so many at once, and where these are all busy, not this time.
//
// Its ctx ends when the context of a Stop does, and never for Close: Stop and
// Close wait for calls that run. An error or a panic is in Errors only, since it
// says nothing about what was written. do may write to its own Writer, but must
// not Close it, nor Stop or Restart it with another ctx than its own: it would wait
// for itself. With its own, Stop and Restart return buffer.ErrReentrant.
func Beside(d time.Duration, most int, do func(context.Context) error) Periodic {
	return Periodic{interval: d, most: most, do: do}
}

// String is the callback without its function.
func (c Periodic) String() string {
	if c.serial {
		return fmt.Sprintf("Every(%s)", c.interval)
	}
	return fmt.Sprintf("Beside(%s, %d)", c.interval, c.most)
}

// every calls c when it is due and has the turn, until nothing is left to be
// written.
func (r *run) every(ctx context.Context, c Periodic) {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-r.partition.Stopped():
			return
		}
		select {
		case r.turn <- struct{}{}:
			r.call(ctx, c)
			r.turn.give()
		case <-r.partition.Stopped():
			return
		}
	}
}

// beside calls c when it is due and not too busy, until nothing is left to be
// written.
func (r *run) beside(ctx context.Context, c Periodic) {
	ticker := time.NewTicker(c.interval)
	defer ticker.Stop()
	var busy atomic.Int64
	for {
		select {
		case <-ticker.C:
		case <-r.partition.Stopped():
			return
		}
		if busy.Load() == int64(c.most) {
			continue
		}
		busy.Add(1)
		r.besides.Go(func() {
			defer busy.Add(-1)
			r.call(ctx, c)
		})
	}
}

// call calls c in a goroutine of its own, which a runtime.Goexit may end, and
// waits for it.
func (r *run) call(ctx context.Context, c Periodic) {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		err := flusher.ErrGoexit
		defer func() {
			if value := recover(); value != nil {
				err = &flusher.PanicError{Value: value, Stack: debug.Stack()}
			}
			if err != nil {
				r.failures.called(c, err)
			}
		}()
		err = c.do(ctx)
	}()
	<-returned
}
