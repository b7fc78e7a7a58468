package flusher_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-databuffer/databuffer/flusher"
)

// wrap puts err under a few layers of other people's wrapping.
func wrap(err error) error {
	for layer := range 3 {
		err = fmt.Errorf("layer %d: %w", layer, err)
	}
	return errors.Join(nil, err)
}

func TestInspect(t *testing.T) {
	const n = 10
	var (
		partial    = flusher.Partial
		permanent  = flusher.Permanent
		retryAfter = flusher.RetryAfter
		join       = errors.Join
	)
	retryWhole := flusher.Verdict{Whole: true}
	finalWhole := flusher.Verdict{Whole: true, Final: true}
	retry := func(indexes ...int) flusher.Verdict { return flusher.Verdict{Retry: indexes} }
	final := func(indexes ...int) flusher.Verdict { return flusher.Verdict{Permanent: indexes} }

	for _, test := range []struct {
		name string
		err  error
		want flusher.Verdict
	}{
		// The whole batch.
		{"delivered", nil, flusher.Verdict{}},
		{"an error", errSink, retryWhole},
		{"a timeout", flusher.ErrTimeout, retryWhole},
		{"permanent", permanent(errSink), finalWhole},
		{"permanent, wrapped", wrap(permanent(wrap(errSink))), finalWhole},
		{"retry after", retryAfter(errSink, time.Second), flusher.Verdict{Whole: true, After: time.Second}},
		{"retry after, wrapped", wrap(retryAfter(wrap(errSink), time.Second)), flusher.Verdict{Whole: true, After: time.Second}},
		{"retry after nothing", retryAfter(errSink, 0), retryWhole},
		{"retry after less than nothing", retryAfter(errSink, math.MinInt64), retryWhole},
		{"permanent beats retry after", retryAfter(permanent(errSink), time.Second), flusher.Verdict{Whole: true, Final: true, After: time.Second}},
		{"permanent beats retry after, the other way", permanent(retryAfter(errSink, time.Second)), flusher.Verdict{Whole: true, Final: true, After: time.Second}},
		{"the longest of nested retry afters", retryAfter(retryAfter(errSink, time.Minute), time.Second), flusher.Verdict{Whole: true, After: time.Minute}},
		{"the longest of joined retry afters", join(retryAfter(errSink, time.Second), retryAfter(errSink, time.Minute), errSink), flusher.Verdict{Whole: true, After: time.Minute}},
		{"joined errors", join(errSink, errSink), retryWhole},
		{"permanent beats what it is joined with", join(errSink, permanent(errSink)), finalWhole},
		{"permanent over a join", permanent(join(errSink, errSink)), finalWhole},

		// One Partial.
		{"partial", partial(errSink, 3), retry(3)},
		{"partial, first and last", partial(errSink, 9, 0), retry(0, 9)},
		{"partial, unsorted and twice", partial(errSink, 5, 2, 5, 2), retry(2, 5)},
		{"partial, wrapped", wrap(partial(wrap(errSink), 3)), retry(3)},
		{"partial of no error", partial(nil, 3), retry(3)},
		{"partial of permanent", partial(permanent(errSink), 3), final(3)},
		{"permanent of partial", permanent(partial(errSink, 3)), final(3)},
		{"permanent of partial of no error", permanent(partial(nil, 3)), final(3)},
		{"partial of permanent, wrapped", wrap(partial(wrap(permanent(wrap(errSink))), 3)), final(3)},
		{"permanent of partial, wrapped", wrap(permanent(wrap(partial(wrap(errSink), 3)))), final(3)},
		{"partial of a join with permanent", partial(join(errSink, permanent(errSink)), 3), final(3)},
		{"partial of retry after", partial(retryAfter(errSink, time.Second), 3), flusher.Verdict{Retry: []int{3}, After: time.Second}},
		{"retry after of partial", retryAfter(partial(errSink, 3), time.Second), flusher.Verdict{Retry: []int{3}, After: time.Second}},
		{"retry after on both sides", retryAfter(partial(retryAfter(errSink, time.Second), 3), time.Minute), flusher.Verdict{Retry: []int{3}, After: time.Minute}},
		{"retry after of partial of permanent", retryAfter(partial(permanent(errSink), 3), time.Second), flusher.Verdict{Permanent: []int{3}, After: time.Second}},

		// Several Partials.
		{"union", join(partial(errSink, 5, 1), partial(errSink, 3)), retry(1, 3, 5)},
		{"each its own class", join(partial(retryAfter(errSink, time.Second), 1, 3), partial(permanent(errSink), 2)), flusher.Verdict{Retry: []int{1, 3}, Permanent: []int{2}, After: time.Second}},
		{"the harsher of two", join(partial(errSink, 1, 2), partial(permanent(errSink), 2, 3)), flusher.Verdict{Retry: []int{1}, Permanent: []int{2, 3}}},
		{"the harsher of two, the other way", join(partial(permanent(errSink), 2, 3), partial(errSink, 1, 2)), flusher.Verdict{Retry: []int{1}, Permanent: []int{2, 3}}},
		{"permanent around one of two", join(permanent(partial(errSink, 1)), partial(errSink, 2)), flusher.Verdict{Retry: []int{2}, Permanent: []int{1}}},
		{"permanent around both", permanent(join(partial(errSink, 1), partial(errSink, 2))), final(1, 2)},
		{"joins in joins", join(join(partial(errSink, 1), wrap(partial(errSink, 2))), wrap(join(partial(permanent(errSink), 3)))), flusher.Verdict{Retry: []int{1, 2}, Permanent: []int{3}}},
		{"two wrapped at once", fmt.Errorf("%w and %w", partial(errSink, 1), partial(errSink, 2)), retry(1, 2)},
		{"nested", partial(partial(errSink, 1), 2), retry(1, 2)},
		{"nested, permanent inside speaks of the inner", partial(partial(permanent(errSink), 1), 2), flusher.Verdict{Retry: []int{2}, Permanent: []int{1}}},
		{"nested, permanent between speaks of both", partial(permanent(partial(errSink, 1)), 2), final(1, 2)},
		{"nested, permanent around speaks of both", permanent(partial(partial(errSink, 1), 2)), final(1, 2)},
		{"nested, the same item twice", partial(partial(permanent(errSink), 1), 1), final(1)},
		{"nested, beside an error that the outer covers", partial(join(partial(permanent(errSink), 1), errSink), 2), flusher.Verdict{Retry: []int{2}, Permanent: []int{1}}},

		// All items named.
		{"every item", partial(errSink, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), retryWhole},
		{"every item in two", join(partial(errSink, 0, 1, 2, 3, 4), partial(retryAfter(errSink, time.Second), 5, 6, 7, 8, 9)), flusher.Verdict{Whole: true, After: time.Second}},
		{"every item but one", partial(errSink, 0, 1, 2, 3, 4, 5, 6, 7, 8), retry(0, 1, 2, 3, 4, 5, 6, 7, 8)},
		{"every item, one permanent", join(partial(errSink, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), partial(permanent(errSink), 4)), flusher.Verdict{Retry: []int{0, 1, 2, 3, 5, 6, 7, 8, 9}, Permanent: []int{4}}},
		{"every item permanent", partial(permanent(errSink), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), final(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)},

		// Answers that do not say which items are delivered.
		{"no index", partial(errSink), retryWhole},
		{"no index, beside one", join(partial(errSink, 1), partial(errSink)), retryWhole},
		{"no index, permanent around", permanent(partial(errSink)), finalWhole},
		{"no index, permanent inside", partial(permanent(errSink)), retryWhole},
		{"index beyond the last", partial(errSink, 10), retryWhole},
		{"index beyond the last, beside a good one", partial(errSink, 1, 10), retryWhole},
		{"negative index", partial(errSink, -1, 1), retryWhole},
		{"extreme indexes", partial(errSink, math.MinInt, math.MaxInt), retryWhole},
		{"bad index, joined", join(partial(errSink, 1), partial(errSink, 10)), retryWhole},
		{"bad index, nested", partial(partial(errSink, 10), 1), retryWhole},
		{"bad index, permanent around", permanent(partial(errSink, 10)), finalWhole},
		{"bad index, permanent inside", partial(permanent(errSink), 10), retryWhole},
		{"bad index, permanent between", partial(permanent(partial(errSink, 10)), 1), retryWhole},
		{"bad index, permanent elsewhere", join(partial(errSink, 10), permanent(partial(errSink, 1))), retryWhole},
		{"bad index, retry after", partial(retryAfter(errSink, time.Second), 10), flusher.Verdict{Whole: true, After: time.Second}},
		{"an error beside a partial", join(partial(errSink, 1), errSink), retryWhole},
		{"an error beside a partial, the other way", join(errSink, partial(errSink, 1)), retryWhole},
		{"an error beside a partial, in depth", wrap(join(wrap(partial(errSink, 1)), wrap(join(wrap(errSink))))), retryWhole},
		{"an error beside a permanent partial", join(partial(permanent(errSink), 1), errSink), retryWhole},
		{"an error beside a partial under permanent", join(permanent(partial(errSink, 1)), errSink), retryWhole},
		{"a permanent error beside a partial", join(partial(errSink, 1), permanent(errSink)), finalWhole},
		{"permanent around an error beside a partial", permanent(join(partial(errSink, 1), errSink)), finalWhole},

		// Panics.
		{"a panic", &flusher.PanicError{Value: "boom"}, finalWhole},
		{"a panic, wrapped", wrap(&flusher.PanicError{Value: "boom"}), finalWhole},
		{"a panic with a partial claims no delivery", &flusher.PanicError{Value: partial(errSink, 1)}, finalWhole},
		{"a panic with retry after", &flusher.PanicError{Value: retryAfter(errSink, time.Second)}, finalWhole},
		{"a panic over one item", partial(&flusher.PanicError{Value: "boom"}, 1), final(1)},
		{"goexit", flusher.ErrGoexit, finalWhole},
		{"goexit, wrapped", wrap(flusher.ErrGoexit), finalWhole},
		{"goexit over one item", partial(flusher.ErrGoexit, 1), final(1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, flusher.Inspect(test.err, n))
			assert.Equal(t, test.want, flusher.Inspect(test.err, n), "the first reading changed the error")
		})
	}
}

