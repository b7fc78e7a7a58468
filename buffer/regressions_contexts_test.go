package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// Contexts and causes that are odd: whatever a caller brings, nothing is lost, and
// nobody else is hurt.

// doneOnly is a context whose Done is closed while its Err is nil: a type that embeds
// one and has a Done of its own.
type doneOnly struct {
	context.Context
	done chan struct{}
}

func (c doneOnly) Done() <-chan struct{} { return c.done }

// forgetful is a context whose Err is not nil twice, and then nil: one that was reset
// for somebody else.
type forgetful struct {
	context.Context
	asked *atomic.Int32
}

func (c forgetful) Err() error {
	if c.asked.Add(1) <= 2 {
		return context.Canceled
	}
	return nil
}

// explosive is an error that panics when it is compared.
type explosive struct{}

func (explosive) Error() string { return "explosive" }
func (explosive) Is(error) bool { panic("compared") }

// cyclic is an error that wraps itself.
type cyclic struct{}

func (cyclic) Error() string   { return "cyclic" }
func (e cyclic) Unwrap() error { return e }

func TestInsertThatIsNotAcceptedIsNeverNil(t *testing.T) {
	t.Run("a context that forgets its end", func(t *testing.T) {
		buf := open(t, config(&sink{}))
		require.ErrorIs(t, buf.Insert(forgetful{background(), new(atomic.Int32)}, 1), context.Canceled)
		require.ErrorIs(t, buf.InsertBatch(forgetful{background(), new(atomic.Int32)}, []int{1}), context.Canceled)
		assert.Zero(t, lawful(t, buf).Accepted)
	})
	t.Run("a context that never says its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate()
			cfg := config(flusher.Func[int](g.answer))
			cfg.MaxSize = 1
			buf := open(t, cfg)
			insert(t, buf, 1)
			synctest.Wait()
			insert(t, buf, 2)
			ctx := doneOnly{background(), make(chan struct{})}
			close(ctx.done)
			require.ErrorIs(t, buf.Insert(ctx, 3), context.Canceled)
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Accepted)
			assert.Equal(t, 1, counts.Rejected)
			results, err := buf.SyncFlush(ctx)
			require.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, results[0].Err, context.Canceled)
			close(g.open)
		})
	})
}

func TestTheCauseOfAContextIsNotAsked(t *testing.T) {
	for name, cause := range map[string]error{"one that panics": explosive{}, "one that is endless": cyclic{}} {
		t.Run(name, func(t *testing.T) {
			buf := open(t, config(&sink{}))
			require.Error(t, buf.Insert(ended(cause), 1))
			require.Error(t, buf.InsertBatch(ended(cause), []int{1, 2}))
			assert.Equal(t, 3, lawful(t, buf).Rejected)
		})
		t.Run(name+", of Shutdown", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buf := open(t, config(flusher.Func[int](fails(errSink))))
				insert(t, buf, 1)
				require.Error(t, buf.Shutdown(ended(cause)))
				assert.Equal(t, 1, lawful(t, buf).Returned)
			})
		})
	}
	t.Run("a panic of Key", func(t *testing.T) {
		cfg := config(&sink{})
		cfg.Key = func(int) uint64 { panic(explosive{}) }
		buf := open(t, cfg)
		require.Error(t, buf.Insert(background(), 1))
		assert.Equal(t, 1, lawful(t, buf).Rejected)
	})
}

func TestTheEndOfAContextSaysWhatCameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		cfg := config(flusher.Func[int](g.answer))
		cfg.MaxSize = 1
		buf := open(t, cfg)
		assert.EqualError(t, buf.Insert(ended(errSink), 1),
			"databuffer: nothing was accepted, the insert's context had ended: context canceled: sink failed")
		insert(t, buf, 1)
		synctest.Wait()
		insert(t, buf, 2)
		ctx, cancel := context.WithTimeout(background(), time.Second)
		defer cancel()
		assert.EqualError(t, buf.Insert(ctx, 3),
			"databuffer: nothing was accepted, there was no room until the insert's context ended: context deadline exceeded")
		_, err := buf.SyncFlush(ctx)
		assert.EqualError(t, err, "databuffer: SyncFlush: nothing was begun: context deadline exceeded")
		close(g.open)
	})
}

// A Flusher that stands on another buffer hands on what that says: which is about
// items of its own.
func TestErrorsOfAnotherBufferSayNothingOfTheseItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := flusher.Partial(flusher.Permanent(errSink), 2, 3)
		calls := 0
		inner := open(t, func() buffer.Config[int] {
			cfg := config(flusher.Func[int](func(context.Context, flusher.Batch[int]) error {
				if calls++; calls == 2 {
					return bad
				}
				return nil
			}))
			cfg.MaxSize = 4
			return cfg
		}())
		dead := &sink{}
		cfg := config(flusher.Items(func(ctx context.Context, items []int) error {
			if err := inner.InsertBatch(ctx, items); err != nil {
				return err
			}
			_, err := inner.SyncFlush(ctx)
			return err
		}))
		cfg.DeadLetter, cfg.MaxSize = dead, 100
		outer := open(t, cfg)
		require.NoError(t, outer.InsertBatch(background(), upTo(9)))
		_, err := outer.SyncFlush(background())
		require.NoError(t, err)
		assert.Empty(t, dead.seen(), "2 and 3 of the second batch are not 2 and 3 of these")
		assert.Equal(t, 9, lawful(t, outer).Retried, "all of them, as nobody can tell which")
		assert.Equal(t, 2, lawful(t, inner).Dropped)
	})
	t.Run("but errors.Is and errors.As find everything", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			refused := &refusedError{"7"}
			buf := open(t, config(flusher.Func[int](fails(flusher.Permanent(fmt.Errorf("%w: %w", errSink, refused))))))
			insert(t, buf, 1)
			results, err := buf.SyncFlush(background())
			for _, err := range []error{err, results[0].Err} {
				require.ErrorIs(t, err, errSink)
				found, ok := errors.AsType[*refusedError](err)
				require.True(t, ok)
				assert.Same(t, refused, found)
			}
		})
	})
}

type refusedError struct{ code string }

func (e *refusedError) Error() string { return "refused with code " + e.code }
