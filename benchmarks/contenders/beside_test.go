package contenders_test

import (
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// BenchmarkWriteBesideZap has a Writer and zap's BufferedWriteSyncer take turns
// every few milliseconds, each with 64 KiB, so that both have the same processor
// under the same load. It tells the median of both, and of their ratios.
func BenchmarkWriteBesideZap(b *testing.B) {
	const size, writes, turns = 64 << 10, 500_000, 100
	zap := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(io.Discard), Size: size, FlushInterval: time.Minute}
	ours, err := writer.New(io.Discard, buffer.Config[[]byte]{Name: "bench", MaxBytes: size, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	line := []byte("level=info msg=request status=2\n")
	turn := func(w io.Writer) float64 {
		begun := time.Now()
		for range writes {
			if _, err := w.Write(line); err != nil {
				b.Fatal(err)
			}
		}
		return float64(time.Since(begun).Nanoseconds()) / writes
	}
	median := func(figures []float64) float64 {
		slices.Sort(figures)
		return figures[len(figures)/2]
	}
	for range b.N {
		var theirs, own, ahead []float64
		for range turns {
			t, o := turn(zap), turn(ours)
			theirs, own, ahead = append(theirs, t), append(own, o), append(ahead, t/o)
		}
		b.ReportMetric(median(theirs), "zap-ns/Write")
		b.ReportMetric(median(own), "ns/Write")
		b.ReportMetric(median(ahead), "x-ahead")
	}
	if err := ours.Close(); err != nil {
		b.Fatal(err)
	}
	if err := zap.Stop(); err != nil {
		b.Fatal(err)
	}
}
