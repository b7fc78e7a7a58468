package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// script is an API in memory, for virtual time: it gives these answers one after
// another, the last one for ever, and notes when it was asked for what.
type script struct {
	answers []answer
	times   []time.Time
	keys    []string
	events  []int // that were accepted
}

type answer struct {
	status   int
	after    string // Retry-After
	location string // Location
	err      error
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.answers[min(len(s.times), len(s.answers)-1)]
	s.times, s.keys = append(s.times, time.Now()), append(s.keys, r.Header.Get("Idempotency-Key"))
	if a.err != nil {
		return nil, a.err
	}
	if a.status < 300 && r.Method == http.MethodPost {
		var events []Event
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			return nil, err
		}
		for _, e := range events {
			s.events = append(s.events, e.ID)
		}
	}
	return &http.Response{
		StatusCode: a.status, Status: strconv.Itoa(a.status), Header: http.Header{"Retry-After": {a.after}, "Location": {a.location}},
		Body: io.NopCloser(bytes.NewReader(nil)), Request: r,
	}, nil
}

// run sends 250 events to the script, at most one call in 100 ms.
func run(t *testing.T, s *script) (printed string) {
	var out bytes.Buffer
	sender := &Sender{URL: "http://api.test/events", Client: &http.Client{Transport: s}, Limit: rate.NewLimiter(10, 1)}
	require.NoError(t, send(t.Context(), sender, 250, &out))
	return out.String()
}

func upTo(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	return ids
}

func TestTheRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{status: 202}}}
		printed := run(t, s)
		require.Len(t, s.times, 3)
		assert.Equal(t, 100*time.Millisecond, s.times[1].Sub(s.times[0]))
		assert.Equal(t, 100*time.Millisecond, s.times[2].Sub(s.times[1]))
		assert.Equal(t, upTo(250), s.events)
		assert.Contains(t, printed, "sent 250 events in 3 calls, 0 of them told to slow down, 0 events rejected")
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{status: 429, after: "7"}, {status: 503, after: time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)}, {status: 202}}}
		printed := run(t, s)
		assert.GreaterOrEqual(t, s.times[1].Sub(s.times[0]), 7*time.Second)
		assert.GreaterOrEqual(t, s.times[2].Sub(s.times[0]), 19*time.Second)
		assert.Equal(t, s.keys[0], s.keys[1], "the same events have the same key")
		assert.Equal(t, s.keys[0], s.keys[2])
		assert.Equal(t, upTo(250), s.events)
		assert.Contains(t, printed, "sent 250 events in 5 calls, 2 of them told to slow down, 0 events rejected")
	})
}

func TestAnAPIThatIsDownIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{err: errors.New("connection refused")}, {status: 500}, {status: 202}}}
		printed := run(t, s)
		assert.Equal(t, upTo(250), s.events)
		assert.Contains(t, printed, "attempt 1 to send 100 events: Post \"http://api.test/events\": connection refused\n")
		assert.Contains(t, printed, "attempt 2 to send 100 events: the API answered 500\n")
		assert.Contains(t, printed, "sent 250 events in 5 calls")
	})
}

func TestWhatSomebodyMendsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{status: 401}, {status: 403}, {status: 404}, {status: 408}, {status: 202}}}
		printed := run(t, s)
		assert.Equal(t, upTo(250), s.events)
		assert.Contains(t, printed, "sent 250 events in 7 calls, 0 of them told to slow down, 0 events rejected")
	})
}

// A Client follows a 301, 302 or 303 with a GET and no body: what that is
// answered says nothing about the events.
func TestEventsARedirectHasLostAreNotTakenForDelivered(t *testing.T) {
	for _, status := range []int{301, 302, 303} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				moved := answer{status: status, location: "http://new.test/events"}
				s := &script{answers: []answer{moved, {status: 200}, moved, {status: 404}, {status: 202}}}
				run(t, s)
				assert.Equal(t, upTo(250), s.events)
			})
		})
	}
}

func TestARedirectThatKeepsTheEventsIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{status: 307, location: "http://new.test/events"}, {status: 202}}}
		printed := run(t, s)
		assert.Equal(t, upTo(250), s.events)
		assert.Contains(t, printed, "sent 250 events in 3 calls")
	})
}

func TestWhatIsRefusedGoesToTheDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{status: 422}, {status: 202}}}
		printed := run(t, s)
		assert.Equal(t, upTo(250)[100:], s.events)
		assert.Contains(t, printed, "rejected 100 events: permanent: the API answered 422")
		assert.NotContains(t, printed, "attempt", "there is no other one")
		assert.Contains(t, printed, "sent 150 events in 3 calls, 0 of them told to slow down, 100 events rejected")
	})
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0, "1.5": 0,
		"9223372036": 9223372036 * time.Second, "9223372037": 9223372036 * time.Second,
		"99999999999999999999": 9223372036 * time.Second, "-99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(header, now), "%q", header)
	}
}

// TestAgainstItsOwnAPI is the program as it is started without -url, with fewer
// events.
func TestAgainstItsOwnAPI(t *testing.T) {
	a, err := startAPI(50)
	require.NoError(t, err)
	defer a.Close()
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	var out bytes.Buffer
	require.NoError(t, send(t.Context(), &Sender{URL: a.URL, Client: client, Limit: rate.NewLimiter(20, 1)}, 300, &out))
	assert.Contains(t, out.String(), "sent 300 events in")
}
