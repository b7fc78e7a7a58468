package buffer

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// The defaults of Config.
const (
	defaultPartitions    = 1
	defaultMaxSize       = 5000
	defaultFlushInterval = 10 * time.Second
	defaultFlushTimeout  = 60 * time.Second
	defaultFlushGrace    = time.Second
	defaultMaxInFlight   = 1

	// A batch's ID has 16 bits for the partition.
	maxPartitions = 1 << 16
)

// Config is what a buffer is made of. Name and Flusher are required; for all
// others zero is the default that is given here. A negative value turns off
// what can be off and is an error elsewhere. New checks every setting and
// changes none.
type Config[T any] struct {
	// Name tells this buffer from others: in spans, metrics, logs, errors and in
	// each Batch. Make it unique per MeterProvider: OpenTelemetry sums two buffers
	// of one name. Required.
	Name string

	// Flusher takes the batches. It is called from several goroutines at once,
	// one for each partition (times MaxInFlight); flusher.Flusher is the
	// contract. Required.
	Flusher flusher.Flusher[T]

	// Partitions is how many batches are filled side by side, each with a lock
	// and a goroutine of its own. More partitions mean less contention between
	// inserts and more flushes at once, and smaller or later batches; the order
	// accepted is kept within each. Default 1, at most 65,536.
	Partitions int

	// MaxSize is the threshold of a batch in items: the insert that reaches it
	// hands the batch over, and does not wait for the flush. No batch is larger,
	// but for MaxSizeJitter. Default 5000.
	MaxSize int

	// MaxSizeJitter is added to MaxSize: 0 to so many items, drawn anew for each
	// batch, so that partitions which fill alike do not flush in step.
	// Default 0.
	MaxSizeJitter int

	// MaxBytes is the threshold of a batch in bytes, by SizeOf, which it
	// requires. A batch never exceeds it: an item that does not fit closes the
	// batch before it, and one that is larger by itself is ErrTooLarge.
	// Default, and if negative: off.
	MaxBytes int

	// SizeOf tells the size of an item in bytes, for MaxBytes and for the metric
	// databuffer.queue.memory.usage. It is called once for each item, by the
	// goroutine that inserts, before the item is accepted; a panic in it, or a
	// negative size, is that insert's error. Default none.
	SizeOf func(T) int

	// FlushInterval, with FlushJitter, is how long an item waits at most for its
	// batch to fill: the time from a batch's first item until the batch is due. An
	// empty partition never flushes. Default 10 s; negative: off, so that a batch
	// that does not fill waits for Flush, SyncFlush or Shutdown.
	FlushInterval time.Duration

	// FlushJitter is added to FlushInterval: 0 to so much, drawn anew for each
	// batch. Default a fifth of FlushInterval; negative: none.
	FlushJitter time.Duration

	// FlushTimeout ends the context of one attempt, with flusher.ErrTimeout as
	// its cause. Default 60 s; negative: none, and a Flusher that does not return
	// holds its partition until Shutdown.
	FlushTimeout time.Duration

	// FlushGrace is how long a Flusher may take to return after its context has
	// ended. Then the attempt is abandoned, and its batch retried. It is also
	// what Shutdown waits after it has cancelled the attempts. Default 1 s.
	FlushGrace time.Duration

	// FlushMeta is handed to the Flusher as Batch.Meta. Default nil.
	FlushMeta any

	// MaxInFlight is how many batches of one partition may be at the Flusher at
	// once, counted until each of their items has its outcome, the dead letter's
	// attempts included. With 1, the default, the order accepted is kept; more
	// hides the latency of a slow destination.
	MaxInFlight int

	// Overflow is what an insert does that finds no room: Block, the default,
	// Reject or DropOldest.
	Overflow Overflow

	// Routing chooses the partition of an insert: RoundRobin, the default, or
	// Sticky. Key overrides it, and a Producer has a partition of its own.
	Routing Routing

	// Key, where it is set, chooses the partition: items of equal key go to the
	// same one, in order. The value is mixed first, so that consecutive ids
	// spread; Hash makes one of any comparable value. It is called once for each
	// item, by the goroutine that inserts, also where its ctx has ended; a panic in
	// it is that insert's error. Keyed inserts wait for their own partition only. Default none.
	Key func(T) uint64

	// Retry is how failed batches are tried again: by default without end, from
	// 100 ms to 30 s apart, so that a failing destination becomes backpressure
	// and not loss.
	Retry flusher.Retry

	// DeadLetter takes what was given up: batches, and items that a Partial has
	// named, that failed with flusher.Permanent, a panic or a runtime.Goexit, or
	// whose attempts are used up. It is run like the Flusher, with Batch.Cause set. What it fails to take is dropped, counted
	// and logged. Default none: what is given up is dropped.
	DeadLetter flusher.Flusher[T]

	// InsertSpans says which inserts emit a span while an OpenTelemetry SDK is
	// there: SpanAlways, the default, SpanChild or SpanNever.
	InsertSpans SpanMode

	// TracerProvider and MeterProvider are where spans and metrics go. Default:
	// OpenTelemetry's globals, also where they are set only later.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider

	// Logger is told of items that are dropped or given up and of attempts that
	// are abandoned; see the package documentation. A DeadLetter that reports what
	// it is given may do without: slog.New(slog.DiscardHandler). Default
	// slog.Default().
	Logger *slog.Logger
}

// Overflow is what an insert does that finds no room in any partition that it
// may go to.
type Overflow uint8

