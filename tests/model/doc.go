// Package model is the frame of the model tests: it draws a scene with rapid,
// plays it in a bubble of virtual time, and where that goes wrong has rapid look
// for the smallest scene that still does. The models stand in the packages below
// it, one for each package of the library.
//
// # A scene
//
// All of a scene is drawn before anything runs: the settings, what each user does
// and when, what a destination answers, when it is out of order, when the end
// comes. A scene is plain data, so that it can be printed, and played again.
//
// # A failure
//
// The same scene is the same again, but its goroutines do not take the same turns,
// and the library's jitter is drawn anew. So the first cases of a run, which are
// those that -rapid.failfile and -rapid.seed name, are played many times, and so
// is every case once one has failed. A failure is known by its format string: what
// the numbers in it are does not matter to the search for a smaller scene.
//
// # How long
//
// Each model has its own number of cases, smaller with the race detector and with
// -short. -rapid.checks (or RAPID_CHECKS) sets another, and -model.time has each
// model draw new cases until that time is over.
package model
