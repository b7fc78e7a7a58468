package service

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// The way over Kafka, in one process, with the stand-in for it: accepted means in
// the topic, and stored works as without it. After a restart all is there once.
func TestOverKafkaAsWithoutIt(t *testing.T) {
	folder := t.TempDir()
	r := start(t, "-data", folder, "-kafka", "embedded", "-flush-interval", "50ms")
	assert.Contains(t, r.log.String(), "stand-in for tests")
	code, body := r.do(http.MethodGet, "/readyz", "")
	assert.Equal(t, http.StatusOK, code, body)
	batch := "[" + strings.TrimSuffix(strings.Repeat(one+",", 50), ",") + "]"
	for range 10 {
		code, body := r.do(http.MethodPost, "/v1/readings", batch)
		require.Equal(t, http.StatusAccepted, code, body)
	}
	eventually(t, "partitions are assigned, and stored is known", func() bool {
		code, body := r.do(http.MethodPost, "/v1/readings?ack=stored", batch)
		require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, code, body)
		return code == http.StatusOK
	})
	count := func() (n int64) {
		var got aggregates
		r.get("/v1/aggregates?"+url.Values{"sensor": {"a"}, "from": {"2026-01-02T00:00:00Z"}, "to": {"2026-01-03T00:00:00Z"}}.Encode(), &got)
		for _, b := range got.Buckets {
			n += b.Count
		}
		return n
	}
	eventually(t, "all is consumed", func() bool { return count() == 550 })
	require.NoError(t, r.Stop(t.Context()))
	assert.Contains(t, r.log.String(), "all that was accepted is stored")

	r = start(t, "-data", folder, "-kafka", "embedded", "-flush-interval", "50ms")
	code, body = r.do(http.MethodPost, "/v1/readings", batch)
	require.Equal(t, http.StatusAccepted, code, body)
	eventually(t, "what comes later is consumed", func() bool { return count() == 600 })
	time.Sleep(100 * time.Millisecond)
	assert.Equal(t, int64(600), count(), "and nothing twice")
}

// picky refuses the readings of one sensor for good.
type picky struct{ store.Store }

func (p picky) Write(ctx context.Context, rows []store.Row) error {
	for _, row := range rows {
		if row.Sensor == "bad" {
			return flusher.Permanent(errors.New("of this sensor nothing is kept"))
		}
	}
	return p.Store.Write(ctx, rows)
}

// Without Kafka as with it, who sends what the store refuses is told not to repeat it.
func TestWithoutKafkaWhatTheStoreRefusesIsNotToBeSentAgain(t *testing.T) {
	r := startOver(t, func(s store.Store) store.Store { return picky{s} }, "-flush-interval", "50ms")
	code, body := r.do(http.MethodPost, "/v1/readings?ack=stored", `[{"sensor":"bad","value":1},{"sensor":"good","value":1}]`)
	require.Equal(t, http.StatusUnprocessableEntity, code, body)
	assert.Contains(t, body, "do not send them again")
	assert.NotContains(t, body, "dead letter")
	code, body = r.do(http.MethodPost, "/v1/readings?ack=stored", one)
	require.Equal(t, http.StatusOK, code, body)
	require.ErrorContains(t, r.Stop(t.Context()), "1 were refused by the store")
}

// What goes to the dead-letter topic is kept, and counts as that only.
func TestADeadLetterIsNotCountedAsDropped(t *testing.T) {
	r := startOver(t, func(s store.Store) store.Store { return picky{s} }, "-kafka", "embedded", "-flush-interval", "50ms")
	const bad = `[{"sensor":"bad","value":1},{"sensor":"good","value":1}]`
	var code int
	var body string
	eventually(t, "partitions are assigned", func() bool {
		code, body = r.do(http.MethodPost, "/v1/readings?ack=stored", bad)
		return code != http.StatusServiceUnavailable
	})
	require.Equal(t, http.StatusUnprocessableEntity, code, body)
	assert.Contains(t, body, "do not send them again")
	total := r.pipeline.Stats().Total
	assert.Equal(t, 1, total.DeadLettered)
	assert.Equal(t, 1, total.Delivered)
	assert.Zero(t, total.Dropped)
	require.NoError(t, r.Stop(t.Context()), "nothing is left")
}

// However long Kafka takes to say what became of readings, the connection is there
// for the answer.
func TestAnAnswerIsWaitedForAsLongAsKafkaMayTake(t *testing.T) {
	short := []string{"-read-timeout", "2s", "-stored-timeout", "5s", "-query-timeout", "5s", "-patience", "3s"}
	without := newServer(parse(t, short...), nil, slog.New(slog.DiscardHandler))
	assert.Equal(t, 2*time.Second+3*time.Second+5*time.Second+answerTime, without.WriteTimeout)
	with := newServer(parse(t, append(short, "-kafka", "embedded")...), nil, slog.New(slog.DiscardHandler))
	assert.Equal(t, 2*time.Second+3*time.Second+deliveryTimeout+answerTime, with.WriteTimeout)
}
