package writer_test

import (
	"context"
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
	// Stop comes at the very moment at which both are due. A loop that has not seen
	// the end yet must not call once more behind the last calls, when the output may
	// be closed already.
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var calls []string
		var stopped atomic.Bool
		record := func(name string) func(context.Context) error {
			return func(context.Context) error {
				assert.False(t, stopped.Load(), "%s is called after Stop returned", name)
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, name)
				return nil
			}
		}
		for range 2000 {
			calls = nil
			stopped.Store(false)
			w, err := writer.New(newTape(t), config(), writer.Every(time.Second, record("first")), writer.Every(time.Second, record("second")))
			require.NoError(t, err)
			time.Sleep(time.Second)
			require.NoError(t, w.Stop(background()))
			stopped.Store(true)
			mu.Lock()
			require.GreaterOrEqual(t, len(calls), 2)
			require.Equal(t, []string{"first", "second"}, calls[len(calls)-2:], "of %v", calls)
			mu.Unlock()
			synctest.Wait()
			if t.Failed() {
				return
			}
		}
	})
}
