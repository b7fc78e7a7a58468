package partition

import (
	"context"
	"slices"
)

// A PageFlusher has a partition keep the bytes of its items, where T is []byte, in
// one piece: the batch being filled is a page, and where in it each item ends. So a
// short insert writes nothing but its bytes and a number. An item of more than
// MaxBytes gets a page of its own, which is not used again.
//
// Items are made of a page only where an attempt over it has failed, or nobody is
// to make one any more: they are slices of the page, and the capacity of each is
// the rest of it.
type PageFlusher interface {
	// FlushPage is the first attempt over a batch, in place of the Flusher's
	// Flush: the same with another view of the items. They stand one behind the
	// other in page, and end at ends; both are read-only, and valid until it
	// returns. Where there is no FlushTimeout, ctx does not end when it returns.
	FlushPage(ctx context.Context, page []byte, ends []int) error
}

// firstPage is how large a page is at first, where MaxBytes is more.
const firstPage = 64 << 10

// Lock, Reserve and Unlock are Append for a partition with Pages, in pieces so
// small that the compiler puts them into their caller: to call Append would take
// longer than to copy a short item.
func (p *Partition[T]) Lock() { p.mu.Lock() }

// Unlock ends what Lock began.
func (p *Partition[T]) Unlock() { p.mu.Unlock() }

// Reserve accepts an item of n bytes, which the caller writes into what it
// returns before it unlocks. It is nil, and nothing was accepted, where the item
// does not go into the page as it is, or fills it: Accept has the answer. It
// requires Lock, and n above 0.
func (p *Partition[T]) Reserve(n int) []byte {
	fill := &p.fill
	items, at := len(fill.ends), len(fill.page)
	if uint(items-1) >= fill.last || items >= cap(fill.ends) || n >= cap(fill.page)-at {
		return nil
	}
	end := at + n
	fill.page, fill.ends = fill.page[:end], fill.ends[:items+1]
	fill.ends[items] = end
	return fill.page[at:end]
}

// write appends items to the page. It requires that mu is held, and that there is
// room for all but one that is the first.
func (p *Partition[T]) write(items []T) {
	for _, bytes := range inBytes(items) {
		if len(bytes) > p.cfg.MaxBytes {
			p.fill.page = append(make([]byte, 0, len(bytes)), bytes...)
		} else {
			p.grow(len(bytes))
			p.fill.page = append(p.fill.page, bytes...)
		}
		p.fill.ends = append(p.fill.ends, len(p.fill.page))
	}
}

// grow makes room in the page for n bytes: twice as much as there was, but never
// more than MaxBytes. It requires that mu is held.
func (p *Partition[T]) grow(n int) {
	page, need := p.fill.page, sum(len(p.fill.page), n)
	if need <= cap(page) {
		return
	}
	size := max(cap(page), firstPage/2)
	if size > p.cfg.MaxBytes/2 {
		size = p.cfg.MaxBytes
	} else {
		size *= 2
	}
	p.fill.page = append(make([]byte, 0, max(size, need)), page...)
	clear(p.fill.items[:cap(p.fill.items)]) // they hold the page before
}

// unpack makes the items of what is still in the page of its batch. The caller is
// run; an attempt may read the page meanwhile.
func (p *Partition[T]) unpack(b *batch[T], c *content[T]) {
	if c.items == nil {
		b.items = unpacked(slices.Grow(b.items[:0], len(b.ends)), b.page, b.ends)
		c.items = b.items
	}
}

// unpacked appends the items of a page.
func unpacked[T any](items []T, page []byte, ends []int) []T {
	all := inBytes(items)
	start := 0
	for _, end := range ends {
		all = append(all, page[start:end])
		start = end
	}
	return *any(&all).(*[]T)
}

// inBytes are the items as what they are.
func inBytes[T any](items []T) [][]byte { return *any(&items).(*[][]byte) }
