package main

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// excerptBytes is how much of a rejected line is shown in rejected.ndjson.
const excerptBytes = 120

// appendRecord appends the record to dst as one line of NDJSON. Its numbers are
// JSON numbers, digit for digit: not every reader of JSON keeps those beyond
// 2^53 exact, but what is in the file is exact.
func appendRecord(dst []byte, r *record) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(dst, r.id.text...)
	dst = append(dst, `,"log":`...)
	dst = appendString(dst, r.log)
	dst = append(dst, `,"event":`...)
	dst = appendString(dst, r.event)
	dst = append(dst, `,"user":`...)
	dst = appendString(dst, r.user)
	dst = append(dst, `,"value":`...)
	dst = append(dst, r.value.text...)
	dst = append(dst, `,"groupId":`...)
	dst = append(dst, r.group.text...)
	dst = append(dst, `,"time":`...)
	dst = append(dst, r.time.text...)
	return append(dst, '}', '\n')
}

// appendRejected appends to dst, as one line of NDJSON, where a rejected line
// stands, why it was rejected and how it begins.
func appendRejected(dst []byte, file string, number int, why reason, line []byte) []byte {
	dst = append(dst, `{"file":`...)
	dst = appendString(dst, validText([]byte(file)))
	dst = append(dst, `,"line":`...)
	dst = strconv.AppendInt(dst, int64(number), 10)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, why.String()...)
	dst = append(dst, `","text":`...)
	dst = appendString(dst, validText(excerpt(line)))
	return append(dst, '}', '\n')
}

// excerpt returns at most the first excerptBytes of line, and does not cut
// through a character.
func excerpt(line []byte) []byte {
	if len(line) <= excerptBytes {
		return line
	}
	end := excerptBytes
	for end > excerptBytes-utf8.UTFMax && !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end]
}

// validText replaces what is not UTF-8 by U+FFFD.
func validText(text []byte) []byte {
	return bytes.ToValidUTF8(text, []byte(string(utf8.RuneError)))
}

// mustEscape has the characters that a JSON string must not hold as they are
// (RFC 8259, section 7).
var mustEscape = func() (table [256]bool) {
	for c := range ' ' {
		table[c] = true
	}
	table['"'], table['\\'] = true, true
	return table
}()

// appendString appends text, which is UTF-8, to dst as a JSON string. Text with
// nothing to escape, which is nearly all, is copied in one piece.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i, c := range text {
		if mustEscape[c] {
			dst = append(dst, text[from:i]...)
			dst = appendEscape(dst, c)
			from = i + 1
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hexDigits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}
