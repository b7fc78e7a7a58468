package reading

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestOneReadsWhatIsAReading(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Reading
	}{
		{`{"sensor":"s-17","value":21.5,"time":"2026-01-02T03:04:05Z"}`, Reading{"s-17", "value", 21.5, at("2026-01-02T03:04:05Z")}},
		{`{"sensor":"a","value":1}`, Reading{"a", "value", 1, now}},
		{"\t{ \"value\" : -0.5e-3 ,\r\n\"metric\": \"t\", \"sensor\" : \"a\" } \n", Reading{"a", "t", -0.0005, now}},
		{`{"\u0073ensor":"\u00e9\ud83d\ude00\/\\\"","value":0}`, Reading{`é😀/\"`, "value", 0, now}},
		{`{"sensor":"Zürich 😀","value":1E2}`, Reading{"Zürich 😀", "value", 100, now}},
		{`{"sensor":"a","value":1.7976931348623157e308}`, Reading{"a", "value", 1.7976931348623157e308, now}},
		{`{"sensor":"a","value":1e-400}`, Reading{"a", "value", 0, now}},
		{`{"sensor":"a","value":1,"time":"1970-01-01T00:00:00Z"}`, Reading{"a", "value", 1, at("1970-01-01T00:00:00Z")}},
		{`{"sensor":"a","value":1,"time":"9999-12-31T23:59:59.9999999Z"}`, Reading{"a", "value", 1, at("9999-12-31T23:59:59.999999Z")}},
		{`{"sensor":"a","value":1,"time":"2024-02-29T23:59:59.123456789-05:30"}`, Reading{"a", "value", 1, at("2024-03-01T05:29:59.123456Z")}},
		{`{"sensor":"` + strings.Repeat("é", MaxName/2) + `","value":1}`, Reading{strings.Repeat("é", MaxName/2), "value", 1, now}},
	} {
		d := Decoder{Now: now}
		got, err := d.One([]byte(c.in))
		require.NoError(t, err, c.in)
		assert.Equal(t, c.want, got, c.in)
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	for _, c := range []struct {
		in      string
		offset  int64
		problem string
	}{
		{``, 0, "the input ends where a reading, which begins with '{', is expected"},
		{`[]`, 0, `'[' where a reading`},
		{`{`, 1, "the input ends where the name of a field is expected"},
		{`{}`, 0, `this reading has no "sensor"`},
		{` {"sensor":"a"}`, 1, `this reading has no "value"`},
		{`{"value":1}`, 0, `this reading has no "sensor"`},
		{`{"sensor":"a","value":1,}`, 24, "'}' where the name of a field is expected"},
		{`{"sensor":"a" "value":1}`, 14, `'"' where ',' or '}' is expected`},
		{`{"sensor":"a","value" 1}`, 22, "'1' where ':' is expected"},
		{`{"sensor":"a","value":1}x`, 24, "'x' where the end is expected"},
		{`{"sensor":"a","value":1}{}`, 24, "'{' where the end is expected"},
		{`{"sensor":"a","value":1,"sensor":"b"}`, 24, "this field was there already"},
		{`{"sensor":"a","value":1,"val\u0075e":2}`, 24, "this field was there already"},
		{`{"Sensor":"a","value":1}`, 1, `unknown field "Sensor"`},
		{`{"sensor":"a","value":1,"unit":"K"}`, 24, `unknown field "unit"`},
		{`{"sensor":7,"value":1}`, 10, "'7' where the sensor's name, a string, is expected"},
		{`{"sensor":null,"value":1}`, 10, "'n' where the sensor's name"},
		{`{"sensor":"","value":1}`, 10, "a name of 0 bytes: allowed are 1 to 128"},
		{`{"sensor":"` + long + `","value":1}`, 10, "a name of 129 bytes"},
		{`{"sensor":"a\u0000b","value":1}`, 10, "control character U+0000"},
		{"{\"sensor\":\"a\x7fb\",\"value\":1}", 10, "control character U+007F"},
		{"{\"sensor\":\"a\nb\",\"value\":1}", 12, "the control character U+000A in a string"},
		{"{\"sensor\":\"\\\\\x01\",\"value\":1}", 13, "the control character U+0001 in a string"},
		{"{\"sensor\":\"ab\xff\",\"value\":1}", 13, "invalid UTF-8"},
		{"{\"sensor\":\"\xffab\\n\",\"value\":1}", 11, "invalid UTF-8"},
		{"{\"sensor\":\"\\\"\xc3\",\"value\":1}", 13, "invalid UTF-8"},
		{"{\"sensor\":\"\xed\xa0\x80\",\"value\":1}", 11, "invalid UTF-8"},
		{"{\xff", 1, "invalid UTF-8 where"},
		{`{"sensor":"\ud800","value":1}`, 11, "half of a surrogate pair"},
		{`{"sensor":"\ud800\ud800","value":1}`, 11, "half of a surrogate pair"},
		{`{"sensor":"\udc00","value":1}`, 11, "half of a surrogate pair"},
		{`{"sensor":"\u12g4","value":1}`, 11, "four hexadecimal digits"},
		{`{"sensor":"\x","value":1}`, 11, "an escape that JSON does not know"},
		{`{"sensor":"a\`, 12, "the input ends within a string"},
		{`{"sensor":"a`, 12, "the input ends within a string"},
		{`{"sensor":"\n`, 13, "the input ends within a string"},
		{`{"sensor":"a","value":"1"}`, 22, "'\"' where a number is expected"},
		{`{"sensor":"a","value":NaN}`, 22, "'N' where a number is expected"},
		{`{"sensor":"a","value":-Infinity}`, 23, "'I' where a number is expected"},
		{`{"sensor":"a","value":+1}`, 22, "'+' where a number is expected"},
		{`{"sensor":"a","value":.5}`, 22, "'.' where a number is expected"},
		{`{"sensor":"a","value":01}`, 23, "'1' where ',' or '}' is expected"},
		{`{"sensor":"a","value":0x1p4}`, 23, "'x' where ',' or '}' is expected"},
		{`{"sensor":"a","value":1_0}`, 23, "'_' where ',' or '}' is expected"},
		{`{"sensor":"a","value":1.}`, 24, "'}' where a digit is expected"},
		{`{"sensor":"a","value":1e}`, 24, "'}' where a digit is expected"},
		{`{"sensor":"a","value":1e+`, 25, "the input ends where a digit is expected"},
		{`{"sensor":"a","value":1e309}`, 22, "beyond the range of float64"},
		{`{"sensor":"a","value":true}`, 22, "'t' where a number is expected"},
		{`{"sensor":"a","value":[1]}`, 22, "'[' where a number is expected"},
		{`{"sensor":"a","value":1,"time":1700000000}`, 31, "'1' where a time, a string, is expected"},
		{`{"sensor":"a","value":1,"time":"1969-12-31T23:59:59Z"}`, 31, "outside of the years 1970 to 9999"},
		{`{"sensor":"a","value":1,"time":"9999-12-31T23:59:59-00:01"}`, 31, "outside of the years 1970 to 9999"},
		{`{"sensor":"a","value":1,"time":"0000-01-01T00:00:00Z"}`, 31, "outside of the years 1970 to 9999"},
	} {
		d := Decoder{Now: now}
		_, err := d.One([]byte(c.in))
		wrong, ok := errors.AsType[*Error](err)
		require.True(t, ok, "%s: %v", c.in, err)
		assert.Equal(t, c.offset, wrong.Offset, c.in)
		assert.Contains(t, wrong.Problem, c.problem, c.in)
	}
}

func TestTimesThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-01-02t03:04:05Z", "2026-01-02T03:04:05z",
		"2026-1-02T03:04:05Z", "2026-01-02T3:04:05Z0", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-01-00T03:04:05Z",
		"2026-01-32T03:04:05Z", "2026-02-29T03:04:05Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-02T24:00:00Z",
		"2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05,5Z", "2026-01-02T03:04:05.1234567890Z",
		"2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+01:60", "2026-01-02T03:04:05+0100", "2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05ZZ",
		"2026-01-02T03:04:05*01:00", "2O26-01-02T03:04:05Z", "2026-01-02T03:04:05.5", "+026-01-02T03:04:05Z",
	} {
		_, problem := parseTime([]byte(text))
		assert.Equal(t, notATime, problem, text)
	}
}

