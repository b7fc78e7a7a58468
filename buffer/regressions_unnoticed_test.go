package buffer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What a deliberate fault went unnoticed with: here inserts, waiting and
// outcomes. Each test is named for what it proves.

func TestContextThatHasEndedIsRefusedInTheMiddleOfABatch(t *testing.T) {
	// The first item of a batch and the one that fills it go another way.
	for name, change := range map[string]func(*buffer.Config[int]){
		"plain":  func(*buffer.Config[int]) {},
		"keyed":  func(c *buffer.Config[int]) { c.Key = func(int) uint64 { return 1 } },
		"sized":  func(c *buffer.Config[int]) { c.SizeOf = func(int) int { return 1 } },
		"sticky": func(c *buffer.Config[int]) { c.Routing = buffer.Sticky },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(&sink{})
			cfg.MaxSize, cfg.Partitions = 100, 1
			change(&cfg)
			buf := open(t, cfg)
			producer := buf.Producer()
			insert(t, buf, 1, 2, 3, 4, 5) // the slice has room for more
			require.ErrorIs(t, buf.Insert(ended(errSink), 6), errSink)
			require.ErrorIs(t, buf.InsertBatch(ended(errSink), []int{6, 7}), errSink)
			require.ErrorIs(t, producer.Insert(ended(errSink), 6), errSink)
			require.ErrorIs(t, producer.InsertBatch(ended(errSink), []int{6, 7}), errSink)
			counts := lawful(t, buf)
			assert.Equal(t, 5, counts.Accepted)
			assert.Equal(t, 6, counts.Rejected)
		})
	}
}

// hooked is a context whose first look-up does something first: an insert that
// has found no room asks it whether it comes from the Flusher, before it joins
// those who wait.
type hooked struct {
	context.Context
	once *sync.Once
	hook func()
}

func (c hooked) Value(key any) any {
	c.once.Do(c.hook)
	return c.Context.Value(key)
}

func TestRoomThatComesBeforeAnInsertSleepsIsSeen(t *testing.T) {
	for name, pinned := range map[string]bool{"anywhere": false, "pinned": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				buf, g, _ := stuff(t, 1, nil)
				into := buf.Insert
				if pinned {
					into = buf.Producer().Insert
				}
				ctx := hooked{t.Context(), new(sync.Once), func() {
					close(g.open) // the only event that makes room, and nobody waits yet
					time.Sleep(time.Second)
				}}
				start := time.Now()
				require.NoError(t, into(ctx, 7))
				assert.Equal(t, time.Second, time.Since(start), "it waited for nothing else")
			})
		})
	}
}

func TestInsertThatIsWokenInVainIsWokenAgain(t *testing.T) {
	// On one processor an attempt begins before the insert that was woken looks for
	// the room; and the Flusher takes it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, pinned := range map[string]bool{"anywhere": false, "pinned": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const theirs = 1000
				var buf *buffer.Buffer[int]
				s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
					if b.Items[0] < theirs {
						_ = buf.Insert(ctx, theirs+b.Items[0])
					}
					time.Sleep(time.Second)
					return nil
				}}
				cfg := config(s)
				cfg.MaxSize = 1
				buf = open(t, cfg)
				into := buf.Insert
				if pinned {
					into = buf.Producer().Insert
				}
				var wg sync.WaitGroup
				for _, item := range upTo(20) {
					wg.Go(func() { assert.NoError(t, into(background(), item)) })
				}
				wg.Wait()
				require.NoError(t, buf.Shutdown(background()))
				stolen := len(s.items()) - 20
				assert.Positive(t, stolen, "some were woken in vain")
			})
		})
	}
}

func TestSyncFlushOfWhatDropOldestDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf, g, _ := stuff(t, 1, func(c *buffer.Config[int]) { c.Overflow = buffer.DropOldest })
		var results []flusher.Result
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { results, err = buf.SyncFlush(background()) })
		synctest.Wait()
		insert(t, buf, 7) // drops 4, 5 and 6
		assert.Equal(t, 3, lawful(t, buf).Dropped)
		close(g.open)
		wg.Wait()
		require.ErrorIs(t, err, buffer.ErrFull)
		require.Len(t, results, 1)
		assert.Equal(t, 6, results[0].Items)
		assert.Equal(t, 3, results[0].Delivered)
		assert.ErrorIs(t, results[0].Err, buffer.ErrFull)
	})
}

