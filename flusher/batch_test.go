package flusher_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

func TestTriggerString(t *testing.T) {
	for trigger, want := range map[flusher.Trigger]string{
		flusher.Size:          "size",
		flusher.Bytes:         "bytes",
		flusher.Interval:      "interval",
		flusher.Manual:        "manual",
		flusher.Shutdown:      "shutdown",
		flusher.Shutdown + 1:  "Trigger(5)",
		flusher.Trigger(0xff): "Trigger(255)",
	} {
		assert.Equal(t, want, trigger.String())
	}
}

func TestTriggerOfAZeroBatchIsSize(t *testing.T) {
	assert.Equal(t, flusher.Size, flusher.Batch[int]{}.Trigger)
}

func TestNewIDLayout(t *testing.T) {
	buffer := [8]byte{0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04}
	for _, test := range []struct {
		name      string
		partition uint16
		sequence  uint64
		want      string
	}{
		{"zero", 0, 0, "deadbeef01020304" + "0000" + "000000000000"},
		{"small", 1, 2, "deadbeef01020304" + "0001" + "000000000002"},
		{"big endian", 0x0102, 0x030405060708, "deadbeef01020304" + "0102" + "030405060708"},
		{"greatest partition", math.MaxUint16, 7, "deadbeef01020304" + "ffff" + "000000000007"},
		{"greatest sequence", 3, 1<<48 - 1, "deadbeef01020304" + "0003" + "ffffffffffff"},
		{"a sequence of more than 6 bytes spares the partition", 3, math.MaxUint64, "deadbeef01020304" + "0003" + "ffffffffffff"},
		{"a sequence of more than 6 bytes wraps", 3, 1<<48 + 5, "deadbeef01020304" + "0003" + "000000000005"},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := flusher.NewID(buffer, test.partition, test.sequence)
			assert.Equal(t, test.want, id.String())

			text, err := id.MarshalText()
			require.NoError(t, err)
			assert.Equal(t, test.want, string(text))
		})
	}
}

func TestNewIDIsUnique(t *testing.T) {
	seen := make(map[flusher.ID]bool)
	for _, buffer := range [][8]byte{{}, {1}, {7: 1}} {
		for partition := range uint16(300) {
			for sequence := range uint64(20) {
				id := flusher.NewID(buffer, partition, sequence<<4)
				require.False(t, seen[id], "%s was given twice", id)
				seen[id] = true
			}
		}
	}
}

func TestNewIDSortsByPartitionAndSequence(t *testing.T) {
	var last flusher.ID
	for _, sequence := range []uint64{1, 2, 255, 256, 65535, 65536, 1 << 32, 1<<48 - 1} {
		id := flusher.NewID([8]byte{}, 0, sequence)
		assert.Negative(t, bytes.Compare(last[:], id[:]), "sequence %d", sequence)
		last = id
	}
	next := flusher.NewID([8]byte{}, 1, 0)
	assert.Negative(t, bytes.Compare(last[:], next[:]))
}

func TestIDShowsInHexadecimalEverywhere(t *testing.T) {
	const want = "0100000000000000000200000000000a"
	id := flusher.NewID([8]byte{1}, 2, 10)

	asJSON, err := json.Marshal(map[string]any{"id": id})
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"`+want+`"}`, string(asJSON))

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("flushed", "id", id)
	assert.Contains(t, log.String(), "id="+want)
}

func TestIDIsAKey(t *testing.T) {
	seen := map[flusher.ID]int{flusher.NewID([8]byte{1}, 2, 3): 1}
	seen[flusher.NewID([8]byte{1}, 2, 3)]++
	assert.Equal(t, map[flusher.ID]int{flusher.NewID([8]byte{1}, 2, 3): 2}, seen)
}
