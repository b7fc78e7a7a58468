package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exported is what the test looks at of a span, or of the metrics.
type exported struct {
	Name        string
	SpanContext struct{ SpanID string }
	Parent      struct{ SpanID string }
	Links       []struct{ SpanContext struct{ SpanID string } }
	Events      []struct{ Name string }
	Attributes  []struct {
		Key   string
		Value struct{ Value any }
	}
	ScopeMetrics []struct{ Metrics []struct{ Name string } }
}

func (e exported) attribute(key string) any {
	for _, a := range e.Attributes {
		if a.Key == key {
			return a.Value.Value
		}
	}
	return nil
}

func TestItShowsSpansAndMetrics(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))

	spans := make(map[string][]exported)
	metrics := make(map[string]bool)
	for decoder := json.NewDecoder(&out); ; {
		var e exported
		err := decoder.Decode(&e)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		spans[e.Name] = append(spans[e.Name], e)
		for _, scope := range e.ScopeMetrics {
			for _, m := range scope.Metrics {
				metrics[m.Name] = true
			}
		}
	}

	require.Len(t, spans["insert events"], 4)
	require.Len(t, spans["flush events"], 2)
	first, last := spans["flush events"][0], spans["flush events"][1]
	assert.Equal(t, "size", first.attribute("databuffer.flush.trigger"))
	assert.Len(t, first.Links, 3, "to the three inserts")
	require.Len(t, first.Events, 1)
	assert.Equal(t, "attempt failed", first.Events[0].Name)
	assert.Equal(t, "shutdown", last.attribute("databuffer.flush.trigger"))
	assert.Equal(t, spans["GET /0"][0].SpanContext.SpanID, spans["insert events"][0].Parent.SpanID)
	calls := spans["INSERT INTO events"]
	require.Len(t, calls, 3)
	assert.Equal(t, first.SpanContext.SpanID, calls[0].Parent.SpanID)
	assert.Equal(t, first.SpanContext.SpanID, calls[1].Parent.SpanID)

	for _, name := range []string{"databuffer.item.accepted", "databuffer.item.processed", "databuffer.item.retried", "databuffer.batch.size", "databuffer.flush.duration"} {
		assert.Contains(t, metrics, name)
	}
}
