package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tree is a copy of the repository, which is only read: a mutant is laid over it.
type tree struct {
	dir     string // absolute
	timeout time.Duration
}

// copyTree copies the repository at root into the folder to, but for what no test
// needs: hidden folders, the tools' programs, and what npm fetched.
func copyTree(root, to string) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch name := d.Name(); {
		case rel == ".":
			return nil
		case d.IsDir() && (strings.HasPrefix(name, ".") || name == "bin" || name == "node_modules"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o777)
		case !d.Type().IsRegular():
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// verdict is what the tests say.
type verdict struct {
	failed string // the first test that failed; empty: none
	how    string // beside failing: hang or panic
}

// kill runs the mutant's tests until one fails. An error is one of the list.
func (t *tree) kill(m *mutant) (verdict, error) {
	scratch, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return verdict{}, err
	}
	defer os.RemoveAll(scratch)
	file := filepath.Join(t.dir, filepath.FromSlash(m.file))
	text, err := os.ReadFile(file)
	if err != nil {
		return verdict{}, fmt.Errorf("%s: %s: %w", m.from, m.name, err)
	}
	broken, err := m.apply(string(text))
	if err != nil {
		return verdict{}, err
	}
	mutated := filepath.Join(scratch, "mutated.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: mutated}})
	if err != nil {
		return verdict{}, err
	}
	overlayed := filepath.Join(scratch, "overlay.json")
	if err := errors.Join(os.WriteFile(mutated, []byte(broken), 0o666), os.WriteFile(overlayed, overlay, 0o666)); err != nil {
		return verdict{}, err
	}
	for _, tests := range m.tests {
		v, err := t.test(append([]string{"-overlay=" + overlayed}, tests...)...)
		if err != nil {
			return verdict{}, fmt.Errorf("%s: %s: %w", m.from, m.name, err)
		}
		if v.failed != "" {
			return v, nil
		}
	}
	return verdict{}, nil
}

// test runs go test in the tree. It is an error where there is nothing to run.
func (t *tree) test(args ...string) (verdict, error) {
	args = t.narrow(args)
	cmd := exec.Command("go", append([]string{"test", "-json", "-vet=off", "-failfast", "-ldflags=-s -w", "-count=1", "-skip=^Test(Model|Contention)", "-timeout=" + t.timeout.String()}, args...)...)
	cmd.Dir = t.dir
	// A mutant may forget to stop. The collector then takes the time that it would
	// take the memory in.
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=2GiB", "GOWORK=") // the go.work of the copy, whatever this program was started with
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return verdict{}, err
	}
	if err := cmd.Start(); err != nil {
		return verdict{}, err
	}
	v, told := read(out)
	failed := cmd.Wait() != nil
	switch {
	case told.broken || failed && !told.ran:
		return verdict{}, fmt.Errorf("go test %s: it does not compile or run:\n%s%s", strings.Join(args, " "), told.last, complaints.String())
	case !told.ran:
		return verdict{}, fmt.Errorf("go test %s: there is no such test", strings.Join(args, " "))
	case failed && v.failed == "":
		v.failed = "(no test by name)"
	}
	return v, nil
}

// told is what go test has said beside the verdict.
type told struct {
	ran    bool   // a test
	broken bool   // a package does not compile
	last   string // of the output
}

// read reads what go test -json prints.
func read(out io.Reader) (verdict, told) {
	var v verdict
	var all told
	var last []string
	running := ""
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue
		}
		switch event.Action {
		case "run":
			all.ran = true
			running = event.Test
		case "fail":
			if event.Test != "" && v.failed == "" {
				v.failed = event.Test
			} else if v.failed == "" && v.how != "" {
				v.failed = running
			}
		case "build-fail":
			all.broken = true
		case "output", "build-output":
			last = append(last, event.Output)
			last = last[max(0, len(last)-20):]
			switch {
			case v.how != "" || v.failed != "":
			case strings.HasPrefix(event.Output, "panic: test timed out"):
				v.how = "hang"
			case strings.HasPrefix(event.Output, "panic: "), strings.HasPrefix(event.Output, "fatal error: "):
				v.how = "panic"
			}
		}
	}
	_, _ = io.Copy(io.Discard, out)
	all.last = strings.Join(last, "")
	return v, all
}
