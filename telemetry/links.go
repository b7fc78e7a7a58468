package telemetry

import (
	"encoding/binary"
	"math/bits"

	"go.opentelemetry.io/otel/trace"
)

// maxLinks is how many links a flush span gets: OpenTelemetry's default limit,
// beyond which an SDK would drop the older ones by itself.
const maxLinks = 128

// Links collects the span contexts of the inserts in one batch: each once, the
// first 128 as links, the others as a number. The zero value is ready, one word
// large, and allocates with the first Add.
//
// A Links is owned by whoever holds the partition's lock, and after the batch
// was closed by the batch.
type Links struct{ set *linkSet }

type linkSet struct {
	links []trace.Link // at most maxLinks, in the order added
	last  uint64       // the fingerprint added last
	seen  fingerprints // all, those beyond maxLinks too
}

// Add adds a span context, unless it is invalid, not sampled, or was added
// before.
func (l *Links) Add(sc trace.SpanContext) {
	if sc.IsSampled() { // small enough to be inlined: mostly there is nothing to add
		l.add(sc)
	}
}

// add is Add for one that is sampled.
//
// What is beyond the limit is remembered too, or the number left out would
// count a caller once for each of its inserts. That is 16 to 32 bytes for each
// context, of which there is at most one an insert.
func (l *Links) add(sc trace.SpanContext) {
	id := fingerprint(sc)
	s := l.set
	if s != nil && s.last == id { // the same caller again: no look-up
		return
	}
	if !sc.IsValid() {
		return
	}
	if s == nil {
		s = &linkSet{}
		l.set = s
	}
	s.last = id
	if s.seen.add(id) && len(s.links) < maxLinks {
		s.links = append(s.links, trace.Link{SpanContext: sc})
	}
}

// Len returns how many links there are.
func (l *Links) Len() int { return len(l.all()) }

// Dropped returns how many span contexts found no place among the links.
func (l *Links) Dropped() int {
	if l == nil || l.set == nil {
		return 0
	}
	return l.set.seen.count - len(l.set.links)
}

// all returns the links. The caller does not change them.
func (l *Links) all() []trace.Link {
	if l == nil || l.set == nil {
		return nil
	}
	return l.set.links
}

// fingerprint is what tells two spans apart here. It is a hash over both IDs, so
// that two spans could be taken for one, with odds below one in a billion even
// in a batch of a hundred thousand; the price would be a missing link. It is
// never 0.
//
// The IDs are random only where they follow the rules, so they are mixed, by the
// multiply and fold of wyhash.
func fingerprint(sc trace.SpanContext) uint64 {
	t, s := sc.TraceID(), sc.SpanID()
	h := fold(binary.LittleEndian.Uint64(t[:8])^0xa0761d6478bd642f, binary.LittleEndian.Uint64(t[8:])^0xe7037ed1a0b428db)
	return fold(h^0x8ebc6af09c88c6e3, binary.LittleEndian.Uint64(s[:])^0x589965cc75374cc3) | 1
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// fingerprints is a set with open addressing, at most half full. A map does the
// same in three times the time and twice the space, and this is under a partition's lock.
type fingerprints struct {
	slots []uint64 // 0: free; the length is a power of two
	count int
}

// add reports whether f is new.
func (p *fingerprints) add(f uint64) bool {
	if 2*p.count >= len(p.slots) {
		p.grow()
	}
	if !p.put(f) {
		return false
	}
	p.count++
	return true
}

// put writes f into its slot and reports whether it was not there yet. The
// slots must have room: a search ends at a free one.
func (p *fingerprints) put(f uint64) bool {
	mask := uint64(len(p.slots) - 1)
	for i := f >> 32 & mask; ; i = (i + 1) & mask {
		switch p.slots[i] {
		case 0:
			p.slots[i] = f
			return true
		case f:
			return false
		}
	}
}

func (p *fingerprints) grow() {
	old := p.slots
	p.slots = make([]uint64, max(16, 4*len(old)))
	for _, f := range old {
		if f != 0 {
			p.put(f)
		}
	}
}
