package main

// pieceBytes is how much NDJSON a worker makes before it hands it on, at the end
// of the line that reaches it.
const pieceBytes = 256 << 10

// maxChunk returns the most bytes that a chunk can have: pieceBytes and a line,
// of which JSON makes at most six times as many bytes, with room for the keys and
// for a file's name.
func maxChunk(maxLine int) int { return pieceBytes + 6*maxLine + 4<<10 }

// A chunk is the item of the buffer: what one piece of a file has for one group,
// as NDJSON, in the file's order. Lines as items would cost more to carry than
// to parse. The memory of json is the chunk's own.
type chunk struct {
	group int64 // or rejectedGroup
	lines int
	json  []byte
}

// rejectedGroup stands for the rejected lines, which travel as a group of their
// own. No line can name it, as a groupId is never negative.
const rejectedGroup = -1

// A chunker makes chunks of lines. Whatever it needs for that it uses again for
// the next piece.
type chunker struct {
	json  []byte   // all lines as NDJSON, in the file's order
	lines []placed // of json

	chunks  []chunk
	sizes   []int         // of the chunks, in bytes
	byGroup map[int64]int // the index of a group's chunk
}

// placed says to which chunk a line of chunker.json goes, and where it ends.
type placed struct{ chunk, end int }

// reset begins a new piece.
func (c *chunker) reset() {
	clear(c.chunks) // the buffer has them now
	c.json, c.lines, c.chunks, c.sizes = c.json[:0], c.lines[:0], c.chunks[:0], c.sizes[:0]
	if c.byGroup == nil {
		c.byGroup = make(map[int64]int)
	}
	clear(c.byGroup)
}

// full tells that it is time to gather.
func (c *chunker) full() bool { return len(c.json) >= pieceBytes }

// add takes json back, grown by one line, which goes to the chunk of group.
func (c *chunker) add(group int64, json []byte) {
	i, found := c.byGroup[group]
	if !found {
		i = len(c.chunks)
		c.byGroup[group] = i
		c.chunks = append(c.chunks, chunk{group: group})
		c.sizes = append(c.sizes, 0)
	}
	c.chunks[i].lines++
	c.sizes[i] += len(json) - len(c.json)
	c.lines = append(c.lines, placed{chunk: i, end: len(json)})
	c.json = json
}

// gather returns the chunks. Each line is copied to its chunk: as the sizes are
// known by now, a chunk is allocated once and has no room to spare.
func (c *chunker) gather() []chunk {
	for i, size := range c.sizes {
		c.chunks[i].json = make([]byte, 0, size)
	}
	begin := 0
	for _, line := range c.lines {
		to := &c.chunks[line.chunk].json
		*to = append(*to, c.json[begin:line.end]...)
		begin = line.end
	}
	return c.chunks
}
