package partition

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// paged is a partition of pages whose batches go to flush.
func paged(t *testing.T, most int, flush func(flusher.Batch[[]byte]) error) *Partition[[]byte] {
	t.Helper()
	recorder, err := telemetry.New(telemetry.Config{Name: "test"})
	require.NoError(t, err)
	p := New(context.Background(), Config[[]byte]{
		Name: "test", MaxSize: most, MaxBytes: most, MaxInFlight: 1, Pages: true,
		Recorder: recorder, Anywhere: new(Waiters), Log: NewLog(slog.New(slog.DiscardHandler), "test"),
		Flusher: flusher.Func[[]byte](func(_ context.Context, batch flusher.Batch[[]byte]) error { return flush(batch) }),
	})
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
		if p.AppendBytes(item) {
			short++
			continue
		}
		require.NoError(t, p.Accept(&Offer[[]byte]{Items: [][]byte{item}, Sizes: []int{len(item)}}, trace.SpanContext{}))
	}
	return short
}

func TestPagesKeepTheBytesOfABatchInOnePiece(t *testing.T) {
	var got []string
	p := paged(t, 20, func(batch flusher.Batch[[]byte]) error {
		whole := batch.Items[0][:0]
		for _, item := range batch.Items {
			require.Equal(t, cap(whole)-len(whole), cap(item), "the capacity is the rest of the page")
			whole = whole[:len(whole)+len(item)]
			got = append(got, string(item))
		}
		require.Equal(t, strings.Join(got, ""), string(whole))
		return nil
	})
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

func TestAPageGrowsUpToMaxBytes(t *testing.T) {
	p := paged(t, 200_000, func(flusher.Batch[[]byte]) error { return nil })
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
	assert.False(t, p.AppendBytes([]byte("y")), "the one that fills it wakes run")

	small := paged(t, 10, func(flusher.Batch[[]byte]) error { return nil })
	put(t, small, "x")
	small.mu.Lock()
	defer small.mu.Unlock()
	assert.Equal(t, 10, cap(small.fill.page))
}

func TestAnItemOfMoreThanMaxBytesIsAPageOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got [][]byte
		p := paged(t, 4, func(batch flusher.Batch[[]byte]) error {
			got = append(got, batch.Items...)
			return nil
		})
		large := []byte("large")
		require.NoError(t, p.Accept(&Offer[[]byte]{Items: [][]byte{[]byte("ab")}, Sizes: []int{2}}, trace.SpanContext{}))
		require.NoError(t, p.Accept(&Offer[[]byte]{Items: [][]byte{large}, Sizes: []int{5}}, trace.SpanContext{}))
		synctest.Wait()
		require.Len(t, got, 2)
		assert.Same(t, &large[0], &got[1][0], "it is not copied")
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
		p := paged(t, 4, func(batch flusher.Batch[[]byte]) error {
			<-gate
			mu.Lock()
			defer mu.Unlock()
			pages = append(pages, &batch.Items[0][0])
			texts = append(texts, string(bytes.Join(batch.Items, nil)))
			return nil
		})
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
		p := paged(t, 4*firstPage, func(flusher.Batch[[]byte]) error { return nil })
		flush := func(items ...string) {
			put(t, p, items...)
			require.NoError(t, p.Flush())
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
