package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// offsets are the records of one partition between being consumed and being done,
// in order. Each has a tag, counted from 0; offsets of records have holes, where
// transactions ended or compaction was. The methods do not lock.
type offsets struct {
	entries []entry // a ring; its length is a power of two
	head    int64   // tag of the oldest that is not done; all before are
	tail    int64   // tag of the next
	mark    mark    // what may be committed
	bytes   int     // in the records that are not done
}

// entry is one record.
type entry struct {
	record *kgo.Record // nil when done
	mark   mark        // what may be committed when it and all before are done
}

// mark is an offset before which all are done. The zero mark says nothing.
type mark struct {
	offset int64
	epoch  int32 // of the leader that had the record before
}

// add takes the next record and returns its tag.
func (o *offsets) add(record *kgo.Record) int64 {
	if o.len() == len(o.entries) {
		o.grow()
	}
	tag := o.tail
	*o.at(tag) = entry{record: record, mark: mark{offset: record.Offset + 1, epoch: record.LeaderEpoch}}
	o.tail++
	o.bytes += size(record)
	return tag
}

// done says that a record is. It returns whether the mark has moved.
func (o *offsets) done(tag int64) bool {
	record := o.get(tag)
	if record == nil {
		return false
	}
	o.bytes -= size(record)
	o.at(tag).record = nil
	before := o.head
	for o.head < o.tail && o.at(o.head).record == nil {
		o.mark = o.at(o.head).mark
		o.head++
	}
	return o.head > before
}

// get is the record of a tag, or nil where it is done or was never added.
func (o *offsets) get(tag int64) *kgo.Record {
	if tag < o.head || tag >= o.tail {
		return nil
	}
	return o.at(tag).record
}

// cut forgets the records from tag on, as if they had not been added. Those before
// the mark stay done.
func (o *offsets) cut(tag int64) {
	for ; o.tail > max(tag, o.head); o.tail-- {
		if record := o.at(o.tail - 1).record; record != nil {
			o.bytes -= size(record)
		}
		*o.at(o.tail - 1) = entry{}
	}
}

// size is how many bytes of a record its sender decides on.
func size(record *kgo.Record) int {
	bytes := len(record.Key) + len(record.Value)
	for _, h := range record.Headers {
		bytes += len(h.Key) + len(h.Value)
	}
	return bytes
}

// next is the offset after the newest record; 0 where there was none yet.
func (o *offsets) next() int64 {
	if o.len() == 0 {
		return o.mark.offset
	}
	return o.at(o.tail - 1).mark.offset
}

// len is how many records there are from the oldest that is not done.
func (o *offsets) len() int { return int(o.tail - o.head) }

func (o *offsets) at(tag int64) *entry { return &o.entries[tag&int64(len(o.entries)-1)] }

func (o *offsets) grow() {
	larger := offsets{entries: make([]entry, max(1024, 2*len(o.entries)))}
	for tag := o.head; tag < o.tail; tag++ {
		*larger.at(tag) = *o.at(tag)
	}
	o.entries = larger.entries
}
