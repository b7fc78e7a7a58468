package writer

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
)

// An attempt that comes late, when Stop has given its bytes back already, must not
// write them, though nobody else has the turn.
func TestAnAttemptWhoseContextHasEndedWritesNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(buffer.ErrClosed)
	var written bytes.Buffer
	o := &serialOutput{to: &written, turn: make(turn, 1), failures: new(failures), cut: 3}
	for range 100 { // a select picks one of two at random
		require.ErrorIs(t, o.FlushPage(ctx, []byte("a"), []int{1}), buffer.ErrClosed)
	}
	assert.Empty(t, written.String())
	assert.Equal(t, 3, o.cut, "it is another attempt's")
	assert.Empty(t, o.turn)
}
