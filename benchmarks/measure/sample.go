package measure

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Sample is one run of one contender.
type Sample struct {
	In, Out   int           // items accepted, and items that the sink had after Close
	Batches   int           // that the sink had
	Timed     int           // items inserted while the clock ran
	Elapsed   time.Duration // from the first insert until Close returned
	CPU       time.Duration // of the whole process meanwhile
	Allocated uint64        // objects, meanwhile
}

// PerItem is the time for an item in nanoseconds.
func (s Sample) PerItem() float64 {
	return float64(s.Elapsed.Nanoseconds()) / float64(max(s.Timed, 1))
}

// Allocs is how many objects were allocated for an item.
func (s Sample) Allocs() float64 { return float64(s.Allocated) / float64(max(s.Timed, 1)) }

// Parallel is how many processors were at work on average.
func (s Sample) Parallel() float64 { return float64(s.CPU) / float64(max(s.Elapsed, 1)) }

// Lost is how many of the accepted items never came.
func (s Sample) Lost() int { return s.In - s.Out }

// Take runs a contender once: n items after a warm-up in which its slices are
// made, then Close. The clock stops when Close has returned, so that a contender
// which queues the work does not seem to have done it; with one that lingers, when
// the last item came.
func Take(c Contender, w Work, hold func(), n int) (Sample, error) {
	sink := &Sink{Hold: hold}
	load, err := c.Start(w, sink)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: start: %w", c.Name, err)
	}
	warm := 0
	if !w.Held && hold == nil {
		warm = spread(min(n/2, 3*max(w.Partitions, w.Producers)*w.MaxSize), w, load.Insert)
	}
	timed := perProducer(n, w) * w.Producers

	// Others' garbage is not to be collected at this one's cost.
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := now()
	in := spread(n, w, load.Insert)
	to, closed := finish(load, sink)
	err = closed()
	out, batches := sink.Items(), sink.Batches()
	runtime.ReadMemStats(&after)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: close: %w", c.Name, err)
	}
	return Sample{
		In: warm + in, Out: out, Batches: batches, Timed: timed,
		Elapsed: to.wall.Sub(from.wall), CPU: to.cpu - from.cpu, Allocated: after.Mallocs - before.Mallocs,
	}, nil
}

// moment is a point in time, and what this process has had of the processors
// until then.
type moment struct {
	wall time.Time
	cpu  time.Duration
}

func now() moment { return moment{time.Now(), cpuTime()} }

// finish closes a load, and returns when it was done: when Close had returned,
// or, where that lingers, when the last item came. What it returns besides waits
// for Close.
func finish(load Load, sink *Sink) (done moment, closed func() error) {
	if !load.Lingers {
		err := load.Close()
		return now(), func() error { return err }
	}
	done = now()
	result := make(chan error, 1)
	go func() { result <- load.Close() }()
	for items := sink.Items(); ; {
		select {
		case err := <-result:
			if sink.Items() > items {
				done = now()
			}
			return done, func() error { return err }
		case <-time.After(50 * time.Microsecond):
			if more := sink.Items(); more > items {
				items, done = more, now()
			}
		}
	}
}

// perProducer is what each producer inserts, in whole calls.
func perProducer(n int, w Work) int {
	call := max(w.Batch, 1)
	return max(n/(w.Producers*call), 1) * call
}

// spread has the producers insert about n items, all at once, and returns how
// many were accepted.
func spread(n int, w Work, insert func(producer, n int) int) int {
	if n == 0 {
		return 0
	}
	each := perProducer(n, w)
	if w.Producers == 1 {
		return insert(0, each)
	}
	accepted := make([]int, w.Producers)
	ready := make(chan struct{})
	var wg sync.WaitGroup
	for g := range w.Producers {
		wg.Go(func() {
			<-ready
			accepted[g] = insert(g, each)
		})
	}
	close(ready)
	wg.Wait()
	sum := 0
	for _, a := range accepted {
		sum += a
	}
	return sum
}

// cpuTime is what this process has had of the processors.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // only for arguments that are wrong
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
