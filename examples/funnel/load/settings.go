// Package load sends readings to a funnel as many users would, asks it questions
// meanwhile, and checks at the end that its aggregates are exactly those of what
// it took.
package load

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// Prefix is that of the environment variables.
const Prefix = "FUNNEL_LOAD_"

// Settings are all that can be set of a load.
type Settings struct {
	URL, Token       string
	TokenFile        string
	Users            int
	Duration, Settle time.Duration
	Ready            time.Duration
	Rate             int // readings a second; 0: as many as are taken
	Batch, Sensors   int
	QueryEvery       int
	Timeout, Report  time.Duration
	Stored           bool
}

// Flags is the list of the settings, with where they go in s.
func Flags(s *Settings) *flag.FlagSet {
	f := flag.NewFlagSet("funnel load", flag.ContinueOnError)
	f.StringVar(&s.URL, "url", "http://127.0.0.1:8080", "the `address` of the funnel")
	f.StringVar(&s.Token, "token", "", "the `token` of the funnel")
	f.StringVar(&s.TokenFile, "token-file", "", "read the token from this `file`, without the space around it")
	f.DurationVar(&s.Ready, "ready", 10*time.Second, "wait so long at the start until the funnel is ready")
	f.IntVar(&s.Users, "users", 50, "send as so many users at once, one request each at a time")
	f.DurationVar(&s.Duration, "duration", 30*time.Second, "send for so long")
	f.IntVar(&s.Rate, "rate", 0, "send so many readings a second, all users together; 0: as many as are taken")
	f.IntVar(&s.Batch, "batch", 500, "send so many readings in a request")
	f.IntVar(&s.Sensors, "sensors", 1000, "send readings of so many sensors, each of one user's")
	f.IntVar(&s.QueryEvery, "query-every", 50, "each user asks for aggregates after so many requests; 0: never")
	f.BoolVar(&s.Stored, "stored", false, "have each request answered only when it is stored")
	f.DurationVar(&s.Timeout, "timeout", 30*time.Second, "give a request so long")
	f.DurationVar(&s.Settle, "settle", time.Minute, "wait so long at the end until all that was taken is stored")
	f.DurationVar(&s.Report, "report", time.Second, "show the progress so often")
	return f
}

// Parse reads the settings and checks them; see settings.Read.
func Parse(args []string, env settings.Lookup) (Settings, error) {
	var s Settings
	if err := settings.Read(Flags(&s), Prefix, args, env); err != nil {
		return s, err
	}
	if err := settings.ReadToken(&s.Token, s.TokenFile); err != nil {
		return s, err
	}
	return s, s.check()
}

func (s Settings) check() error {
	var bad []error
	reject := func(wrong bool, format string, args ...any) {
		if wrong {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(s.URL)
	reject(err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"), "-url is %q: allowed is an address like http://127.0.0.1:8080", s.URL)
	reject(s.Users < 1, "-users is %d: allowed are 1 and more", s.Users)
	reject(s.Sensors < s.Users, "-sensors is %d: allowed are %d, one for each user, and more", s.Sensors, s.Users)
	reject(s.Batch < 1 || s.Batch > ingest.DefaultMaxReadings, "-batch is %d: allowed are 1 to %d", s.Batch, ingest.DefaultMaxReadings)
	reject(s.Rate < 0, "-rate is %d: allowed are 0, without limit, and more", s.Rate)
	reject(s.QueryEvery < 0, "-query-every is %d: allowed are 0, never, and more", s.QueryEvery)
	for name, value := range map[string]time.Duration{"-duration": s.Duration, "-timeout": s.Timeout, "-settle": s.Settle, "-ready": s.Ready, "-report": s.Report} {
		reject(value <= 0, "%s is %v: allowed is more than 0", name, value)
	}
	return errors.Join(bad...)
}
