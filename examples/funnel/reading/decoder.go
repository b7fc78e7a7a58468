package reading

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// Decoder reads readings from JSON, strictly: what it takes, encoding/json reads
// alike, and beyond that it refuses unknown, repeated and missing fields, null,
// names that are empty, too long or hold control characters, invalid UTF-8 and
// lone surrogates, numbers beyond float64, and anything after the end.
//
// It keeps its buffers and the names that it has seen for the next use, and must
// not be used by two goroutines at once. The zero value is ready to use, without
// limits.
type Decoder struct {
	Now         time.Time // of readings that name no time
	MaxReadings int       // in one input; 0: no limit
	MaxLine     int       // bytes of a line of Lines, without its end; 0: no limit

	buf      []byte
	readings []Reading
	names    names
	scratch  []byte // a string without its escapes
}

// What is kept for the next use: a rare large input is not to hold its memory
// for ever.
const (
	keepBytes    = 1 << 20
	keepReadings = 1 << 14
	firstBuffer  = 64 << 10
)

// One reads data, which is one reading and nothing else. It keeps nothing of
// data. The error is an *Error.
func (d *Decoder) One(data []byte) (Reading, error) {
	p := parser{data: data, decoder: d}
	p.space()
	r, err := p.reading()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return Reading{}, place(err, data, 1, 0)
	}
	return r, nil
}

// JSON reads all of r, which is one reading or an array of them. The slice is
// the Decoder's, and valid until its next use. The error is an *Error, a
// *LimitError, or r's own.
func (d *Decoder) JSON(r io.Reader) ([]Reading, error) {
	d.reset()
	n := 0
	for {
		if n == len(d.buf) {
			d.grow()
		}
		more, err := r.Read(d.buf[n:])
		n += more
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}

	data := d.buf[:n]
	p := parser{data: data, decoder: d}
	if err := p.document(); err != nil {
		return nil, place(err, data, 1, 0)
	}
	return d.readings, nil
}

// Lines reads r to its end, one reading a line; empty lines are skipped, and the
// last line needs no end. It holds one piece of the input at a time. The slice
// and the errors are as JSON's.
func (d *Decoder) Lines(r io.Reader) ([]Reading, error) {
	d.reset()
	var (
		line   = 1
		base   int64 // offset of buf[0] in the input
		n      int   // bytes in buf
		looked int   // bytes of buf that hold no end of a line
	)
	for {
		if n == len(d.buf) {
			d.grow()
		}
		more, readErr := r.Read(d.buf[n:])
		n += more

		start := 0
		for {
			end := bytes.IndexByte(d.buf[looked:n], '\n')
			if end < 0 {
				break
			}
			end += looked
			if err := d.line(d.buf[start:end], line, base+int64(start)); err != nil {
				return nil, err
			}
			line++
			start, looked = end+1, end+1
		}
		if d.MaxLine > 0 && n-start > d.MaxLine+1 { // one more may be a carriage return
			return nil, d.tooLong(line)
		}

		switch {
		case readErr == io.EOF:
			if err := d.line(d.buf[start:n], line, base+int64(start)); err != nil {
				return nil, err
			}
			return d.readings, nil
		case readErr != nil:
			return nil, readErr
		}
		n = copy(d.buf, d.buf[start:n])
		base += int64(start)
		looked = n
	}
}

// line reads one line, without its end, that begins at offset.
func (d *Decoder) line(data []byte, line int, offset int64) error {
	data = bytes.TrimSuffix(data, []byte{'\r'})
	if d.MaxLine > 0 && len(data) > d.MaxLine {
		return d.tooLong(line)
	}
	p := parser{data: data, decoder: d}
	if p.space(); p.pos == len(data) {
		return nil
	}
	r, err := p.reading()
	if err == nil {
		err = p.end()
	}
	if err == nil {
		err = d.add(r)
	}
	if err != nil {
		return place(err, data, line, offset)
	}
	return nil
}

func (d *Decoder) add(r Reading) error {
	if d.MaxReadings > 0 && len(d.readings) == d.MaxReadings {
		return &LimitError{What: "readings", Limit: d.MaxReadings}
	}
	d.readings = append(d.readings, r)
	return nil
}

func (d *Decoder) tooLong(line int) error {
	return &LimitError{What: "bytes in a line", Limit: d.MaxLine, Line: line}
}

func (d *Decoder) reset() {
	if len(d.buf) > keepBytes {
		d.buf = nil
	}
	if cap(d.readings) > keepReadings {
		d.readings = nil
	}
	d.readings = d.readings[:0]
}

func (d *Decoder) grow() {
	larger := make([]byte, max(firstBuffer, 2*len(d.buf)))
	copy(larger, d.buf)
	d.buf = larger
}

// place completes an *Error whose Offset is within data, which begins at a line's
// start and at the offset base of the input.
func place(err error, data []byte, line int, base int64) error {
	wrong, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	before := data[:wrong.Offset]
	wrong.Line = line + bytes.Count(before, []byte{'\n'})
	wrong.Column = int(wrong.Offset) - bytes.LastIndexByte(before, '\n')
	wrong.Offset += base
	return wrong
}