func TestInspectOfOneItem(t *testing.T) {
	assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(flusher.Partial(errSink, 0), 1))
	assert.Equal(t, flusher.Verdict{Permanent: []int{0}}, flusher.Inspect(flusher.Partial(flusher.Permanent(errSink), 0), 1))
	assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(flusher.Partial(errSink, 1), 1))
}

func TestInspectOfNoItems(t *testing.T) {
	// No batch is empty, but an answer about one must not crash or deliver.
	for _, n := range []int{0, -1, math.MinInt} {
		assert.Equal(t, flusher.Verdict{}, flusher.Inspect(nil, n))
		assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(errSink, n))
		assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(flusher.Partial(errSink, 0), n))
		assert.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(flusher.Partial(nil, n), n))
	}
}

func TestInspectOfTheGreatestBatch(t *testing.T) {
	assert.Equal(t, flusher.Verdict{Retry: []int{math.MaxInt - 1}}, flusher.Inspect(flusher.Partial(errSink, math.MaxInt-1), math.MaxInt))
}

func TestInspectGivesTheSlicesAway(t *testing.T) {
	err := errors.Join(flusher.Partial(errSink, 1, 2), flusher.Partial(flusher.Permanent(errSink), 3, 4))
	first := flusher.Inspect(err, 9)
	clear(first.Retry)
	clear(first.Permanent)
	assert.Equal(t, flusher.Verdict{Retry: []int{1, 2}, Permanent: []int{3, 4}}, flusher.Inspect(err, 9))
}

