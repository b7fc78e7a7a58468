package main

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// maxTime is the last second of the year 9999, which is the last that RFC 3339
// can write. 0 is the first second of 1970.
const maxTime = 253402300799

// fieldSeparator stands between the fields of a line. There is no way to write
// one within a field.
const fieldSeparator = '|'

// A record is one valid line. The texts are parts of the line they were parsed
// from, and hold only as long as it does.
type record struct {
	id    number // 0 or more
	log   []byte
	event []byte
	user  []byte
	value number
	group number // 0 or more
	time  number // seconds since 1970, 0 to maxTime
}

// A number is a whole number, and its text as JSON has it: nearly always that
// of the line, as copying digits is faster than making them.
type number struct {
	n    int64
	text []byte
}

// A reason is why a line was rejected.
type reason uint8

const (
	accepted reason = iota
	overLong
	invalidUTF8
	wrongFieldCount
	notNumber
	numberOutOfRange
	timeOutOfRange
	reasons // how many there are
)

var reasonText = [reasons]string{
	accepted:         "accepted",
	overLong:         "over-long",
	invalidUTF8:      "invalid UTF-8",
	wrongFieldCount:  "wrong field count",
	notNumber:        "not a number",
	numberOutOfRange: "number out of range",
	timeOutOfRange:   "time out of range",
}

func (r reason) String() string { return reasonText[r] }

// parse reads a line without its ending, of at most maxLine bytes:
//
//	id|log|event|user|value|groupId|unixSeconds
//
// It returns accepted, or the first reason to reject the line, and the record
// is then of no use. The order of the checks is that of the constants.
func (r *record) parse(line []byte, maxLine int) reason {
	if len(line) > maxLine {
		return overLong
	}
	if !utf8.Valid(line) {
		return invalidUTF8
	}

	var fields [7][]byte
	rest := line
	for i := range len(fields) - 1 {
		end := bytes.IndexByte(rest, fieldSeparator)
		if end < 0 {
			return wrongFieldCount
		}
		fields[i], rest = rest[:end], rest[end+1:]
	}
	if bytes.IndexByte(rest, fieldSeparator) >= 0 {
		return wrongFieldCount
	}
	r.log, r.event, r.user = fields[1], fields[2], fields[3]

	why := [...]reason{
		r.id.parse(fields[0]),
		r.value.parse(fields[4]),
		r.group.parse(fields[5]),
		r.time.parse(rest),
	}
	switch {
	case why[0] == notNumber, why[1] == notNumber, why[2] == notNumber, why[3] == notNumber:
		return notNumber
	case why[0] != accepted, why[1] != accepted, why[2] != accepted, r.id.n < 0, r.group.n < 0:
		return numberOutOfRange
	case why[3] != accepted, r.time.n < 0, r.time.n > maxTime:
		return timeOutOfRange
	}
	return accepted
}

// parse reads decimal digits, with or without a '-' in front. Leading zeros are
// fine. It returns accepted, or notNumber, or numberOutOfRange where an int64
// cannot hold it.
func (n *number) parse(field []byte) reason {
	digits := field
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return notNumber
	}
	var sum int64
	for _, c := range digits {
		if c -= '0'; c > 9 {
			return notNumber
		}
		sum = sum*10 + int64(c) // wraps only where the field is parsed again below
	}
	if len(digits) < len(field) {
		sum = -sum
	}
	// 18 digits fit in any case. Longer ones are rare, so strconv may take its
	// time to find out.
	if len(digits) > 18 {
		var err error
		if sum, err = strconv.ParseInt(string(field), 10, 64); err != nil {
			return numberOutOfRange
		}
	}
	n.n, n.text = sum, field
	if digits[0] == '0' && len(field) > 1 {
		n.text = strconv.AppendInt(nil, sum, 10)
	}
	return accepted
}
