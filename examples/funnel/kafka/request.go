package kafka

import (
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

const anyPartition = -1

// request is what one Accept sends.
type request struct {
	values    []byte        // the records' values, one behind the other
	ends      []int         // where in values each of them ends
	at        int64         // the records' timestamp, in milliseconds
	size      int           // bytes in a batch, at most, without batchOverhead
	partition int           // or anyPartition
	done      chan struct{} // closed when there is an answer

	// The answer, which is written before done is closed, and read after it.
	err         error
	first, last int64 // offsets, or noOffset
}

// newRequest makes the records of readings, which it does not keep.
func newRequest(readings []reading.Reading) *request {
	r := &request{
		values:    make([]byte, 0, len(readings)*96),
		ends:      make([]int, len(readings)),
		at:        time.Now().UnixMilli(), // not the readings' time: retention would go by it
		partition: anyPartition,
		done:      make(chan struct{}),
	}
	for i := range readings {
		r.values = reading.Append(r.values, readings[i])
		r.ends[i] = len(r.values)
	}
	r.size = len(r.values) + len(r.ends)*recordOverhead
	return r
}

// len is the number of readings.
func (r *request) len() int { return len(r.ends) }

// value is that of the record i.
func (r *request) value(i int) []byte {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.values[start:r.ends[i]]
}

// answer says what became of the request: the offset of its first reading, or
// noOffset, or why it is not in the topic, or may not be.
func (r *request) answer(first int64, err error) {
	r.err = err
	r.first, r.last = first, first
	if first != noOffset {
		r.last += int64(r.len() - 1)
	}
	close(r.done)
}
