package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// Config is what a Pipeline is made of. Store is required; for the others zero
// is the default given here.
type Config struct {
	Store store.Store

	Partitions    int             // default 4
	MaxSize       int             // readings of a batch; default 10,000
	MaxInFlight   int             // batches of one partition that are written at once; default 1
	FlushInterval time.Duration   // how long a reading waits for its batch to fill; default 1 s
	WriteTimeout  time.Duration   // of one attempt at a batch; default 30 s
	Overflow      buffer.Overflow // what Insert does where there is no room; default Block
	Retry         flusher.Retry   // default: without end, from 100 ms to 5 s apart

	// Rejected takes readings that the store refused for good, or that made it
	// panic. The slice is read-only, and valid until Rejected returns; an error
	// has it called again, 5 times in all. Default: they are counted and logged.
	Rejected func(ctx context.Context, items []Item, cause error) error

	TracerProvider trace.TracerProvider // default: OpenTelemetry's globals
	MeterProvider  metric.MeterProvider
	Logger         *slog.Logger // default slog.Default()
}

// The name of the buffer, and the defaults of Config. With these it holds 80,000
// readings, 9 MB, which is what comes in half a second at 160,000 a second: a
// store may pause for so long without anybody noticing.
const (
	Name                 = "readings"
	DefaultPartitions    = 4
	DefaultMaxSize       = 10_000
	DefaultFlushInterval = time.Second
	DefaultWriteTimeout  = 30 * time.Second
	defaultMaxBackoff    = 5 * time.Second
)

// Pipeline takes items into a buffer and writes them to a store. Make it with
// New and end it with Shutdown. Its methods may be called from any goroutine.
type Pipeline struct {
	buffer   *buffer.Buffer[Item]
	store    store.Store
	timeout  time.Duration
	rejected func(ctx context.Context, items []Item, cause error) error
	logger   *slog.Logger
	inFlight int // Config.MaxInFlight
	// lastRejection is the last attempt that the buffer gives a dead letter.
	lastRejection int

	// turn is held while inserting. A buffer lets those that wait in as it
	// happens; a channel lets its senders in one after another, so that none
	// waits much longer than the others.
	turn    chan struct{}
	waiting atomic.Int64 // for turn, or with it for room
	missed  atomic.Int64 // items whose ctx ended before their turn

	rows   rowsPool
	recent recent
	trackers
}

// New starts a pipeline. The error joins one for every bad setting. The store
// stays the caller's: it is to be closed after Shutdown.
func New(cfg Config) (*Pipeline, error) {
	if cfg.Store == nil {
		return nil, errors.New("pipeline: Store is nil: it is required")
	}
	if cfg.WriteTimeout < 0 {
		return nil, errors.New("pipeline: WriteTimeout is negative: allowed are 0, the default, and more")
	}
	p := &Pipeline{
		store:    cfg.Store,
		timeout:  defaulted(cfg.WriteTimeout, DefaultWriteTimeout),
		rejected: cfg.Rejected,
		logger:   defaulted(cfg.Logger, slog.Default()),
		inFlight: defaulted(cfg.MaxInFlight, 1),
		turn:     make(chan struct{}, 1),
		trackers: trackers{running: make(map[*attempt]struct{})},
	}
	if cfg.Retry.MaxBackoff == 0 {
		cfg.Retry.MaxBackoff = max(defaultMaxBackoff, cfg.Retry.MinBackoff)
	}
	if cfg.Retry.MaxAttempts == 0 {
		cfg.Retry.MaxAttempts = -1 // though there is a DeadLetter: it is for what is permanent
	}
	p.lastRejection = cfg.Retry.DeadLetterLimit()
	// A store refuses a batch for good where one row is to blame, and has stored
	// nothing of it then.
	cfg.Retry.Bisect = true
	var err error
	p.buffer, err = buffer.New(buffer.Config[Item]{
		Name:          Name,
		Flusher:       flusher.Func[Item](p.write),
		DeadLetter:    flusher.Func[Item](p.reject),
		Partitions:    defaulted(cfg.Partitions, DefaultPartitions),
		MaxSize:       defaulted(cfg.MaxSize, DefaultMaxSize),
		MaxInFlight:   p.inFlight,
		FlushInterval: defaulted(cfg.FlushInterval, DefaultFlushInterval),
		// The write has a timeout of its own, and a store ends when its context
		// does. An attempt that is abandoned could tell a Tracker twice.
		FlushTimeout:   -1,
		Overflow:       cfg.Overflow,
		Retry:          cfg.Retry,
		InsertSpans:    buffer.SpanChild,
		TracerProvider: cfg.TracerProvider,
		MeterProvider:  cfg.MeterProvider,
		Logger:         p.logger,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func defaulted[T comparable](value, other T) T {
	var zero T
	if value == zero {
		return other
	}
	return value
}

// Insert accepts all items or none; the slice is copied. With Overflow Block it
// waits for room, in the order of the calls. Its errors are buffer.ErrFull (with
// Overflow Reject), buffer.ErrClosed after Shutdown was called, and the end of
// ctx (errors.Is finds ctx.Err() and its cause).
func (p *Pipeline) Insert(ctx context.Context, items []Item) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		p.missed.Add(int64(len(items)))
		return errors.Join(ctx.Err(), context.Cause(ctx))
	}
	defer func() { <-p.turn }()
	return p.buffer.InsertBatch(ctx, items)
}

// Flush has what was accepted written soon, without waiting for its batch to
// fill: at once where nothing is being written, else after that, together with
// what is accepted meanwhile. It does not block.
func (p *Pipeline) Flush(ctx context.Context) error { return p.buffer.Flush(ctx) }

// Sync flushes, and blocks until all that was accepted before the call has its
// outcome, or ctx ends.
func (p *Pipeline) Sync(ctx context.Context) error {
	_, err := p.buffer.SyncFlush(ctx)
	return err
}

// Shutdown refuses inserts and writes what was accepted. It blocks until all of
// it has its outcome, or ctx ends: then the error is a *buffer.ShutdownError[Item],
// and the Trackers of what is left have been told so. It may be called again, and
// has the same answer then. The store is not touched after it.
func (p *Pipeline) Shutdown(ctx context.Context) error {
	p.close()
	err := p.buffer.Shutdown(ctx)
	p.over.Do(func() { p.tellLeft(err) })
	return err
}

// rowsPool keeps the slices in which items become rows.
type rowsPool struct{ pool sync.Pool }

func (r *rowsPool) get() *[]store.Row {
	if rows, ok := r.pool.Get().(*[]store.Row); ok {
		return rows
	}
	return new([]store.Row)
}

func (r *rowsPool) put(rows *[]store.Row) {
	clear(*rows) // the names in them are not to be held
	*rows = (*rows)[:0]
	r.pool.Put(rows)
}
