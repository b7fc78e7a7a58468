package kafka

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestTheMarkMovesWhenTheOldestIsDone(t *testing.T) {
	t.Parallel()
	var o offsets
	tags := make([]int64, 0, 4)
	for _, offset := range []int64{100, 101, 105, 106} { // a transaction ended in between
		tags = append(tags, o.add(&kgo.Record{Offset: offset, LeaderEpoch: int32(offset)}))
	}
	assert.Equal(t, mark{}, o.mark, "nothing is done")

	assert.False(t, o.done(tags[1]))
	assert.False(t, o.done(tags[2]))
	assert.Equal(t, mark{}, o.mark, "the oldest is not done")

	assert.True(t, o.done(tags[0]))
	assert.Equal(t, mark{offset: 106, epoch: 105}, o.mark, "the next record that is asked for is 106")
	assert.Equal(t, 1, o.len())

	assert.False(t, o.done(tags[1]), "once is enough")
	assert.False(t, o.done(99), "never added")
	assert.False(t, o.done(-1))
	assert.True(t, o.done(tags[3]))
	assert.Equal(t, mark{offset: 107, epoch: 106}, o.mark)
	assert.Zero(t, o.len())
}

func TestWhatIsCutWasNeverThere(t *testing.T) {
	t.Parallel()
	var o offsets
	first := o.add(&kgo.Record{Offset: 7})
	second := o.add(&kgo.Record{Offset: 8})
	o.cut(second)
	assert.Nil(t, o.get(second))
	assert.True(t, o.done(first))
	assert.Equal(t, int64(8), o.mark.offset)
	assert.Zero(t, o.len())
	assert.Equal(t, second, o.add(&kgo.Record{Offset: 8}))
	o.cut(first)
	assert.Zero(t, o.len(), "what is done cannot be cut")
	assert.Equal(t, int64(8), o.mark.offset)
}

// TestTheMarkNeverPassesWhatIsNotDone plays random histories against a plain list:
// after each step the mark is just behind the last record before which all are
// done.
func TestTheMarkNeverPassesWhatIsNotDone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		play(t, seed, func(n int) int { return random.IntN(n) }, 1+random.IntN(200))
	}
	random := rand.New(rand.NewPCG(0, 2))
	play(t, 0, func(n int) int { return random.IntN(n) }, 3000) // the ring grows
}

func FuzzTheMarkNeverPassesWhatIsNotDone(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 2, 0, 9, 1, 200, 1})
	f.Fuzz(func(t *testing.T, choices []byte) {
		steps := len(choices) / 2
		play(t, 0, func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0]) % n
			choices = choices[1:]
			return c
		}, steps)
	})
}

func play(t *testing.T, seed uint64, choose func(n int) int, steps int) {
	type record struct {
		tag, offset int64
		bytes       int
		done        bool
	}
	var (
		o       offsets
		all     []record
		pending []int // indexes into all
		offset  int64
		want    int64
	)
	for range steps {
		switch what := choose(10); {
		case what < 5 || len(pending) == 0:
			offset += int64(1 + choose(3))
			value := make([]byte, choose(4))
			tag := o.add(&kgo.Record{Offset: offset, Key: value, Headers: []kgo.RecordHeader{{Key: "h", Value: value}}})
			pending = append(pending, len(all))
			all = append(all, record{tag: tag, offset: offset, bytes: 1 + 2*len(value)})
		case what < 9:
			i := choose(len(pending))
			r := &all[pending[i]]
			r.done = true
			pending = append(pending[:i], pending[i+1:]...)
			o.done(r.tag)
			o.done(r.tag)
		default: // the newest was not taken after all
			last := len(all) - 1
			if !all[last].done {
				o.cut(all[last].tag)
				offset = all[last].offset - 1
				all = all[:last]
				for i, index := range pending {
					if index == last {
						pending = append(pending[:i], pending[i+1:]...)
						break
					}
				}
			}
		}
		want = 0
		open := len(all)
		for i, r := range all {
			if !r.done {
				open = i
				break
			}
			want = r.offset + 1
		}
		held := 0
		for _, r := range all {
			if !r.done {
				held += r.bytes
			}
		}
		if held != o.bytes {
			t.Fatalf("seed %d: %d bytes are held and should be %d", seed, o.bytes, held)
		}
		if want != o.mark.offset || len(all)-open != o.len() {
			t.Fatalf("seed %d: the mark is %d and should be %d, with %d records from there and should be %d",
				seed, o.mark.offset, want, o.len(), len(all)-open)
		}
	}
}
