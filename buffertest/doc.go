// Package buffertest helps to test what stands around a buffer: your Flusher, and
// the code that inserts, when the destination is slow, fails, or comes back.
//
// # What arrives
//
// A [Recorder] is a Flusher that keeps a copy of every batch. Its zero value takes
// everything; made by [Record] it stands before a Flusher of yours and records
// what that answers.
//
//	sink := new(buffertest.Recorder[Event])
//	events, err := buffer.New(buffer.Config[Event]{Name: "events", Flusher: sink})
//	...
//	err = sink.Wait(ctx, 3) // until three items are delivered
//	got := sink.Delivered()
//
// Wait is for tests in real time. Where nothing else inserts, SyncFlush is
// simpler: when it returns, everything has its outcome.
//
// # What goes wrong
//
// [Faulty] stands before a Flusher and fails as told: attempt by attempt with
// [Script], at random but repeatably with [Random], or all the time between
// [Faulty.Down] and [Faulty.Up]. A [Fault] is made by [Fail], [FailItems], [Lose],
// [Panic], [Goexit], [Delay] and [Stuck], and they compose:
//
//	sink := new(buffertest.Recorder[Event])
//	faulty := buffertest.NewFaulty(sink, buffertest.Script(
//		buffertest.Fail(errBusy),                          // the first attempt
//		buffertest.Pass(),                                 // nothing goes wrong in the second
//		buffertest.FailItems(errInvalid, 2).Permanently(), // the third refuses Items[2]
//		buffertest.Stuck(time.Minute).Then(buffertest.Fail(errBusy)), // the fourth ignores its context, too
//	))
//
// What passes the Faulty is what the sink has seen, so a Recorder behind it tells
// what arrived, and one before it ([Record] of the Faulty) what the buffer was
// told.
//
// # Whether anything is lost
//
// [Check] holds a snapshot of a buffer or an aggregate against the conservation
// law, and [CheckSettled] says besides that everything has its outcome. Call Check
// as often as you like, also while others insert: the law holds at every moment.
//
// # In virtual time
//
// Everything here works in a bubble of [testing/synctest], where an outage of an
// hour takes no time: nothing starts a goroutine, and no channel is shared by
// bubbles as long as a Recorder or Faulty is made in the bubble that uses it.
// There synctest.Wait is the simplest way to wait: when it returns, everything
// that is due has happened. Shut the buffer down before the bubble ends.
package buffertest