func TestPermanentPartialOfAllItemsKeepsTheID(t *testing.T) {
	for name, err := range map[string]error{
		"one Partial":     flusher.Partial(flusher.Permanent(errSink), 0, 1, 2),
		"one for each":    errors.Join(flusher.Partial(flusher.Permanent(errSink), 2), flusher.Partial(flusher.Permanent(errSink), 0), flusher.Partial(flusher.Permanent(errSink), 1)),
		"named otherwise": flusher.Permanent(flusher.Partial(errSink, 2, 1, 0, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, dead := &sink{answer: fails(err)}, &sink{}
				cfg := config(s)
				cfg.DeadLetter = dead
				buf := open(t, cfg)
				insert(t, buf, 1, 2, 3)
				synctest.Wait()
				require.Len(t, s.seen(), 1)
				require.Len(t, dead.seen(), 1)
				assert.Equal(t, []int{1, 2, 3}, dead.seen()[0].Items)
				assert.Equal(t, s.seen()[0].ID, dead.seen()[0].ID, "one content, one ID")
				assert.Equal(t, 3, lawful(t, buf).DeadLettered)
			})
		})
	}
}

func TestEveryBitOfAKeyCounts(t *testing.T) {
	// Two keys that differ in one bit go to different partitions as often as two
	// that have nothing in common: seven times of eight.
	const partitions, pairs = 8, 400
	var keys []uint64
	random := rand.New(rand.NewPCG(1, 2))
	for range pairs {
		key := random.Uint64()
		keys = append(keys, key)
		for bit := range 64 {
			keys = append(keys, key^1<<bit)
		}
	}
	s := &sink{}
	cfg := config(s)
	cfg.Partitions, cfg.MaxSize, cfg.Key = partitions, len(keys), func(i int) uint64 { return keys[i] }
	buf := open(t, cfg)
	for i := range keys {
		require.NoError(t, buf.Insert(t.Context(), i))
	}
	require.NoError(t, buf.Shutdown(t.Context()))
	owners := make([]int, len(keys))
	for _, c := range s.seen() {
		for _, i := range c.Items {
			owners[i] = c.Partition
		}
	}
	for bit := range 64 {
		moved := 0
		for pair := range pairs {
			if at := pair * 65; owners[at] != owners[at+1+bit] {
				moved++
			}
		}
		// Six standard deviations of a binomial of this size are about 40.
		assert.InDelta(t, pairs*(partitions-1)/partitions, moved, 40, "bit %d", bit)
	}
}

func TestBatchOfJustMaxBytesIsFlushedAtOnce(t *testing.T) {
	for name, into := range map[string]func(t *testing.T, buf *buffer.Buffer[int]){
		"one by one": func(t *testing.T, buf *buffer.Buffer[int]) { insert(t, buf, 4, 6) },
		"in a batch": func(t *testing.T, buf *buffer.Buffer[int]) {
			require.NoError(t, buf.InsertBatch(t.Context(), []int{4, 6}))
		},
		"in one item": func(t *testing.T, buf *buffer.Buffer[int]) { insert(t, buf, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{}
				cfg := config(s)
				cfg.MaxSize, cfg.MaxBytes, cfg.SizeOf = 1000, 10, func(i int) int { return i }
				buf := open(t, cfg)
				into(t, buf)
				synctest.Wait()
				require.Len(t, s.seen(), 1, "nothing more fits into it")
				assert.Equal(t, flusher.Bytes, s.seen()[0].Trigger)
			})
		})
	}
}

func TestSyncFlushCoversWhatIsReady(t *testing.T) {
	// One batch in flight, two that wait for its slot, and one being filled.
	synctest.Test(t, func(t *testing.T) {
		buf := open(t, config(&sink{answer: takes(time.Second, nil)}))
		require.NoError(t, buf.InsertBatch(t.Context(), upTo(10)))
		synctest.Wait()
		start := time.Now()
		results, err := buf.SyncFlush(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 4*time.Second, time.Since(start))
		assert.Equal(t, []flusher.Result{{Items: 10, Delivered: 10}}, results)
	})
}

func TestEveryBackoffEndsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := fails(flusher.RetryAfter(errSink, time.Hour))
		s := &sink{answer: script(later, later, later)}
		cfg := config(s)
		cfg.MaxInFlight = 3
		buf := open(t, cfg)
		insert(t, buf, upTo(9)...)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, buf.Shutdown(background()))
		assert.Zero(t, time.Since(start))
		assert.Equal(t, 9, lawful(t, buf).Delivered)
	})
}

func TestDropOldestDropsTheOldestOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := &sink{answer: g.answer}
		cfg := config(s)
		cfg.Overflow = buffer.DropOldest
		buf := open(t, cfg)
		require.NoError(t, buf.InsertBatch(t.Context(), upTo(10)))
		synctest.Wait() // 1 to 3 are in flight, 4 to 6 and 7 to 9 wait for the slot
		insert(t, buf, 11)
		assert.Equal(t, []int{7, 8, 9, 10, 11}, buf.Dump())
		assert.Equal(t, 3, lawful(t, buf).Dropped)
		close(g.open)
		require.NoError(t, buf.Shutdown(t.Context()))
		assert.Equal(t, []int{1, 2, 3, 7, 8, 9, 10, 11}, s.items())
	})
}
