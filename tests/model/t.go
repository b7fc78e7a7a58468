package model

import (
	"fmt"
	"strings"
	"sync"
)

// T is what a model reports to. It may be used from any goroutine of the bubble.
type T struct {
	mu       sync.Mutex // protects failures
	failures []failure
}

type failure struct {
	kind string // the format
	text string
}

// Helper does nothing. It is there for those who take a testing.TB for granted.
func (t *T) Helper() {}

// Errorf reports a failure, and goes on.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, failure{format, fmt.Sprintf(format, args...)})
}

// Failed tells whether anything was reported.
func (t *T) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.failures) > 0
}

// has tells whether such a failure is among those reported.
func (t *T) has(kind string) bool {
	for _, f := range t.failures {
		if f.kind == kind {
			return true
		}
	}
	return false
}

// String is what was reported, the first few of it.
func (t *T) String() string {
	const most = 20
	var text strings.Builder
	for i, f := range t.failures {
		if i == most {
			fmt.Fprintf(&text, "and %d more\n", len(t.failures)-most)
			break
		}
		fmt.Fprintln(&text, f.text)
	}
	return text.String()
}
