package partition

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// An insert that has found a partition full comes to Displace next. Shutdown may
// begin in between, which no test of a buffer can time.
func TestDisplaceRefusesOnceThePartitionIsClosed(t *testing.T) {
	recorder, err := telemetry.New(telemetry.Config{Name: "test"})
	require.NoError(t, err)
	p := New(context.Background(), Config[int]{
		Name: "test", MaxSize: 3, MaxInFlight: 1, Recorder: recorder, Anywhere: new(Waiters),
		Log:     NewLog(slog.New(slog.DiscardHandler), "test"),
		Flusher: flusher.Items(func(context.Context, []int) error { return nil }),
	})
	p.Close()
	offer := Offer[int]{Items: []int{1}}
	require.ErrorIs(t, p.Displace(&offer, trace.SpanContext{}), ErrClosed)
	require.ErrorIs(t, p.Accept(&offer, trace.SpanContext{}), ErrClosed)
	<-p.Stopped()
	require.ErrorIs(t, p.Displace(&offer, trace.SpanContext{}), ErrClosed)
	assert.Zero(t, p.Info().Counts.Accepted)
}