// list wraps errors as a type of someone else's, nil ones and all.
type list []error

func (l list) Error() string   { return fmt.Sprintf("%d errors", len(l)) }
func (l list) Unwrap() []error { return l }

func TestInspectOfForeignWrappers(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want flusher.Verdict
	}{
		{"nothing wrapped", list{}, flusher.Verdict{Whole: true}},
		{"only nil wrapped", list{nil, nil}, flusher.Verdict{Whole: true}},
		{"nil beside a partial", list{nil, flusher.Partial(errSink, 1), nil}, flusher.Verdict{Retry: []int{1}}},
		{"nothing wrapped, beside a partial", list{list{}, flusher.Partial(errSink, 1)}, flusher.Verdict{Whole: true}},
		{"nothing wrapped, in a partial", flusher.Partial(list{}, 1), flusher.Verdict{Retry: []int{1}}},
		{"not comparable, permanent", list{flusher.Permanent(list{errSink})}, flusher.Verdict{Whole: true, Final: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, flusher.Inspect(test.err, 3))
		})
	}
}

// endless unwraps to itself.
type endless struct{}

func (e endless) Error() string { return "endless" }
func (e endless) Unwrap() error { return e }

// explosive unwraps to two of itself.
type explosive struct{}

func (e explosive) Error() string   { return "explosive" }
func (e explosive) Unwrap() []error { return []error{e, e} }

