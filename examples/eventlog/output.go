package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The names in the output folder. Until the output is whole, every file has
// partialSuffix as well.
const (
	rejectedName  = "rejected.ndjson"
	groupPrefix   = "group-"
	groupSuffix   = ".ndjson"
	partialSuffix = ".partial"
)

// fileName returns the final name of a group's file, or that of the rejected.
func fileName(group int64) string {
	if group == rejectedGroup {
		return rejectedName
	}
	return groupPrefix + strconv.FormatInt(group, 10) + groupSuffix
}

// isOutput tells whether a file of this name is one that fileName names. No
// other file in the folder is ever touched.
func isOutput(name string) bool {
	digits, isGroup := strings.CutPrefix(strings.TrimSuffix(name, groupSuffix), groupPrefix)
	group, err := strconv.ParseInt(digits, 10, 64)
	return name == rejectedName || isGroup && err == nil && group >= 0 && name == fileName(group)
}

// errInUse says that another run is writing to the output folder. Of the two,
// each would take the other's files for its own.
var errInUse = errors.New("another run is writing to this folder")

// An output is the folder of the groups' files.
type output struct {
	folder string
	locked *os.File // the folder itself, which is this run's until it is closed
}

// openOutput makes the folder ready: it creates it, takes it for this run until
// close, and removes what a run that was cut short has left. The file of rejected
// lines is always there, so it is created at once, and a folder that cannot be
// written to is found out early. So is what publish could not replace.
func openOutput(folder string) (output, error) {
	out := output{folder: folder}
	err := os.MkdirAll(folder, 0o777)
	if err == nil {
		out.locked, err = os.Open(folder)
	}
	if err == nil {
		if err = lock(out.locked); err != nil {
			err = fmt.Errorf("%s: %w", folder, err)
		}
	}
	if err == nil {
		err = out.each(func(name string) (bool, error) {
			final, partial := strings.CutSuffix(name, partialSuffix)
			if !isOutput(final) {
				return false, nil
			}
			info, err := os.Lstat(out.path(name))
			switch {
			case err != nil:
				return false, err
			case info.IsDir():
				return false, fmt.Errorf("%s is a folder where a file will be", out.path(name))
			case !partial:
				return false, nil
			}
			return true, os.Remove(out.path(name))
		})
	}
	if err == nil {
		err = os.WriteFile(out.path(rejectedName+partialSuffix), nil, 0o666)
	}
	if err != nil {
		out.close()
		return output{}, fmt.Errorf("preparing the output folder: %w: give one that can be written to with -out", err)
	}
	return out, nil
}

// close lets other runs have the folder.
func (out output) close() { _ = out.locked.Close() }

// openGroup opens the partial file of a group: an openFunc.
func (out output) openGroup(group int64) (appendFile, int64, error) {
	file, err := os.OpenFile(out.path(fileName(group)+partialSuffix), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return nil, 0, advised(err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// publish gives the files their final names, in place of the output of the run
// before, of which nothing remains. The caller has closed them, and written so
// many bytes to them: what has lost or gained some is not published.
func (out output) publish(written int64) error {
	found, err := out.partialBytes()
	if err != nil {
		return fmt.Errorf("looking at the output before it gets its final names: %w", err)
	}
	if found != written {
		return fmt.Errorf("%d bytes were written to %s, which have %d: something else has changed them, and the output of an earlier run is as it was",
			written, out.path("*"+partialSuffix), found)
	}
	err = out.each(func(name string) (bool, error) {
		if !isOutput(name) {
			return false, nil
		}
		_, err := os.Lstat(out.path(name + partialSuffix))
		if errors.Is(err, fs.ErrNotExist) {
			return true, os.Remove(out.path(name)) // a group that is no more
		}
		return false, err
	})
	if err == nil {
		err = out.each(func(name string) (bool, error) {
			final, partial := strings.CutSuffix(name, partialSuffix)
			if !partial || !isOutput(final) {
				return false, nil
			}
			return true, os.Rename(out.path(name), out.path(final))
		})
	}
	if err != nil {
		return fmt.Errorf("giving the output its final names: %w; some files may have theirs: run it again, or the output is of two runs", err)
	}
	return nil
}

// partialBytes returns how much all partial files have.
func (out output) partialBytes() (total int64, err error) {
	err = out.each(func(name string) (bool, error) {
		if final, partial := strings.CutSuffix(name, partialSuffix); !partial || !isOutput(final) {
			return false, nil
		}
		info, err := os.Stat(out.path(name))
		if err == nil {
			total += info.Size()
		}
		return false, err
	})
	return total, err
}

// each calls do with the name of every file in the folder. As a folder that is
// changed while it is read may skip entries, it does so again until do has
// changed nothing. It holds only some names at a time: there may be millions.
func (out output) each(do func(name string) (changed bool, err error)) error {
	for again := true; again; {
		again = false
		folder, err := os.Open(out.folder)
		if err != nil {
			return err
		}
		for err == nil {
			var names []string
			names, err = folder.Readdirnames(200)
			for _, name := range names {
				changed, failed := do(name)
				if failed != nil {
					return errors.Join(failed, folder.Close())
				}
				again = again || changed
			}
		}
		if closed := folder.Close(); closed != nil || err != io.EOF {
			return errors.Join(err, closed)
		}
	}
	return nil
}

func (out output) path(name string) string { return filepath.Join(out.folder, name) }
