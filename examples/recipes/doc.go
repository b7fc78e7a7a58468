// Package recipes holds the Flushers that the README shows, as they stand there,
// and tests that they do what it says. Copy from it what you need.
package recipes

// Event is what the recipes write.
type Event struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}