const (
	// Block waits for room, for Shutdown, or for the end of the insert's context.
	Block Overflow = iota
	// Reject returns ErrFull at once.
	Reject
	// DropOldest drops the oldest filled batch that waits to be flushed, and takes
	// the new item. The loss is counted and logged.
	DropOldest
)

// String is the name of the policy.
func (o Overflow) String() string { return name(o, "Block", "Reject", "DropOldest") }

// Routing is how the partition of an insert is chosen where there is no Key.
type Routing uint8

const (
	// RoundRobin goes through the partitions item by item, exactly in turn; an
	// InsertBatch is one turn.
	RoundRobin Routing = iota
	// Sticky keeps a processor at one partition while that has room: the fastest
	// from many goroutines. Batches then fill one after another rather than side
	// by side.
	Sticky
)

// String is the name of the routing.
func (r Routing) String() string { return name(r, "RoundRobin", "Sticky") }

// SpanMode says which inserts emit a span.
type SpanMode = telemetry.SpanMode

const (
	// SpanAlways gives every insert a span.
	SpanAlways = telemetry.SpanAlways
	// SpanChild gives a span to inserts inside a recording span.
	SpanChild = telemetry.SpanChild
	// SpanNever gives no insert a span; flush spans then link the callers' spans.
	SpanNever = telemetry.SpanNever
)

func name[E ~uint8](e E, names ...string) string {
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("%s(%d)", reflect.TypeFor[E]().Name(), uint8(e))
}

// problems collects what is wrong with a Config.
type problems []error

func (p *problems) add(field, value any, allowed string) {
	*p = append(*p, fmt.Errorf("%s is %v: %s", field, value, allowed))
}

// check returns an error that joins one for each bad setting, with its field,
// its value, and what is allowed.
func (cfg *Config[T]) check() error {
	var bad problems
	if cfg.Name == "" {
		bad.add("Name", `""`, "it is required; give each buffer a name of its own")
	}
	if missing(cfg.Flusher) {
		value := "nil"
		if cfg.Flusher != nil {
			value = "a nil " + reflect.TypeOf(cfg.Flusher).String()
		}
		bad.add("Flusher", value, "it is required; use flusher.Items(write), flusher.Func[T](flush) or a type of your own, of something that is not nil")
	}
	if cfg.DeadLetter != nil && missing(cfg.DeadLetter) {
		bad.add("DeadLetter", "a nil "+reflect.TypeOf(cfg.DeadLetter).String(), "leave it out, or give it a function")
	}
	notNegative := func(field string, value int) {
		if value < 0 {
			bad.add(field, value, "it must be positive, or 0 for the default")
		}
	}
	notNegative("Partitions", cfg.Partitions)
	if cfg.Partitions > maxPartitions {
		bad.add("Partitions", cfg.Partitions, fmt.Sprintf("it must be at most %d; a few times GOMAXPROCS is plenty", maxPartitions))
	}
	notNegative("MaxSize", cfg.MaxSize)
	notNegative("MaxSizeJitter", cfg.MaxSizeJitter)
	notNegative("MaxInFlight", cfg.MaxInFlight)
	if cfg.MaxBytes > 0 && cfg.SizeOf == nil {
		bad.add("MaxBytes", cfg.MaxBytes, "it requires SizeOf, which is nil")
	}
	if cfg.FlushGrace < 0 {
		bad.add("FlushGrace", cfg.FlushGrace, "it must be positive, or 0 for the default of 1s")
	}
	if cfg.Overflow > DropOldest {
		bad.add("Overflow", cfg.Overflow, "it must be Block, Reject or DropOldest")
	}
	if cfg.Routing > Sticky {
		bad.add("Routing", cfg.Routing, "it must be RoundRobin or Sticky")
	}
	if cfg.InsertSpans > SpanNever {
		bad.add("InsertSpans", cfg.InsertSpans, "it must be SpanAlways, SpanChild or SpanNever")
	}
	if err := cfg.Retry.Validate(); err != nil {
		bad = append(bad, err)
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("databuffer: New: bad settings for buffer %q:\n%w", cfg.Name, errors.Join(bad...))
}

// missing tells whether f is nil, or a nil function in a Flusher's clothes.
func missing[T any](f flusher.Flusher[T]) bool {
	if f == nil {
		return true
	}
	switch v := reflect.ValueOf(f); v.Kind() {
	case reflect.Func, reflect.Pointer, reflect.Map, reflect.Chan, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}

// withDefaults is the Config with every default filled in, and with zero for
// all that is off.
func (cfg Config[T]) withDefaults() Config[T] {
	cfg.Partitions = orDefault(cfg.Partitions, defaultPartitions)
	cfg.MaxSize = orDefault(cfg.MaxSize, defaultMaxSize)
	cfg.MaxBytes = max(cfg.MaxBytes, 0)
	cfg.MaxInFlight = orDefault(cfg.MaxInFlight, defaultMaxInFlight)
	cfg.FlushInterval = max(orDefault(cfg.FlushInterval, defaultFlushInterval), 0)
	cfg.FlushJitter = max(orDefault(cfg.FlushJitter, cfg.FlushInterval/5), 0)
	cfg.FlushTimeout = max(orDefault(cfg.FlushTimeout, defaultFlushTimeout), 0)
	cfg.FlushGrace = orDefault(cfg.FlushGrace, defaultFlushGrace)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg
}

func orDefault[N int | time.Duration](value, byDefault N) N {
	if value == 0 {
		return byDefault
	}
	return value
}

// triggers are the names that the flush telemetry takes.
func triggers() []string {
	names := make([]string, flusher.Shutdown+1)
	for i := range names {
		names[i] = flusher.Trigger(i).String()
	}
	return names
}
