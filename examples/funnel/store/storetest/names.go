package storetest

import (
	"math"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// hostile names mean something in some language that a store speaks.
var hostile = []string{
	`'`, `"`, "`", `''`, `\`, `\'`, `\x00`, `\N`, `\.`, "a\tb", "a\nb", "a\r\nb", " a", "a ", " ", "a,b", `{"$gt":""}`,
	"$a", "$$ROOT", "$sensor", "a.b", ".", "_id", "null", "NULL", "%", "_", "?", "$1", ":from", "@x", "--", "/*", ";",
	"'; DROP TABLE series; --", "x'); DELETE FROM readings; --", "Robert'); DROP TABLE batch;--",
	"A", "ä", "a\u0308", "ß", "ss", "日本語", "🌡️", "\u202eabc", "\ufeff", "\uffff", "İ", "ﬀ",
	strings.Repeat("x", reading.MaxName), strings.Repeat("é", reading.MaxName/2),
}

func (s *suite) names() {
	var rows []store.Row
	for i, name := range hostile {
		for j, other := range []string{reading.DefaultMetric, hostile[(i+7)%len(hostile)]} {
			row := s.rows(byte(j), int64(i), 1)[0]
			row.Sensor, row.Metric, row.Value = name, other, float64(1+i+1000*j)
			rows = append(rows, row)
		}
	}
	s.write(rows)
	for _, row := range rows {
		query := always(store.Day)
		query.Sensor, query.Metric = row.Sensor, row.Metric
		s.holds(rows, query)
	}
}

// zeroByte: a store either keeps such a name like others, or rejects that row
// alone.
func (s *suite) zeroByte() {
	rows := s.rows(1, 0, 5)
	rows[1].Sensor = "a\x00b"
	rows[3].Metric = "\x00"
	err := s.store.Write(s.Context(), rows)
	s.holds(rows, always(store.Day))
	if err != nil {
		s.rejects(err, len(rows), 1, 3)
		return
	}
	query := always(store.Day)
	query.Sensor = rows[1].Sensor
	s.holds(rows, query)
}

func (s *suite) badRows() {
	spoil := []func(*store.Row){
		func(r *store.Row) { r.Value = math.NaN() },
		func(r *store.Row) { r.Value = math.Inf(1) },
		func(r *store.Row) { r.Value = math.Inf(-1) },
		func(r *store.Row) { r.Sensor = "" },
		func(r *store.Row) { r.Metric = "" },
		func(r *store.Row) { r.Sensor = strings.Repeat("x", reading.MaxName+1) },
		func(r *store.Row) { r.Metric = strings.Repeat("x", reading.MaxName+1) },
		func(r *store.Row) { r.Sensor = "a\xff" },
		func(r *store.Row) { r.Metric = "\xc3" },
		func(r *store.Row) { r.Time = time.Time{} },
		func(r *store.Row) { r.Time = time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC) },
		func(r *store.Row) { r.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	rows := s.rows(1, 0, 2*len(spoil)+1)
	var good []store.Row
	var bad []int
	for i := range rows {
		if i%2 == 0 {
			good = append(good, rows[i])
			continue
		}
		spoil[i/2](&rows[i])
		bad = append(bad, i)
	}
	s.rejects(s.store.Write(s.Context(), rows), len(rows), bad...)
	s.holds(good, always(store.Minute))
}

func (s *suite) onlyBadRows() {
	rows := s.rows(1, 0, 3)
	for i := range rows {
		rows[i].Value = math.NaN()
	}
	err := s.store.Write(s.Context(), rows)
	require.Error(s, err)
	require.Equal(s, []int{0, 1, 2}, flusher.Inspect(err, 3).Permanent)
	require.Empty(s, s.aggregate(always(store.Day)))
}