func TestInspectSurvivesHostileTrees(t *testing.T) {
	deep := func(depth int, err error) error {
		for range depth {
			err = flusher.RetryAfter(err, 1)
		}
		return err
	}
	doubled := flusher.Partial(errSink, 1)
	for range 60 { // 2^60 leaves
		doubled = errors.Join(doubled, doubled)
	}
	wide := make(list, 1_000_000)
	for i := range wide {
		wide[i] = errSink
	}

	for _, test := range []struct {
		name string
		err  error
		want flusher.Verdict
	}{
		{"endless", endless{}, flusher.Verdict{Whole: true}},
		{"endless under permanent", flusher.Permanent(endless{}), flusher.Verdict{Whole: true, Final: true}},
		{"endless in a partial", flusher.Partial(endless{}, 1), flusher.Verdict{Whole: true}},
		{"explosive", explosive{}, flusher.Verdict{Whole: true}},
		{"doubled sixty times", doubled, flusher.Verdict{Whole: true}},
		{"deep but readable", deep(50_000, flusher.Partial(errSink, 1)), flusher.Verdict{Retry: []int{1}, After: 1}},
		{"deep", deep(1_000_000, flusher.Partial(errSink, 1)), flusher.Verdict{Whole: true, After: 1}},
		{"wide", wide, flusher.Verdict{Whole: true}},
		{"wide under permanent", flusher.Permanent(wide), flusher.Verdict{Whole: true, Final: true}},
		{"wide in a partial", flusher.Partial(wide, 1), flusher.Verdict{Whole: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, flusher.Inspect(test.err, 3))
		})
	}
}

func TestInspectReadsAPartialForEachItem(t *testing.T) {
	// The most that an honest Flusher answers: a status of its own for each of
	// very many items, each wrapped a few times.
	const n = 100_000
	statuses := make([]error, 0, n)
	var want flusher.Verdict
	for i := range n {
		switch i % 3 {
		case 0:
			statuses = append(statuses, fmt.Errorf("item: %w", flusher.Partial(fmt.Errorf("busy: %w", errSink), i)))
			want.Retry = append(want.Retry, i)
		case 1:
			statuses = append(statuses, fmt.Errorf("item: %w", flusher.Permanent(flusher.Partial(errSink, i))))
			want.Permanent = append(want.Permanent, i)
		}
	}
	assert.Equal(t, want, flusher.Inspect(errors.Join(statuses...), n))
}

func TestInspectCountsAPartialOnce(t *testing.T) {
	// Its indexes times its places in the tree would be 20 billion.
	failed := make([]int, 1_000_000)
	for i := range failed {
		failed[i] = i
	}
	partial := flusher.Partial(errSink, failed...)
	places := make(list, 20_000)
	for i := range places {
		places[i] = partial
	}
	verdict := flusher.Inspect(places, len(failed)+1)
	assert.Len(t, verdict.Retry, len(failed))
	assert.Empty(t, verdict.Permanent)

	// One place under Permanent is enough for the harsher class.
	places[7] = flusher.Permanent(partial)
	verdict = flusher.Inspect(places, len(failed)+1)
	assert.Empty(t, verdict.Retry)
	assert.Len(t, verdict.Permanent, len(failed))
}

func BenchmarkInspect(b *testing.B) {
	for _, bench := range []struct {
		name string
		err  error
	}{
		{"an error", fmt.Errorf("insert: %w", errSink)},
		{"one of a thousand", flusher.Partial(flusher.Permanent(errSink), 500)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				flusher.Inspect(bench.err, 1000)
			}
		})
	}
}
