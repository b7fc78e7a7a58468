package kafka

import (
	"errors"
	"slices"
	"time"
)

// withdraw takes back a request that no lane has taken.
func (p *producer) withdraw(r *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, r)
	if i < 0 {
		return false
	}
	p.remove(i)
	return true
}

// remove requires that mu is held.
func (p *producer) remove(i int) {
	p.bytes -= p.waiting[i].size
	p.waiting = slices.Delete(p.waiting, i, i+1)
}

// round waits for requests that can be sent, and takes as many as fit into one
// batch for one partition, which is busy then until free. It returns none when the
// producer is closed and nothing waits.
func (p *producer) round(into []*request) (round []*request, partition int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if i, partition := p.sendable(); i >= 0 {
			p.health[partition].busy = true
			return p.collect(into, i, partition), partition
		}
		if p.closed && len(p.waiting) == 0 {
			return nil, 0
		}
		p.work.Wait()
	}
}

// health is what is known of a partition.
type health struct {
	busy  bool      // a lane writes to it
	sick  bool      // the last round that went there failed
	until time.Time // where sick, it is spared so long
}

// sickPause is how long a partition is spared where others will do. Whoever is sent
// there then waits for DeliveryTimeout, should it still be sick.
const sickPause = 10 * time.Second

// sendable finds the first request that waits for no busy partition, and where to
// send it. It requires that mu is held.
func (p *producer) sendable() (index, partition int) {
	now := time.Now()
	well, occupied := 0, 0
	for i, h := range p.health {
		switch {
		case h.sick && h.busy:
			occupied++
		case !h.sick && i < p.exist:
			well++
		}
	}
	// One lane at least is left to those that are well.
	open := func(partition int) bool {
		h := p.health[partition]
		return !h.busy && (!h.sick || well == 0 || occupied < maxLanes-1)
	}
	for i, r := range p.waiting {
		if r.partition != anyPartition {
			if open(r.partition) {
				return i, r.partition
			}
			continue
		}
		for range p.exist {
			p.turn++
			next := p.turn % p.exist
			if h := p.health[next]; open(next) && (!h.sick || well == 0 || now.After(h.until)) {
				return i, next
			}
		}
	}
	return -1, 0
}

// collect takes the request at i, also where the topic has become too small for it
// since, and all after it that may go with it. It requires that mu is held.
func (p *producer) collect(into []*request, i, partition int) []*request {
	room := max(min(roundBytes, int(p.limit.Load())), p.waiting[i].size)
	kept := p.waiting[:i]
	for _, r := range p.waiting[i:] {
		if (r.partition == anyPartition || r.partition == partition) && r.size <= room {
			room -= r.size
			p.bytes -= r.size
			into = append(into, r)
			continue
		}
		kept = append(kept, r)
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
	return into
}

// free says that a lane has done with a partition, and how its round ended.
func (p *producer) free(partition int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := health{}
	if isSickness(err) {
		h = health{sick: true, until: time.Now().Add(sickPause)}
	}
	p.health[partition] = h
	p.work.Broadcast()
}

// isSickness says whether a round failed for want of a broker that takes it.
func isSickness(err error) bool {
	return (errors.Is(err, ErrNotSent) || errors.Is(err, ErrInDoubt)) && !forGood(err)
}

// found says which topic there is by now, and how many partitions it has, which is
// fewer where it was made anew: then requests that wait for one of those that are
// gone are refused.
func (p *producer) found(topicID [16]byte, partitions int) {
	if p.topic != nil {
		p.topic(topicID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if partitions == p.exist {
		return
	}
	p.exist = partitions
	for len(p.health) < partitions {
		p.health = append(p.health, health{})
	}
	for i := len(p.waiting) - 1; i >= 0; i-- {
		if r := p.waiting[i]; r.partition >= partitions {
			p.remove(i)
			r.answer(noOffset, errGone)
		}
	}
	p.work.Broadcast()
}
