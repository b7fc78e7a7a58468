package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// maxOpenOutputs is how many output files are open at once, over all
// partitions. There may be any number of groups, but a process may have only so
// many open files: 1024 on many systems.
const maxOpenOutputs = 256

// writeBytes is what small chunks are gathered to before they are written.
// Larger ones are written directly.
const writeBytes = 64 << 10

// maxOpenFiles is how many files a run needs to have open: outputs, inputs, and
// some for the process itself.
const maxOpenFiles = maxOpenOutputs + maxOpenInputs + 48

// advised says beside an error of opening a file what to do about it, where too
// many files are open.
func advised(err error) error {
	if errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("%w: let this process have %d, with ulimit -n", err, maxOpenFiles)
	}
	return err
}

// appendFile is what is needed of a file whose writes go to its end.
type appendFile interface {
	io.WriteCloser
	Truncate(size int64) error
}

// openFunc opens, or creates, the file of a group, and returns its size.
type openFunc func(group int64) (appendFile, int64, error)

// openFiles are the files that one partition appends to. At most limit of them
// are open; one is closed to make room for another. One goroutine uses it at a
// time.
type openFiles struct {
	open  openFunc
	limit int

	byGroup map[int64]*openFile
	gather  *bufio.Writer
	undo    []before // of the append that was last, or is running
}

// openFile is a file, and how far it is whole.
type openFile struct {
	appendFile
	size int64
}

// before says how long the file of a group was before an append.
type before struct{ group, size int64 }

// appendAll appends chunks, which are sorted by group, to their files. When that
// fails, all files are as they were before.
func (o *openFiles) appendAll(chunks []chunk) error {
	o.undo = o.undo[:0]
	for len(chunks) > 0 {
		n := 1
		for n < len(chunks) && chunks[n].group == chunks[0].group {
			n++
		}
		if err := o.append(chunks[:n]); err != nil {
			return errors.Join(fmt.Errorf("writing the output: %w", err), o.rollback())
		}
		chunks = chunks[n:]
	}
	return nil
}

// append appends chunks of one group to its file.
func (o *openFiles) append(chunks []chunk) error {
	group := chunks[0].group
	file, err := o.get(group)
	if err != nil {
		return err
	}
	o.undo = append(o.undo, before{group, file.size})
	if o.gather == nil {
		o.gather = bufio.NewWriterSize(nil, writeBytes)
	}
	o.gather.Reset(file)
	for _, c := range chunks {
		if _, err := o.gather.Write(c.json); err != nil {
			return err
		}
		file.size += int64(len(c.json))
	}
	return o.gather.Flush()
}

// rollback takes back the append that failed.
func (o *openFiles) rollback() error {
	var failed error
	for _, was := range o.undo {
		file, err := o.get(was.group)
		if err == nil {
			err = file.Truncate(was.size)
			file.size = was.size
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("a batch was written in part, and taking it back failed: %w", err))
		}
	}
	return failed
}

// begun returns how many groups the last append was the first for.
func (o *openFiles) begun() (groups int64) {
	for _, was := range o.undo {
		if was.size == 0 && was.group != rejectedGroup {
			groups++
		}
	}
	return groups
}

// get returns the open file of a group.
func (o *openFiles) get(group int64) (*openFile, error) {
	if file := o.byGroup[group]; file != nil {
		return file, nil
	}
	if len(o.byGroup) >= o.limit {
		if err := o.closeAny(); err != nil {
			return nil, err
		}
	}
	opened, size, err := o.open(group)
	if err != nil {
		return nil, err
	}
	if o.byGroup == nil {
		o.byGroup = make(map[int64]*openFile)
	}
	file := &openFile{appendFile: opened, size: size}
	o.byGroup[group] = file
	return file, nil
}

// closeAny closes one file, which a map's order picks at random. The one that
// was not used for longest would be the wrong one: as batches are sorted by
// group, it is the one that the next batch needs first.
func (o *openFiles) closeAny() error {
	for group, file := range o.byGroup {
		delete(o.byGroup, group)
		return file.Close()
	}
	return nil
}

// close closes all files.
func (o *openFiles) close() error {
	var failed error
	for _, file := range o.byGroup {
		failed = errors.Join(failed, file.Close())
	}
	o.byGroup = nil
	return failed
}
