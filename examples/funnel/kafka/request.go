package kafka

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

const (
	anyPartition = -1

	// What a record and a record batch take beside the value, at most: a record
	// has six varints and a byte, a batch 61 bytes, and some are left over for
	// how the client reckons.
	recordOverhead = 32
	batchOverhead  = 512
)

// request is what one Accept sends.
type request struct {
	records   []kgo.Record
	size      int           // bytes in a batch, at most, without batchOverhead
	partition int           // or anyPartition
	done      chan struct{} // closed when all records have their answers

	mu          sync.Mutex
	open        int // records without an answer
	failed      int
	err         error // the first
	first, last int64 // offsets
}

// newRequest makes the records of readings, which it does not keep.
func newRequest(readings []reading.Reading) *request {
	r := &request{
		records:   make([]kgo.Record, len(readings)),
		partition: anyPartition,
		done:      make(chan struct{}),
		open:      len(readings),
		first:     math.MaxInt64,
		last:      -1,
	}
	var (
		now    = time.Now() // not the readings': retention would go by theirs
		values = make([]byte, 0, len(readings)*96)
	)
	for i := range readings {
		start := len(values)
		values = reading.Append(values, readings[i])
		r.records[i].Value = values[start:len(values):len(values)]
		r.records[i].Timestamp = now
		r.size += len(values) - start + recordOverhead
	}
	return r
}

// answered is told by the client of each record what became of it.
func (r *request) answered(record *kgo.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	switch {
	case err != nil:
		r.failed++
		if r.err == nil {
			r.err = err
		}
	default:
		r.first, r.last = min(r.first, record.Offset), max(r.last, record.Offset)
	}
	if r.open == 0 {
		close(r.done)
	}
}

// outcome is what became of the request, after done.
func (r *request) outcome() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err == nil:
		return nil
	case r.failed < len(r.records):
		// One batch has one answer. Should that ever not hold, say so.
		return fmt.Errorf("kafka: %d of %d readings are in the topic, and the others are not: whoever sends the request again stores those twice: %w: %w",
			len(r.records)-r.failed, len(r.records), ingest.ErrInDoubt, r.err)
	case errors.Is(r.err, kgo.ErrClientClosed):
		return fmt.Errorf("%w: %w", ErrInDoubt, r.err)
	default:
		return fmt.Errorf("%w: %w", ErrNotSent, r.err)
	}
}

// refuse answers a request that no client was given.
func (r *request) refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.failed, r.open = err, len(r.records), 0
	close(r.done)
}
