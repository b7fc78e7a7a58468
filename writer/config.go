package writer

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/go-databuffer/databuffer/buffer"
)

const (
	defaultMaxBytes    = 64 << 10
	defaultMaxAttempts = 5
)

// problems collects what is wrong with the settings.
type problems []error

func (p *problems) add(field string, value any, allowed string) {
	*p = append(*p, fmt.Errorf("%s is %v: %s", field, value, allowed))
}

// settings are those of the buffer under a Writer, but for the Flusher and the
// dead letter's clothes. The error joins one for each bad setting.
func settings(output io.Writer, cfg buffer.Config[[]byte], callbacks []Periodic) (buffer.Config[[]byte], error) {
	var bad problems
	if missing(output) {
		bad.add("output", "nil", "it is required")
	}
	bad.unset("Flusher", cfg.Flusher != nil, "set", "it must be nil: the output takes the bytes")
	bad.unset("Key", cfg.Key != nil, "set", "it must be nil: there is one output, and its order is that of the Writes")
	bad.unset("SizeOf", cfg.SizeOf != nil, "set", "it must be nil: the size of a Write is its length")
	bad.unset("Routing", cfg.Routing != 0, cfg.Routing, "it must be 0: there is one output, and nothing to choose")
	bad.unset("FlushTimeout", cfg.FlushTimeout != 0, cfg.FlushTimeout, "it must be 0: a Write of the output knows no context, and is waited for, never done twice")
	bad.unset("FlushGrace", cfg.FlushGrace != 0, cfg.FlushGrace, "it must be 0: there is no FlushTimeout that it could follow")
	bad.unset("Partitions", cfg.Partitions > 1, cfg.Partitions, "it must be at most 1: there is one output, and its order is that of the Writes")
	bad.unset("MaxInFlight", cfg.MaxInFlight > 1, cfg.MaxInFlight, "it must be at most 1: the output is never called twice at once")
	bad.unset("MaxBytes", cfg.MaxBytes < 0, cfg.MaxBytes, "it must be positive, or 0 for the default of 64 KiB: memory is bounded by it")
	bad.unset("Retry.Bisect", cfg.Retry.Bisect, true, "it must be false: what an output has taken is never written to it again")
	for i, c := range callbacks {
		bad.callback(i, c)
	}

	cfg.Flusher = new(serialOutput) // New has the real one; here it only has to be there
	cfg.Key, cfg.Routing = nil, 0
	cfg.SizeOf = func(p []byte) int { return len(p) }
	cfg.FlushTimeout, cfg.FlushGrace = -1, 0
	cfg.Partitions, cfg.MaxInFlight = min(cfg.Partitions, 1), min(cfg.MaxInFlight, 1)
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.MaxSize == 0 {
		// Off, that is: no Write has less than a byte. So the queue's capacity, which
		// is measured in Writes, is a number that means something.
		cfg.MaxSize = cfg.MaxBytes
	}
	if cfg.Retry.MaxAttempts == 0 {
		cfg.Retry.MaxAttempts = defaultMaxAttempts
	}
	if err := errors.Join(append(bad, buffer.Check(cfg))...); err != nil {
		return cfg, fmt.Errorf("writer: New: bad settings for writer %q:\n%w", cfg.Name, err)
	}
	return cfg, nil
}

// unset adds a setting that makes no sense here, if it was given.
func (p *problems) unset(field string, given bool, value any, allowed string) {
	if given {
		p.add(field, value, allowed)
	}
}

func (p *problems) callback(i int, c Periodic) {
	name := fmt.Sprintf("callbacks[%d] %s: ", i, c)
	if c.interval <= 0 {
		p.add(name+"the interval", c.interval, "it must be positive")
	}
	if !c.serial && c.most <= 0 {
		p.add(name+"most", c.most, "it must be positive: it is how many calls may run at once")
	}
	if c.do == nil {
		p.add(name+"the function", "nil", "it is required")
	}
}

// missing tells whether to is nil, or a nil pointer in an io.Writer's
// clothes.
func missing(to io.Writer) bool {
	if to == nil {
		return true
	}
	switch v := reflect.ValueOf(to); v.Kind() {
	case reflect.Func, reflect.Pointer, reflect.Map, reflect.Chan, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}
