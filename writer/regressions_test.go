package writer_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
