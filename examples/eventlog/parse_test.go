package main

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	const limit = 80
	for _, c := range []struct {
		name, line string
		want       reason
	}{
		{"the usual line", "1|log3|appsetup|tom|20417|4|1587583122", accepted},
		{"empty texts", "1||||2|3|4", accepted},
		{"texts in UTF-8", "1|log|настройка|東京|2|3|4", accepted},
		{"texts with quotes and control characters", "1|\"|\\|\x00\t\r|2|3|4", accepted},
		{"the first second", "1|a|b|c|2|3|0", accepted},
		{"the last second", "1|a|b|c|2|3|253402300799", accepted},
		{"a negative value", "1|a|b|c|-2|3|4", accepted},
		{"leading zeros", "001|a|b|c|-0002|03|00000000000000000000000004", accepted},
		{"the greatest numbers", "9223372036854775807|a|b|c|9223372036854775807|9223372036854775807|4", accepted},
		{"the smallest numbers", "0|a|b|c|-9223372036854775808|0|0", accepted},
		{"as long as is allowed", "1|" + strings.Repeat("x", limit-12) + "|b|c|2|3|4", accepted},

		{"one byte too long", "1|" + strings.Repeat("x", limit-11) + "|b|c|2|3|4", overLong},
		{"a broken character", "1|a|b|t\xffm|2|3|4", invalidUTF8},
		{"half a character", "1|a|b|caf\xc3|2|3|4", invalidUTF8},
		{"a surrogate", "1|a|b|\xed\xa0\x80|2|3|4", invalidUTF8},
		{"no fields", "", wrongFieldCount},
		{"one field", "1", wrongFieldCount},
		{"six fields", "1|a|b|c|2|3", wrongFieldCount},
		{"eight fields", "1|a|b|c|2|3|4|", wrongFieldCount},
		{"an empty number", "1|a|b|c||3|4", notNumber},
		{"letters for the id", "x|a|b|c|2|3|4", notNumber},
		{"letters for the group", "1|a|b|c|2|three|4", notNumber},
		{"letters for the time", "1|a|b|c|2|3|now", notNumber},
		{"a plus", "1|a|b|c|+2|3|4", notNumber},
		{"only a minus", "1|a|b|c|-|3|4", notNumber},
		{"two minuses", "1|a|b|c|--2|3|4", notNumber},
		{"a fraction", "1|a|b|c|2.0|3|4", notNumber},
		{"a space", "1|a|b|c| 2|3|4", notNumber},
		{"an underscore", "1|a|b|c|2_000|3|4", notNumber},
		{"hexadecimal", "1|a|b|c|0x2|3|4", notNumber},
		{"other digits", "1|a|b|c|٢|3|4", notNumber},
		{"many characters that are no number", "1|a|b|c|12345678901234567890x|3|4", notNumber},
		{"a negative id", "-1|a|b|c|2|3|4", numberOutOfRange},
		{"a negative group", "1|a|b|c|2|-3|4", numberOutOfRange},
		{"one more than fits", "1|a|b|c|9223372036854775808|3|4", numberOutOfRange},
		{"one less than fits", "1|a|b|c|-9223372036854775809|3|4", numberOutOfRange},
		{"before 1970", "1|a|b|c|2|3|-1", timeOutOfRange},
		{"after 9999", "1|a|b|c|2|3|253402300800", timeOutOfRange},
		{"a time that does not fit", "1|a|b|c|2|3|99999999999999999999", timeOutOfRange},

		{"the field count before the numbers", "x|a|b|c|2|3", wrongFieldCount},
		{"UTF-8 before the field count", "\xff", invalidUTF8},
		{"not a number before out of range", "-1|a|b|c|2|3|x", notNumber},
		{"the number's range before the time's", "1|a|b|c|2|-3|-1", numberOutOfRange},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r record
			require.Equal(t, c.want, r.parse([]byte(c.line), limit))
			require.Equal(t, c.want, reference(c.line, limit), "the reference differs")
		})
	}
}

func TestParseReadsEveryField(t *testing.T) {
	var r record
	require.Equal(t, accepted, r.parse([]byte("1|log3|appsetup|tom|-020417|4|1587583122"), 100))
	require.Equal(t, record{
		id:    number{1, []byte("1")},
		log:   []byte("log3"),
		event: []byte("appsetup"),
		user:  []byte("tom"),
		value: number{-20417, []byte("-20417")},
		group: number{4, []byte("4")},
		time:  number{1587583122, []byte("1587583122")},
	}, r)
}

func TestParseDoesNotAllocate(t *testing.T) {
	line := []byte("1|log3|appsetup|tom|20417|4|1587583122")
	dst := make([]byte, 0, 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		var r record
		r.parse(line, 100)
		dst = appendRecord(dst[:0], &r)
	}))
}

// reference says in the plainest way what parse must return.
func reference(line string, maxLine int) reason {
	if len(line) > maxLine {
		return overLong
	}
	if !utf8.ValidString(line) {
		return invalidUTF8
	}
	fields := strings.Split(line, "|")
	if len(fields) != 7 {
		return wrongFieldCount
	}
	for _, i := range []int{0, 4, 5, 6} {
		if strings.HasPrefix(fields[i], "+") {
			return notNumber
		}
		if _, err := strconv.ParseInt(fields[i], 10, 64); errors.Is(err, strconv.ErrSyntax) {
			return notNumber
		}
	}
	for _, i := range []int{0, 4, 5} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil || i != 4 && n < 0 {
			return numberOutOfRange
		}
	}
	if n, err := strconv.ParseInt(fields[6], 10, 64); err != nil || n < 0 || n > maxTime {
		return timeOutOfRange
	}
	return accepted
}

// FuzzLine compares the parser with the reference, and reads its JSON back.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		"1|log3|appsetup|tom|20417|4|1587583122",
		"007|\"|\\|\x01é\u2028|-0|9223372036854775807|253402300799",
		"1|a|b|c|-9223372036854775809|3|4",
		"-1|a|b|c|2|3|4|",
		"1|\xff|b|c|+2|3|4",
		"",
		strings.Repeat("|", 300),
	} {
		f.Add([]byte(seed))
	}
	const limit = 200
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		var r record
		why := r.parse(line, limit)
		require.Equal(t, reference(string(line), limit), why)
		if why == accepted {
			requireSameRecord(t, string(line), appendRecord(nil, &r))
		}
		requireSameRejected(t, "a.log", 3, why, line, appendRejected(nil, "a.log", 3, why, line))
		require.Equal(t, before, line, "the line was changed")
	})
}
