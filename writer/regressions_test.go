package writer_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// What a deliberate fault went unnoticed with. Each test is named for what it
// proves.

func TestTheLastCallsOfEveryAreTheLast(t *testing.T) {
	// The last write ends at the very moment at which all are due. A loop that has
	// not seen the end yet must not call once more behind the last calls, when the
	// output may be closed already. On one processor everything that follows from the
	// end of the write comes before the loops.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []int
		var stopped atomic.Bool
		var callbacks []writer.Periodic
		order := make([]int, 8)
		for i := range order {
			order[i] = i
			callbacks = append(callbacks, writer.Every(time.Second, func(context.Context) error {
				assert.False(t, stopped.Load(), "called after Stop returned")
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, i)
				return nil
			}))
		}
		lastWrite := func(p []byte) (int, error) {
			time.Sleep(time.Second / 2)
			return len(p), nil
		}
		for range 50 {
			calls = nil
			stopped.Store(false)
			w, err := writer.New(newTape(t, lastWrite), config(), callbacks...)
			require.NoError(t, err)
			write(t, w, "aaa")
			time.Sleep(time.Second / 2)
			require.NoError(t, w.Stop(background()))
			stopped.Store(true)
			synctest.Wait()
			require.GreaterOrEqual(t, len(calls), len(order))
			require.Equal(t, order, calls[len(calls)-len(order):])
			if t.Failed() {
				return
			}
		}
	})
}

// What an output or a dead letter that a Stop has left behind does in the end is in
// Errors, as what a callback does.
func TestErrorsHasWhatIsLeftBehindByStop(t *testing.T) {
	for name, answer := range map[string]reply{
		"panic":       panics,
		"error":       fails(errors.New("late disk")),
		"short write": takes(1, nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				letGo := make(chan struct{})
				w := open(t, newTape(t, func(p []byte) (int, error) {
					<-letGo
					return answer(p)
				}), config())
				write(t, w, "aaa")
				require.ErrorIs(t, w.Stop(within(t, time.Second)), writer.ErrRunning)
				before := len(w.Errors())
				close(letGo)
				synctest.Wait()
				require.NoError(t, w.Start())
				require.Len(t, w.Errors(), before+1)
				assert.NotContains(t, w.LastError().Error(), "Stop left")
			})
		})
	}
	t.Run("dead letter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			letGo := make(chan struct{})
			cfg := config()
			cfg.DeadLetter = flusher.Func[[]byte](func(context.Context, flusher.Batch[[]byte]) error {
				<-letGo
				panic("late")
			})
			w := open(t, newTape(t, fails(flusher.Permanent(errors.New("disk")))), cfg)
			write(t, w, "aaa")
			require.ErrorIs(t, w.Stop(within(t, time.Second)), writer.ErrRunning)
			close(letGo)
			synctest.Wait()
			var late *flusher.PanicError
			require.ErrorAs(t, w.LastError(), &late)
		})
	})
}

// A Restart that comes after Close has no say in how long that waits.
func TestRestartDoesNotCutACloseShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		out := newTape(t, stuck(letGo))
		cfg := config()
		cfg.MaxBytes = 4
		w := open(t, out, cfg)
		write(t, w, "aaaa", "bbb")
		closed := make(chan error, 1)
		go func() { closed <- w.Close() }()
		synctest.Wait()
		require.Equal(t, buffer.ErrClosed, w.Restart(within(t, time.Second)))
		time.Sleep(time.Minute)
		close(letGo)
		require.NoError(t, <-closed)
		assert.Equal(t, "aaaabbb", out.String())
	})
}
