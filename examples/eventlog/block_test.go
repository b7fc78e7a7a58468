package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// split reads all of source into blocks with so much memory, and returns their
// lines. It requires that a block holds whole lines, and knows their number.
func split(t *testing.T, source io.Reader, memory, maxLine int) []string {
	t.Helper()
	s := splitter{source: source, maxLine: maxLine}
	b := block{memory: make([]byte, memory)}
	var lines []string
	for {
		err := s.fill(t.Context(), &b)
		if err == io.EOF {
			require.ErrorIs(t, s.fill(t.Context(), &b), io.EOF, "once more")
			return lines
		}
		require.NoError(t, err)
		require.NotEmpty(t, b.lines)
		require.Equal(t, len(lines)+1, b.first)
		text, ended := strings.CutSuffix(string(b.lines), "\n")
		require.True(t, ended, "the block ends within a line")
		lines = append(lines, strings.Split(text, "\n")...)
	}
}

func TestSplitterGivesEveryLine(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"an empty file", "", nil},
		{"one line", "a\n", []string{"a"}},
		{"no newline at the end", "a\nb", []string{"a", "b"}},
		{"empty lines", "\n\na\n\n", []string{"", "", "a", ""}},
		{"only a newline", "\n", []string{""}},
		{"CRLF is left to the worker", "a\r\nb\r\n", []string{"a\r", "b\r"}},
		{"lines that fill a block exactly", "1234567\n1234567\n", []string{"1234567", "1234567"}},
		{"a last line that fills a block exactly", "1234567890", []string{"1234567890"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for memory := 12; memory < 40; memory++ {
				require.Equal(t, c.want, split(t, strings.NewReader(c.text), memory, 10))
				require.Equal(t, c.want, split(t, iotest.OneByteReader(strings.NewReader(c.text)), memory, 10))
				require.Equal(t, c.want, split(t, iotest.DataErrReader(strings.NewReader(c.text)), memory, 10))
			}
		})
	}
}

func TestSplitterWithLinesOfAnyLength(t *testing.T) {
	const maxLine = 30
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var want []string
		for range random.IntN(20) {
			want = append(want, strings.Repeat(string(rune('a'+len(want))), random.IntN(3*maxLine)))
		}
		text := strings.Join(want, "\n")
		if len(want) > 0 {
			text += "\n"
		}
		memory := 2*maxLine + random.IntN(100)
		got := split(t, iotest.HalfReader(strings.NewReader(text)), memory, maxLine)
		require.Len(t, got, len(want))
		for i, line := range want {
			if len(line) <= maxLine+1 { // with room for a '\r'
				require.Equal(t, line, got[i])
				continue
			}
			require.Greater(t, len(got[i]), maxLine+1, "an over-long line must stay over-long")
			require.True(t, strings.HasPrefix(line, got[i]))
		}
	}
}

// endless is a line without end, of n bytes.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := copy(p, bytes.Repeat([]byte{'x'}, min(len(p), e.n)))
	e.n -= n
	return n, nil
}

func TestSplitterHoldsNoEndlessLine(t *testing.T) {
	const maxLine = 100
	source := io.MultiReader(strings.NewReader("first\n"), &endless{10 << 20}, strings.NewReader("\nlast"))
	s := splitter{source: source, maxLine: maxLine}
	b := block{memory: make([]byte, 1000)}
	var lines int
	for s.fill(t.Context(), &b) == nil {
		lines += bytes.Count(b.lines, []byte{'\n'})
		require.LessOrEqual(t, cap(s.carry), 2048)
	}
	require.Equal(t, 3, lines)

	require.Equal(t, []string{strings.Repeat("x", maxLine+2)}, split(t, &endless{5000}, 500, maxLine), "up to the end of the file")
}

func TestSplitterFails(t *testing.T) {
	broken := errors.New("a bad sector")
	for _, text := range []string{"", "a\nb\n", strings.Repeat("x", 5000)} {
		s := splitter{source: io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), maxLine: 10}
		b := block{memory: make([]byte, 100)}
		require.ErrorIs(t, s.fill(t.Context(), &b), broken)
	}
}

func TestSplitterLeavesAnEndlessLineWhenTheRunEnds(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	stop(cause)
	s := splitter{source: &endless{1 << 40}, maxLine: 10}
	require.ErrorIs(t, s.fill(ctx, &block{memory: make([]byte, 100)}), cause)
}

func TestBlocksAreBounded(t *testing.T) {
	for _, maxLine := range []int{minLineLimit, 64 << 10, maxLineLimit} {
		t.Run(fmt.Sprint(maxLine), func(t *testing.T) {
			require.Len(t, newBlocks(2, maxLine), 2)
			pool := newBlocks(maxWorkers+maxOpenInputs, maxLine)
			b := <-pool
			require.Greater(t, len(b.memory), maxLine+3, "the longest line and its ending")
			require.LessOrEqual(t, cap(pool)*(len(b.memory)+2*maxChunk(maxLine)), blocksBytes)
			require.GreaterOrEqual(t, cap(pool), 4)
		})
	}
}
