package main

import (
	"bytes"
	"context"
	"io"
)

// blockBytes is how much of a file is read at once. It is more than
// maxLineLimit with some room, small enough to stay in a core's cache while it
// is parsed, and large enough that what is done per block does not count.
const blockBytes = 128 << 10

// blocksBytes bounds what all blocks take, with what the workers make of them,
// even where every byte becomes an escape of six.
const blocksBytes = 32 << 20

// A block is a piece of a file: lines that follow each other, complete, each
// with its '\n'. One goroutine owns it at a time: a reader fills it, a worker
// makes chunks of it and puts it back.
type block struct {
	file  string
	first int    // number of the first line in its file, from 1
	lines []byte // a part of memory, or empty

	// turn is closed when everything before this block, in its file, is in the
	// buffer. Whoever has put this block's lines there as well closes done, which
	// is the turn of the file's next block. Blocks are parsed in any order, but
	// so a file's lines reach the buffer in theirs.
	turn <-chan struct{}
	done chan<- struct{}

	memory  []byte
	chunker chunker // here, and not in the worker, so that the blocks bound its memory
}

// newBlocks returns a pool of up to n blocks that hold any line up to maxLine.
// Being all that there are, they bound the memory whatever the number of
// workers, and make the readers wait for them.
func newBlocks(n, maxLine int) chan *block {
	memory := max(blockBytes, 2*maxLine)
	most := blocksBytes / (memory + 2*maxChunk(maxLine))
	pool := make(chan *block, min(n, most))
	for range cap(pool) {
		pool <- &block{memory: make([]byte, memory)}
	}
	return pool
}

// A splitter cuts what it reads into blocks, between lines.
type splitter struct {
	source  io.Reader
	maxLine int
	lines   int    // so far
	carry   []byte // the start of a line whose end was not read yet
}

// fill puts the next lines into b, as many as fit. Every line gets a '\n', also
// a last one that has none. An over-long line may be cut, but stays over-long.
// After the last line fill returns io.EOF, and when ctx ends its cause.
func (s *splitter) fill(ctx context.Context, b *block) error {
	// One byte is kept back for the '\n' that the last line may lack.
	room := b.memory[:len(b.memory)-1]
	held := copy(room, s.carry)
	n, err := io.ReadFull(s.source, room[held:])
	text := room[:held+n]
	switch {
	case err == io.EOF && len(text) == 0:
		return io.EOF
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		if text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
	case err != nil:
		return err
	}

	end := bytes.LastIndexByte(text, '\n') + 1
	if end == 0 {
		if text, err = s.cut(ctx, text); err != nil {
			return err
		}
		end = len(text)
	} else {
		s.carry = append(s.carry[:0], text[end:]...)
	}
	b.lines = text[:end]
	b.first = s.lines + 1
	s.lines += bytes.Count(b.lines, []byte{'\n'})
	return nil
}

// cut reads on to the end of a line that fills a whole block, and returns its
// beginning: as much of it as shows that it is over-long. The rest is read into
// the same memory again and again, so that a line without end takes no more.
func (s *splitter) cut(ctx context.Context, line []byte) ([]byte, error) {
	// A '\r' may be part of the ending, so one byte over the limit is not enough.
	head := line[:s.maxLine+2]
	scratch := line[len(head):]
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := s.source.Read(scratch)
		if end := bytes.IndexByte(scratch[:n], '\n'); end >= 0 {
			s.carry = append(s.carry[:0], scratch[end+1:n]...)
			break
		}
		if err == io.EOF {
			s.carry = s.carry[:0]
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return append(head, '\n'), nil
}
