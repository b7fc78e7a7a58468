package telemetry

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClassNamesAreTheValuesOfErrorType(t *testing.T) {
	names := map[Class]string{
		ClassNone: "", ClassTimeout: "timeout", ClassPanic: "panic", ClassGoexit: "goexit",
		ClassPermanent: "permanent", ClassExhausted: "exhausted", ClassOverflow: "overflow",
		ClassShutdown: "shutdown", ClassOther: "_OTHER", 200: "_OTHER",
	}
	for class, name := range names {
		assert.Equal(t, name, class.String())
	}
	assert.Len(t, names, Classes+1, "a class without a test")
	assert.Equal(t, Class(0), ClassNone, "the zero value is no failure")
}

func TestOutcomeNames(t *testing.T) {
	names := map[Outcome]string{
		Delivered: "delivered", DeadLettered: "dead_lettered", Dropped: "dropped",
		Returned: "returned", 200: "_OTHER",
	}
	for outcome, name := range names {
		assert.Equal(t, name, outcome.String())
	}
	assert.Len(t, names, Outcomes+1, "an outcome without a test")
}

func TestReasonNames(t *testing.T) {
	names := map[Reason]string{
		ReasonClosed: "closed", ReasonFull: "full", ReasonTooLarge: "too_large",
		ReasonCanceled: "canceled", ReasonInvalid: "_OTHER", 200: "_OTHER",
	}
	for reason, name := range names {
		assert.Equal(t, name, reason.String())
	}
	assert.Len(t, names, Reasons+1, "a reason without a test")
}

func TestSpanModeNames(t *testing.T) {
	assert.Equal(t, "always", SpanMode(0).String(), "the zero value")
	assert.Equal(t, "always", SpanAlways.String())
	assert.Equal(t, "child", SpanChild.String())
	assert.Equal(t, "never", SpanNever.String())
	assert.Equal(t, "SpanMode(7)", SpanMode(7).String())
}
