package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

const (
	// maxStreams bounds what open pages cost: a goroutine and a connection each.
	maxStreams = 64

	// sendTimeout is how long a client may take over one event, before its
	// connection is cut.
	sendTimeout = 10 * time.Second
)

// History is the first event of a stream.
type History struct {
	About  About          `json:"about"`
	Keep   int            `json:"keep"` // how many points to keep
	Points []Point        `json:"points"`
	Stats  pipeline.Stats `json:"stats"`
}

// Snapshot is each event after it.
type Snapshot struct {
	Point Point          `json:"point"`
	Stats pipeline.Stats `json:"stats"`
}

// Stream answers GET /v1/live with server-sent events: one "history", then a
// "snapshot" a second until the client goes away or Close is called. At most 64
// streams are open at once; further ones get 503.
//
// It sets the connection's write deadline itself, anew for each event: the
// http.Server's WriteTimeout is meant for answers that end. (Its ReadTimeout does
// no harm: net/http lifts it once a request without a body has been read.)
func (p *Page) Stream() http.Handler { return http.HandlerFunc(p.stream) }

func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case <-p.end:
		refuse(w, "the service is stopping")
		return
	default:
	}
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		refuse(w, fmt.Sprintf("%d pages are open already, which is the limit", maxStreams))
		return
	}

	c := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // a proxy that gathers the events first shows a dead page
	p.send(r.Context(), w, c)
}

// send writes events until the client or the page has gone. There is nobody to
// tell of an error: the connection is what failed.
func (p *Page) send(ctx context.Context, w http.ResponseWriter, c *http.ResponseController) {
	points, stats, sent := p.history()
	if event(w, c, "history", History{About: p.cfg.About, Keep: Keep, Points: points, Stats: stats}) != nil {
		return
	}
	for {
		point, stats, taken, changed := p.since(sent)
		if point != nil {
			if event(w, c, "snapshot", Snapshot{Point: *point, Stats: stats}) != nil {
				return
			}
			sent = taken
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-p.end:
			return
		}
	}
}

// event writes one event and sees it off.
func event(w http.ResponseWriter, c *http.ResponseController, name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text); err != nil {
		return err
	}
	return c.Flush()
}

func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, why, http.StatusServiceUnavailable)
}
