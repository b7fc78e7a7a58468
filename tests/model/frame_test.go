package model

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// broken names the way in which TestBroken goes wrong. It is set for a process of
// its own, as what a failure looks like can only be seen from outside.
const broken = "DATABUFFER_MODEL_BROKEN"

// TestBroken is a model that fails where a list has more than three elements that
// are above 500.
func TestBroken(t *testing.T) {
	how := os.Getenv(broken)
	if how == "" {
		t.Skip("it is run by the others")
	}
	plays := 0
	draw := func(s Source) []int { return List(s, 20, func(s Source) int { return s.Int(0, 1000) }) }
	Check(t, Cases{Plain: 1000, Race: 1000}, draw, func(mt *T, numbers []int) {
		plays++
		large := 0
		for _, n := range numbers {
			if n > 500 {
				large++
			}
		}
		if large <= 3 {
			return
		}
		switch how {
		case "failure":
			mt.Errorf("%d are too large, at %v", large, time.Now())
		case "flaky":
			mt.Errorf("now and then: %d", plays)
			if plays%3 != 0 {
				*mt = T{}
			}
		case "panic":
			panic("poison")
		case "left":
			go func() { <-make(chan int) }()
		case "crash":
			go func() { panic("poison") }()
			synctest.Wait()
		}
	})
}

// run runs TestBroken in the folder, and returns what it printed.
func run(t *testing.T, dir, how string, flags ...string) (output string, failed bool) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, append([]string{"-test.run=^TestBroken$", "-rapid.shrinktime=20s"}, flags...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), broken+"="+how, "RAPID_SEED=0")
	for i, v := range c.Env {
		if strings.HasPrefix(v, "RAPID_") {
			c.Env[i] = "IGNORED="
		}
	}
	text, err := c.CombinedOutput()
	return string(text), err != nil
}

// Each kind of failure is found, told with its scene, and comes again by the file
// or by the seed that rapid names.
func TestAFailureComesAgain(t *testing.T) {
	for how, told := range map[string]string{
		"failure": "are too large, at 2000-01-01",
		"flaky":   "now and then",
		"panic":   "panic: poison",
		"left":    "frame_test.go", // the stack of the goroutine that is left
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			small := how == "failure" || how == "panic"
			var flags []string
			if !small {
				flags = []string{"-rapid.shrinktime=500ms"}
			}
			output, failed := run(t, dir, how, flags...)
			require.True(t, failed, output)
			assert.Contains(t, output, told)
			assert.Contains(t, output, "the smallest scene that failed:")
			if small {
				assert.Regexp(t, `scene that failed:\s+\[\d+( \d+){3,5}\]`, output, "rapid has made it small")
			}

			files, err := filepath.Glob(filepath.Join(dir, "testdata/rapid/TestBroken/*.fail"))
			require.NoError(t, err)
			require.Len(t, files, 1, output)
			file, err := filepath.Rel(dir, files[0])
			require.NoError(t, err)
			assert.Contains(t, output, "-rapid.failfile="+strconv.Quote(file))
			again, failed := run(t, t.TempDir(), how, "-rapid.failfile="+files[0], "-rapid.checks=1", "-rapid.shrinktime=0s")
			assert.True(t, failed, again)
			assert.Contains(t, again, told)

			seed := regexp.MustCompile(`or (-rapid\.seed=\d+)`).FindStringSubmatch(output)
			require.NotNil(t, seed, output)
			again, failed = run(t, t.TempDir(), how, seed[1], "-rapid.checks=1", "-rapid.shrinktime=0s")
			assert.True(t, failed, again)
			assert.Contains(t, again, told)
		})
	}
}

// What ends the process leaves the seed behind, which was printed before.
func TestACrashComesAgain(t *testing.T) {
	output, failed := run(t, t.TempDir(), "crash")
	require.True(t, failed)
	require.Contains(t, output, "panic: poison")
	seed := regexp.MustCompile(`-rapid\.seed=\d+`).FindString(output)
	require.NotEmpty(t, seed, output)
	again, failed := run(t, t.TempDir(), "crash", seed)
	require.True(t, failed)
	assert.Contains(t, again, "panic: poison")
}

func TestCases(t *testing.T) {
	output, failed := run(t, t.TempDir(), "never", "-test.v", "-rapid.checks=50")
	assert.False(t, failed, output)
	assert.Contains(t, output, "passed 50 tests")
	output, failed = run(t, t.TempDir(), "never", "-test.v")
	assert.False(t, failed, output)
	assert.Contains(t, output, "passed 1000 tests")
	output, failed = run(t, t.TempDir(), "never", "-test.v", "-model.time=1s", "-rapid.checks=10")
	assert.False(t, failed, output)
	assert.Greater(t, strings.Count(output, "passed 10 tests"), 1, "round after round")
	seeds := regexp.MustCompile(`-rapid\.seed=\d+`).FindAllString(output, -1)
	require.Greater(t, len(seeds), 1)
	assert.NotEqual(t, seeds[0], seeds[1], "each with a seed of its own")
}
