package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// api is an API to try the program against, on this machine.
type api struct {
	URL    string
	server *http.Server
}

// startAPI starts one that takes so many calls per second, and answers the others
// with 429 and how long to wait.
func startAPI(perSecond float64) (*api, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &api{
		URL:    "http://" + listener.Addr().String() + "/events",
		server: &http.Server{Handler: limited(rate.NewLimiter(rate.Limit(perSecond), 1)), ReadHeaderTimeout: 5 * time.Second},
	}
	go func() { _ = a.server.Serve(listener) }() // until Close
	return a, nil
}

func (a *api) Close() { _ = a.server.Close() }

// limited takes an array of events, within the limit.
func limited(limit *rate.Limiter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !limit.Allow() {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "slow down", http.StatusTooManyRequests)
			return
		}
		var events []Event
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&events); err != nil {
			http.Error(w, fmt.Sprintf("an array of events is wanted: %v", err), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
}
