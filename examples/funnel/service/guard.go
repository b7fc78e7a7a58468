package service

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// guard lets those through who may.
//
// With a token, these are who has it. Both sides are hashed first, so that the
// comparison takes as long for every token, whatever its length.
//
// Without one, the service listens on loopback only, where the programs of this
// machine may reach it. A browser is one of them, and runs what other sites send
// it: their requests are told by where they come from, and by the name under
// which they believe to have found us.
func guard(token string, next http.Handler) http.Handler {
	if token != "" {
		want := sha256.Sum256([]byte(token))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			got := sha256.Sum256([]byte(given))
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !ok {
				w.Header().Set("WWW-Authenticate", "Bearer")
				answer(w, http.StatusUnauthorized, `{"error":"this needs the token, as Authorization: Bearer …"}`)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusForbidden, `{"error":"another site's page may not send this"}`)
	}))
	inner := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
		}
		if !settings.Loopback(host) {
			answer(w, http.StatusForbidden, `{"error":"without a token, only requests to localhost or a loopback address are answered"}`)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, json string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(json + "\n"))
}
