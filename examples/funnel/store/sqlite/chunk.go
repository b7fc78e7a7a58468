package sqlite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// point is a reading as it is packed.
type point struct {
	time   int64 // microseconds since 1970
	value  float64
	series uint32
}

const (
	// batchPoints bounds the points of one row of batch, which is read whole.
	batchPoints = 16 << 10

	// chunkPoints bounds those of one chunk: a query reads up to one too much at
	// each end.
	chunkPoints = 4 << 10

	pointSize = 4 + 8 + 8
)

// A batch's data are three columns of fixed width, little-endian: the series of
// all points (4 bytes each), their times (8), their values (8). So a query finds
// the few points of its series in a scan of the first.

func appendBatch(data []byte, points []point) []byte {
	data = slices.Grow(data, len(points)*pointSize)
	for i := range points {
		data = binary.LittleEndian.AppendUint32(data, points[i].series)
	}
	for i := range points {
		data = binary.LittleEndian.AppendUint64(data, uint64(points[i].time))
	}
	for i := range points {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(points[i].value))
	}
	return data
}

// batch is the data of a batch, as it is stored.
type batch struct{ series, times, values []byte }

func parseBatch(data []byte) (batch, error) {
	n := len(data) / pointSize
	if len(data)%pointSize != 0 {
		return batch{}, fmt.Errorf("sqlite: a batch has %d bytes, must have %d for each reading", len(data), pointSize)
	}
	return batch{data[:4*n], data[4*n : 12*n], data[12*n:]}, nil
}

func (b batch) len() int { return len(b.series) / 4 }

func (b batch) seriesAt(i int) uint32 { return binary.LittleEndian.Uint32(b.series[4*i:]) }

func (b batch) at(i int) point {
	return point{
		time:   int64(binary.LittleEndian.Uint64(b.times[8*i:])),
		value:  math.Float64frombits(binary.LittleEndian.Uint64(b.values[8*i:])),
		series: b.seriesAt(i),
	}
}

// A chunk's data are, for each point in order of time, how many microseconds it
// comes after the one before, as a uvarint, and its value in 8 bytes. The first
// point's time is the chunk's first.

func appendChunk(data []byte, points []point) []byte {
	before := points[0].time
	for i := range points {
		data = binary.AppendUvarint(data, uint64(points[i].time-before))
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(points[i].value))
		before = points[i].time
	}
	return data
}

// eachOfChunk calls f with each point of a chunk that starts at first.
func eachOfChunk(data []byte, first int64, f func(time int64, value float64)) error {
	at := first
	for len(data) > 0 {
		after, n := binary.Uvarint(data)
		if n <= 0 || len(data) < n+8 {
			return fmt.Errorf("sqlite: a chunk ends within a reading, %d bytes before its end", len(data))
		}
		at += int64(after)
		f(at, math.Float64frombits(binary.LittleEndian.Uint64(data[n:])))
		data = data[n+8:]
	}
	return nil
}
