package writer

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

const (
	maxErrors = 100 // that Errors keeps
	maxCauses = 16  // that Sync, Stop and Close join
)

// failures is what has gone wrong. It is the partition's Witness.
type failures struct {
	// mu protects the fields below. No other lock is taken while it is held, but
	// it is taken under the partition's.
	mu       sync.Mutex
	newest   []error // a ring, once it is full
	oldest   int     // of the ring
	unsynced tally   // since the last Sync
	run      *tally  // since the last Start
}

// tally is what a Sync or a Stop tells: what was not written, and the Every
// callbacks that failed.
type tally struct {
	causes []error // the newest
	more   int     // that were before them
	writes int     // in those
}

// Failed notes an attempt that failed, which may be tried again.
func (f *failures) Failed(err error) {
	if p, ok := err.(*partition.Progress); ok {
		err = p.Err
	}
	if h, ok := err.(*halted); ok {
		err = h.err
	}
	f.told(err)
}

// Lost notes Writes that will not reach the output.
func (f *failures) Lost(writes int, outcome telemetry.Outcome, cause error) {
	f.fail(&lostError{writes: writes, outcome: outcome, Opaque: partition.Opaque{Err: cause}})
}

// fail notes what Sync and Stop tell, too.
func (f *failures) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(err)
	f.unsynced.add(err)
	f.run.add(err)
}

// called notes a callback that failed. A keep-alive that did says nothing about
// what was written.
func (f *failures) called(c Periodic, err error) {
	err = &callbackError{callback: c, Opaque: partition.Opaque{Err: err}}
	if c.serial {
		f.fail(err)
	} else {
		f.told(err)
	}
}

// told notes what only Errors tells.
func (f *failures) told(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(err)
}

// note requires that mu is held.
func (f *failures) note(err error) {
	if len(f.newest) < maxErrors {
		f.newest = append(f.newest, err)
		return
	}
	f.newest[f.oldest] = err
	f.oldest = (f.oldest + 1) % maxErrors
}

// all is a copy, the oldest first.
func (f *failures) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.newest[f.oldest:], f.newest[:f.oldest])
}

// last is the newest, or nil.
func (f *failures) last() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.newest) == 0 {
		return nil
	}
	return f.newest[(f.oldest+len(f.newest)-1)%len(f.newest)]
}

// sync is what to tell since the last time; nil: nothing.
func (f *failures) sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.unsynced.err()
	f.unsynced = tally{}
	return err
}

// begin begins the tally of a run. The one before stays its run's, which may
// not have told it yet.
func (f *failures) begin() *tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.run = new(tally)
	return f.run
}

// sum is what a run has to tell; nil: nothing.
func (f *failures) sum(run *tally) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return run.err()
}

func (t *tally) add(err error) {
	if len(t.causes) == maxCauses {
		t.more++
		if lost, ok := t.causes[0].(*lostError); ok {
			t.writes += lost.writes
		}
		t.causes = slices.Delete(t.causes, 0, 1)
	}
	t.causes = append(t.causes, err)
}

func (t *tally) err() error {
	var more error
	if t.more > 0 {
		more = fmt.Errorf("writer: %d failures before, of %d Writes, are left out here", t.more, t.writes)
	}
	return errors.Join(append([]error{more}, t.causes...)...)
}

// The errors below have the text of their cause made when theirs is asked for: that
// calls the user's code, which may not be called under a lock.

// lostError is Writes that will not reach the output.
type lostError struct {
	writes  int
	outcome telemetry.Outcome
	partition.Opaque
}

func (e *lostError) Error() string {
	if e.outcome == telemetry.DeadLettered {
		return fmt.Sprintf("writer: %d Writes went to the dead letter: %v", e.writes, e.Err)
	}
	return fmt.Sprintf("writer: %d Writes were dropped: %v", e.writes, e.Err)
}

// leftError is Writes that a Stop has given back.
type leftError struct {
	unwritten, inDoubt int
	partition.Opaque
}

func (e *leftError) Error() string {
	return fmt.Sprintf("writer: Stop left %d Writes unwritten, and %d in doubt: %v", e.unwritten, e.inDoubt, e.Err)
}

// behindError is that somebody has not returned in time when a Stop's context, whose
// end is the cause, was over.
type behindError struct{ cause error }

func (e *behindError) Error() string {
	return fmt.Sprintf("writer: Stop left an output, a callback or a dead letter behind that has not returned: %v; %v", e.cause, ErrRunning)
}

func (e *behindError) Unwrap() []error { return []error{e.cause, ErrRunning} }

// callbackError is an error of a callback.
type callbackError struct {
	callback Periodic
	partition.Opaque
}

func (e *callbackError) Error() string { return fmt.Sprintf("writer: %s: %v", e.callback, e.Err) }
