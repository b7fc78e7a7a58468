package soak

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// What a ledger notes of an item.
const (
	accepted = iota
	delivered
	deadLettered
	kinds
)

const (
	pageItems = 1 << 16
	maxPages  = 1 << 14 // a thousand million items
)

// page are the notes on pageItems items: a bit for each and each kind.
type page [kinds][pageItems / 32]atomic.Uint32

// ledger notes what became of each item. Items are numbers, given out by draw.
type ledger struct {
	next  atomic.Int64
	used  atomic.Int64 // pages
	pages []atomic.Pointer[page]
}

func newLedger() *ledger { return &ledger{pages: make([]atomic.Pointer[page], maxPages)} }

// draw is the first of n new numbers.
func (l *ledger) draw(n int) int64 { return l.next.Add(int64(n)) - int64(n) }

// note notes a kind, and says whether it was noted before.
func (l *ledger) note(kind int, id int64) bool {
	slot := &l.pages[id/pageItems]
	p := slot.Load()
	if p == nil {
		if slot.CompareAndSwap(nil, new(page)) {
			l.used.Add(1)
		}
		p = slot.Load()
	}
	bit := uint32(1) << (id % 32)
	return p[kind][id%pageItems/32].Or(bit)&bit != 0
}

// bytes is what the ledger itself holds.
func (l *ledger) bytes() int {
	return int(l.used.Load())*int(unsafe.Sizeof(page{})) + maxPages*int(unsafe.Sizeof(l.pages[0]))
}

// sums are how many items have which notes.
type sums struct {
	accepted, delivered, deadLettered int
	both                              int // delivered and dead-lettered
	neither                           int // accepted, and not seen again
	phantoms                          int // seen, but not accepted
}

func (l *ledger) sums() sums {
	var s sums
	for i := range l.pages {
		p := l.pages[i].Load()
		if p == nil {
			continue
		}
		for word := range p[accepted] {
			in, out, dead := p[accepted][word].Load(), p[delivered][word].Load(), p[deadLettered][word].Load()
			s.accepted += bits.OnesCount32(in)
			s.delivered += bits.OnesCount32(out)
			s.deadLettered += bits.OnesCount32(dead)
			s.both += bits.OnesCount32(out & dead)
			s.neither += bits.OnesCount32(in &^ (out | dead))
			s.phantoms += bits.OnesCount32((out | dead) &^ in)
		}
	}
	return s
}

// has says whether the kind is noted.
func (l *ledger) has(kind int, id int64) bool {
	p := l.pages[id/pageItems].Load()
	return p != nil && p[kind][id%pageItems/32].Load()&(1<<(id%32)) != 0
}
