package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

const (
	producers = 64
	// slack is what the heap may hold beside the items: the test's own, and the
	// OpenTelemetry SDK's.
	slack = 4 << 20
)

// duration is how long the test is to run.
func duration(t *testing.T) time.Duration {
	t.Helper()
	setting := os.Getenv("SOAK")
	if setting == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(setting)
	require.NoError(t, err, "SOAK is a duration, such as 60s")
	return d
}

// live is what the last garbage collection found alive, in bytes.
func live() int {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

// stations are all that the producers feed.
func stations(t *testing.T) ([]station, *meters) {
	t.Helper()
	m, provider := newMeters()
	key := func(i item) uint64 { return uint64(i.id % 1009) }
	size := func(item) int { return loadBytes }
	const stubborn = 400 * time.Millisecond
	return []station{
		open(t, buffer.Config[item]{Name: "block", Partitions: 4, MaxSize: 200, MaxSizeJitter: 50, MaxInFlight: 2, MeterProvider: provider, SizeOf: size}, 0, false, false),
		open(t, buffer.Config[item]{Name: "sticky", Partitions: 4, MaxSize: 100, Routing: buffer.Sticky, Retry: flusher.Retry{Bisect: true}}, 0, true, false),
		open(t, buffer.Config[item]{Name: "key", Partitions: 3, MaxSize: 100, Key: key, Overflow: buffer.Reject}, 0, true, false),
		open(t, buffer.Config[item]{Name: "producers", Partitions: 2, MaxSize: 1000, SizeOf: size, MaxBytes: 50 * loadBytes}, 0, false, true),
		open(t, buffer.Config[item]{Name: "oldest", Partitions: 2, MaxSize: 50, Overflow: buffer.DropOldest}, 0, false, false),
		open(t, buffer.Config[item]{Name: "tiny", Partitions: 8, MaxSize: 1, MaxInFlight: 2}, 0, false, false),
		open(t, buffer.Config[item]{Name: "stubborn", Partitions: 3, MaxSize: 100, Retry: flusher.Retry{MaxAttempts: 10}}, stubborn, true, false),
		openAggregates(t),
		openWriters(t),
	}, m
}

func TestSoak(t *testing.T) {
	runtime.GC()
	heapBefore, goroutinesBefore := live(), runtime.NumGoroutine()
	all, meters := stations(t)
	start, length := time.Now(), duration(t)

	var stop atomic.Bool
	var working, beside sync.WaitGroup
	for p := range producers {
		working.Go(func() {
			for !stop.Load() {
				// Half of the producers stay at a station of theirs, and the others are
				// all at one, which changes: were each to choose at random, most would
				// soon wait where the weather is bad.
				at := p / 2
				if p%2 == 0 {
					at = int(time.Since(start) / (500 * time.Millisecond))
				}
				all[at%len(all)].burst()
				time.Sleep(rand.N(8 * time.Millisecond))
			}
		})
	}
	fleetings := 0
	beside.Go(func() {
		for !stop.Load() {
			fleeting(t)
			fleetings++
			time.Sleep(rand.N(50 * time.Millisecond))
		}
	})
	peakLive, peakBound := 0, 0
	beside.Go(func() {
		next := start.Add(10 * time.Second)
		for !stop.Load() {
			time.Sleep(50 * time.Millisecond)
			meters.sample(t)
			bound := heapBefore + slack
			for _, s := range all {
				s.sample(t)
				bound += s.bound()
			}
			alive := live()
			if alive > bound {
				t.Errorf("the heap holds %d bytes, at most %d are allowed for", alive, bound)
			}
			peakLive, peakBound = max(peakLive, alive), max(peakBound, bound)
			if now := time.Now(); now.After(next) {
				next = next.Add(10 * time.Second)
				t.Logf("%3.0fs: heap %d KiB of at most %d KiB, %d goroutines%s", now.Sub(start).Seconds(), alive>>10, bound>>10, runtime.NumGoroutine(), summary(all))
			}
			if t.Failed() { // what comes after would say no more
				stop.Store(true)
			}
		}
	})
	for time.Since(start) < length && !stop.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	stop.Store(true)
	within(t, time.Minute, "the producers come to their end", working.Wait)
	within(t, time.Minute, "the fleeting buffers and the samples come to theirs", beside.Wait)
	for _, s := range all {
		within(t, time.Minute, s.name()+" ends", func() { s.end(t) })
	}
	t.Logf("end: %.0fs, %d fleeting buffers, heap at most %d KiB of %d KiB%s", time.Since(start).Seconds(), fleetings, peakLive>>10, peakBound>>10, summary(all))
	aggregated, written := all[len(all)-2].(*aggregates), all[len(all)-1].(*writers)
	t.Logf("     %d values in %d entries, %d lines", aggregated.added.Load(), aggregated.entries.Load(), written.written.Load())
	for _, s := range all {
		assert.Positive(t, s.counts().Delivered, s.name())
	}

	// What has ended holds nothing.
	clear(all)
	all, aggregated, written = nil, nil, nil
	within(t, time.Minute, "the goroutines go", func() {
		for runtime.NumGoroutine() > goroutinesBefore {
			time.Sleep(time.Millisecond)
		}
	})
	runtime.GC()
	runtime.GC()
	t.Logf("     afterwards %d KiB, before %d KiB; %d goroutines, before %d", live()>>10, heapBefore>>10, runtime.NumGoroutine(), goroutinesBefore)
	assert.Less(t, live(), heapBefore+slack/2, "bytes, after all is over")
}

// summary is what became of the items of each station.
func summary(all []station) string {
	var out strings.Builder
	for _, s := range all {
		c := s.counts()
		out.WriteString("\n     " + s.name() + ": " + counted(
			"accepted", c.Accepted, "delivered", c.Delivered, "dead-lettered", c.DeadLettered, "dropped", c.Dropped, "returned", c.Returned,
			"retried", c.Retried, "abandoned", c.Abandoned, "rejected", c.Rejected))
	}
	return out.String()
}

// within fails the process where something does not end: then somebody was not
// woken, and the goroutines show who.
func within(t *testing.T, limit time.Duration, what string, do func()) {
	t.Helper()
	watch := time.AfterFunc(limit, func() { panic("not within " + limit.String() + ": " + what) })
	defer watch.Stop()
	do()
}

// counted is names and numbers, without those that are zero.
func counted(pairs ...any) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i+1].(int); n != 0 {
			parts = append(parts, fmt.Sprint(n, " ", pairs[i]))
		}
	}
	return strings.Join(parts, ", ")
}
