package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// What the random lines are made of.
var (
	generatedLogs   = []string{"log1", "log2", "log3", "log4"}
	generatedEvents = []string{"appsetup", "login", "logout", "search", "purchase", "refund"}
	generatedUsers  = []string{"tom", "anna", "jörg", "maría", "li", "olga", "sam", "yuki"}
)

// The times of the random lines: the year from 1 January 2020 on.
const (
	generatedFrom    = 1577836800
	generatedSeconds = 366 * 24 * 60 * 60
)

// generateFile writes an input file of random lines into the input folder, and
// says so on stdout. The seed is part of the name, so that several seeds make
// several files, and doing the same again makes no other one.
func generateFile(ctx context.Context, set settings, stdout io.Writer) error {
	begin := time.Now()
	path := filepath.Join(set.in, fmt.Sprintf("generated-%d%s", set.seed, inputSuffix))
	size, err := writeWhole(set.in, path, func(w io.Writer) error { return generate(ctx, set, w) })
	if err != nil {
		return fmt.Errorf("generating %s: %w", path, err)
	}
	_, err = fmt.Fprintf(stdout, "wrote %d lines, %d bytes, to %s in %.3f s; run again without -generate to group them\n",
		set.generate, size, path, time.Since(begin).Seconds())
	return err
}

// writeWhole creates a file, with its folder, that is there only once write has
// written all of it. It returns the file's size.
func writeWhole(folder, path string, write func(io.Writer) error) (size int64, err error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return 0, err
	}
	file, err := os.Create(path + partialSuffix)
	if err != nil {
		return 0, err
	}
	buffered := bufio.NewWriterSize(file, blockBytes)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		size, err = file.Seek(0, io.SeekCurrent)
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(file.Name()))
	}
	return size, nil
}

// generate writes set.generate random lines with the ids 1, 2, 3 and so on, of
// the groups 1 to set.groups.
func generate(ctx context.Context, set settings, w io.Writer) error {
	random := rand.New(rand.NewPCG(set.seed, 0))
	var line []byte
	for id := 1; id <= set.generate; id++ {
		if id%10_000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		line = strconv.AppendInt(line[:0], int64(id), 10)
		line = appendField(line, pick(random, generatedLogs))
		line = appendField(line, pick(random, generatedEvents))
		line = appendField(line, pick(random, generatedUsers))
		line = appendNumber(line, random.IntN(100_000))
		line = appendNumber(line, 1+random.IntN(set.groups))
		line = appendNumber(line, generatedFrom+random.IntN(generatedSeconds))
		line = append(line, '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func pick(random *rand.Rand, from []string) string { return from[random.IntN(len(from))] }

func appendField(line []byte, text string) []byte {
	return append(append(line, fieldSeparator), text...)
}

func appendNumber(line []byte, n int) []byte {
	return strconv.AppendInt(append(line, fieldSeparator), int64(n), 10)
}
