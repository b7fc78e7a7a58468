package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed list/*.txt
var lists embed.FS

// A mutant is one way to break the library.
type mutant struct {
	name       string
	file       string // from the root of the repository, with slashes
	hurts      string
	equivalent string     // why it cannot be killed; empty: it must be
	tests      [][]string // the arguments of go test, one after another
	edits      []edit
	from       string // the list and the line, for errors
}

// An edit replaces a text that stands exactly once in the file.
type edit struct{ old, new string }

// all reads every list.
func all() ([]mutant, error) {
	var mutants []mutant
	names, err := fs.Glob(lists, "list/*.txt")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := lists.ReadFile(name)
		if err != nil {
			return nil, err
		}
		read, err := parse(path.Base(name), string(text))
		if err != nil {
			return nil, err
		}
		mutants = append(mutants, read...)
	}
	seen := make(map[string]string)
	for _, m := range mutants {
		if other, ok := seen[m.name]; ok {
			return nil, fmt.Errorf("%s: %q is the name of the one in %s, too: give each its own", m.from, m.name, other)
		}
		seen[m.name] = m.from
	}
	return mutants, nil
}

// parse reads one list, which is called name in errors.
func parse(name, text string) ([]mutant, error) {
	var mutants []mutant
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		at := fmt.Sprintf("%s:%d", name, i+1)
		if lines[i] == "<<<" {
			if len(mutants) == 0 {
				return nil, fmt.Errorf("%s: a block stands before the first mutant", at)
			}
			before, next, err := block(lines, i+1, "===")
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			after, next, err := block(lines, next, ">>>")
			if err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			last := &mutants[len(mutants)-1]
			last.edits = append(last.edits, edit{before, after})
			i = next - 1
			continue
		}
		word, rest, _ := strings.Cut(lines[i], " ")
		rest = strings.TrimSpace(rest)
		if word == "" || strings.HasPrefix(word, "#") {
			continue
		}
		if word == "mutant" {
			mutants = append(mutants, mutant{name: rest, from: at})
			continue
		}
		if len(mutants) == 0 {
			return nil, fmt.Errorf("%s: %q stands before the first mutant", at, word)
		}
		if err := mutants[len(mutants)-1].set(word, rest); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	var errs []error
	for i := range mutants {
		errs = append(errs, mutants[i].complete())
	}
	return mutants, errors.Join(errs...)
}

// block is the text from line i up to the one that ends it, and the line behind.
func block(lines []string, i int, end string) (text string, next int, err error) {
	for from := i; i < len(lines); i++ {
		if lines[i] == end {
			return strings.Join(lines[from:i], "\n"), i + 1, nil
		}
	}
	return "", 0, fmt.Errorf("the block has no line %s", end)
}

// set reads one line above the blocks.
func (m *mutant) set(word, rest string) error {
	switch word {
	case "file":
		m.file = rest
	case "hurts":
		m.hurts = rest
	case "equivalent":
		m.equivalent = rest
	case "tests":
		m.tests = append(m.tests, strings.Fields(rest))
	default:
		return fmt.Errorf("%q is none of mutant, file, hurts, equivalent, tests, <<<", word)
	}
	return nil
}

// complete fills in the default, and returns what is missing.
func (m *mutant) complete() error {
	if m.name == "" || m.file == "" || m.hurts == "" || len(m.edits) == 0 {
		return fmt.Errorf("%s: a mutant needs a name, a file, what hurts, and a block", m.from)
	}
	if len(m.tests) > 0 {
		return nil
	}
	m.tests = [][]string{{"./" + path.Dir(m.file)}}
	if path.Dir(m.file) == "partition" { // what it promises is tested through the buffer
		m.tests = append(m.tests, []string{"./buffer"})
	}
	return nil
}

// apply returns the file's text, broken.
func (m *mutant) apply(text string) (string, error) {
	for _, e := range m.edits {
		switch n := strings.Count(text, e.old); {
		case e.old == e.new || e.old == "":
			return "", fmt.Errorf("%s: %s: a block changes nothing", m.from, m.name)
		case n != 1:
			return "", fmt.Errorf("%s: %s: its text stands %d times in %s, and must stand there once:\n%s", m.from, m.name, n, m.file, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	return text, nil
}
