package reading

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// plain is a reading as encoding/json sees it.
type plain struct {
	Sensor *string    `json:"sensor"`
	Metric *string    `json:"metric"`
	Value  *float64   `json:"value"`
	Time   *time.Time `json:"time"`
}

func (p plain) reading() Reading {
	r := Reading{Sensor: *p.Sensor, Metric: DefaultMetric, Value: *p.Value, Time: now}
	if p.Metric != nil {
		r.Metric = *p.Metric
	}
	if p.Time != nil {
		r.Time = p.Time.UTC().Truncate(time.Microsecond)
	}
	return r
}

func seeds(f *testing.F) {
	for _, s := range []string{
		`{"sensor":"s-17","value":21.5,"time":"2026-01-02T03:04:05Z"}`,
		`{"sensor":"a","metric":"b","value":-1e-3,"time":"2024-02-29T23:59:59.123456789-05:30"}`,
		`[{"sensor":"a","value":1},{"sensor":"\ud83d\ude00","value":0.1}]`,
		"{\"sensor\":\"a\",\"value\":1}\n\n{\"sensor\":\"b\",\"value\":2}\r\n",
		`{"sensor":"a","value":1,"value":2}`, `{"Sensor":"a","VALUE":1}`, `{"sensor":null,"value":null}`,
		"{\"sensor\":\"\xff\",\"value\":1}", `{"sensor":"\ud800","value":1e999}`, `[]`, ` [ ] `, `{}`, `[`, `nul`,
		`{"sensor":"a","value":1,"valUe":2}`, `{"sensor":"a","value":-0}`, `{"sensor":"a","value":1,"time":"0001-01-01T00:00:00Z"}`, `{"sensor":"a","value":01}`,
	} {
		f.Add([]byte(s))
	}
}

// What JSON takes, encoding/json reads as the same values; and what encoding/json
// takes of readings that are within the rules, JSON takes.
func FuzzJSONAgainstEncodingJSON(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d := Decoder{Now: now}
		got, err := d.JSON(bytes.NewReader(in))
		want, wantErr := standard(in)
		if err != nil {
			wrong, ok := errors.AsType[*Error](err)
			require.True(t, ok, "%v", err)
			require.LessOrEqual(t, wrong.Offset, int64(len(in)))
			require.GreaterOrEqual(t, wrong.Offset, int64(0))
			before := in[:wrong.Offset]
			require.Equal(t, 1+bytes.Count(before, []byte("\n")), wrong.Line)
			require.Equal(t, len(before)-bytes.LastIndexByte(before, '\n'), wrong.Column)
			require.True(t, utf8.ValidString(wrong.Problem))
			if wantErr == nil && utf8.Valid(in) && !bytes.Contains(in, []byte(`\u`)) {
				require.True(t, refusable(in, want), "%q is a reading: %v", in, err)
			}
			return
		}
		require.NoError(t, wantErr, "%q", in)
		require.Len(t, got, len(want))
		for i := range got {
			equal(t, want[i].reading(), got[i])
			var back Decoder
			again, err := back.One(Append(nil, got[i]))
			require.NoError(t, err)
			equal(t, got[i], again)
		}
	})
}

// Lines finds what One finds, line by line, however the input is cut into pieces.
func FuzzLinesAgainstOne(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		const maxLine = 80
		d := Decoder{Now: now, MaxLine: maxLine}
		got, err := d.Lines(bytes.NewReader(in))
		got = append([]Reading(nil), got...)
		again, againErr := d.Lines(&pieces{in: in})
		if err != nil {
			require.EqualError(t, againErr, err.Error())
			return
		}
		require.NoError(t, againErr)
		require.Len(t, again, len(got))
		i := 0
		for line := range strings.SplitSeq(string(in), "\n") {
			line = strings.TrimSuffix(line, "\r")
			require.LessOrEqual(t, len(line), maxLine)
			if strings.Trim(line, " \t\r") == "" {
				continue
			}
			one, err := d.One([]byte(line))
			require.NoError(t, err)
			equal(t, one, got[i])
			i++
		}
		require.Equal(t, len(got), i)
	})
}

// pieces gives in in pieces of 1, 2, 3... bytes.
type pieces struct {
	in []byte
	n  int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	p.n = p.n%17 + 1
	n := copy(to[:min(p.n, len(to))], p.in)
	p.in = p.in[n:]
	return n, nil
}

func equal(t *testing.T, want, got Reading) {
	t.Helper()
	require.Equal(t, want.Sensor, got.Sensor)
	require.Equal(t, want.Metric, got.Metric)
	require.Equal(t, math.Float64bits(want.Value), math.Float64bits(got.Value))
	require.Equal(t, want.Time, got.Time)
}

// standard is encoding/json at its strictest.
func standard(in []byte) ([]plain, error) {
	decoder := json.NewDecoder(bytes.NewReader(in))
	decoder.DisallowUnknownFields()
	var all []plain
	var err error
	if trimmed := bytes.TrimLeft(in, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		err = decoder.Decode(&all)
	} else {
		all = make([]plain, 1)
		err = decoder.Decode(&all[0])
	}
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return all, nil
}

// refusable says that there is a rule beyond encoding/json's which in offends.
func refusable(in []byte, all []plain) bool {
	if !bytes.ContainsAny(in, "[{") || bytes.Contains(in, []byte("null")) {
		return true
	}
	fields := 0
	for _, p := range all {
		if p.Sensor == nil || p.Value == nil {
			return true
		}
		for _, name := range []*string{p.Sensor, p.Metric} {
			if name != nil && (len(*name) == 0 || len(*name) > MaxName || strings.ContainsFunc(*name, func(r rune) bool { return r < ' ' || r == 0x7f })) {
				return true
			}
		}
		if p.Time != nil && (p.Time.UTC().Year() < 1970 || p.Time.UTC().Year() > 9999) {
			return true
		}
		for _, there := range []bool{p.Sensor != nil, p.Metric != nil, p.Value != nil, p.Time != nil} {
			if there {
				fields++
			}
		}
	}
	// Fields in other letters, and repeated ones; more than nine digits of a
	// fraction, which package time cuts off.
	for part := range bytes.SplitSeq(in, []byte{'"'}) {
		for _, name := range []string{"sensor", "metric", "value", "time"} {
			if string(part) != name && strings.EqualFold(string(part), name) {
				return true
			}
		}
	}
	names := 0
	for _, name := range []string{`"sensor"`, `"metric"`, `"value"`, `"time"`} {
		names += bytes.Count(in, []byte(name))
	}
	return names != fields || bytes.Contains(in, []byte("time")) && longFraction(in)
}

func longFraction(in []byte) bool {
	for i, c := range in {
		if c == '.' && digits(in, i+1)-i-1 > 9 {
			return true
		}
	}
	return false
}