func TestEveryDayIsCountedAsPackageTimeCounts(t *testing.T) {
	for day := at("1970-01-01T00:00:00Z"); day.Year() < 10000; day = day.AddDate(0, 0, 1) {
		year, month, ofMonth := day.Date()
		if got := days(year, int(month), ofMonth) * 86400; got != day.Unix() {
			t.Fatalf("%s: %d, not %d", day, got, day.Unix())
		}
	}
}

func TestJSONReadsOneOrAnArray(t *testing.T) {
	d := Decoder{Now: now}
	a, b := Reading{"a", "value", 1, now}, Reading{"b", "t", 2, now}
	for in, want := range map[string][]Reading{
		`{"sensor":"a","value":1}`: {a},
		` [ {"sensor":"a","value":1} , {"sensor":"b","value":2,"metric":"t"} ] `: {a, b},
		`[]`: {},
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			got, err := d.JSON(r)
			require.NoError(t, err, in)
			assert.Equal(t, want, append([]Reading{}, got...), in)
		}
	}
	for in, want := range map[string]string{
		"":                                       "line 1, column 1 (byte 0): the input ends where a reading or an array of readings is expected",
		"7":                                      "line 1, column 1 (byte 0): '7' where a reading or an array of readings is expected",
		"[":                                      "line 1, column 2 (byte 1): the input ends where a reading, which begins with '{', is expected",
		"[]]":                                    "line 1, column 3 (byte 2): ']' where the end is expected",
		"[\n{\"sensor\":\"a\",\"value\":1},\n]":  "line 3, column 1 (byte 28): ']' where a reading, which begins with '{', is expected",
		"[{\"sensor\":\"a\",\"value\":1}\n  {}]": "line 2, column 3 (byte 28): '{' where ',' or ']' is expected",
		`[[{"sensor":"a","value":1}]]`:           "line 1, column 2 (byte 1): '[' where a reading, which begins with '{', is expected",
	} {
		_, err := d.JSON(strings.NewReader(in))
		require.EqualError(t, err, want, in)
	}
}

