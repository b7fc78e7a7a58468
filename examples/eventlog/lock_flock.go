//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a folder for this process, until the file is closed or the process
// ends, however it does. It returns errInUse when another one has it, and does
// not wait. A file system that cannot lock a folder is no reason not to run.
func lock(folder *os.File) error {
	if errors.Is(syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
		return errInUse
	}
	return nil
}
