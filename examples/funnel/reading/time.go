package reading

import (
	"errors"
	"time"
)

const (
	notATime    = `not a time: it is to be written as RFC 3339 does, like "2026-01-02T03:04:05Z", with at most 9 digits of a second's fraction`
	notTheRange = "a time outside of the years 1970 to 9999 in UTC"
)

// The range of Reading.Time in seconds since 1970.
const (
	minSecond = 0
	maxSecond = 253402300799 // 9999-12-31T23:59:59Z
)

// parseTime reads the RFC 3339 that time.Time's UnmarshalJSON takes too, and cuts
// off what is finer than a microsecond. The problem is empty where there is none.
func parseTime(text []byte) (t time.Time, problem string) {
	// 2026-01-02T03:04:05
	if len(text) < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return t, notATime
	}
	century, ok0 := two(text, 0)
	years, ok1 := two(text, 2)
	month, ok2 := two(text, 5)
	day, ok3 := two(text, 8)
	hour, ok4 := two(text, 11)
	minute, ok5 := two(text, 14)
	second, ok6 := two(text, 17)
	if !ok0 || !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 {
		return t, notATime
	}
	year := century*100 + years
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return t, notATime
	}

	i, nanos := 19, 0
	if text[i] == '.' {
		begin := i + 1
		i = digits(text, begin)
		if i == begin || i > begin+9 {
			return t, notATime
		}
		for at := begin; at < begin+9; at++ {
			nanos *= 10
			if at < i {
				nanos += int(text[at] - '0')
			}
		}
	}
	east, ok := zone(text[i:])
	if !ok {
		return t, notATime
	}

	unix := days(year, month, day)*86400 + int64(hour)*3600 + int64(minute)*60 + int64(second) - east
	if unix < minSecond || unix > maxSecond {
		return t, notTheRange
	}
	return time.Unix(unix, int64(nanos/1000*1000)).UTC(), ""
}

// zone reads Z or +hh:mm, in seconds east of UTC.
func zone(text []byte) (east int64, ok bool) {
	if len(text) == 1 && text[0] == 'Z' {
		return 0, true
	}
	if len(text) != 6 || text[3] != ':' || (text[0] != '+' && text[0] != '-') {
		return 0, false
	}
	hours, ok1 := two(text, 1)
	minutes, ok2 := two(text, 4)
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	east = int64(hours)*3600 + int64(minutes)*60
	if text[0] == '-' {
		east = -east
	}
	return east, true
}

// two reads two digits.
func two(text []byte, at int) (int, bool) {
	a, b := text[at]-'0', text[at+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// days counts the days from 1970-01-01. The year is taken to begin in March, so
// that the leap day is its last; 153 days are the five months from March or from
// August (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
func days(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	ofEra := year % 400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return int64(era)*146097 + int64(ofEra*365+ofEra/4-ofEra/100+ofYear) - 719468
}

// ParseTime reads a time as a reading's is read: RFC 3339, from 1970 to 9999, cut
// off to the microsecond, in UTC.
func ParseTime(text string) (time.Time, error) {
	t, problem := parseTime([]byte(text))
	if problem != "" {
		return t, errors.New(problem)
	}
	return t, nil
}
