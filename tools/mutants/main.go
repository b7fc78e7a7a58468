package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	root := flag.String("root", "..", "the repository")
	only := flag.String("only", "", "a regular expression: run those whose name or file matches")
	check := flag.Bool("check", false, "only see whether each can be applied, and run nothing")
	most := flag.Int("p", 2, "how many are run at once")
	timeout := flag.Duration("timeout", time.Minute, "after which tests that run are taken for hanging")
	flag.Parse()
	survived, err := run(*root, *only, *check, *most, *timeout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survived > 0 {
		os.Exit(1)
	}
}

// run tells how many mutants survived. An error is one of the list, or of the
// tests before anything is broken.
func run(root, only string, check bool, most int, timeout time.Duration) (survived int, err error) {
	begun := time.Now()
	which, err := regexp.Compile(only)
	if err != nil {
		return 0, err
	}
	mutants, err := all()
	if err != nil {
		return 0, err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !which.MatchString(m.name) && !which.MatchString(m.file) })
	if err := applies(root, mutants); err != nil || check {
		return 0, err
	}

	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // an overlay names files as go does
		return 0, err
	}
	if err := copyTree(root, dir); err != nil {
		return 0, err
	}
	t := &tree{dir, timeout}
	if err := t.sound(mutants); err != nil {
		return 0, err
	}
	fmt.Printf("%d mutants; the tests pass without them (%.0f s)\n\n", len(mutants), time.Since(begun).Seconds())

	results := t.killAll(mutants, most)
	var wrong []error
	killed, equivalent := 0, 0
	for _, r := range results {
		switch {
		case r.err != nil:
			wrong = append(wrong, r.err)
		case r.mutant.equivalent != "":
			equivalent++
		case r.verdict.failed == "":
			survived++
		default:
			killed++
		}
	}
	fmt.Printf("\n%d killed, %d equivalent, %d survived, %d errors of the list; %.0f s\n", killed, equivalent, survived, len(wrong), time.Since(begun).Seconds())
	if len(wrong) > 0 {
		return survived, fmt.Errorf("%d entries of the list are wrong, see above", len(wrong))
	}
	return survived, nil
}

// sound runs the tests of all the mutants without any: a test that fails anyway
// kills nothing.
func (t *tree) sound(mutants []mutant) error {
	seen := make(map[string]bool)
	patterns := make(map[string][]string) // by package: what -run says, where that is all
	var others [][]string
	for _, m := range mutants {
		for _, tests := range m.tests {
			switch key := strings.Join(tests, " "); {
			case seen[key] || m.equivalent != "":
			case len(tests) == 3 && tests[1] == "-run":
				patterns[tests[0]] = append(patterns[tests[0]], tests[2])
				seen[key] = true
			default:
				others = append(others, tests)
				seen[key] = true
			}
		}
	}
	for pkg, all := range patterns {
		others = append(others, []string{pkg, "-run", strings.Join(all, "|")})
	}
	for _, tests := range others {
		v, err := t.test(tests...)
		if err == nil && v.failed != "" {
			err = fmt.Errorf("%s fails without any mutant: mend that first", v.failed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// result is what became of a mutant.
type result struct {
	mutant  mutant
	verdict verdict
	seconds float64
	err     error // of the list
}

// killAll runs so many mutants at once, and prints each as it ends.
func (t *tree) killAll(mutants []mutant, most int) []result {
	results := make([]result, len(mutants))
	slots := make(chan struct{}, max(most, 1))
	var printing sync.Mutex
	var wait sync.WaitGroup
	for i, m := range mutants {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			begun := time.Now()
			r := result{mutant: m}
			if m.equivalent == "" {
				r.verdict, r.err = t.kill(&m)
			}
			r.seconds = time.Since(begun).Seconds()
			results[i] = r
			printing.Lock()
			defer printing.Unlock()
			r.print()
		})
	}
	wait.Wait()
	return results
}

// print prints a line of the table.
func (r result) print() {
	what := r.verdict.failed
	switch {
	case r.err != nil:
		what = "ERROR: " + r.err.Error()
	case r.mutant.equivalent != "":
		what = "equivalent: " + r.mutant.equivalent
	case what == "":
		what = "SURVIVED: " + r.mutant.hurts
	case r.verdict.how != "":
		what += " (" + r.verdict.how + ")"
	}
	fmt.Printf("%-52s %5.1f s  %s\n", r.mutant.name, r.seconds, what)
}

// applies tells which mutants cannot be applied to the repository at root.
func applies(root string, mutants []mutant) error {
	wrong := 0
	for _, m := range mutants {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
		if err == nil {
			_, err = m.apply(string(text))
		}
		if err != nil {
			wrong++
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d cannot be applied, see above", wrong, len(mutants))
	}
	return nil
}
