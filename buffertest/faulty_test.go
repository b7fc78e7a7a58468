package buffertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
)

// What each Fault answers for a batch of 10 to 13, and what of it arrives.
func TestFaults(t *testing.T) {
	busy := errors.New("busy")
	for name, c := range map[string]struct {
		fault   buffertest.Fault
		arrives []int // nil: Flush behind it is not called
		verdict flusher.Verdict
		err     error // that the answer wraps; nil: it is nil
	}{
		"the zero value": {fault: buffertest.Fault{}, arrives: []int{10, 11, 12, 13}},
		"Pass":           {fault: buffertest.Pass(), arrives: []int{10, 11, 12, 13}},
		"Fail":           {fault: buffertest.Fail(busy), verdict: flusher.Verdict{Whole: true}, err: busy},
		"Fail of nil":    {fault: buffertest.Fail(nil)},
		"Fail for good":  {fault: buffertest.Fail(busy).Permanently(), verdict: flusher.Verdict{Whole: true, Final: true}, err: busy},
		"Fail for later": {fault: buffertest.Fail(busy).After(time.Second), verdict: flusher.Verdict{Whole: true, After: time.Second}, err: busy},
		"FailItems": {
			fault: buffertest.FailItems(busy, 2, 0, 2), arrives: []int{11, 13},
			verdict: flusher.Verdict{Retry: []int{0, 2}}, err: busy,
		},
		"FailItems for good": {
			fault: buffertest.FailItems(busy, 1).Permanently(), arrives: []int{10, 12, 13},
			verdict: flusher.Verdict{Permanent: []int{1}}, err: busy,
		},
		"FailItems for later": {
			fault: buffertest.FailItems(busy, 1).After(time.Second), arrives: []int{10, 12, 13},
			verdict: flusher.Verdict{Retry: []int{1}, After: time.Second}, err: busy,
		},
		"FailItems of all":          {fault: buffertest.FailItems(busy, 0, 1, 2, 3), verdict: flusher.Verdict{Whole: true}, err: busy},
		"FailItems without an item": {fault: buffertest.FailItems(busy), verdict: flusher.Verdict{Whole: true}, err: busy},
		"FailItems out of range":    {fault: buffertest.FailItems(busy, 1, 4), verdict: flusher.Verdict{Whole: true}, err: busy},
		"FailItems below":           {fault: buffertest.FailItems(busy, -1, 1), verdict: flusher.Verdict{Whole: true}, err: busy},
		"Lose":                      {fault: buffertest.Lose(busy), arrives: []int{10, 11, 12, 13}, verdict: flusher.Verdict{Whole: true}, err: busy},
		"Panic":                     {fault: buffertest.Panic(busy), verdict: flusher.Verdict{Whole: true, Final: true}, err: busy},
		"Goexit":                    {fault: buffertest.Goexit(), verdict: flusher.Verdict{Whole: true, Final: true}, err: flusher.ErrGoexit},
		"a pause of nothing":        {fault: buffertest.Delay(0).Then(buffertest.Stuck(-1)), arrives: []int{10, 11, 12, 13}},
		"nothing after the end": {
			fault:   buffertest.Fail(busy).Then(buffertest.Panic("never")),
			verdict: flusher.Verdict{Whole: true}, err: busy,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var sink buffertest.Recorder[int]
			faulty := buffertest.NewFaulty(&sink, buffertest.Script(c.fault))
			batch := batchOf(10, 11, 12, 13)
			err := call(t.Context(), faulty, batch)
			if c.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.err)
			}
			assert.Equal(t, c.verdict, flusher.Inspect(err, 4))
			assert.Equal(t, []int{10, 11, 12, 13}, batch.Items, "the buffer's items are read-only")
			if c.arrives == nil {
				assert.Empty(t, sink.Batches())
				return
			}
			require.Len(t, sink.Batches(), 1)
			batch.Items = c.arrives
			assert.Equal(t, batch, sink.Batches()[0])
		})
	}
}

