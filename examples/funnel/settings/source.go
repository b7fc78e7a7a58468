// Package settings is the one list of what can be set, and where it is set: by
// flag, else by environment variable, else in a file, else the default.
package settings

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Lookup is os.LookupEnv, or what a test has instead.
type Lookup func(name string) (value string, ok bool)

// configName is the flag that names a file of settings.
const configName = "config"

// Read sets the flags of set: by args, else by the environment variable of the
// same name behind prefix, else by the file that the flag -config names, where
// there is such a flag. The error joins one for every bad variable and line;
// flag.ErrHelp is returned as it is.
func Read(set *flag.FlagSet, prefix string, args []string, env Lookup) error {
	set.SetOutput(io.Discard) // the error says it; the usage is for those who ask
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%q: there are no arguments beside the flags", set.Args())
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })

	var bad []error
	set.VisitAll(func(f *flag.Flag) {
		value, ok := env(Variable(prefix, f.Name))
		if !ok || given[f.Name] {
			return
		}
		given[f.Name] = true
		if err := set.Set(f.Name, value); err != nil {
			bad = append(bad, fmt.Errorf("the variable %s is %q: %w", Variable(prefix, f.Name), value, err))
		}
	})
	if config := set.Lookup(configName); config != nil && config.Value.String() != "" {
		bad = append(bad, readFile(set, config.Value.String(), given))
	}
	return errors.Join(bad...)
}

// Variable is the environment variable of a flag.
func Variable(prefix, name string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// readFile reads lines like "listen = 127.0.0.1:8080"; empty lines and those that
// begin with # say nothing. A value goes to the end of its line.
func readFile(set *flag.FlagSet, path string, given map[string]bool) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the settings' file: %w", err)
	}
	defer file.Close()
	var bad []error
	lines := bufio.NewScanner(file)
	seen := map[string]bool{}
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok:
			bad = append(bad, fmt.Errorf(`%s:%d: not of the form "name = value"`, path, n))
		case set.Lookup(name) == nil || name == configName:
			bad = append(bad, fmt.Errorf("%s:%d: there is no setting %q", path, n, name))
		case seen[name]:
			bad = append(bad, fmt.Errorf("%s:%d: %s was set above", path, n, name))
		case !given[name]:
			if err := set.Set(name, value); err != nil {
				bad = append(bad, fmt.Errorf("%s:%d: %s is %q: %w", path, n, name, value, err))
			}
		}
		seen[name] = true
	}
	if err := lines.Err(); err != nil {
		bad = append(bad, fmt.Errorf("the settings' file %s: %w", path, err))
	}
	return errors.Join(bad...)
}

// Table lists the flags of set, with their variables and defaults, in Markdown.
func Table(set *flag.FlagSet, prefix string) string {
	var out strings.Builder
	out.WriteString("| flag, and name in the file | variable | default | what it sets |\n|---|---|---|---|\n")
	set.VisitAll(func(f *flag.Flag) {
		_, usage := flag.UnquoteUsage(f)
		standard := ""
		if f.DefValue != "" {
			standard = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(&out, "| `-%s` | `%s` | %s | %s |\n", f.Name, Variable(prefix, f.Name), standard, strings.ReplaceAll(usage, "|", "\\|"))
	})
	return out.String()
}
