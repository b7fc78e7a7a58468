package storetest

import (
	"math"
	"math/rand/v2"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

func (s *suite) repeatedBatch() {
	rows := s.rows(1, 0, 300)
	for range 3 {
		s.write(rows)
		s.holds(rows, always(store.Minute))
	}
}

func (s *suite) overlappingBatch() {
	rows := s.rows(1, 0, 100)
	s.write(rows[20:40])
	s.write(rows[60:80])
	s.write(rows[30:70]) // overlaps both
	s.holds(rows[20:80], always(store.Minute))
	s.write(rows[19:21])
	s.write(rows[79:81])
	s.holds(rows[19:81], always(store.Minute))
	s.write(rows[90:])
	s.write(rows) // with everything in it
	s.holds(rows, always(store.Minute))
	s.write(rows[50:51])
	s.holds(rows, always(store.Minute))
}

func (s *suite) keyTwiceInBatch() {
	rows := s.rows(1, 0, 50)
	twice := append(append(append([]store.Row{}, rows[:30]...), rows[10:]...), rows[0], rows[0])
	s.write(twice)
	s.holds(rows, always(store.Minute))
	s.write(twice)
	s.holds(rows, always(store.Minute))
}

// shuffledKeys writes keys of several origins in random batches, each key about
// three times.
func (s *suite) shuffledKeys() {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var all []store.Row
	for from := range 3 {
		all = append(all, s.rows(byte(from), int64(from*100), 200)...)
	}
	written := map[store.Key]store.Row{}
	for range 60 {
		batch := make([]store.Row, 1+random.IntN(60))
		for i := range batch {
			batch[i] = all[random.IntN(len(all))]
			written[batch[i].Key] = batch[i]
		}
		s.write(batch)
	}
	rows := make([]store.Row, 0, len(written))
	for _, row := range written {
		rows = append(rows, row)
	}
	s.holds(rows, always(store.Minute))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	s.write(all)
	s.holds(all, always(store.Minute))
}

func (s *suite) extremeKeys() {
	rows := s.rows(1, 0, 8)
	for i, index := range []int64{
		math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64, 1 << 40,
	} {
		rows[i].Key.Index = index
	}
	rows[7].Key.Origin = [16]byte{}
	for i := range rows {
		s.write(rows[i : i+1])
	}
	s.holds(rows, always(store.Minute))
	s.write(rows)
	s.holds(rows, always(store.Minute))
}

// equalReadings are all counted: only the key says that two are the same.
func (s *suite) equalReadings() {
	first := s.rows(1, 0, 1)[0]
	var rows []store.Row
	for i := range 20 {
		row := first
		row.Key = store.Key{Origin: origin(byte(i % 2)), Index: int64(i / 2)}
		rows = append(rows, row)
	}
	s.write(rows[:7])
	s.write(rows[7:])
	s.holds(rows, always(store.Minute))
	require.EqualValues(s, 20, s.aggregate(always(store.Day))[0].Count)
}

// largeBatch is larger than what servers take in one message or statement, and
// its readings than what SQLite leaves uncut.
func (s *suite) largeBatch() {
	size := s.fewer(150_000)
	rows := s.rows(1, 0, size)
	for i := range rows {
		if i%3 == 0 {
			rows[i].Sensor = "b"
		}
	}
	s.write(rows)
	s.write(rows[size-size/10:])
	rows = append(rows, s.rows(1, int64(size), 10)...)
	s.write(rows[size:])
	for _, granularity := range granularities {
		s.holds(rows, always(granularity))
	}
}

func (s *suite) keepsNothing() {
	rows := s.rows(1, 0, 100)
	mine := append([]store.Row{}, rows...)
	s.write(mine)
	clear(mine)
	s.holds(rows, always(store.Minute))
	s.write(rows[:1])
	s.holds(rows, always(store.Minute))
}
