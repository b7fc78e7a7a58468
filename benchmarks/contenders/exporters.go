package contenders

import (
	stdbytes "bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v9/esutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// The names of the libraries that batch items of their own kind only.
const (
	BulkIndexer        = "elastic BulkIndexer"
	BatchSpanProcessor = "otel BatchSpanProcessor, blocking"
)

// Exporters are the libraries that batch items of their own kind only.
func Exporters() []measure.Contender { return []measure.Contender{bulkIndexer(), spanProcessor()} }

// document is what is indexed, 32 bytes; what Elasticsearch wants before each is
// 13 with the end of the line, and one ends the document's.
var document = []byte(`{"message":"abcdefghijklmnopqr"}`)

const encoded = len(`{"index":{}}`+"\n") + bytes + len("\n")

func bulkIndexer() measure.Contender {
	notes := []string{"encodes: writes the request's body, with a line before each item", "closes batches by their bytes", "no timeout, no recovery and no retry of its own"}
	return measure.Contender{Name: BulkIndexer, Kind: measure.Library, Notes: notes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
			Client:              transport{sink},
			NumWorkers:          w.Handlers, // 0: as many as processors
			FlushBytes:          w.MaxSize*encoded + 1,
			FlushInterval:       interval(w),
			QueueSizeMultiplier: w.MaxSize,
		})
		if err != nil {
			return measure.Load{}, err
		}
		return measure.Load{
			Insert: func(_, n int) (accepted int) {
				for range n {
					item := esutil.BulkIndexerItem{Action: "index", Body: stdbytes.NewReader(document)}
					if indexer.Add(ctx, item) == nil {
						accepted++
					}
				}
				return accepted
			},
			Close: func() error { return indexer.Close(context.Background()) },
		}, nil
	}}
}

// transport answers like Elasticsearch where everything went well and nobody
// asked about single items.
type transport struct{ sink *measure.Sink }

func (t transport) Perform(req *http.Request) (*http.Response, error) {
	size, err := io.Copy(io.Discard, req.Body)
	if err != nil {
		return nil, err
	}
	t.sink.Take(int(size) / encoded)
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(stdbytes.NewReader([]byte(`{"took":1,"errors":false,"items":[]}`))),
	}, nil
}

func spanProcessor() measure.Contender {
	notes := []string{"is given the same finished span each time: making spans is not counted", "one batch at the sink at once", "no recovery, no retry"}
	return measure.Contender{Name: BatchSpanProcessor, Kind: measure.Library, Notes: notes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		processor := sdktrace.NewBatchSpanProcessor(exporter{sink},
			sdktrace.WithBlocking(),
			sdktrace.WithMaxQueueSize(queue(w)),
			sdktrace.WithMaxExportBatchSize(w.MaxSize),
			sdktrace.WithBatchTimeout(interval(w)),
			sdktrace.WithExportTimeout(time.Minute),
		)
		span := tracetest.SpanStub{
			Name: "item",
			SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
			}),
		}.Snapshot()
		return measure.Load{
			Insert: func(_, n int) int {
				for range n {
					processor.OnEnd(span)
				}
				return n
			},
			Close: func() error { return processor.Shutdown(context.Background()) },
		}, nil
	}}
}

type exporter struct{ sink *measure.Sink }

func (e exporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.sink.Take(len(spans))
	return nil
}

func (e exporter) Shutdown(context.Context) error { return nil }
