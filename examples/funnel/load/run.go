package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFailed says that a load found something wrong: the report says what.
var ErrFailed = errors.New("the load failed")

// run is one load.
type run struct {
	set    Settings
	client *http.Client
	prefix string // of the sensors' names, so that what was stored before does not count
	began  time.Time

	turns   atomic.Int64 // requests that were given their time by -rate
	taken   atomic.Int64 // readings
	refused atomic.Int64 // requests, each time

	mu      sync.Mutex // guards what follows
	waits   []time.Duration
	asks    []time.Duration
	fresh   []time.Duration // of waits, since the last line of progress
	errors  int
	samples []error // the first errors
}

// Run sends, shows the progress and the result on out, and checks the aggregates.
// When ctx ends it stops sending, and checks what was sent until then. The error
// is ErrFailed where the funnel is not ready, a request failed, nothing was taken,
// or the aggregates are not those of what was taken.
func Run(ctx context.Context, set Settings, out io.Writer) error {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: set.Users,
		MaxConnsPerHost:     set.Users,
		DisableCompression:  true,
		WriteBufferSize:     64 << 10,
	}
	defer transport.CloseIdleConnections()
	r := &run{
		set:    set,
		client: &http.Client{Transport: transport, Timeout: set.Timeout},
		prefix: fmt.Sprintf("load-%08x-", rand.Uint32()),
		began:  time.Now(),
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	r.began = time.Now()
	fmt.Fprintf(out, "%d users send readings of %d sensors to %s for %v, %d a request\n", set.Users, set.Sensors, set.URL, set.Duration, set.Batch)

	sending, cancel := context.WithTimeout(ctx, set.Duration)
	defer cancel()
	users := make([]*user, set.Users)
	var working sync.WaitGroup
	for i := range users {
		users[i] = newUser(r, i)
		working.Go(func() { users[i].work(sending) })
	}
	progressed := r.progress(out)
	working.Wait()
	took := time.Since(r.began)
	progressed()

	want := make(map[int]map[int64]sum)
	for _, u := range users {
		u.taken.sensors(want)
	}
	r.summary(out, took)
	return r.verdict(out, r.verify(want))
}

const readyPause = 100 * time.Millisecond

// ready waits until the funnel is: it may have been started with this command.
func (r *run) ready(ctx context.Context) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.set.URL+"/readyz", nil)
		if err != nil {
			return err
		}
		code, _, body, err := r.do(request)
		switch {
		case err == nil && code == http.StatusOK:
			return nil
		case err == nil:
			err = answered(code, body)
		}
		if ctx.Err() != nil || time.Since(r.began) > r.set.Ready {
			return fmt.Errorf("%w: %s is not ready: %w", ErrFailed, r.set.URL, err)
		}
		time.Sleep(readyPause)
	}
}

func (r *run) name(sensor int) string { return fmt.Sprintf("%s%05d", r.prefix, sensor) }

// wait blocks until the next request is due, and says no when the time is over.
func (r *run) wait(ctx context.Context) bool {
	if r.set.Rate > 0 {
		turn := r.turns.Add(1) - 1
		due := r.began.Add(time.Duration(float64(turn) * float64(r.set.Batch) / float64(r.set.Rate) * float64(time.Second)))
		if pause := time.Until(due); pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
	return ctx.Err() == nil
}

func (r *run) took(wait time.Duration, readings int) {
	r.taken.Add(int64(readings))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits = append(r.waits, wait)
	r.fresh = append(r.fresh, wait)
}

func (r *run) asked(wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asks = append(r.asks, wait)
}

const maxSamples = 5

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors++
	if len(r.samples) < maxSamples {
		r.samples = append(r.samples, err)
	}
}

// progress shows a line now and then until the function that it returns is called.
func (r *run) progress(out io.Writer) (stop func()) {
	end := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() {
		ticker := time.NewTicker(r.set.Report)
		defer ticker.Stop()
		var before int64
		last := r.began
		for {
			select {
			case <-end:
				return
			case now := <-ticker.C:
				taken := r.taken.Load()
				r.mu.Lock()
				fresh, failed := r.fresh, r.errors
				r.fresh = nil
				r.mu.Unlock()
				slices.Sort(fresh)
				fmt.Fprintf(out, "%7s  %9.0f readings/s  p50 %-8s p99 %-8s  %d taken, %d requests refused, %d errors\n",
					now.Sub(r.began).Round(time.Second), float64(taken-before)/now.Sub(last).Seconds(),
					short(percentile(fresh, 50)), short(percentile(fresh, 99)), taken, r.refused.Load(), failed)
				before, last = taken, now
			}
		}
	})
	return func() {
		close(end)
		showing.Wait()
	}
}
