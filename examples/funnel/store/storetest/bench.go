package storetest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Load makes batches of rows as a service writes them: now, of any of its
// sensors, with the indexes of a batch as keys. It belongs to one goroutine.
type Load struct {
	names  []string
	random *rand.Rand
	at     time.Time
	batch  uint64
}

// NewLoad makes a Load of that many sensors.
func NewLoad(sensors int) *Load {
	l := &Load{random: rand.New(rand.NewPCG(1, 2)), at: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)}
	for i := range sensors {
		l.names = append(l.names, fmt.Sprintf("sensor-%d", i))
	}
	return l
}

// Fill makes rows the next batch, 7 microseconds a reading.
func (l *Load) Fill(rows []store.Row) {
	l.batch++
	for i := range rows {
		l.at = l.at.Add(7 * time.Microsecond)
		rows[i] = store.Row{
			Reading: reading.Reading{
				Sensor: l.names[l.random.IntN(len(l.names))], Metric: reading.DefaultMetric,
				Value: l.random.Float64(), Time: l.at,
			},
			Key: store.Key{Index: int64(i)},
		}
		binary.LittleEndian.PutUint64(rows[i].Key.Origin[:], l.batch*0x9e3779b97f4a7c15) // spread as random IDs are
	}
}

// BenchmarkWrite measures Write for batches of several sizes and numbers of
// sensors. The metric worst-ms is the longest Write.
func BenchmarkWrite(b *testing.B, open func(testing.TB) store.Store) {
	for _, size := range []int{1, 10, 100, 1000, 10_000} {
		for _, sensors := range []int{10, 1000, 10_000} {
			b.Run(fmt.Sprintf("batch=%d/sensors=%d", size, sensors), func(b *testing.B) {
				s := open(b)
				defer s.Close()
				load := NewLoad(sensors)
				rows := make([]store.Row, size)
				var writing, worst time.Duration
				b.ReportAllocs()
				for b.Loop() {
					load.Fill(rows)
					start := time.Now()
					require.NoError(b, s.Write(b.Context(), rows))
					took := time.Since(start)
					writing += took
					worst = max(worst, took)
				}
				b.ReportMetric(float64(size)*float64(b.N)/writing.Seconds(), "rows/s")
				b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
			})
		}
	}
}

// BenchmarkAggregate measures an hour by the minute, of one sensor that has two
// million readings in it, and of one in a hundred that share them.
func BenchmarkAggregate(b *testing.B, open func(testing.TB) store.Store) {
	const readings, size = 2_000_000, 10_000
	for _, sensors := range []int{1, 100} {
		b.Run(fmt.Sprintf("sensors=%d", sensors), func(b *testing.B) {
			s := open(b)
			defer s.Close()
			load := NewLoad(sensors)
			rows := make([]store.Row, size)
			start := load.at
			for range readings / size {
				load.Fill(rows)
				for i := range rows { // from 14 s to an hour
					rows[i].Time = start.Add(rows[i].Time.Sub(start) * 250)
				}
				require.NoError(b, s.Write(b.Context(), rows))
			}
			query := store.Query{
				Sensor: load.names[0], Metric: reading.DefaultMetric,
				From: start, To: start.Add(time.Hour), Granularity: store.Minute,
			}
			for b.Loop() {
				buckets, err := s.Aggregate(b.Context(), query)
				require.NoError(b, err)
				require.Len(b, buckets, 59)
			}
		})
	}
}
