package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Quick, where running them is not: a change of the library that leaves a mutant
// behind is told of at once.
func TestEveryMutantApplies(t *testing.T) {
	mutants, err := all()
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < 40 {
		t.Errorf("there are %d mutants", len(mutants))
	}
	for _, m := range mutants {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(m.file)))
		if err == nil {
			_, err = m.apply(string(text))
		}
		if err != nil {
			t.Error(err)
		}
	}
}

const entry = `# a comment
mutant one
file   a/b.go
hurts  much
<<<
	x := 1
# not a comment
===
>>>
<<<
z
===
w
>>>

mutant     two
file       partition/c.go
hurts      little
tests      ./a -run ^TestA$
tests      ./b
equivalent it does nothing
<<<
q
===
r
>>>
`

func TestParse(t *testing.T) {
	mutants, err := parse("x.txt", entry)
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) != 2 {
		t.Fatalf("%d mutants", len(mutants))
	}
	one, two := mutants[0], mutants[1]
	if one.name != "one" || one.from != "x.txt:2" || len(one.edits) != 2 || one.edits[0] != (edit{"\tx := 1\n# not a comment", ""}) {
		t.Errorf("%+v", one)
	}
	if len(one.tests) != 1 || strings.Join(one.tests[0], " ") != "./a" {
		t.Errorf("the default: %v", one.tests)
	}
	if len(two.tests) != 2 || len(two.tests[0]) != 3 || two.equivalent != "it does nothing" {
		t.Errorf("%+v", two)
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for wrong, want := range map[string]string{
		"file x": "before the first mutant",
		"<<<":    "before the first mutant",
		"mutant a\nfile b\nhurts c\nwhat d\n<<<\nx\n===\n>>>":      `"what" is none of`,
		"mutant a\nfile b\nhurts c\n<<<\nx\n===\ny":                "no line >>>",
		"mutant a\nfile b\nhurts c\n<<<\nx\n":                      "no line ===",
		"mutant a\nfile b\nhurts c":                                "needs a name, a file, what hurts, and a block",
		"mutant a\nhurts c\n<<<\nx\n===\ny\n>>>":                   "needs a name, a file, what hurts, and a block",
		strings.Replace(entry, "mutant one", "mutant", 1):          "needs a name",
		strings.Replace(entry, "hurts      little", "hurts", 1):    "needs a name",
		strings.Replace(entry, "mutant     two", "mutants two", 1): `"mutants" is none of`,
	} {
		if _, err := parse("x.txt", wrong); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.txt:") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestApply(t *testing.T) {
	m := mutant{name: "a", file: "b.go", from: "x.txt:1", edits: []edit{{"one", "1"}, {"two", ""}}}
	if text, err := m.apply("one two"); err != nil || text != "1 " {
		t.Errorf("%q, %v", text, err)
	}
	for text, want := range map[string]string{"one": "0 times", "one two two": "2 times"} {
		if _, err := m.apply(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	m.edits = []edit{{"one", "one"}}
	if _, err := m.apply("one"); err == nil {
		t.Error("a mutant that changes nothing is none")
	}
}

func TestReadFindsTheFirstTestThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		out  string
		want verdict
		told told
	}{
		"passes":   {`{"Action":"run","Test":"TestA"}{"Action":"pass","Test":"TestA"}`, verdict{}, told{ran: true}},
		"a part":   {`{"Action":"run","Test":"TestA"}{"Action":"run","Test":"TestA/b"}{"Action":"fail","Test":"TestA/b"}{"Action":"fail","Test":"TestA"}{"Action":"fail"}`, verdict{failed: "TestA/b"}, told{ran: true}},
		"a hang":   {`{"Action":"run","Test":"TestA"}{"Action":"output","Test":"TestA","Output":"panic: test timed out after 1s"}{"Action":"fail","Test":"TestA"}`, verdict{"TestA", "hang"}, told{ran: true}},
		"a panic":  {`{"Action":"run","Test":"TestA"}{"Action":"output","Output":"panic: boom"}{"Action":"fail"}`, verdict{"TestA", "panic"}, told{ran: true}},
		"no build": {`{"ImportPath":"x","Action":"build-fail"}`, verdict{}, told{broken: true}},
	} {
		v, told := read(strings.NewReader(strings.ReplaceAll(c.out, "}{", "}\n{")))
		told.last = ""
		if v != c.want || told != c.told {
			t.Errorf("%s: %+v, %+v", name, v, told)
		}
	}
}

func TestTheCopyLeavesOutWhatNoTestNeeds(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, file := range []string{"go.mod", "a/a.go", "a/testdata/x", ".git/config", "bin/tool", "web/node_modules/x.js"} {
		path := filepath.Join(from, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyTree(from, to); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"go.mod": true, "a/a.go": true, "a/testdata/x": true, ".git": false, "bin": false, "web/node_modules": false} {
		if _, err := os.Stat(filepath.Join(to, filepath.FromSlash(file))); (err == nil) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestNarrowCompilesWhatTheTestsNeed(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"a/a.go":         "package a",
		"a/kit_test.go":  "package a_test\ntype sink struct{}\nfunc help() {}",
		"a/more_test.go": "package a_test\nfunc (s *sink) Flush() { other() }",
		"a/o_test.go":    "package a_test\nfunc other() {}\nfunc TestOther() {}",
		"a/one_test.go":  "package a_test\nfunc TestOne() { var s sink; s.Flush() }",
		"a/two_test.go":  "package a_test\nfunc TestTwo() { help() }",
		"b/b.go":         "package b",
		"b/b_test.go":    "package b\nfunc TestOne() {}",
	} {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"./a -run ^TestOne$":             "a/kit_test.go a/more_test.go a/o_test.go a/one_test.go -run ^TestOne$",
		"-overlay=x ./a -run ^TestOther": "-overlay=x a/o_test.go -run ^TestOther",
		"./a -run ^TestNone$":            "./a -run ^TestNone$",
		"./a -run ^TestOne$/x":           "./a -run ^TestOne$/x",
		"./a":                            "./a",
		"./b -run ^TestOne$":             "./b -run ^TestOne$",
	} {
		got := strings.Join((&tree{dir: dir}).narrow(strings.Fields(args)), " ")
		if got = strings.ReplaceAll(got, dir+string(filepath.Separator), ""); filepath.ToSlash(got) != want {
			t.Errorf("%s: %s", args, got)
		}
	}
}
