package live

import (
	"errors"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

const (
	// Every is how often a snapshot is taken.
	Every = time.Second

	// Keep is how many points the page's history has: five minutes.
	Keep = 300
)

// Config says what the page shows.
type Config struct {
	Stats func() pipeline.Stats // called once a second, from one goroutine; required
	About About
}

// About is what does not change while the process runs.
type About struct {
	Version  string `json:"version"`
	Store    string `json:"store"`          // where readings go, for people: "SQLite", "MongoDB". No address, no password
	Kafka    bool   `json:"kafka"`          // readings come by way of Kafka
	Embedded bool   `json:"kafka_embedded"` // and that is a stand-in for tests, in this process
	Demo     bool   `json:"demo"`           // this process sends itself readings
}

// Page takes the snapshots and serves them. Its methods may be called from
// several goroutines at once.
type Page struct {
	cfg     Config
	end     chan struct{} // closed by Close
	ended   chan struct{} // closed when the goroutine that samples has returned
	closing sync.Once
	streams chan struct{} // holds one for each open stream

	mu      sync.Mutex // guards what follows; never held while writing to a client
	newest  pipeline.Stats
	points  []Point       // the last Keep, oldest first
	taken   int           // how many points there have ever been
	changed chan struct{} // closed and replaced when there is a new point
}

// New starts to take snapshots. Close ends it.
func New(cfg Config) (*Page, error) {
	if cfg.Stats == nil {
		return nil, errors.New("live: Stats is nil, and there is nothing to show without it")
	}
	p := &Page{
		cfg:     cfg,
		end:     make(chan struct{}),
		ended:   make(chan struct{}),
		streams: make(chan struct{}, maxStreams),
		newest:  cfg.Stats(),
		points:  make([]Point, 0, Keep),
		changed: make(chan struct{}),
	}
	go p.sample()
	return p, nil
}

// sample takes a snapshot every second until Close.
func (p *Page) sample() {
	defer close(p.ended)
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.take(p.cfg.Stats())
		case <-p.end:
			return
		}
	}
}

// take notes one snapshot, and tells the streams.
func (p *Page) take(stats pipeline.Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.points) == Keep {
		p.points = append(p.points[:0], p.points[1:]...)
	}
	p.points = append(p.points, pointOf(p.newest, stats))
	p.newest = stats
	p.taken++
	close(p.changed)
	p.changed = make(chan struct{})
}

// history is the points so far. The next call of since takes the count it came
// with.
func (p *Page) history() (points []Point, stats pipeline.Stats, taken int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Point{}, p.points...), p.newest, p.taken
}

// since is the newest point where there is one that a stream has not sent yet;
// otherwise the channel to wait on for it. A stream that cannot keep up skips
// points and never holds any back: there is no queue that could grow.
func (p *Page) since(sent int) (point *Point, stats pipeline.Stats, taken int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == sent {
		return nil, pipeline.Stats{}, sent, p.changed
	}
	last := p.points[len(p.points)-1]
	return &last, p.newest, p.taken, nil
}

// Close ends the snapshots and all streams, without which http.Server.Shutdown
// would wait for whoever keeps a page open: give it to RegisterOnShutdown. It
// can be called twice.
func (p *Page) Close() {
	p.closing.Do(func() { close(p.end) })
	<-p.ended
}
