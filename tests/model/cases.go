package model

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Cases is how many a model draws.
type Cases struct {
	Plain int
	Race  int // with the race detector
}

var duration = flag.Duration("model.time", 0, "have each model draw cases for so long, instead of a number of them")

// perRound is how many cases are drawn with one seed where a time is given.
const perRound = 1000

// chosen tells whether a flag of rapid's was set by whoever runs the test, on the
// command line or by its variable. It is asked before the first flag is set here.
var chosen = sync.OnceValue(func() map[string]bool {
	set := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, variable := range map[string]string{"rapid.checks": "RAPID_CHECKS", "rapid.seed": "RAPID_SEED"} {
		if _, ok := os.LookupEnv(variable); ok {
			set[name] = true
		}
	}
	return set
})

// rounds sets rapid's flags and calls round, once or until the time is over. The
// seed is printed first: a panic in a goroutine of the library's ends the process,
// and then nothing else tells it.
func (c Cases) rounds(t *testing.T, round func(seed uint64)) {
	t.Helper()
	set := chosen()
	checks := c.Plain
	switch {
	case *duration > 0:
		checks = perRound
	case race:
		checks = c.Race
	}
	if !set["rapid.checks"] {
		setFlag(t, "rapid.checks", strconv.Itoa(checks))
	}
	end := time.Now().Add(*duration)
	for {
		seed := uint64(0)
		if !set["rapid.seed"] {
			seed = rand.Uint64()
			setFlag(t, "rapid.seed", strconv.FormatUint(seed, 10))
			fmt.Printf("%s: -rapid.seed=%d\n", t.Name(), seed)
		}
		round(seed)
		if set["rapid.seed"] || !time.Now().Before(end) {
			return
		}
	}
}

func setFlag(t *testing.T, name, value string) {
	t.Helper()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}
