package kafka

import "context"

// wait is that of one Accept for its readings.
type wait struct {
	// next is what the partition's next offset was at least when the wait began,
	// and with it the least that the readings can have in an intact log. In one
	// that has become shorter, what was done before says nothing of them.
	next     int64
	rejected []int64 // offsets that went to the dead-letter topic since
}

// await is called before readings are sent that stored is then asked for. It
// returns nil where no more are taken.
func (a *assignment) await() *wait {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return nil
	}
	w := &wait{next: max(a.offsets.next(), a.known)}
	a.waits[w] = struct{}{}
	return w
}

// wanted says whether somebody waits for readings of the partition.
func (a *assignment) wanted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waits) > 0
}

// release ends a wait, whether stored was asked or not.
func (a *assignment) release(w *wait) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waits, w)
}

// stored waits until the records from first to last are done. It returns
// ErrElsewhere where that will not be learnt here, and ErrRejected.
func (a *assignment) stored(ctx context.Context, w *wait, first, last int64) error {
	if first < w.next {
		return ErrElsewhere
	}
	if err := a.until(ctx, func() bool { return a.upTo(last+1) || a.ended }); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.offsets.mark.offset <= last {
		return ErrElsewhere
	}
	for _, offset := range w.rejected {
		if first <= offset && offset <= last {
			return ErrRejected
		}
	}
	return nil
}
