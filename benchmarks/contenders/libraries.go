package contenders

import (
	"context"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/MasterOfBinary/gobatch/batch"
	"github.com/MasterOfBinary/gobatch/source"
	globocom "github.com/globocom/go-buffer/v2"
	"github.com/samber/lo"
	"gocloud.dev/pubsub/batcher"
	"google.golang.org/api/support/bundler"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// The names of the libraries that any item fits.
const (
	Bundler = "google api bundler"
	Gocloud = "gocloud.dev batcher"
	Go2     = "globocom/go-buffer"
	Gobatch = "MasterOfBinary/gobatch"
	Lo      = "samber/lo BufferWithTimeout"
)

// calls is what most libraries do with a full batch, and no more.
const calls = "calls the sink: no timeout, no recovery, no retry, no count of outcomes"

// Libraries are those that any item fits.
func Libraries[T any](items *Items[T]) []measure.Contender {
	return []measure.Contender{bundled(items), gocloud(items), goBuffer(items), gobatch(items), buffered(items)}
}

// queue is how many items may wait: what ours holds at most, and in scenarios of
// small batches enough that nobody's producers wait for every one.
func queue(w measure.Work) int { return max(2*w.Partitions*w.MaxSize, 16_000) }

// interval is one that does not end within a run, unless the work has one.
func interval(w measure.Work) time.Duration {
	if w.Interval > 0 {
		return w.Interval
	}
	return time.Minute
}

func bundled[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: Bundler, Kind: measure.Library, Notes: []string{calls}, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		var example T
		b := bundler.NewBundler(example, func(batch any) { items.take(sink, batch.([]T)) })
		b.DelayThreshold = interval(w)
		b.BundleCountThreshold = w.MaxSize
		b.BundleByteThreshold = math.MaxInt
		b.BufferedByteLimit = queue(w) * bytes
		if w.Held {
			b.BufferedByteLimit = math.MaxInt
		}
		b.HandlerLimit = max(w.Handlers, 1)
		return measure.Load{
			Insert: func(_, n int) int {
				return items.each(n, func(item T) error { return b.AddWait(ctx, item, bytes) })
			},
			Close: func() error {
				b.Flush()
				return nil
			},
		}, nil
	}}
}

func gocloud[T any](items *Items[T]) measure.Contender {
	notes := []string{"a channel for each item tells of its outcome", "holds without bound what the sink does not take", "no interval", calls}
	return measure.Contender{Name: Gocloud, Kind: measure.Library, Notes: notes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		opts := &batcher.Options{MaxHandlers: max(w.Handlers, 1), MinBatchSize: w.MaxSize, MaxBatchSize: w.MaxSize}
		if w.Interval > 0 {
			opts.MinBatchSize = 1 // there is nothing between at once and full
		}
		b := batcher.New(reflect.TypeFor[T](), opts, func(batch any) error {
			items.take(sink, batch.([]T))
			return nil
		})
		return measure.Load{
			Insert: func(_, n int) int {
				for i := range n {
					b.AddNoWait(items.All[i&mask])
				}
				return n
			},
			Close: func() error {
				b.Shutdown()
				return nil
			},
		}, nil
	}}
}

func goBuffer[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: Go2, Kind: measure.Library, Notes: []string{"one batch at the sink at once", calls}, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		b := globocom.New(
			globocom.WithSize(uint(w.MaxSize)),
			globocom.WithFlushInterval(interval(w)),
			globocom.WithPushTimeout(time.Minute), globocom.WithFlushTimeout(time.Minute), globocom.WithCloseTimeout(time.Minute),
			globocom.WithFlusher(globocom.FlusherFunc(func(batch []any) { items.takeBoxed(sink, batch) })),
		)
		return measure.Load{
			Insert: func(_, n int) int { return items.each(n, func(item T) error { return b.Push(item) }) },
			Close:  b.Close,
		}, nil
	}}
}

func gobatch[T any](items *Items[T]) measure.Contender {
	notes := []string{"as many batches at the sink at once as come", calls}
	return measure.Contender{Name: Gobatch, Kind: measure.Library, Notes: notes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		in := make(chan any, queue(w))
		most := uint64(w.MaxSize)
		b := batch.New(batch.NewConstantConfig(&batch.ConfigValues{MinItems: most, MaxItems: most, MaxTime: interval(w)})).
			WithBufferConfig(batch.BufferConfig{ItemBufferSize: max(w.MaxSize, 100), IDBufferSize: max(w.MaxSize, 100)})
		batch.IgnoreErrors(b.Go(context.Background(), &source.Channel{Input: in, BufferSize: max(w.MaxSize, 100)}, processor[T]{items, sink}))
		return measure.Load{
			Insert: func(_, n int) int {
				for i := range n {
					in <- items.All[i&mask]
				}
				return n
			},
			Close: func() error {
				close(in)
				<-b.Done()
				return nil
			},
		}, nil
	}}
}

type processor[T any] struct {
	items *Items[T]
	sink  *measure.Sink
}

func (p processor[T]) Process(_ context.Context, batch []*batch.Item) ([]*batch.Item, error) {
	if p.items.See != nil {
		for _, item := range batch {
			p.items.See(item.Data.(T))
		}
	}
	p.sink.Take(len(batch))
	return batch, nil
}

func buffered[T any](items *Items[T]) measure.Contender {
	notes := []string{"reads a channel, with as many consumers as batches may be at the sink at once", calls}
	return measure.Contender{Name: Lo, Kind: measure.Library, Notes: notes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		in := make(chan T, queue(w))
		done := make(chan struct{})
		consumers := max(w.Handlers, 1)
		for range consumers {
			go func() {
				for more := true; more; {
					var batch []T
					if batch, _, _, more = lo.BufferWithTimeout(in, w.MaxSize, interval(w)); len(batch) > 0 {
						items.take(sink, batch)
					}
				}
				done <- struct{}{}
			}()
		}
		return measure.Load{
			Insert: func(_, n int) int {
				for i := range n {
					in <- items.All[i&mask]
				}
				return n
			},
			Close: func() error {
				close(in)
				for range consumers {
					<-done
				}
				return nil
			},
		}, nil
	}}
}

// Any are all contenders that any item fits.
func Any[T any](items *Items[T]) []measure.Contender {
	return slices.Concat(Routings(items),
		[]measure.Contender{Bare(items), Floor(items), BlockEach(items), FloorEach(items), OneBlock(items), OneFresh(items), Chan(items)},
		Libraries(items))
}

// All are all contenders.
func All[T any](items *Items[T]) []measure.Contender { return append(Any(items), Exporters()...) }
