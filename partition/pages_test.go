package partition

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// pageFunc is a function as a PageFlusher.
type pageFunc func(page []byte, ends []int) error

func (flush pageFunc) FlushPage(_ context.Context, page []byte, ends []int) error {
	return flush(page, ends)
}

// paged is a partition of pages, which go to first, and when that fails to then,
// with what else is to be set.
func paged(t *testing.T, most int, first pageFunc, then flusher.Func[[]byte], set ...func(*Config[[]byte])) *Partition[[]byte] {
	t.Helper()
	recorder, err := telemetry.New(telemetry.Config{Name: "test"})
	require.NoError(t, err)
	cfg := Config[[]byte]{
		Name: "test", MaxSize: most, MaxBytes: most, MaxInFlight: 1, Pages: first, Flusher: then,
		Recorder: recorder, Anywhere: new(Waiters), Log: NewLog(slog.New(slog.DiscardHandler), "test"),
	}
	for _, set := range set {
		set(&cfg)
	}
	p := New(context.Background(), cfg)
	t.Cleanup(func() {
		p.Close()
		<-p.Stopped()
	})
	return p
}

// put inserts items as a writer does, and tells how many went the short way.
func put(t *testing.T, p *Partition[[]byte], items ...string) (short int) {
	t.Helper()
	for _, item := range items {
		item := []byte(item)
		if reserved(p, item) {
			short++
			continue
		}
		require.NoError(t, p.Accept(&Offer[[]byte]{Items: [][]byte{item}, Sizes: []int{len(item)}}, trace.SpanContext{}))
	}
	return short
}

// reserved is the short way alone.
func reserved(p *Partition[[]byte], item []byte) bool {
	if len(item) == 0 {
		return false
	}
	p.Lock()
	defer p.Unlock()
	return copy(p.Reserve(len(item)), item) > 0
}

func TestPagesKeepTheBytesOfABatchInOnePiece(t *testing.T) {
	var got []string
	p := paged(t, 20, func(page []byte, ends []int) error {
		start := 0
		for _, end := range ends {
			got = append(got, string(page[start:end]))
			start = end
		}
		assert.Len(t, page, start)
		return nil
	}, nil)
	assert.Equal(t, 1, put(t, p, "first", "", "third", "4"), "the first of a page goes the long way, and where the ends have no room")
	dump := p.Dump()
	require.Len(t, dump, 4)
	assert.Equal(t, "third", string(dump[2]))
	assert.Equal(t, 11, p.Info().Bytes)
	put(t, p, strings.Repeat("x", 9)) // to the last byte
	_, reached := p.Wait(t.Context(), must(p.Sync()))
	require.True(t, reached)
	assert.Equal(t, []string{"first", "", "third", "4", "xxxxxxxxx"}, got)
	assert.Equal(t, 5, p.Info().Counts.Delivered)
}

func must(barrier *Barrier, err error) *Barrier {
	if err != nil {
		panic(err)
	}
	return barrier
}

// taken is a PageFlusher that has written the page.
func taken([]byte, []int) error { return nil }

func TestAPageGrowsUpToMaxBytes(t *testing.T) {
	p := paged(t, 200_000, taken, nil)
	var sizes []int
	for range 3 {
		put(t, p, strings.Repeat("x", 40_000))
		p.mu.Lock()
		sizes = append(sizes, cap(p.fill.page))
		p.mu.Unlock()
	}
	assert.Equal(t, []int{firstPage, 2 * firstPage, 2 * firstPage}, sizes)
	put(t, p, strings.Repeat("x", 79_999), "") // the ends have room for more
	p.mu.Lock()
	assert.Equal(t, 200_000, cap(p.fill.page), "never more")
	assert.Len(t, p.fill.page, 199_999)
	p.mu.Unlock()
	assert.False(t, reserved(p, []byte("y")), "the one that fills it wakes run")
	func() {
		p.Lock()
		defer p.Unlock()
		assert.Nil(t, p.Reserve(math.MaxInt), "no sum of sizes wraps")
	}()

	small := paged(t, 10, taken, nil)
	put(t, small, "x")
	small.mu.Lock()
	defer small.mu.Unlock()
	assert.Equal(t, 10, cap(small.fill.page))
}

