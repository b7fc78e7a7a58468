package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// profiled calls do, and writes the profiles that the settings name a file for.
// They are written also when do fails; one that cannot be started is an error
// before do is called.
func profiled(set settings, do func() error) (err error) {
	profiles := []struct {
		flag, path  string
		start, stop func(*os.File) error
	}{
		{"-cpu-profile", set.cpuProfile, startCPUProfile, stopCPUProfile},
		{"-trace", set.trace, startTrace, stopTrace},
		{"-mem-profile", set.memProfile, nil, writeMemProfile},
	}
	for _, profile := range profiles {
		if profile.path == "" {
			continue
		}
		file, createErr := os.Create(profile.path)
		if createErr != nil {
			return fmt.Errorf("creating the file for %s: %w", profile.flag, createErr)
		}
		defer func() {
			if stopErr := errors.Join(profile.stop(file), file.Close()); stopErr != nil {
				err = errors.Join(err, fmt.Errorf("writing %s: %w", profile.flag, stopErr))
			}
		}()
		if profile.start == nil {
			continue
		}
		if startErr := profile.start(file); startErr != nil {
			return fmt.Errorf("starting %s: %w", profile.flag, startErr)
		}
	}
	return do()
}

func startCPUProfile(file *os.File) error { return pprof.StartCPUProfile(file) }

func stopCPUProfile(*os.File) error {
	pprof.StopCPUProfile()
	return nil
}

func startTrace(file *os.File) error { return trace.Start(file) }

func stopTrace(*os.File) error {
	trace.Stop()
	return nil
}

// writeMemProfile writes what was allocated over the whole run, and what of it
// is still in use.
func writeMemProfile(file *os.File) error {
	runtime.GC() // the profile shows what the last collection has left
	return pprof.Lookup("allocs").WriteTo(file, 0)
}
