package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// maxOpenInputs is how many files are read at once.
const maxOpenInputs = 16

// inputSuffix is what the name of an input file ends in.
const inputSuffix = ".log"

// findInputs returns the paths of the input files in a folder, sorted. Folders
// are not input, whatever they are called.
func findInputs(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the input folder: %w: give an existing one with -in (the default one is relative to the repository's root)", err)
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), inputSuffix) && !entry.IsDir() {
			paths = append(paths, filepath.Join(folder, entry.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the input folder %q has no *%s file: give another one with -in, or write a file into it with -generate 500000",
			folder, inputSuffix)
	}
	return paths, nil
}

// inputs are files to be read, by several readers at once.
type inputs struct {
	paths   []string
	maxLine int
	pool    chan *block
	done    *counts
}

// readers is how many of them are at work.
func (in *inputs) readers() int { return min(len(in.paths), maxOpenInputs) }

// read sends all lines of all files to blocks, and returns when the last one
// was taken. It ends early when ctx does, with its cause, or when a file cannot
// be read. Every block that it was able to fill is sent even then, so that what
// was read of a file is a piece without a gap.
func (in *inputs) read(ctx context.Context, blocks chan<- *block) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var readers sync.WaitGroup
	for range in.readers() {
		readers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(in.paths)); i = next.Add(1) - 1 {
				if err := in.readFile(ctx, in.paths[i], blocks); err != nil {
					stop(err) // the first error is what ctx then tells everyone
					return
				}
				in.done.files.Add(1)
			}
		})
	}
	readers.Wait()
	if in.done.files.Load() == int64(len(in.paths)) {
		return nil // also where ctx ended a moment too late to cut anything off
	}
	return context.Cause(ctx)
}

// readFile sends the lines of one file to blocks.
func (in *inputs) readFile(ctx context.Context, path string, blocks chan<- *block) error {
	file, err := openInput(path)
	if err != nil {
		return err
	}
	defer file.Close()

	split := splitter{source: metered{file, &in.done.bytesRead}, maxLine: in.maxLine}
	turn := make(chan struct{})
	close(turn) // there is nothing before the first block
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := <-in.pool
		if err := split.fill(ctx, b); err != nil {
			in.pool <- b
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading the input: %w", err)
		}
		done := make(chan struct{})
		b.file, b.turn, b.done = filepath.Base(path), turn, done
		turn = done
		blocks <- b
	}
}

// openInput opens a regular file. Others, such as a named pipe, could make the
// run wait for ever.
func openInput(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the input: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the input %s is not a regular file: move it out of the folder, or rename it so that it does not end in %s",
			path, inputSuffix)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the input: %w", advised(err))
	}
	return file, nil
}

// metered counts the bytes that are read.
type metered struct {
	io.Reader
	total *atomic.Int64
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.total.Add(int64(n))
	return n, err
}