func TestAnItemOfMoreThanMaxBytesIsAPageOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got [][]byte
		p := paged(t, 4, func(page []byte, _ []int) error {
			got = append(got, page)
			return errors.New("so that there are items")
		}, func(context.Context, flusher.Batch[[]byte]) error { return nil })
		large := []byte("large")
		require.NoError(t, p.Accept(&Offer[[]byte]{Items: [][]byte{[]byte("ab")}, Sizes: []int{2}}, trace.SpanContext{}))
		require.NoError(t, p.Accept(&Offer[[]byte]{Items: [][]byte{large}, Sizes: []int{5}}, trace.SpanContext{}))
		time.Sleep(time.Second) // the backoffs are over
		synctest.Wait()
		require.Len(t, got, 2)
		copy(large, "LARGE")
		assert.Equal(t, "large", string(got[1]), "it is a copy")
		assert.Equal(t, 5, cap(got[1]), "of just that size")
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, b := range p.free {
			assert.LessOrEqual(t, cap(b.page), 4, "nor kept")
			for _, item := range b.items[:cap(b.items)] {
				assert.LessOrEqual(t, len(item), 4)
			}
		}
	})
}

// A page is used again once its batch has landed, and not before.
func TestPagesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu    sync.Mutex
			pages []*byte
			texts []string
			gate  = make(chan struct{})
		)
		p := paged(t, 4, func(page []byte, _ []int) error {
			<-gate
			mu.Lock()
			defer mu.Unlock()
			pages = append(pages, &page[0])
			texts = append(texts, string(page))
			return nil
		}, nil)
		put(t, p, "aa", "aa", "bb", "b") // the first is in flight
		gate <- struct{}{}
		synctest.Wait()
		put(t, p, "b", "cc", "c")
		gate <- struct{}{}
		synctest.Wait()
		put(t, p, "c")
		gate <- struct{}{}
		synctest.Wait()
		close(gate)
		assert.Equal(t, []string{"aaaa", "bbbb", "cccc"}, texts)
		assert.NotSame(t, pages[0], pages[1])
		assert.Same(t, pages[0], pages[2])
	})
}

func TestAPageThatWasOutgrownIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := func([]byte, []int) error { return errors.New("so that there are items") }
		p := paged(t, 4*firstPage, failed, func(context.Context, flusher.Batch[[]byte]) error { return nil })
		flush := func(items ...string) {
			put(t, p, items...)
			require.NoError(t, p.Flush())
			time.Sleep(time.Second) // the backoff is over
			synctest.Wait()
		}
		flush("a", "b", "c", "d")
		flush("a", "b", "c", "d")
		flush(strings.Repeat("x", 2*firstPage))
		flush(strings.Repeat("x", 2*firstPage))
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, b := range append(p.free, p.fill.batch) {
			for i, item := range b.items[:cap(b.items)] {
				assert.True(t, i == 0 || item == nil, "item %d is of a page before", i)
			}
		}
	})
}

