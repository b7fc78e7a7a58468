package buffertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/go-databuffer/databuffer/flusher"
)

// A Plan says what goes wrong in the attempt number n, from 1, in the order in
// which a Faulty's attempts begin. It is called for one attempt after another, and
// must not call the Faulty. [Script] and [Random] make one.
type Plan func(n int) Fault

// Script has the first attempts go wrong like this, in turn, and none after them.
func Script(faults ...Fault) Plan {
	faults = slices.Clone(faults)
	return func(n int) Fault {
		if n > len(faults) {
			return Pass()
		}
		return faults[n-1]
	}
}

// Chance is how probable a Fault is, from 0 to 1.
type Chance struct {
	Of    float64
	Fault Fault
}

// Random has attempts go wrong at random: for each attempt the chances are drawn
// one after another until one is hit, which then is the fault; where none is,
// nothing goes wrong. Equal seeds draw equal faults for the attempts in the order
// in which they begin, which with one partition and MaxInFlight 1 is the order of
// the batches. A Plan of Random belongs to one Faulty.
func Random(seed uint64, chances ...Chance) Plan {
	random := rand.New(rand.NewPCG(seed, seed))
	chances = slices.Clone(chances)
	return func(int) Fault {
		for _, chance := range chances {
			if random.Float64() < chance.Of {
				return chance.Fault
			}
		}
		return Pass()
	}
}

// Faulty is a Flusher that fails as told, and otherwise has the Flusher behind it
// answer. Make it with NewFaulty; the zero value takes everything. Its methods
// may be called from any goroutine. It must not be copied.
type Faulty[T any] struct {
	to   flusher.Flusher[T] // nil: it takes everything
	plan Plan               // nil: nothing goes wrong

	mu    sync.Mutex // protects the fields below, and is held while plan is called
	count int        // attempts that the plan was asked about
	down  *Fault     // nil: it is up
}

// NewFaulty makes a Faulty before the Flusher, by the plan. A nil Flusher takes
// everything, and with a nil plan something goes wrong only between Down and Up.
func NewFaulty[T any](to flusher.Flusher[T], plan Plan) *Faulty[T] {
	return &Faulty[T]{to: to, plan: plan}
}

// Down has every attempt that begins from now on go wrong like this, until Up. The
// plan waits meanwhile: what it has for its next attempt comes after Up. Another
// Down changes the fault.
func (f *Faulty[T]) Down(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = &fault
}

// Up ends what Down began, for the attempts that begin from now on.
func (f *Faulty[T]) Up() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = nil
}

// Flush fails, or has the Flusher behind it answer, or both.
func (f *Faulty[T]) Flush(ctx context.Context, batch flusher.Batch[T]) error {
	fault := f.next()
	if err := fault.wait(ctx); err != nil {
		return err
	}
	return fault.inject(len(batch.Items), func(except []int) error {
		if len(except) > 0 {
			batch.Items = without(batch.Items, except)
		}
		return flush(ctx, f.to, batch)
	})
}

// next is the fault of an attempt that begins.
func (f *Faulty[T]) next() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.down != nil:
		return *f.down
	case f.plan == nil:
		return Pass()
	}
	f.count++
	return f.plan(f.count)
}

// without is a copy of the items but for those at the ascending indexes.
func without[T any](items []T, indexes []int) []T {
	left := make([]T, 0, len(items)-len(indexes))
	for i, item := range items {
		if _, found := slices.BinarySearch(indexes, i); !found {
			left = append(left, item)
		}
	}
	return left
}

// ended is the end of ctx, as an error that satisfies errors.Is for its Err and
// for its cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
