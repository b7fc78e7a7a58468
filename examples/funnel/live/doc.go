// Package live is the page at / and the stream that it draws: what the pipeline
// did in each of the last five minutes' seconds, and a sensor's readings over
// time.
//
// The page is embedded, needs no build step, and asks no other server for
// anything; its Content-Security-Policy says so to the browser. A snapshot is
// taken once a second whether anyone looks or not, so that the charts are full
// from the first moment, and all who look see the same.
package live
