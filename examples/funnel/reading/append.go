package reading

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Append appends r as one line of JSON without its end, which Decoder reads back
// as r. It does not check r; what of its names is no UTF-8 becomes U+FFFD.
func Append(dst []byte, r Reading) []byte {
	dst = append(dst, `{"sensor":`...)
	dst = appendText(dst, r.Sensor)
	if r.Metric != DefaultMetric {
		dst = append(dst, `,"metric":`...)
		dst = appendText(dst, r.Metric)
	}
	dst = append(dst, `,"value":`...)
	dst = strconv.AppendFloat(dst, r.Value, 'g', -1, 64)
	dst = append(dst, `,"time":"`...)
	dst = AppendTime(dst, r.Time)
	return append(dst, `"}`...)
}

// AppendTime appends t as RFC 3339 in UTC, to the microsecond, without the
// fraction where it is zero.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendTwo(dst, year/100)
	dst = appendTwo(dst, year%100)
	dst = append(dst, '-')
	dst = appendTwo(dst, int(month))
	dst = append(dst, '-')
	dst = appendTwo(dst, day)
	dst = append(dst, 'T')
	dst = appendTwo(dst, hour)
	dst = append(dst, ':')
	dst = appendTwo(dst, minute)
	dst = append(dst, ':')
	dst = appendTwo(dst, second)
	if micros := t.Nanosecond() / 1000; micros > 0 {
		dst = append(dst, '.')
		dst = appendTwo(dst, micros/10000)
		dst = appendTwo(dst, micros/100%100)
		dst = appendTwo(dst, micros%100)
	}
	return append(dst, 'Z')
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func appendText(dst []byte, text string) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, byte(c))
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}
