package measure

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Machine describes what this runs on, in general terms.
func Machine() string {
	return fmt.Sprintf("%s, %d of its processors used, %s/%s, %s",
		cpuModel(), runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// cpuModel is what Linux tells of the processor.
func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "an unknown processor"
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown processor"
}

// Probe finds out how much of the machine there is: it keeps every processor
// busy for a few milliseconds, and returns the share of them that it had. It is
// 1 where nobody else is at work.
func Probe() float64 {
	n := runtime.GOMAXPROCS(0)
	cpu, start := cpuTime(), time.Now()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for time.Since(start) < 5*time.Millisecond {
			}
		})
	}
	wg.Wait()
	return float64(cpuTime()-cpu) / float64(time.Since(start)) / float64(n)
}
