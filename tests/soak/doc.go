// Package soak runs everything at once and for long: 64 producers against
// destinations that fail, stall, panic, end their goroutine, ignore their context
// and recover at random, over several settings of a buffer, an aggregator and a
// writer, and beside them buffers that live for a moment only. While it runs, the
// conservation law and the bounds of memory are looked at again and again; at the
// end each item must have exactly one outcome, and no goroutine may be left.
//
// It is a test, whose duration is in the environment:
//
//	SOAK=10m go test -v -count=1 -timeout=20m -run=TestSoak ./soak
//
// Without it, the test takes about two seconds.
package soak
