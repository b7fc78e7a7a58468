// Command mutants shows that the tests fail where the library is broken. It
// breaks the library on purpose, in the ways that list/*.txt tells, one at a
// time and in a copy, and expects a test to fail each time. One that no test
// notices survives, and is what is wrong: a test is missing.
//
//	go run ./mutants              all of them, from the folder tools
//	go run ./mutants -only Shut   those whose name or file matches
//	go run ./mutants -check       only that each can still be applied
//
// The entries of the list look like this:
//
//	mutant  the name
//	file    partition/filling.go
//	hurts   what users would notice
//	tests   ./buffer -run ^TestPromiseShutdown$
//	<<<
//	the text that stands exactly once in the file
//	===
//	what stands there instead
//	>>>
//
// Tests is what go test is given, and may be repeated: the lines are run in turn
// until one fails. Without it, it is the tests of the file's package, and those
// of buffer where the file is in partition. With a package and a -run, only the
// test files that are needed for it are compiled, which is most of the time. The
// tests called Model and Contention are left out, unless a -skip of its own says
// otherwise: what they find is up to their luck. Several texts may be replaced at
// once, each in its own block. An entry with a line
//
//	equivalent  why nobody can tell the difference
//
// is not run: it keeps the argument why it need not be killed.
//
// A test that hangs has noticed too. A mutant that does not compile, or whose text
// is not there any more, or more than once, is an error of the list. Lines that
// begin with # are comments, outside of the blocks.
package main
