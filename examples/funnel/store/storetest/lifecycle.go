package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// concurrent requires that readers see only whole growth: never fewer readings
// than before, and in the end all.
func (s *suite) concurrent() {
	const writers, size = 4, 100
	batches := s.fewer(15)
	done := make(chan struct{})
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			var before int64
			for {
				var count int64
				query := always(store.Day)
				query.Exact = s.options.RepeatsKeys
				buckets, err := s.tryAggregate(s.Context(), query)
				if !assert.NoError(s, err) {
					return
				}
				for _, bucket := range buckets {
					count += bucket.Count
				}
				assert.GreaterOrEqual(s, count, before)
				before = count
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var writing sync.WaitGroup
	var all []store.Row
	for writer := range writers {
		rows := s.rows(byte(writer), 0, batches*size)
		all = append(all, rows...)
		writing.Go(func() {
			for batch := range batches {
				assert.NoError(s, s.store.Write(s.Context(), rows[batch*size:(batch+1)*size]))
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	s.holds(all, always(store.Minute))
}

// concurrentRepeats has each key written by several at the same moment, as after
// a rebalance whose loser does not know yet. The batches also name new sensors,
// which no two may both make.
func (s *suite) concurrentRepeats() {
	rows := s.rows(1, 0, 400)
	for i := range rows {
		if i%2 == 1 {
			rows[i].Sensor = fmt.Sprintf("new %d", i%16)
		}
	}
	var writing sync.WaitGroup
	for writer := range 4 {
		writing.Go(func() {
			for i := 0; i < len(rows); i += 50 {
				from := (i + writer*100) % len(rows)
				assert.NoError(s, s.store.Write(s.Context(), rows[from:from+50]))
			}
		})
	}
	writing.Wait()
	s.holds(rows, always(store.Minute))
	for i := 1; i < 16; i += 2 {
		query := always(store.Day)
		query.Sensor = fmt.Sprintf("new %d", i)
		s.holds(rows, query)
	}
}

func (s *suite) endedContext() {
	rows := s.rows(1, 0, 10)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	requireEnded(s, s.store.Write(ctx, rows))
	requireEnded(s, s.store.Ping(ctx))
	if s.options.ReadBack == nil {
		_, err := s.store.Aggregate(ctx, always(store.Day))
		requireEnded(s, err)
		_, err = s.store.Sensors(ctx, 1)
		requireEnded(s, err)
	}
	s.write(rows) // nothing is left of it
	s.holds(rows, always(store.Day))
}

// endingContext ends writes at every stage. Whatever became of them, the same
// write afterwards stores each row once.
func (s *suite) endingContext() {
	size := s.fewer(2000)
	var all []store.Row
	patience := 50 * time.Microsecond
	for batch := range 12 {
		rows := s.rows(byte(batch), 0, size)
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		if err := s.store.Write(ctx, rows); err != nil {
			requireEnded(s, err)
		}
		cancel()
		patience *= 2
		s.write(rows)
		all = append(all, rows...)
	}
	s.holds(all, always(store.Minute))
}

func (s *suite) closed() {
	s.write(s.rows(1, 0, 3))
	require.NoError(s, s.store.Close())
	require.NoError(s, s.store.Close(), "a second time")
	require.ErrorIs(s, s.store.Write(s.Context(), s.rows(1, 3, 3)), store.ErrClosed)
	require.ErrorIs(s, s.store.Ping(s.Context()), store.ErrClosed)
	_, err := s.store.Aggregate(s.Context(), always(store.Day))
	require.ErrorIs(s, err, store.ErrClosed)
	_, err = s.store.Sensors(s.Context(), 1)
	require.ErrorIs(s, err, store.ErrClosed)
}

func (s *suite) sensors() {
	if s.options.ReadBack != nil {
		s.Skip("the server cannot aggregate, and so not list sensors")
	}
	none, err := s.store.Sensors(s.Context(), 10)
	require.NoError(s, err)
	require.Empty(s, none)

	var rows []store.Row
	for i, name := range []string{"b", "a", "a", "ä", "Z", "a.b", "a", "日本", "a "} {
		row := s.rows(1, int64(i), 1)[0]
		row.Sensor, row.Metric = name, []string{"y", reading.DefaultMetric, "y"}[i%3]
		row.Time = s.start.Add(time.Duration(-i) * time.Second) // the later ones are late
		rows = append(rows, row)
	}
	rows[3].Time = s.start.Add(1234 * time.Microsecond)
	s.write(rows[:5])
	s.write(rows[5:])
	want := []store.Sensor{ // in order of bytes
		{Sensor: "Z", Metric: "value", Last: rows[4].Time},
		{Sensor: "a", Metric: "value", Last: rows[1].Time},
		{Sensor: "a", Metric: "y", Last: rows[2].Time},
		{Sensor: "a ", Metric: "y", Last: rows[8].Time},
		{Sensor: "a.b", Metric: "y", Last: rows[5].Time},
		{Sensor: "b", Metric: "y", Last: rows[0].Time},
		{Sensor: "ä", Metric: "y", Last: rows[3].Time},
		{Sensor: "日本", Metric: "value", Last: rows[7].Time},
	}
	for _, limit := range []int{1, 2, 3, 7, 8, 9, 1_000_000} {
		got, err := s.store.Sensors(s.Context(), limit)
		require.NoError(s, err)
		requireSensors(s, want[:min(limit, len(want))], got)
	}
	newer := s.rows(2, 0, 1)
	newer[0].Time = s.start.Add(time.Hour)
	s.write(newer)
	got, err := s.store.Sensors(s.Context(), 2)
	require.NoError(s, err)
	require.Equal(s, newer[0].Time, got[1].Last)
}

// requireSensors leaves a store what it has of Last beyond the millisecond.
func requireSensors(t testing.TB, want, got []store.Sensor) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.WithinRange(t, got[i].Last, want[i].Last.Truncate(time.Millisecond), want[i].Last)
		require.Equal(t, time.UTC, got[i].Last.Location())
		same := want[i]
		same.Last = got[i].Last
		require.Equal(t, same, got[i])
	}
}

func (s *suite) badQuestions() {
	for _, limit := range []int{0, -1} {
		_, err := s.store.Sensors(s.Context(), limit)
		require.ErrorContains(s, err, "must be at least 1")
	}
	for _, granularity := range []store.Granularity{0, -store.Minute, store.Minute + 1, 7 * store.Day} {
		_, err := s.store.Aggregate(s.Context(), always(granularity))
		require.ErrorContains(s, err, "must be a minute, an hour or a day")
	}
}
