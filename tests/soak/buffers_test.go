package soak

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// maxBurst is how many items a producer inserts at once at most.
const maxBurst = 64

// loadBytes is what an item holds, so that one too many of them is seen.
const loadBytes = 256

// item is what the buffers here hold.
type item struct {
	id   int64
	load *[loadBytes]byte
}

// station is something that producers feed.
type station interface {
	name() string
	burst()                   // a producer's turn
	sample(t *testing.T)      // what must hold at any moment
	bound() int               // the bytes that it may hold, the ledger's among them
	end(t *testing.T)         // shuts it down, and checks what became of each item
	counts() partition.Counts // so far
}

// buffers is a station with a buffer.
type buffers struct {
	cfg       buffer.Config[item]
	buf       *buffer.Buffer[item]
	producers []*buffer.Producer[item]
	pinned    bool // all inserts go through producers
	ledger    *ledger
	weather   weather
}

// open makes the station. Where stubborn is set, attempts outlive their timeout,
// and duplicates are possible; otherwise each item has its outcome exactly once.
func open(t *testing.T, cfg buffer.Config[item], stubborn time.Duration, deadLetter, pinned bool) *buffers {
	t.Helper()
	b := &buffers{ledger: newLedger(), pinned: pinned}
	b.weather.stubborn = stubborn
	take := func(kind int) func(item) {
		return func(i item) {
			if b.ledger.note(kind, i.id) && stubborn == 0 {
				t.Errorf("%s: item %d is taken twice", cfg.Name, i.id)
			}
		}
	}
	cfg.Flusher = flushes(&b.weather, take(delivered))
	if deadLetter {
		cfg.DeadLetter = flushes(&b.weather, take(deadLettered))
	}
	cfg.FlushInterval, cfg.FlushJitter = 5*time.Millisecond, 5*time.Millisecond
	cfg.FlushTimeout, cfg.FlushGrace = 50*time.Millisecond, time.Minute // nothing is abandoned, however slow the machine is
	if stubborn > 0 {
		cfg.FlushGrace = 5 * time.Millisecond
	}
	cfg.Retry.MinBackoff, cfg.Retry.MaxBackoff = time.Millisecond, 20*time.Millisecond
	cfg.Logger = slog.New(slog.DiscardHandler)
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = noop.NewMeterProvider()
	}
	cfg.Partitions, cfg.MaxInFlight = max(cfg.Partitions, 1), max(cfg.MaxInFlight, 1)
	b.cfg = cfg
	b.weather.slots = int64(cfg.MaxInFlight)
	if stubborn > 0 {
		b.weather.slots++ // one that was abandoned
	}
	var err error
	b.buf, err = buffer.New(cfg)
	require.NoError(t, err)
	for range 8 {
		b.producers = append(b.producers, b.buf.Producer())
	}
	return b
}

func (b *buffers) name() string { return b.cfg.Name }

func (b *buffers) counts() partition.Counts { return b.buf.Info().Total }

// burst inserts some items in one of the ways there are; half of the producers
// have no patience.
func (b *buffers) burst() {
	ctx := context.Background()
	if rand.IntN(2) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rand.N(20*time.Millisecond))
		defer cancel()
	}
	n := 1 + rand.IntN(maxBurst)
	first := b.ledger.draw(n)
	items := make([]item, n)
	for i := range items {
		items[i] = item{first + int64(i), new([loadBytes]byte)}
	}
	insert, insertBatch := b.buf.Insert, b.buf.InsertBatch
	if b.pinned || rand.IntN(4) == 0 {
		producer := b.producers[rand.IntN(len(b.producers))]
		insert, insertBatch = producer.Insert, producer.InsertBatch
	}
	if rand.IntN(2) == 0 {
		err := insertBatch(ctx, items)
		refused, some := errors.AsType[*buffer.PartialInsertError](err)
		for i, it := range items {
			if err == nil || some && !slices.Contains(refused.Rejected, i) {
				b.ledger.note(accepted, it.id)
			}
		}
	} else {
		for _, it := range items {
			if err := insert(ctx, it); err == nil {
				b.ledger.note(accepted, it.id)
			} else if !errors.Is(err, buffer.ErrFull) {
				break
			}
		}
	}
	switch rand.IntN(100) {
	case 0:
		_ = b.buf.Flush(ctx)
	case 1:
		_, _ = b.buf.SyncFlush(ctx)
	case 2:
		_ = b.buf.Dump()
	}
}

// most is how many items a partition holds at most.
func (b *buffers) most() int {
	return (b.cfg.MaxSize+b.cfg.MaxSizeJitter)*(1+b.cfg.MaxInFlight) + maxBurst
}

// bound counts also an abandoned batch a partition, slices that are kept to be
// used again, and what a producer holds.
func (b *buffers) bound() int {
	threshold := b.cfg.MaxSize + b.cfg.MaxSizeJitter + maxBurst
	items := b.cfg.Partitions * (b.most() + threshold)
	slots := b.cfg.Partitions * threshold * (3 + b.cfg.MaxInFlight) * 2 // append doubles
	return items*loadBytes + slots*int(unsafe.Sizeof(item{})) + b.ledger.bytes()
}

