package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A record batch of Kafka's message format 2: a header, and records that may be
// compressed as a whole. https://kafka.apache.org/documentation/#recordbatch
const (
	batchOverhead = 61 // bytes of the header
	lengthEnd     = 12 // the length in the header counts from here on,
	crcStart      = 17 // the checksum stands here,
	crcEnd        = 21 // and is over all that follows it

	// What a record takes beside its value, at most: the lengths of record and
	// value and the offset (5 each), the timestamp (10), the attributes, and
	// that there is no key and no header (1 each).
	recordOverhead = 3*5 + 10 + 3*1

	unusedEpoch   = -1 // of the partition's leader; brokers write theirs
	messageFormat = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordBatch puts one record batch after the other together, in memory that it
// uses again. The zero value is ready to use. It belongs to one goroutine.
type recordBatch struct {
	header kmsg.RecordBatch
	plain  []byte       // the records
	packed bytes.Buffer // the records, compressed
	wire   []byte       // the whole batch
}

// fill makes it the batch of the readings of a round, which has one at least. They
// are compressed where that makes them smaller; compressor may be nil.
func (b *recordBatch) fill(round []*request, compressor kgo.Compressor) {
	var (
		first = round[0].at
		last  = first
		count int32
	)
	b.plain = b.plain[:0]
	for _, r := range round {
		last = max(last, r.at)
		for i := range r.len() {
			b.plain = appendRecord(b.plain, r.at-first, count, r.value(i))
			count++
		}
	}
	b.header = kmsg.RecordBatch{
		PartitionLeaderEpoch: unusedEpoch,
		Magic:                messageFormat,
		LastOffsetDelta:      count - 1,
		FirstTimestamp:       first,
		MaxTimestamp:         last,
		NumRecords:           count,
		Records:              b.plain,
	}
	if compressor != nil {
		b.packed.Reset()
		packed, codec := compressor.Compress(&b.packed, b.plain)
		if codec > kgo.CodecNone && len(packed) < len(b.plain) {
			b.header.Records, b.header.Attributes = packed, int16(codec)
		}
	}
	b.header.Length = int32(batchOverhead - lengthEnd + len(b.header.Records))
}

// len is the number of records.
func (b *recordBatch) len() int32 { return b.header.NumRecords }

// encode returns the batch as it is sent with a producer's ID and epoch, and the
// sequence number of its first record. The bytes are valid until the next call of
// encode or fill.
func (b *recordBatch) encode(id int64, epoch int16, sequence int32) []byte {
	b.header.ProducerID, b.header.ProducerEpoch, b.header.FirstSequence = id, epoch, sequence
	b.wire = b.header.AppendTo(b.wire[:0])
	binary.BigEndian.PutUint32(b.wire[crcStart:], crc32.Checksum(b.wire[crcEnd:], castagnoli))
	return b.wire
}

// release lets go of memory that only a large request has needed.
func (b *recordBatch) release() {
	if cap(b.plain) > 2*roundBytes {
		*b = recordBatch{}
	}
}

// appendRecord appends a record without key and headers.
func appendRecord(dst []byte, timestampDelta int64, offsetDelta int32, value []byte) []byte {
	record := kmsg.Record{TimestampDelta64: timestampDelta, OffsetDelta: offsetDelta, Value: value}
	record.Length = int32(1 + // attributes
		kbin.VarlongLen(timestampDelta) +
		kbin.VarintLen(offsetDelta) +
		1 + // no key
		kbin.VarintLen(int32(len(value))) + len(value) +
		1) // no headers
	return record.AppendTo(dst)
}

// nextSequence is the sequence number after those of so many records. After the
// greatest comes 0.
func nextSequence(sequence, records int32) int32 {
	return int32((int64(sequence) + int64(records)) & math.MaxInt32)
}
