package kafka

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// counting is a store that counts.
type counting struct {
	store.Store
	rows atomic.Int64
}

func (c *counting) Write(_ context.Context, rows []store.Row) error {
	c.rows.Add(int64(len(rows)))
	return nil
}

// BenchmarkThrough sends readings from 16 users through a stand-in, all in this
// process, until they are stored.
func BenchmarkThrough(b *testing.B) {
	for _, size := range []int{1, 50, 500} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { through(b, size) })
	}
}

func through(b *testing.B, size int) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(b, err)
	defer cluster.Close()
	var into counting
	p, err := pipeline.New(pipeline.Config{Store: &into})
	require.NoError(b, err)
	cfg := topics(Config{
		Brokers: cluster.ListenAddrs(), Pipeline: p, Logger: slog.New(slog.DiscardHandler),
		Options: quick(),
	})
	k, err := New(b.Context(), cfg)
	require.NoError(b, err)
	readings := numbered(0, size)
	before := cpu(b)
	b.ReportAllocs()
	b.ResetTimer()
	var (
		users sync.WaitGroup
		turn  atomic.Int64
		slow  atomic.Int64
	)
	began := time.Now()
	for range 16 {
		users.Go(func() {
			for turn.Add(1) <= int64(b.N) {
				start := time.Now()
				if err := k.Accept(b.Context(), readings, false); err != nil {
					b.Error(err)
					return
				}
				slow.Store(max(slow.Load(), int64(time.Since(start))))
			}
		})
	}
	users.Wait()
	b.ReportMetric(float64(b.N*size)/time.Since(began).Seconds(), "accepted/s")
	for into.rows.Load() < int64(b.N*size) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N*size)/time.Since(began).Seconds(), "stored/s")
	b.ReportMetric(float64(slow.Load())/1e6, "max-ms")
	b.StopTimer()
	b.ReportMetric((cpu(b)-before)*1e9/float64(b.N*size), "cpu-ns/reading")
	require.NoError(b, k.Shutdown(b.Context()))
	require.NoError(b, p.Shutdown(b.Context()))
}

// cpu is how many seconds of processor time this process has used, which other
// processes on the machine change less than the time that passes.
func cpu(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
