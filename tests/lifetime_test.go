package tests

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// payload is an item that the tests follow.
type payload struct{ bytes [1 << 12]byte }

// lifetime is what becomes of a buffer and its items once nobody holds them.
type lifetime struct{ buffers, items atomic.Int64 }

// run fills a buffer of payloads, shuts it down with ctx, and forgets it.
func (l *lifetime) run(ctx context.Context, t testing.TB, s *sdk, answer error) (accepted int, err error) {
	t.Helper()
	buf, err := buffer.New(buffer.Config[*payload]{
		Name: bufferName, MaxSize: 10, Partitions: 2, FlushInterval: -1, FlushGrace: time.Millisecond,
		Flusher:        flusher.Items(func(context.Context, []*payload) error { return answer }),
		SizeOf:         func(p *payload) int { return len(p.bytes) },
		TracerProvider: s.tracers, MeterProvider: s.meters,
	})
	require.NoError(t, err)
	runtime.AddCleanup(buf, func(int) { l.buffers.Add(1) }, 0)
	for range 25 {
		item := new(payload)
		runtime.AddCleanup(item, func(int) { l.items.Add(1) }, 0)
		require.NoError(t, buf.Insert(context.Background(), item))
	}
	s.collect(t)
	err = buf.Shutdown(ctx)
	return buf.Info().Total.Accepted, err
}

// After Shutdown the final counts are exported for as long as the MeterProvider
// lives, and nothing of the buffer is held for that.
func TestFinalCountsOutliveTheBuffer(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	check := func(t *testing.T, s *sdk, l *lifetime, accepted int) {
		assert.Eventually(t, func() bool {
			runtime.GC()
			return l.buffers.Load() == 1 && l.items.Load() == 25
		}, 30*time.Second, 10*time.Millisecond, "something is held")
		for range 2 {
			m := s.collect(t)
			assert.InDelta(t, accepted, m.value(t, "databuffer.item.accepted"), 0)
			processed := 0.0
			for _, n := range m.values(t, "databuffer.item.processed") {
				processed += n
			}
			assert.InDelta(t, accepted, processed, 0)
			for _, gauge := range []string{
				"databuffer.queue.size", "databuffer.queue.memory.usage", "databuffer.item.inflight",
				"databuffer.queue.capacity", "databuffer.insert.waiting", "databuffer.flush.inflight",
				"databuffer.flush.abandoned", "databuffer.item.oldest.age",
			} {
				assert.Zero(t, m.value(t, gauge), gauge)
			}
		}
	}
	t.Run("all flushed", func(t *testing.T) {
		s, l := newSDK(), new(lifetime)
		accepted, err := l.run(context.Background(), t, s, nil)
		require.NoError(t, err)
		check(t, s, l, accepted)
	})
	t.Run("given up", func(t *testing.T) {
		s, l := newSDK(), new(lifetime)
		accepted, err := l.run(ended, t, s, errSink)
		require.ErrorIs(t, err, context.Canceled)
		err = nil // it holds the items that came back
		check(t, s, l, accepted)
	})
}

// Inserts that wait when Shutdown begins are on their way out while the last
// reading is taken. Nothing of them stays on the gauge.
func TestNobodyWaitsAfterShutdown(t *testing.T) {
	for range 50 {
		s := newSDK()
		buf := open(t, s.config(answer(func(context.Context, flusher.Batch[int]) error {
			time.Sleep(10 * time.Microsecond)
			return nil
		})))
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for buf.Insert(context.Background(), 1) == nil {
				}
			})
		}
		shutdown(t, buf)
		m := s.collect(t)
		assert.Zero(t, m.value(t, "databuffer.insert.waiting"))
		assert.Zero(t, m.value(t, "databuffer.queue.size"))
		wg.Wait()
		agree(t, s, buf)
	}
}

// A buffer that is opened again under its name goes on counting, and its gauges
// are its own.
func TestABufferOpenedAgain(t *testing.T) {
	s := newSDK()
	for range 2 {
		buf := open(t, s.config(answers(nil)))
		insert(t, buf, 1, 2, 3)
		shutdown(t, buf)
	}
	buf := open(t, s.config(answers(nil)))
	insert(t, buf, 4)
	m := s.collect(t)
	assert.InDelta(t, 7, m.value(t, "databuffer.item.accepted"), 0)
	assert.InDelta(t, 1, m.value(t, "databuffer.queue.size"), 0)
	assert.InDelta(t, 3, m.value(t, "databuffer.queue.capacity"), 0)
	shutdown(t, buf)
}

// OpenTelemetry's globals hand on to an SDK once in a process, so what an SDK
// that is installed later sees is tested in a process of its own.
const lateProcess = "DATABUFFER_TEST_LATE"

func TestAnSDKInstalledLater(t *testing.T) {
	if os.Getenv(lateProcess) == "" {
		self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnSDKInstalledLater$", "-test.v")
		self.Env = append(os.Environ(), lateProcess+"=1")
		output, err := self.CombinedOutput()
		assert.NoError(t, err, string(output))
		return
	}

	cfg := newSDK().config(answers(nil))
	cfg.TracerProvider, cfg.MeterProvider = nil, nil
	buf := open(t, cfg)
	sync := func() {
		_, err := buf.SyncFlush(t.Context())
		require.NoError(t, err)
	}
	insert(t, buf, 1, 2, 3)
	sync()

	s := newSDK()
	otel.SetTracerProvider(s.tracers)
	otel.SetMeterProvider(s.meters)
	m := s.collect(t)
	assert.InDelta(t, 3, m.value(t, "databuffer.item.accepted"), 0, "what was before is counted")
	assert.Empty(t, m.histogram(t, "databuffer.batch.size"))

	insert(t, buf, 4, 5)
	assert.Empty(t, s.ended("insert"), "it is not known yet")
	sync()
	require.Len(t, s.ended("flush"), 1, "the next flush finds out, and has its span")
	assert.Equal(t, int64(2), plain(s.ended("flush")[0].Attributes())["databuffer.item.count"])

	insert(t, buf, 6)
	shutdown(t, buf)
	assert.Len(t, s.ended("insert"), 1)
	require.Len(t, s.ended("flush"), 2)
	assert.Equal(t, contexts(s.ended("insert")), links(s.ended("flush")[1]))
	agree(t, s, buf)
	assert.Equal(t, uint64(1), s.collect(t).histogram(t, "databuffer.batch.size")["databuffer.flush.trigger=manual"].count)

	// One that is there before New is known at once.
	late := open(t, cfg)
	insert(t, late, 7)
	assert.Len(t, s.ended("insert"), 2)
	shutdown(t, late)
}
