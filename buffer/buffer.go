package buffer

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

// Buffer collects items in partitions and hands them to a Flusher in batches.
// Make it with New and end it with Shutdown. Its methods may be called from any
// goroutine.
type Buffer[T any] struct {
	// Read by every insert, and fixed by New.
	partitions []*partition.Partition[T]
	tracing    *atomic.Bool // the recorder's: an SDK wants spans
	mask       uint64       // len(partitions)-1, where that is a power of two less one
	divide     bool         // where it is not
	plain      bool         // items come without sizes, and are only appended
	inTurn     bool         // and are routed RoundRobin, without a Key

	// turn counts the inserts that were routed. It is written by every one of
	// them, so it has its cache lines to itself.
	_    [128]byte
	turn atomic.Uint64
	_    [128]byte

	cfg       Config[T]
	stored    bool // made by NewStored
	recorder  *telemetry.Recorder
	before    telemetry.Observation // what it had counted when this buffer began
	producers atomic.Uint64         // that were given out
	sticky    sync.Pool             // of *partition.Partition[T]: where a processor's last insert found room
	sorts     sync.Pool             // of *sorting[T]: for keyed batches
	anywhere  *partition.Waiters    // inserts that take room in any partition
	inside    *inside               // key in the context of the Flusher
	log       *partition.Log

	closing  sync.Once     // Shutdown has begun
	closed   atomic.Bool   // the same, for whoever only asks
	aborting sync.Once     // a caller's context has ended
	cause    error         // the end of that context; written by aborting
	finished chan struct{} // closed when nothing runs any more; result is final then
	result   error
}

// New makes a buffer and starts one goroutine for each partition. It does not
// block. The error joins one for every bad setting, each with its field, its
// value and what is allowed; nothing is started then.
func New[T any](cfg Config[T]) (*Buffer[T], error) { return build(cfg, nil) }

// build is New, with a shape for each partition where shape is not nil.
func build[T any](cfg Config[T], shape func(*partition.Config[T])) (*Buffer[T], error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	recorder, err := telemetry.New(telemetry.Config{
		Name:           cfg.Name,
		Sized:          cfg.SizeOf != nil,
		InsertSpans:    cfg.InsertSpans,
		Triggers:       triggers(),
		TracerProvider: cfg.TracerProvider,
		MeterProvider:  cfg.MeterProvider,
	})
	if err != nil {
		return nil, fmt.Errorf("databuffer: New: buffer %q: %w", cfg.Name, err)
	}
	return assemble(cfg, shape, recorder, telemetry.Observation{}), nil
}

// assemble makes and starts a buffer of settings that are checked and filled
// in.
func assemble[T any](cfg Config[T], shape func(*partition.Config[T]), recorder *telemetry.Recorder, before telemetry.Observation) *Buffer[T] {
	b := &Buffer[T]{
		partitions: make([]*partition.Partition[T], cfg.Partitions),
		plain:      cfg.SizeOf == nil && shape == nil,
		stored:     shape != nil,
		recorder:   recorder,
		before:     before,
		cfg:        cfg,
		anywhere:   new(partition.Waiters),
		inside:     new(inside),
		log:        partition.NewLog(cfg.Logger, cfg.Name),
		finished:   make(chan struct{}),
	}
	b.inTurn = b.plain && cfg.Key == nil && cfg.Routing == RoundRobin
	b.tracing = recorder.TracingFlag()
	b.mask = uint64(cfg.Partitions) - 1
	b.divide = b.mask&(b.mask+1) != 0
	b.turn.Store(^uint64(0)) // the first turn is partition 0's
	b.producers.Store(^uint64(0))
	b.start(shape)
	recorder.Observe(b.observe)
	return b
}

// start starts the partitions.
func (b *Buffer[T]) start(shape func(*partition.Config[T])) {
	var seed [8]byte
	rand.Read(seed[:]) // never fails
	ctx := context.WithValue(context.Background(), b.inside, true)
	for i := range b.partitions {
		cfg := partition.Config[T]{
			Name:          b.cfg.Name,
			Index:         i,
			Seed:          seed,
			Flusher:       b.cfg.Flusher,
			DeadLetter:    b.cfg.DeadLetter,
			Retry:         b.cfg.Retry,
			FlushMeta:     b.cfg.FlushMeta,
			MaxSize:       b.cfg.MaxSize,
			MaxSizeJitter: b.cfg.MaxSizeJitter,
			MaxBytes:      b.cfg.MaxBytes,
			MaxInFlight:   b.cfg.MaxInFlight,
			FlushInterval: b.cfg.FlushInterval,
			FlushJitter:   b.cfg.FlushJitter,
			FlushTimeout:  b.cfg.FlushTimeout,
			FlushGrace:    b.cfg.FlushGrace,
			Recorder:      b.recorder,
			Log:           b.log,
			Anywhere:      b.anywhere,
		}
		if shape != nil {
			shape(&cfg)
		}
		b.partitions[i] = partition.New(ctx, cfg)
	}
}
