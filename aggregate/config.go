package aggregate

import (
	"errors"
	"fmt"

	"github.com/go-databuffer/databuffer/buffer"
)

// problems collects what is wrong with the settings.
type problems []error

func (p *problems) add(field string, value any, allowed string) {
	*p = append(*p, fmt.Errorf("%s is %v: %s", field, value, allowed))
}

// check returns an error that joins one for each bad setting, those that a
// buffer would name among them.
func check[K comparable, V any](merge func(stored *V, value V), cfg Config[K, V]) error {
	var bad problems
	if merge == nil {
		bad.add("merge", "nil", "it is required; it merges a value into the one stored for its key")
	}
	if cfg.Key != nil {
		bad.add("Key", "set", "it must be nil: an entry's partition is that of its own key")
	}
	if cfg.Routing != 0 {
		bad.add("Routing", cfg.Routing, "it must be 0: a key's values have to meet in one partition")
	}
	if cfg.SizeOf != nil {
		bad.add("SizeOf", "set", "it must be nil: the size of an entry changes as values are merged into it")
	}
	if cfg.MaxBytes != 0 {
		bad.add("MaxBytes", cfg.MaxBytes, "it must be 0: the size of an entry changes as values are merged into it; MaxSize bounds the distinct keys")
	}
	// What was named above is not to be named again.
	cfg.Key, cfg.Routing, cfg.SizeOf, cfg.MaxBytes = nil, 0, nil, 0
	if err := buffer.Check(cfg); err != nil {
		bad = append(bad, err)
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("aggregate: New: bad settings for aggregator %q:\n%w", cfg.Name, errors.Join(bad...))
}