// FailItems before a Flusher that fails as well: each item goes by its own class,
// with the index that it has in the whole batch.
func TestFailItemsBeforeAFailure(t *testing.T) {
	busy := errors.New("busy")
	for name, c := range map[string]struct {
		inner   error
		verdict flusher.Verdict
	}{
		"a failure of all":       {busy, flusher.Verdict{Retry: []int{0, 2, 3}, Permanent: []int{1}}},
		"for good":               {flusher.Permanent(busy), flusher.Verdict{Permanent: []int{0, 1, 2, 3}}},
		"for later":              {flusher.RetryAfter(busy, time.Second), flusher.Verdict{Retry: []int{0, 2, 3}, Permanent: []int{1}, After: time.Second}},
		"a Partial":              {flusher.Partial(busy, 1), flusher.Verdict{Retry: []int{2}, Permanent: []int{1}}},
		"of both classes":        {errors.Join(flusher.Partial(busy, 0), flusher.Partial(flusher.Permanent(busy), 2)), flusher.Verdict{Retry: []int{0}, Permanent: []int{1, 3}}},
		"a Partial out of range": {flusher.Partial(busy, 3), flusher.Verdict{Retry: []int{0, 2, 3}, Permanent: []int{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			faulty := buffertest.NewFaulty(answers(c.inner), buffertest.Script(buffertest.FailItems(errSink, 1).Permanently()))
			err := faulty.Flush(t.Context(), batchOf(10, 11, 12, 13))
			require.ErrorIs(t, err, errSink)
			require.ErrorIs(t, err, busy)
			assert.Equal(t, c.verdict, flusher.Inspect(err, 4))
		})
	}
}

func TestFaultPauses(t *testing.T) {
	ending := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, flusher.ErrTimeout)
		t.Cleanup(cancel)
		return ctx
	}
	for name, c := range map[string]struct {
		fault   buffertest.Fault
		takes   time.Duration
		err     error
		arrives int
	}{
		"Delay":                  {buffertest.Delay(time.Second), time.Second, nil, 1},
		"Delay and the context":  {buffertest.Delay(time.Hour), 2 * time.Second, flusher.ErrTimeout, 0},
		"Stuck":                  {buffertest.Stuck(time.Second), time.Second, nil, 1},
		"Stuck, and the context": {buffertest.Stuck(time.Hour), time.Hour, nil, 1},
		"one after another":      {buffertest.Delay(time.Second).Then(buffertest.Stuck(time.Minute)).Then(buffertest.Fail(errSink)), time.Minute + time.Second, errSink, 0},
		"cut off before the end": {buffertest.Delay(time.Hour).Then(buffertest.Fail(errSink)), 2 * time.Second, flusher.ErrTimeout, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sink buffertest.Recorder[int]
				begun := time.Now()
				err := buffertest.NewFaulty(&sink, buffertest.Script(c.fault)).Flush(ending(t), batchOf(1))
				assert.Equal(t, c.takes, time.Since(begun))
				assert.ErrorIs(t, err, c.err)
				assert.Len(t, sink.Batches(), c.arrives)
			})
		})
	}
	t.Run("the end of a context by whatever cause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errSink)
			err := buffertest.NewFaulty[int](nil, buffertest.Script(buffertest.Delay(time.Hour))).Flush(ctx, batchOf(1))
			require.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, errSink)
		})
	})
	t.Run("one Fault for several uses", func(t *testing.T) {
		slow := buffertest.Delay(time.Second)
		one, other := slow.Then(buffertest.Stuck(time.Minute)), slow.Then(buffertest.Stuck(time.Hour))
		synctest.Test(t, func(t *testing.T) {
			faulty := buffertest.NewFaulty[int](nil, buffertest.Script(one, other, slow))
			begun := time.Now()
			for range 3 {
				require.NoError(t, faulty.Flush(t.Context(), batchOf(1)))
			}
			assert.Equal(t, time.Hour+time.Minute+3*time.Second, time.Since(begun))
		})
	})
}

// told is what comes of n attempts: a letter each.
func told(faulty *buffertest.Faulty[int], n int) string {
	text := ""
	for range n {
		if err := faulty.Flush(context.Background(), batchOf(1)); err == nil {
			text += "."
		} else {
			text += err.Error()
		}
	}
	return text
}

// letter is a Fault that told shows as the letter.
func letter(s string) buffertest.Fault { return buffertest.Fail(errors.New(s)) }