func (b *buffers) sample(t *testing.T) {
	for i, p := range b.buf.Info().Partitions {
		c := p.Counts
		lawful(t, b.cfg.Name, c)
		if held := c.Buffered + c.InFlight; held > b.most() {
			t.Errorf("%s: partition %d holds %d items, at most %d are promised", b.cfg.Name, i, held, b.most())
		}
	}
}

// lawful checks the conservation law, and that nothing is negative.
func lawful(t *testing.T, name string, c partition.Counts) {
	if c.Accepted != c.Buffered+c.InFlight+c.Delivered+c.DeadLettered+c.Dropped+c.Returned ||
		min(c.Buffered, c.InFlight, c.Delivered, c.DeadLettered, c.Dropped, c.Returned, c.Rejected, c.Retried, c.Abandoned) < 0 {
		t.Errorf("%s: the law does not hold: %+v", name, c)
	}
}

func (b *buffers) end(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	b.shutdown(ctx, t)
}

// shutdown ends the station, and balances its ledger.
func (b *buffers) shutdown(ctx context.Context, t *testing.T) {
	err := b.buf.Shutdown(ctx)
	counts := b.buf.Info().Total
	b.weather.settle()
	b.sample(t)
	assert.Zero(t, b.weather.reused.Load(), "%s: slices used again before their attempt returned", b.cfg.Name)
	assert.Zero(t, b.weather.crowded.Load(), "%s: more calls at once than promised", b.cfg.Name)
	assert.Equal(t, counts, b.buf.Info().Total, "nothing changes after Shutdown")

	s := b.ledger.sums()
	undelivered, inDoubt := 0, 0
	if err != nil {
		left, ok := errors.AsType[*buffer.ShutdownError[item]](err)
		require.True(t, ok, "%v", err)
		for _, it := range left.Undelivered {
			if !b.ledger.has(accepted, it.id) || b.ledger.has(delivered, it.id) || b.ledger.has(deadLettered, it.id) {
				if b.weather.stubborn == 0 {
					t.Errorf("%s: item %d comes back, and is elsewhere too", b.cfg.Name, it.id)
				}
				continue
			}
			undelivered++
		}
		for _, it := range left.InDoubt {
			if !b.ledger.has(delivered, it.id) && !b.ledger.has(deadLettered, it.id) {
				inDoubt++
			}
		}
		assert.Equal(t, counts.Returned, len(left.Undelivered)+len(left.InDoubt))
	}
	assert.Equal(t, s.accepted, counts.Accepted, "%s: accepted", b.cfg.Name)
	assert.Zero(t, s.phantoms, "%s: taken and not accepted", b.cfg.Name)
	assert.Zero(t, counts.Buffered+counts.InFlight)
	dropped := s.neither - undelivered - inDoubt
	if b.weather.stubborn > 0 { // an attempt that was abandoned may have taken its items, whatever became of them
		assert.LessOrEqual(t, counts.Delivered, s.delivered, b.cfg.Name)
		assert.LessOrEqual(t, counts.DeadLettered, s.deadLettered, b.cfg.Name)
		assert.LessOrEqual(t, dropped, counts.Dropped, "%s: lost in silence", b.cfg.Name)
		return
	}
	assert.Equal(t, s.delivered, counts.Delivered, "%s: delivered", b.cfg.Name)
	assert.Equal(t, s.deadLettered, counts.DeadLettered, "%s: dead-lettered", b.cfg.Name)
	assert.Equal(t, dropped, counts.Dropped, "%s: dropped", b.cfg.Name)
	assert.Zero(t, s.both, "%s: with two outcomes", b.cfg.Name)
	assert.Zero(t, inDoubt, "%s: in doubt", b.cfg.Name)
}

// fleeting has a buffer live for a moment, with settings drawn at random, and
// ends it in the middle of everything.
func fleeting(t *testing.T) {
	pick := func(values ...int) int { return values[rand.IntN(len(values))] }
	cfg := buffer.Config[item]{
		Name: "fleeting", Partitions: pick(1, 2, 4), MaxSize: pick(1, 3, 20), MaxSizeJitter: pick(0, 5), MaxInFlight: pick(1, 3),
		Overflow: buffer.Overflow(rand.IntN(3)), Routing: buffer.Routing(rand.IntN(2)),
		Retry: flusher.Retry{MaxAttempts: pick(0, -1, 1, 3), Bisect: rand.IntN(2) == 0},
	}
	if rand.IntN(3) == 0 {
		cfg.Key = func(i item) uint64 { return uint64(i.id % 11) }
	}
	stubborn := time.Duration(pick(0, 0, 1)) * 80 * time.Millisecond
	b := open(t, cfg, stubborn, rand.IntN(2) == 0, rand.IntN(3) == 0)
	done := make(chan struct{})
	const producers = 8
	for range producers {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 1 + rand.IntN(10) {
				b.burst()
			}
		}()
	}
	time.Sleep(rand.N(20 * time.Millisecond))
	ctx, cancel := context.WithTimeout(context.Background(), rand.N(100*time.Millisecond))
	defer cancel()
	_ = b.buf.Shutdown(ctx)
	for range producers {
		<-done
	}
	b.shutdown(ctx, t) // the same answer again
}
