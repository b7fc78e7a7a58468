// Command eventlog groups the lines of log files: it reads every *.log file of
// a folder, and writes each line as JSON into the file of its group.
//
//	go run ./examples/eventlog
//	go run ./examples/eventlog -in /var/log/events -out /tmp/events -worker-number 4
//
// It shows a buffer at work on real input: files of any size, any number of
// groups, bad lines, a full disk and an impatient user; with an order to keep
// and little memory to do it in.
//
// # The way of a line
//
// Data flows one way, and each stage has a file of its own:
//
//	read.go    the files, several at once
//	block.go   cut into blocks between lines
//	work.go    -worker-number workers take the blocks (fan-out):
//	parse.go   each line is checked,
//	encode.go  becomes JSON,
//	chunk.go   and joins its neighbours of the same group in a chunk
//	group.go   the buffer, keyed by the group, takes the chunks (fan-in)
//	flush.go   and gives them back in batches,
//	files.go   which are appended to the files of their groups;
//	output.go  when all is written, the files get their final names
//
// Going back, there is backpressure. A disk that is slow fills the buffer, then
// its inserts wait, then the workers do, then the readers, as there is a fixed
// number of blocks. So memory does not depend on the size of the input, nor on
// the number of workers.
//
// # Order
//
// The lines of a file stay in order within their group, with any number of
// workers: blocks are parsed in any order, but each waits for its turn before it
// is inserted, and the buffer keeps the order in which a key's items came.
// Between files there is no order.
//
// # Input
//
// A line has seven fields:
//
//	id|log|event|user|value|groupId|unixSeconds
//	1|log3|appsetup|tom|20417|4|1587583122
//
// The numbers are whole, decimal and fit in 64 bits with a sign; leading zeros
// are fine, a '+' is not. Only value may be negative. unixSeconds is 0 to
// 253402300799, the years 1970 to 9999. The texts are UTF-8, may be empty, and
// have no '|'. Lines end in LF or CRLF, and the last one need not end at all.
//
// A line that is not like this is rejected, also an empty one, and nothing stops
// for it. The reasons, in the order in which they are looked for: over-long
// (-max-line), invalid UTF-8, wrong field count, not a number, number out of
// range, time out of range.
//
// A file that grows meanwhile is read to the end that it has by then, and a last
// line that is only written in part is taken as it stands.
//
// # Output
//
// A group's file is group-<groupId>.ndjson, with one JSON object a line; time is
// unixSeconds as it came:
//
//	{"id":1,"log":"log3","event":"appsetup","user":"tom","value":20417,"groupId":4,"time":1587583122}
//
// rejected.ndjson says of each rejected line where it stood, why it is there, and
// how it begins:
//
//	{"file":"app.log","line":18,"reason":"wrong field count","text":"18|log1|login"}
//
// So there are as many lines in as out:
//
//	awk 'END { print NR }' examples/eventlog/testdata/input/*.log
//	awk 'END { print NR }' examples/eventlog/out/*.ndjson
//
// While a run writes, its files end in .partial. They get their names when all
// are whole, which their sizes must show, and then replace all group files of the
// run before. A run that was cut short leaves that output alone, and leaves its
// own .partial files, which hold whole lines and which the next run removes. Only
// while the files get their names is the output of two runs: what is cut short
// then is to be run again.
//
// Two runs at once need two output folders: the second to come to a folder refuses
// to start or, where a folder cannot be locked, one of them fails. Nothing is
// forced to the disk: a process that dies does no harm, but after a power failure
// run it again.
//
// # Ending
//
// The exit code is 0 when the output is whole, 1 when something failed (a file
// that cannot be read, a full disk), 2 for wrong flags, and 130 after Ctrl-C or
// SIGTERM: then reading stops, and what was read is flushed. A second Ctrl-C
// ends it at once.
//
// # Trying it
//
// -generate writes an input file of random lines, which -seed makes repeatable;
// each seed has its own file. The profiles show where the time goes:
//
//	go run ./examples/eventlog -in /tmp/in -generate 500000 -seed 1
//	go run ./examples/eventlog -in /tmp/in -generate 500000 -seed 2
//	go run ./examples/eventlog -in /tmp/in -worker-number 4 -cpu-profile /tmp/cpu
//	go tool pprof -top /tmp/cpu
//	go test -bench . ./examples/eventlog -worker-number=4
package main
