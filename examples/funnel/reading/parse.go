package reading

import (
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// parser walks once over data.
type parser struct {
	data    []byte
	pos     int
	decoder *Decoder
}

// fail is an *Error at a position; its line and column follow in place.
func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{Offset: int64(at), Problem: fmt.Sprintf(format, args...)}
}

// unexpected says what stands at the position instead of what.
func (p *parser) unexpected(what string) error {
	if p.pos >= len(p.data) {
		return p.fail(len(p.data), "the input ends where %s is expected", what)
	}
	c, size := utf8.DecodeRune(p.data[p.pos:])
	if c == utf8.RuneError && size == 1 {
		return p.fail(p.pos, "invalid UTF-8 where %s is expected", what)
	}
	return p.fail(p.pos, "%q where %s is expected", c, what)
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next skips space and takes c, or leaves the position and says no.
func (p *parser) next(c byte) bool {
	if p.pos >= len(p.data) || p.data[p.pos] != c { // mostly there is no space
		p.space()
		if p.pos >= len(p.data) || p.data[p.pos] != c {
			return false
		}
	}
	p.pos++
	return true
}

func (p *parser) end() error {
	if p.space(); p.pos < len(p.data) {
		return p.unexpected("the end")
	}
	return nil
}

// document reads one reading or an array of readings into the decoder.
func (p *parser) document() error {
	if !p.next('[') {
		if p.pos >= len(p.data) || p.data[p.pos] != '{' {
			return p.unexpected("a reading or an array of readings")
		}
		r, err := p.reading()
		if err != nil {
			return err
		}
		p.decoder.readings = append(p.decoder.readings, r)
		return p.end()
	}
	if p.next(']') {
		return p.end()
	}
	for {
		p.space()
		r, err := p.reading()
		if err != nil {
			return err
		}
		if err := p.decoder.add(r); err != nil {
			return err
		}
		if p.next(',') {
			continue
		}
		if p.next(']') {
			return p.end()
		}
		return p.unexpected("',' or ']'")
	}
}

// The fields of a reading, as bits of those seen.
const (
	fieldSensor = 1 << iota
	fieldMetric
	fieldValue
	fieldTime
)

// reading reads an object.
func (p *parser) reading() (r Reading, err error) {
	begin := p.pos
	if !p.next('{') {
		return r, p.unexpected("a reading, which begins with '{',")
	}
	seen := 0
	for first := true; ; first = false {
		if first && p.next('}') {
			break
		}
		p.space()
		at := p.pos
		field, err := p.field()
		if err != nil {
			return r, err
		}
		if seen&field != 0 {
			return r, p.fail(at, "this field was there already")
		}
		seen |= field
		if !p.next(':') {
			return r, p.unexpected("':'")
		}
		p.space()
		if err := p.value(&r, field); err != nil {
			return r, err
		}
		if p.next(',') {
			continue
		}
		if p.next('}') {
			break
		}
		return r, p.unexpected("',' or '}'")
	}
	switch {
	case seen&fieldSensor == 0:
		return r, p.fail(begin, `this reading has no "sensor"`)
	case seen&fieldValue == 0:
		return r, p.fail(begin, `this reading has no "value"`)
	}
	if seen&fieldMetric == 0 {
		r.Metric = DefaultMetric
	}
	if seen&fieldTime == 0 {
		r.Time = p.decoder.Now
	}
	return r, nil
}

// field reads the name of a field.
func (p *parser) field() (int, error) {
	at := p.pos
	name, err := p.text("the name of a field")
	if err != nil {
		return 0, err
	}
	switch string(name) {
	case "sensor":
		return fieldSensor, nil
	case "metric":
		return fieldMetric, nil
	case "value":
		return fieldValue, nil
	case "time":
		return fieldTime, nil
	}
	return 0, p.fail(at, "unknown field %.40q: there are sensor, metric, value and time", name)
}

func (p *parser) value(r *Reading, field int) (err error) {
	switch field {
	case fieldSensor:
		r.Sensor, err = p.name(sensorName, "the sensor's name, a string,")
	case fieldMetric:
		r.Metric, err = p.name(metricName, "the metric's name, a string,")
	case fieldValue:
		r.Value, err = p.number()
	case fieldTime:
		r.Time, err = p.time()
	}
	return err
}

// name reads a string that is a sensor's or a metric's name.
func (p *parser) name(which int, what string) (string, error) {
	at := p.pos
	name, err := p.text(what)
	if err != nil {
		return "", err
	}
	if len(name) == 0 || len(name) > MaxName {
		return "", p.fail(at, "a name of %d bytes: allowed are 1 to %d", len(name), MaxName)
	}
	if last := p.decoder.names.last[which]; last == string(name) {
		return last, nil
	}
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			return "", p.fail(at, "a name with the control character %U", c)
		}
	}
	return p.decoder.names.intern(which, name), nil
}

// number reads a number as JSON writes them. It is stricter than strconv, which
// also takes +1, .5, 0x1, 1_0, inf and NaN.
func (p *parser) number() (float64, error) {
	begin, data := p.pos, p.data
	i := begin
	if i < len(data) && data[i] == '-' {
		i++
	}
	switch {
	case i < len(data) && data[i] == '0':
		i++
	case i < len(data) && '1' <= data[i] && data[i] <= '9':
		i = digits(data, i)
	default:
		p.pos = i
		return 0, p.unexpected("a number")
	}
	if i < len(data) && data[i] == '.' {
		after := digits(data, i+1)
		if after == i+1 {
			p.pos = after
			return 0, p.unexpected("a digit")
		}
		i = after
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		after := digits(data, i)
		if after == i {
			p.pos = after
			return 0, p.unexpected("a digit")
		}
		i = after
	}
	p.pos = i
	value, err := strconv.ParseFloat(string(data[begin:i]), 64) // the compiler copies short ones onto the stack
	if err != nil || math.IsInf(value, 0) {
		return 0, p.fail(begin, "a number beyond the range of float64")
	}
	return value, nil
}

func digits(data []byte, i int) int {
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	return i
}

// time reads a time as RFC 3339 writes it, in a string.
func (p *parser) time() (time.Time, error) {
	at := p.pos
	text, err := p.text("a time, a string,")
	if err != nil {
		return time.Time{}, err
	}
	t, problem := parseTime(text)
	if problem != "" {
		return t, p.fail(at, "%s", problem)
	}
	return t, nil
}
