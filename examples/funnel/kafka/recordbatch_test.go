package kafka

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// codecs are the ways to compress a batch, by name.
func codecs() map[string][]kgo.CompressionCodec {
	return map[string][]kgo.CompressionCodec{
		"none":   {kgo.NoCompression()},
		"snappy": {kgo.SnappyCompression(), kgo.NoCompression()},
		"gzip":   {kgo.GzipCompression()},
		"lz4":    {kgo.Lz4Compression()},
		"zstd":   {kgo.ZstdCompression()},
	}
}

// of makes a request of values, as newRequest does of readings.
func of(at int64, values ...[]byte) *request {
	r := &request{at: at, values: []byte{}, done: make(chan struct{})}
	for _, value := range values {
		r.values = append(r.values, value...)
		r.ends = append(r.ends, len(r.values))
	}
	r.size = len(r.values) + len(values)*recordOverhead
	return r
}

// consumed is what a consumer makes of the bytes of a batch.
func consumed(t *testing.T, wire []byte) []*kgo.Record {
	t.Helper()
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{},
		&kmsg.FetchResponseTopicPartition{RecordBatches: wire}, kgo.DefaultDecompressor(), nil)
	require.NoError(t, fetched.Err)
	return fetched.Records
}

// checkBatch encodes a round, and looks at what a consumer reads, and a broker.
func checkBatch(t *testing.T, b *recordBatch, round []*request, compressor kgo.Compressor, id int64, epoch int16, sequence int32) {
	t.Helper()
	b.fill(round, compressor)
	wire := b.encode(id, epoch, sequence)

	var (
		next   int64
		size   = batchOverhead
		newest = round[0].at
	)
	records := consumed(t, wire)
	for _, r := range round {
		size += r.size
		newest = max(newest, r.at)
		for i := range r.len() {
			require.Less(t, int(next), len(records))
			record := records[next]
			require.Equal(t, next, record.Offset)
			require.Equal(t, r.at, record.Timestamp.UnixMilli())
			require.True(t, bytes.Equal(r.value(i), record.Value), "%q, and not %q", r.value(i), record.Value)
			require.Empty(t, record.Key)
			require.Empty(t, record.Headers)
			require.Equal(t, id, record.ProducerID)
			require.Equal(t, epoch, record.ProducerEpoch)
			next++
		}
	}
	require.Len(t, records, int(next))
	require.Equal(t, int(b.len()), int(next))
	require.LessOrEqual(t, len(wire), size, "the limits are reckoned by the sizes of requests")

	var header kmsg.RecordBatch
	require.NoError(t, header.ReadFrom(wire))
	assert.Zero(t, header.FirstOffset)
	assert.EqualValues(t, len(wire)-lengthEnd, header.Length)
	assert.EqualValues(t, -1, header.PartitionLeaderEpoch)
	assert.EqualValues(t, 2, header.Magic)
	assert.Zero(t, header.Attributes&^7, "neither transactional, nor of control, nor timestamps of the log")
	assert.Equal(t, header.NumRecords-1, header.LastOffsetDelta)
	assert.Equal(t, round[0].at, header.FirstTimestamp)
	assert.Equal(t, newest, header.MaxTimestamp)
	assert.Equal(t, sequence, header.FirstSequence)
}

func TestAConsumerReadsOfABatchWhatWentIn(t *testing.T) {
	t.Parallel()
	for name, preference := range codecs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compressor, err := kgo.DefaultCompressor(preference...)
			require.NoError(t, err)
			random := rand.New(rand.NewPCG(1, 2))
			var b recordBatch // all in the same memory
			for range 200 {
				var round []*request
				for range 1 + random.IntN(5) {
					values := make([][]byte, 1+random.IntN(100))
					for i := range values {
						values[i] = make([]byte, random.IntN(1+random.IntN(2000)))
						if random.IntN(2) == 0 {
							for j := range values[i] {
								values[i][j] = byte(random.Uint32())
							}
						}
					}
					// Not always in the order of time, and days apart.
					round = append(round, of(1_767_323_045_000+random.Int64N(1<<30), values...))
				}
				checkBatch(t, &b, round, compressor, random.Int64(), int16(random.IntN(math.MaxInt16)), int32(random.IntN(math.MaxInt32)))
			}
		})
	}
}

