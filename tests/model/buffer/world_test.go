package buffer_test

import (
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// world is what the model sees of one case: what was accepted, and every attempt.
// What can be judged at once is; settled judges the rest.
type world struct {
	t     *model.T
	scene scene
	cfg   buffer.Config[int]
	buf   *buffer.Buffer[int]
	main  *model.Sink[int]

	mu        sync.Mutex   // protects the fields below
	open      map[int]bool // of an insert that has not returned; with Key, parts of it may be accepted
	accepted  map[int]bool
	refused   map[int]time.Time // when
	behind    map[int]bool      // a barrier has passed that covered it
	whole     [][]int           // accepted by one InsertBatch without Key
	attempts  []*try
	seen      map[int]bool // in an attempt
	contents  map[flusher.ID]flusher.Batch[int]
	last      map[tried]int // the number of the newest attempt
	first     map[stream]int
	arrived   map[stream]int // the newest that the Flusher has taken
	singled   map[int]bool   // left over by an attempt that took others
	attempted map[passage]int
	until     map[passage]time.Time // of a RetryAfter
	homes     map[uint64]int        // the partition of each key, or pinned actor
	running   map[int]int           // by partition
	inside    int                   // items inserted by a Flusher
	closed    time.Time             // when Shutdown was called
	atOnce    bool                  // its ctx was over: nothing that it closes is attempted
	over      time.Time             // when it returned
	doubtful  map[int]bool
	runs      map[int]bool
	final     buffer.Info
}

// try is one attempt at one of the two Flushers.
type try struct {
	batch      flusher.Batch[int]
	dead       bool
	begun, end time.Time    // no end: it runs
	took       map[int]bool // the items that it has taken
}

type tried struct {
	id   flusher.ID
	dead bool
}

// passage is an item at one of the two Flushers.
type passage struct {
	item int
	dead bool
}

// stream is what an actor inserts into a partition: one after another.
type stream struct{ actor, partition int }

func newWorld(t *model.T, s scene) *world {
	w := &world{
		t: t, scene: s, cfg: s.cfg,
		open: map[int]bool{}, accepted: map[int]bool{}, refused: map[int]time.Time{}, behind: map[int]bool{}, seen: map[int]bool{},
		contents: map[flusher.ID]flusher.Batch[int]{}, last: map[tried]int{}, first: map[stream]int{}, arrived: map[stream]int{}, singled: map[int]bool{},
		attempted: map[passage]int{}, until: map[passage]time.Time{}, homes: map[uint64]int{},
		running: map[int]int{}, doubtful: map[int]bool{}, runs: map[int]bool{},
	}
	w.main = model.NewSink[int](s.replies, w.fromInside)
	w.cfg.Flusher = &destination{world: w, sink: w.main}
	if s.dead {
		w.cfg.DeadLetter = &destination{world: w, dead: true, sink: model.NewSink[int](s.funerals, w.fromInside)}
	}
	return w
}
