package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// narrow has go test compile only the files that the tests it is to run need:
// most of the time of a mutant goes into compiling tests. It takes arguments of
// the form ./package -run pattern, and leaves all others as they are.
func (t *tree) narrow(args []string) []string {
	at := slices.Index(args, "-run")
	pkg := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "./") })
	if at < 0 || at+1 == len(args) || pkg < 0 || strings.Contains(args[at+1], "/") {
		return args
	}
	which, err := regexp.Compile(args[at+1])
	if err != nil {
		return args
	}
	files := t.needed(args[pkg], which)
	if len(files) == 0 {
		return args
	}
	return slices.Replace(slices.Clone(args), pkg, pkg+1, files...)
}

// needed are the test files of a package that have a test of such a name, and
// those with what these use. It is nil where the tests are within the package
// itself, whose other files they would need, too.
func (t *tree) needed(dir string, which *regexp.Regexp) []string {
	paths, err := filepath.Glob(filepath.Join(t.dir, dir, "*.go"))
	if err != nil {
		return nil
	}
	uses := make(map[string]map[string]bool) // by file: the identifiers in it
	declares := make(map[string][]string)    // by identifier: the files that do
	var open []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		if !strings.HasSuffix(file.Name.Name, "_test") && !onlyDoc(paths) {
			return nil
		}
		uses[path] = make(map[string]bool)
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				uses[path][id.Name] = true
			}
			return true
		})
		for _, name := range declared(file) {
			declares[name] = append(declares[name], path)
			if strings.HasPrefix(name, "Test") && which.MatchString(name) && !slices.Contains(open, path) {
				open = append(open, path)
			}
		}
	}
	var closed []string
	for len(open) > 0 {
		path := open[0]
		open = open[1:]
		if slices.Contains(closed, path) {
			continue
		}
		closed = append(closed, path)
		for name := range uses[path] {
			open = append(open, declares[name]...)
		}
	}
	slices.Sort(closed)
	return closed
}

// onlyDoc tells whether all but the tests is a file of documentation.
func onlyDoc(paths []string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		return !strings.HasSuffix(path, "_test.go") && filepath.Base(path) != "doc.go"
	})
}

// declared are the names that a file adds to its package; methods come with their
// type, wherever they stand.
func declared(file *ast.File) []string {
	var names []string
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
				continue
			}
			ast.Inspect(d.Recv, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && len(id.Name) > 1 {
					names = append(names, id.Name)
				}
				return true
			})
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						names = append(names, id.Name)
					}
				}
			}
		}
	}
	return names
}
