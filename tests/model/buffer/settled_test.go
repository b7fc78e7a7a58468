package buffer_test

import (
	"slices"

	"github.com/go-databuffer/databuffer/buffer"
)

// late tells whether the attempt has outlived its timeout and its grace.
func (w *world) late(attempt *try) bool {
	return w.cfg.FlushTimeout > 0 && attempt.end.Sub(attempt.begun) >= w.cfg.FlushTimeout+w.cfg.FlushGrace
}

// settled judges a case that is over, against what Shutdown gave back.
func (w *world) settled(left *buffer.ShutdownError[int]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	returned := w.returned(left)
	w.outcomes(returned)
	w.together()

	counts := w.final.Total
	buried := 0
	for at := range w.attempted {
		if at.dead {
			buried++
		}
	}
	if w.scene.dead && w.cfg.Overflow != buffer.DropOldest && counts.Dropped > buried {
		w.t.Errorf("%d items were dropped, but the dead letter has seen only %d", counts.Dropped, buried)
	}
	rejected, retried := 0, 0
	for _, at := range w.refused {
		if at.Before(w.over) { // what comes after Shutdown is not counted
			rejected++
		}
	}
	for _, attempt := range w.attempts {
		if attempt.batch.Attempt > 1 {
			retried += len(attempt.batch.Items)
		}
	}
	for what, n := range map[string][2]int{
		"accepted": {counts.Accepted, len(w.accepted)},
		"returned": {counts.Returned, len(returned)},
		"rejected": {counts.Rejected, min(max(counts.Rejected, rejected), len(w.refused))},
		// An attempt that was started as the end came has begun nothing, and its
		// items are undelivered.
		"retried": {counts.Retried, min(max(counts.Retried, retried), retried+len(left.Undelivered))},
	} {
		if n[0] != n[1] {
			w.t.Errorf("%s: %d are counted, and there are %d", what, n[0], n[1])
		}
	}
}

// returned are the items that were given back.
func (w *world) returned(left *buffer.ShutdownError[int]) map[int]bool {
	returned := map[int]bool{}
	for _, item := range slices.Concat(left.Undelivered, left.InDoubt) {
		if returned[item] || !w.accepted[item] {
			w.t.Errorf("item %d was given back: twice, or was not accepted", item)
		}
		returned[item] = true
	}
	for _, item := range left.Undelivered {
		if w.runs[item] {
			w.t.Errorf("item %d is undelivered, but an attempt runs", item)
		}
	}
	for _, item := range left.InDoubt {
		if !w.doubtful[item] {
			w.t.Errorf("item %d is in doubt, but no attempt runs", item)
		}
	}
	return returned
}

// outcomes holds what the two destinations have taken against what is counted.
// Whoever has taken an item in time has settled it; whoever has taken it too late
// may have.
func (w *world) outcomes(returned map[int]bool) {
	var surely, maybe [2]map[int]bool
	for i := range surely {
		surely[i], maybe[i] = map[int]bool{}, map[int]bool{}
	}
	for _, attempt := range w.attempts {
		sink := 0
		if attempt.dead {
			sink = 1
		}
		for _, item := range attempt.batch.Items {
			if !w.accepted[item] {
				w.t.Errorf("item %d is flushed, but was not accepted", item)
			}
			if !attempt.took[item] || attempt.end.After(w.over) {
				continue
			}
			if attempt.end.Equal(w.over) && returned[item] && w.doubtful[item] {
				continue // at the same time as Shutdown returned: either may have been first
			}
			if !w.late(attempt) {
				surely[sink][item] = true
				if returned[item] {
					w.t.Errorf("item %d was given back, but taken before", item)
				}
			}
			if !returned[item] {
				maybe[sink][item] = true
			}
		}
	}
	for i, n := range []int{w.final.Total.Delivered, w.final.Total.DeadLettered} {
		if n < len(surely[i]) || n > len(maybe[i]) {
			w.t.Errorf("sink %d has taken %d to %d items, but %d are counted", i, len(surely[i]), len(maybe[i]), n)
		}
	}
}

// together checks that an item stays in its partition, and those of an
// InsertBatch in one.
func (w *world) together() {
	places := map[int]int{}
	for _, attempt := range w.attempts {
		for _, item := range attempt.batch.Items {
			if place, seen := places[item]; seen && place != attempt.batch.Partition {
				w.t.Errorf("item %d is in two partitions", item)
			}
			places[item] = attempt.batch.Partition
		}
	}
	for _, items := range w.whole {
		for _, item := range items[1:] {
			place, seen := places[item]
			if other, too := places[items[0]]; seen && too && place != other {
				w.t.Errorf("an InsertBatch went to two partitions: %v", items)
			}
		}
	}
}
