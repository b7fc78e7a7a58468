package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestAppendRecord(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{
			"1|log3|appsetup|tom|20417|4|1587583122",
			`{"id":1,"log":"log3","event":"appsetup","user":"tom","value":20417,"groupId":4,"time":1587583122}`,
		},
		{
			"007||||-0042|-0|0",
			`{"id":7,"log":"","event":"","user":"","value":-42,"groupId":0,"time":0}`,
		},
		{
			"1|\"a\\b\"|\n\r\t|\x00\x1f\x7f é 東京 \u2028|-0|3|4",
			`{"id":1,"log":"\"a\\b\"","event":"\n\r\t","user":"\u0000\u001f` + "\x7f é 東京 \u2028" + `","value":0,"groupId":3,"time":4}`,
		},
	} {
		var r record
		require.Equal(t, accepted, r.parse([]byte(c.line), 100))
		got := appendRecord([]byte("before"), &r)
		require.Equal(t, "before"+c.want+"\n", string(got))
		requireSameRecord(t, c.line, got[len("before"):])
	}
}

func TestAppendRejected(t *testing.T) {
	long := strings.Repeat("é", 200)
	for _, c := range []struct{ file, line, want string }{
		{"a.log", "", `{"file":"a.log","line":7,"reason":"over-long","text":""}`},
		{"\"a\".log", "x\x00", `{"file":"\"a\".log","line":7,"reason":"over-long","text":"x\u0000"}`},
		{"\xff.log", "t\xffm", `{"file":"` + "\ufffd" + `.log","line":7,"reason":"over-long","text":"t` + "\ufffd" + `m"}`},
		{"a.log", long, `{"file":"a.log","line":7,"reason":"over-long","text":"` + long[:120] + `"}`},
		{"a.log", "x" + long, `{"file":"a.log","line":7,"reason":"over-long","text":"x` + long[:118] + `"}`},
	} {
		got := appendRejected(nil, c.file, 7, overLong, []byte(c.line))
		require.Equal(t, c.want+"\n", string(got))
		requireSameRejected(t, c.file, 7, overLong, []byte(c.line), got)
	}
}

func TestExcerptEndsBetweenCharacters(t *testing.T) {
	for cut := range 4 {
		line := []byte(strings.Repeat("x", cut) + strings.Repeat("🙂", 100))
		got := excerpt(line)
		require.True(t, utf8.Valid(got))
		require.True(t, bytes.HasPrefix(line, got))
		require.LessOrEqual(t, len(got), excerptBytes)
		require.Greater(t, len(got), excerptBytes-4)
	}
	broken := bytes.Repeat([]byte{0x80}, 500)
	require.NotEmpty(t, excerpt(broken), "what is no UTF-8 at all is shown too")
}

// requireSameRecord requires that json is one line, and that encoding/json
// reads from it what the line has.
func requireSameRecord(t *testing.T, line string, ndjson []byte) {
	t.Helper()
	f := strings.Split(line, "|")
	number := func(text string) json.Number {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return json.Number(strconv.FormatInt(n, 10))
	}
	requireSameJSON(t, map[string]any{
		"id": number(f[0]), "log": f[1], "event": f[2], "user": f[3],
		"value": number(f[4]), "groupId": number(f[5]), "time": number(f[6]),
	}, ndjson)
}

// requireSameRejected does the same for a rejected line.
func requireSameRejected(t *testing.T, file string, number int, why reason, line, ndjson []byte) {
	t.Helper()
	text := string(line)
	if len(line) > excerptBytes {
		text = string(excerpt(line))
	}
	requireSameJSON(t, map[string]any{
		"file": strings.ToValidUTF8(file, "\ufffd"), "line": json.Number(strconv.Itoa(number)),
		"reason": why.String(), "text": strings.ToValidUTF8(text, "\ufffd"),
	}, ndjson)
}

func requireSameJSON(t *testing.T, want map[string]any, ndjson []byte) {
	t.Helper()
	require.Equal(t, len(ndjson)-1, bytes.IndexByte(ndjson, '\n'), "not one line")
	decoder := json.NewDecoder(bytes.NewReader(ndjson))
	decoder.UseNumber()
	var got map[string]any
	require.NoError(t, decoder.Decode(&got))
	require.Equal(t, want, got)
	require.True(t, utf8.Valid(ndjson))
}