func TestScript(t *testing.T) {
	faulty := buffertest.NewFaulty[int](nil, buffertest.Script(letter("a"), buffertest.Pass(), letter("b")))
	assert.Equal(t, "a.b...", told(faulty, 6))
	assert.Equal(t, "...", told(new(buffertest.Faulty[int]), 3), "the zero value takes everything")

	plan := buffertest.Script(letter("a"))
	assert.Equal(t, "a.", told(buffertest.NewFaulty[int](nil, plan), 2))
	assert.Equal(t, "a.", told(buffertest.NewFaulty[int](nil, plan), 2), "a script can be used again")

	every := func(n int) buffertest.Fault {
		if n%3 == 0 {
			return letter("x")
		}
		return buffertest.Pass()
	}
	assert.Equal(t, "..x..x.", told(buffertest.NewFaulty[int](nil, every), 7), "a Plan of one's own")
}

func TestRandom(t *testing.T) {
	chances := []buffertest.Chance{{0.5, letter("a")}, {0.5, letter("b")}, {0, letter("never")}}
	draw := func(seed uint64) string {
		return told(buffertest.NewFaulty[int](nil, buffertest.Random(seed, chances...)), 4000)
	}
	one := draw(1)
	assert.Equal(t, one, draw(1), "an equal seed")
	assert.NotEqual(t, one, draw(2), "another one")
	count := map[rune]int{}
	for _, r := range one {
		count[r]++
	}
	assert.InDelta(t, 2000, count['a'], 200)
	assert.InDelta(t, 1000, count['b'], 200, "of those that the first chance has left")
	assert.InDelta(t, 1000, count['.'], 200)
	assert.Equal(t, "aaa", told(buffertest.NewFaulty[int](nil, buffertest.Random(3, buffertest.Chance{1, letter("a")})), 3))
	assert.Equal(t, "...", told(buffertest.NewFaulty[int](nil, buffertest.Random(3)), 3))
}

func TestOutage(t *testing.T) {
	faulty := buffertest.NewFaulty[int](nil, buffertest.Script(letter("a"), letter("b")))
	assert.Equal(t, "a", told(faulty, 1))
	faulty.Down(letter("x"))
	assert.Equal(t, "xxx", told(faulty, 3))
	faulty.Down(letter("y"))
	assert.Equal(t, "yy", told(faulty, 2))
	faulty.Up()
	assert.Equal(t, "b..", told(faulty, 3), "the plan has waited")
	faulty.Up()
	assert.Equal(t, ".", told(faulty, 1))
}

// The attempts of many partitions come at once.
func TestFaultyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const attempts = 1000
		var sink buffertest.Recorder[int]
		var script []buffertest.Fault
		for i := range attempts {
			if i%2 == 0 {
				script = append(script, buffertest.Stuck(time.Second).Then(letter("a")))
			} else {
				script = append(script, buffertest.Delay(time.Second))
			}
		}
		outer := buffertest.Record(buffertest.NewFaulty(&sink, buffertest.Script(script...)))
		for i := range attempts {
			go func() { _ = outer.Flush(t.Context(), batchOf(i)) }()
		}
		require.NoError(t, outer.Wait(t.Context(), attempts/2))
		synctest.Wait()
		assert.Len(t, outer.Attempts(), attempts)
		assert.Len(t, sink.Batches(), attempts/2)
		assert.ElementsMatch(t, sink.Delivered(), outer.Delivered())
		failed := 0
		for _, a := range outer.Attempts() {
			if a.Err != nil {
				failed++
			}
		}
		assert.Equal(t, attempts/2, failed, fmt.Sprint("of ", attempts))
	})
}

func TestFailItemsOfNilIsNoSuccess(t *testing.T) {
	for _, c := range []struct {
		fault   buffertest.Fault
		verdict flusher.Verdict
	}{
		{buffertest.FailItems(nil), flusher.Verdict{Whole: true}},
		{buffertest.FailItems(nil, 1), flusher.Verdict{Retry: []int{1}}},
		{buffertest.FailItems(nil, 1).Permanently(), flusher.Verdict{Permanent: []int{1}}},
	} {
		err := call(t.Context(), buffertest.NewFaulty(new(buffertest.Recorder[int]), buffertest.Script(c.fault)), batchOf(10, 11))
		require.Error(t, err)
		assert.Equal(t, c.verdict, flusher.Inspect(err, 2))
	}
}