func TestLinesReadsOneReadingALine(t *testing.T) {
	in := "{\"sensor\":\"a\",\"value\":1}\r\n\n  \n{\"sensor\":\"b\",\"value\":2}\n{\"sensor\":\"c\",\"value\":3}"
	want := []Reading{{"a", "value", 1, now}, {"b", "value", 2, now}, {"c", "value", 3, now}}
	d := Decoder{Now: now, MaxLine: 24, MaxReadings: 3}
	for range 2 { // the second use finds the buffers of the first
		for _, tail := range []string{"", "\n", "\r\n", "\n\n"} {
			for _, r := range []io.Reader{
				strings.NewReader(in + tail), iotest.OneByteReader(strings.NewReader(in + tail)),
				iotest.HalfReader(strings.NewReader(in + tail)), iotest.DataErrReader(strings.NewReader(in + tail)),
			} {
				got, err := d.Lines(r)
				require.NoError(t, err)
				assert.Equal(t, want, got)
			}
		}
	}

	_, err := d.Lines(strings.NewReader(in + "\n{\"sensor\":\"d\",\"value\":4}"))
	require.EqualError(t, err, "more than 3 readings")
	_, err = d.Lines(strings.NewReader("\n{\"sensor\":\"d\",\"value\":4.5}\n"))
	require.EqualError(t, err, "line 2: more than 24 bytes in a line")
	_, err = d.Lines(io.MultiReader(strings.NewReader("\n"), strings.NewReader(strings.Repeat("x", 30)), iotest.ErrReader(io.ErrUnexpectedEOF)))
	require.EqualError(t, err, "line 2: more than 24 bytes in a line", "said before the line has ended")
	_, err = d.Lines(iotest.OneByteReader(strings.NewReader("{\"sensor\":\"a\",\"value\":1}\n\n{\"sensor\":\"b\"}\nx")))
	require.EqualError(t, err, `line 3, column 1 (byte 26): this reading has no "value"`)
	_, err = d.Lines(strings.NewReader("{\"sensor\":\"a\",\n\"value\":1}"))
	require.EqualError(t, err, "line 1, column 15 (byte 14): the input ends where the name of a field is expected")
	_, err = d.Lines(io.MultiReader(strings.NewReader(in+"\n"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = d.JSON(iotest.ErrReader(io.ErrUnexpectedEOF))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestLongInputsGoThroughAndAreNotKept(t *testing.T) {
	var in []byte
	var want []Reading
	for i := range 40_000 {
		r := Reading{fmt.Sprintf("s-%d", i%20_000), "value", float64(i) / 8, now.Add(time.Duration(i) * time.Microsecond)}
		want = append(want, r)
		in = append(Append(in, r), '\n')
	}
	d := Decoder{MaxLine: 200, MaxReadings: 40_000}
	got, err := d.Lines(strings.NewReader(string(in)))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.LessOrEqual(t, len(d.buf), firstBuffer, "Lines holds a piece at a time")
	require.LessOrEqual(t, len(d.names.known), maxNames)

	array := "[" + strings.ReplaceAll(strings.TrimSpace(string(in)), "\n", ",") + "]"
	got, err = d.JSON(strings.NewReader(array))
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = d.JSON(strings.NewReader("[]"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(d.buf), keepBytes)
	require.LessOrEqual(t, cap(d.readings), keepReadings)

	d.MaxReadings--
	_, err = d.JSON(strings.NewReader(array))
	require.EqualError(t, err, "more than 39999 readings")
}

func TestKnownNamesCostNoAllocation(t *testing.T) {
	in := []byte("[")
	for i := range 100 {
		in = Append(in, Reading{fmt.Sprintf("s-%d", i%10), "temperature", 20 + float64(i)/7, now.Add(time.Duration(i) * time.Millisecond)})
		in = append(in, ',')
	}
	in[len(in)-1] = ']'
	var d Decoder
	got := testing.AllocsPerRun(100, func() {
		p := parser{data: in, decoder: &d}
		d.readings = d.readings[:0]
		if err := p.document(); err != nil {
			t.Fatal(err)
		}
	})
	assert.Zero(t, got)
}

func BenchmarkJSON500(b *testing.B) {
	in := []byte("[")
	for i := range 500 {
		in = Append(in, Reading{fmt.Sprintf("sensor-%04d", i*7%1000), "temperature", 20 + float64(i)/8, now.Add(time.Duration(i) * time.Millisecond)})
		in = append(in, ',')
	}
	in[len(in)-1] = ']'
	var d Decoder
	r := bytes.NewReader(in)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(in)
		got, err := d.JSON(r)
		if err != nil || len(got) != 500 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/reading")
}

func BenchmarkAppend(b *testing.B) {
	r := Reading{"sensor-0123", "temperature", 21.125, now.Add(1234 * time.Microsecond)}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = Append(out[:0], r)
	}
}
