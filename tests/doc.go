// Package tests holds the tests of the library that need more than the root
// module depends on: above all OpenTelemetry's SDK, against which everything
// that the library emits is checked. It is a module of its own, so that whoever
// imports the library gets none of that.
package tests
