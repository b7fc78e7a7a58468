//go:build !race

package model

// race tells whether the race detector is on.
const race = false
