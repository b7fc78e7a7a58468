package reading

import "fmt"

// Error says what is wrong with an input, and where the first such place is.
type Error struct {
	Offset  int64  // bytes before the place, from the start of the input as it is after decompression
	Line    int    // from 1
	Column  int    // in bytes, from 1
	Problem string // without the values of readings, but for a short piece of what was not expected
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d (byte %d): %s", e.Line, e.Column, e.Offset, e.Problem)
}

// LimitError is an input with more of something than a limit allows.
type LimitError struct {
	What  string // that is too many
	Limit int
	Line  int // where it is about a line; else 0
}

func (e *LimitError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: more than %d %s", e.Line, e.Limit, e.What)
	}
	return fmt.Sprintf("more than %d %s", e.Limit, e.What)
}
