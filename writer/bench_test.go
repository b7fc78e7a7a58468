package writer_test

import (
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// bare is what a Write cannot do without: a lock, and a copy into one of two
// slices that take turns. Nothing is written anywhere.
type bare struct {
	_     [128]byte
	mu    sync.Mutex
	fill  []byte
	spare []byte
	_     [128]byte
}

func (b *bare) Write(p []byte) (int, error) {
	b.mu.Lock()
	if len(b.fill)+len(p) > cap(b.fill) {
		b.fill, b.spare = b.spare[:0], b.fill
	}
	b.fill = append(b.fill, p...)
	b.mu.Unlock()
	return len(p), nil
}

func benchmarked(b *testing.B) map[string]io.Writer {
	w, err := writer.New(io.Discard, buffer.Config[[]byte]{Name: "bench", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, w.Close()) })
	return map[string]io.Writer{
		"bare":   &bare{fill: make([]byte, 0, 64<<10), spare: make([]byte, 0, 64<<10)},
		"writer": w,
	}
}

// BenchmarkWrite is one goroutine that writes 32 bytes.
func BenchmarkWrite(b *testing.B) {
	for name, w := range benchmarked(b) {
		b.Run(name, func(b *testing.B) {
			p := make([]byte, 32)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Write(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteParallel is many.
func BenchmarkWriteParallel(b *testing.B) {
	for name, w := range benchmarked(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				p := make([]byte, 32)
				for pb.Next() {
					if _, err := w.Write(p); err != nil {
						b.Fail()
					}
				}
			})
		})
	}
}