// What a page held has become items where somebody has to look at them: they
// stand in the page.
func TestAPageThatFailedBecomesItems(t *testing.T) {
	tooMuch := errors.New("too much")
	texts := func(items [][]byte) (texts []string) {
		for _, item := range items {
			texts = append(texts, string(item))
		}
		return texts
	}
	for _, c := range []struct {
		name    string
		failure error
		again   []string // what the Flusher is given
		dead    []string // what the dead letter is given
		counts  Counts
	}{
		{"all", tooMuch, []string{"a", "", "ccc"}, nil, Counts{Accepted: 3, Delivered: 3, Retried: 3}},
		{"some", flusher.Partial(tooMuch, 1, 2), []string{"", "ccc"}, nil, Counts{Accepted: 3, Delivered: 3, Retried: 2}},
		{"all for good", flusher.Permanent(tooMuch), nil, []string{"a", "", "ccc"}, Counts{Accepted: 3, DeadLettered: 3}},
		{"some for good", flusher.Partial(flusher.Permanent(tooMuch), 2), nil, []string{"ccc"}, Counts{Accepted: 3, Delivered: 2, DeadLettered: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var (
					begin       *byte
					again, dead []string
				)
				p := paged(t, 20, func(page []byte, _ []int) error {
					begin = &page[0]
					return c.failure
				}, func(_ context.Context, batch flusher.Batch[[]byte]) error {
					assert.Equal(t, 2, batch.Attempt)
					again = texts(batch.Items)
					if len(batch.Items) == 3 {
						assert.Same(t, begin, &batch.Items[0][0], "not copied")
						assert.Equal(t, cap(batch.Items[0])-1, cap(batch.Items[1]), "the capacity is the rest of the page")
						assert.Equal(t, "accc", string(batch.Items[0][:4]))
					}
					return nil
				}, func(cfg *Config[[]byte]) {
					cfg.DeadLetter = flusher.Items(func(_ context.Context, items [][]byte) error {
						dead = texts(items)
						return nil
					})
				})
				put(t, p, "a", "", "ccc")
				_, reached := p.Wait(t.Context(), must(p.Sync()))
				require.True(t, reached)
				assert.Equal(t, c.again, again)
				assert.Equal(t, c.dead, dead)
				assert.Equal(t, c.counts, p.Info().Counts)
			})
		})
	}
}

// A page is read by the attempt that was abandoned, and its items by the next.
func TestAPageWhoseAttemptIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var (
			again int
			read  []string // of the pages, late
		)
		p := paged(t, 2, func(page []byte, _ []int) error {
			<-gate
			read = append(read, string(page))
			return nil
		}, func(_ context.Context, batch flusher.Batch[[]byte]) error {
			again = len(batch.Items)
			return nil
		}, func(cfg *Config[[]byte]) { cfg.FlushTimeout, cfg.FlushGrace = time.Second, time.Second })
		put(t, p, "a", "b")
		_, reached := p.Wait(t.Context(), must(p.Sync()))
		require.True(t, reached)
		assert.Equal(t, 2, again)
		put(t, p, "c", "d") // into another page, as the first is still read
		synctest.Wait()
		gate <- struct{}{}
		synctest.Wait()
		assert.Len(t, read, 1)
		close(gate)
		synctest.Wait()
		assert.ElementsMatch(t, []string{"ab", "cd"}, read)
	})
}

// What Abort gives back are items, wherever they were.
func TestPagesAreGivenBackAsItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := paged(t, 4, func([]byte, []int) error {
			<-gate
			return nil
		}, nil, func(cfg *Config[[]byte]) { cfg.FlushGrace = time.Second })
		put(t, p, "a", "", "aaa", "bb", "b")
		synctest.Wait()
		p.Abort()
		<-p.Stopped()
		undelivered, inDoubt, _ := p.Left()
		assert.Equal(t, [][]byte{[]byte("bb"), []byte("b")}, undelivered)
		assert.Equal(t, [][]byte{[]byte("a"), {}, []byte("aaa")}, inDoubt)
		assert.Equal(t, Counts{Accepted: 5, Returned: 5}, p.Info().Counts)
		close(gate)
	})
}

// The items of a batch that failed were slices of its page. Once that has made
// place for an item's own, nothing keeps it.
func TestAPageThatMadePlaceForALargeItemIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := true
		p := paged(t, 2*firstPage, func([]byte, []int) error {
			if failing {
				return errors.New("so that there are items")
			}
			return nil
		}, func(context.Context, flusher.Batch[[]byte]) error { return nil })
		flush := func(items ...string) {
			put(t, p, items...)
			require.NoError(t, p.Flush())
			time.Sleep(time.Second) // the backoff is over
			synctest.Wait()
		}
		for range 4 {
			flush("a", "b", "c", "d")
		}
		failing = false
		for range 4 {
			flush(strings.Repeat("x", 3*firstPage))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, b := range append(p.free, p.fill.batch) {
			for i, item := range b.items[:cap(b.items)] {
				assert.True(t, item == nil || cap(b.page) > 0, "item %d is of a page before", i)
			}
		}
	})
}
