package partition

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// logEvery is the least time between two lines of one kind.
const logEvery = time.Second

// Log tells of what was dropped, given up and abandoned: for each kind and
// reason at most one line a second, with the sum of the items since the line
// before and the newest cause; never with items.
//
// A line is written in a goroutine of its own, since the Logger may block, or
// even insert into the very buffer that it is told about.
type Log struct {
	name   string
	logger *slog.Logger

	mu      sync.Mutex // protects the fields below
	lines   map[line]*pending
	running int       // lines that the Logger has not taken yet
	idle    sync.Cond // running has become 0
	closed  bool      // nothing waits for its second any more
}

// line is a kind of line.
type line struct {
	level   slog.Level
	message string
	class   telemetry.Class
}

// pending is what the next line of a kind will tell.
type pending struct {
	items   int
	cause   error
	written time.Time   // the line before; zero: none yet
	timer   *time.Timer // until the next; nil: nothing waits for its second
	writing bool        // the Logger has not taken the line before yet
}

// NewLog makes the log of the buffer that is called name.
func NewLog(logger *slog.Logger, name string) *Log {
	l := &Log{name: name, logger: logger, lines: make(map[line]*pending)}
	l.idle.L = &l.mu
	return l
}

// Dropped tells of items that are lost. It does not wait.
func (l *Log) Dropped(class telemetry.Class, items int, cause error) {
	l.note(line{slog.LevelError, "databuffer: items dropped", class}, items, cause)
}

// GivenUp tells of items that go to the dead letter. It does not wait.
func (l *Log) GivenUp(class telemetry.Class, items int, cause error) {
	l.note(line{slog.LevelWarn, "databuffer: items given up, they go to the dead letter", class}, items, cause)
}

// Abandoned tells of an attempt that did not return in time. It does not wait.
func (l *Log) Abandoned(items int, cause error) {
	l.note(line{slog.LevelWarn, "databuffer: attempt abandoned, it did not return in time", telemetry.ClassTimeout}, items, cause)
}

// Close writes what waits for its second, and blocks until the Logger has taken
// everything. What is noted from then on is written at once.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for kind, p := range l.lines {
		l.schedule(kind, p)
	}
	for l.running > 0 {
		l.idle.Wait()
	}
}

func (l *Log) note(kind line, items int, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.lines[kind]
	if p == nil {
		p = &pending{}
		l.lines[kind] = p
	}
	p.items += items
	p.cause = cause
	l.schedule(kind, p)
}

// schedule has what is pending written when its second is over, and one line of a
// kind after another, however slow the Logger is. It requires that mu is held.
func (l *Log) schedule(kind line, p *pending) {
	switch wait := logEvery - time.Since(p.written); {
	case p.items == 0 || p.writing: // who writes looks again
	case l.closed || wait <= 0:
		l.begin(kind, p)
	case p.timer == nil:
		p.timer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			p.timer = nil
			l.schedule(kind, p)
		})
	}
}

// begin has the Logger take a line. It requires that mu is held.
func (l *Log) begin(kind line, p *pending) {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	items, cause := p.items, p.cause
	p.items, p.cause, p.writing, p.written = 0, nil, true, time.Now()
	l.running++
	go func() {
		defer func() { // also where the Logger ends its goroutine
			l.mu.Lock()
			defer l.mu.Unlock()
			p.writing = false
			l.schedule(kind, p)
			if l.running--; l.running == 0 {
				l.idle.Broadcast()
			}
		}()
		l.write(kind, items, cause)
	}()
}

func (l *Log) write(kind line, items int, cause error) {
	attrs := []slog.Attr{
		slog.String("buffer", l.name),
		slog.Int("items", items),
		slog.String("reason", kind.class.String()),
		slog.Any("cause", cause),
	}
	if kind.class == telemetry.ClassPanic { // then the panic comes first in the cause, before anything of the user's
		if p, ok := errors.AsType[*flusher.PanicError](cause); ok {
			attrs = append(attrs, slog.String("stack", string(p.Stack)))
		}
	}
	// Nobody else could recover a panic of the Logger, and nobody can be told.
	defer func() { _ = recover() }()
	l.logger.LogAttrs(context.Background(), kind.level, kind.message, attrs...)
}