func FuzzRecordBatch(f *testing.F) {
	f.Add([]byte("a,b,,c;d"), int64(1_767_323_045_000), int64(1_767_323_046_000), int64(7), int32(0))
	f.Add([]byte(";"), int64(5), int64(0), int64(0), int32(math.MaxInt32))
	compressor, err := kgo.DefaultCompressor(kgo.SnappyCompression())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text []byte, at, later, id int64, sequence int32) {
		const until = 1 << 43 // in the year 2248, beyond which a time in nanoseconds overflows
		var round []*request
		for i, part := range bytes.Split(text, []byte(";")) {
			when := at
			if i > 0 {
				when = later
			}
			round = append(round, of((when%until+until)%until, bytes.Split(part, []byte(","))...))
		}
		for _, with := range []kgo.Compressor{nil, compressor} {
			checkBatch(t, new(recordBatch), round, with, id&math.MaxInt64, 0, sequence&math.MaxInt32)
		}
	})
}

func TestABatchIsCompressedWhereThatHelps(t *testing.T) {
	t.Parallel()
	compressor, err := kgo.DefaultCompressor(kgo.SnappyCompression())
	require.NoError(t, err)
	noise := make([]byte, 1000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	var b recordBatch
	b.fill([]*request{of(1, noise)}, compressor)
	assert.Zero(t, b.header.Attributes)
	assert.Greater(t, len(b.encode(1, 0, 0)), 1000)
	b.fill([]*request{of(1, make([]byte, 1000))}, compressor)
	assert.EqualValues(t, kgo.CodecSnappy, b.header.Attributes)
	assert.Less(t, len(b.encode(1, 0, 0)), 200)
}

func TestABatchIsSentAgainUnderAnotherProducerID(t *testing.T) {
	t.Parallel()
	var b recordBatch
	b.fill([]*request{of(1, []byte("a"), []byte("b"))}, nil)
	first := bytes.Clone(b.encode(7, 0, 100))
	assert.Equal(t, first, b.encode(7, 0, 100), "a repetition is the same")
	records := consumed(t, b.encode(8, 1, 0))
	require.Len(t, records, 2)
	assert.EqualValues(t, 8, records[1].ProducerID)
	assert.Equal(t, "b", string(records[1].Value))
}

func TestMemoryOfALargeBatchIsGivenBack(t *testing.T) {
	t.Parallel()
	var b recordBatch
	b.fill([]*request{of(1, make([]byte, roundBytes))}, nil)
	b.release()
	assert.NotZero(t, cap(b.plain), "that of a usual one is kept")
	b.fill([]*request{of(1, make([]byte, 4*roundBytes))}, nil)
	b.release()
	assert.Zero(t, cap(b.plain))
}

func TestSequenceNumbersBeginAgainAfterTheGreatest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sequence, records, want int32 }{
		{0, 1, 1},
		{10, 90, 100},
		{math.MaxInt32 - 1, 1, math.MaxInt32},
		{math.MaxInt32, 1, 0},
		{math.MaxInt32 - 5, 10, 4},
		{math.MaxInt32, math.MaxInt32, math.MaxInt32 - 1},
	} {
		assert.Equal(t, c.want, nextSequence(c.sequence, c.records), "%d records from %d on", c.records, c.sequence)
	}
}

func TestTheSizeOfARequestIsThatOfItsRecordsAtMost(t *testing.T) {
	t.Parallel()
	r := newRequest(numbered(0, 1000))
	var b recordBatch
	b.fill([]*request{r}, nil)
	size := len(b.encode(math.MaxInt64, math.MaxInt16, math.MaxInt32)) - batchOverhead
	assert.LessOrEqual(t, size, r.size)
	assert.Greater(t, size, r.size-1000*recordOverhead)
	for _, value := range []int{0, 1, 1 << 20} {
		worst := appendRecord(nil, math.MinInt64, math.MaxInt32, make([]byte, value))
		assert.LessOrEqual(t, len(worst), value+recordOverhead)
	}
}
