package main

import (
	"bytes"
	"context"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func none(string) (string, bool) { return "", false }

func TestWrongUseIsSaidAndEndsWith2(t *testing.T) {
	for args, text := range map[string]string{
		"-batch 0":      "funnel: -batch is 0: allowed are 1 and more",
		"-listen :80":   "needs a -token",
		"serve":         `funnel: ["serve"]`,
		"load -users 0": "funnel load: -users is 0",
		"load -nothing": "-nothing",
		"health -url x": `-url is "x"`,
	} {
		var out, errs bytes.Buffer
		assert.Equal(t, exitUsage, command(t.Context(), strings.Fields(args), none, &out, &errs), args)
		assert.Contains(t, errs.String(), text, args)
		assert.Empty(t, out.String())
	}
}

func TestHelpAndTablesGoToTheOutput(t *testing.T) {
	for args, text := range map[string]string{
		"-help": "-kafka-group", "-settings": "| `-kafka-group` | `FUNNEL_KAFKA_GROUP` |", "load -help": "-query-every", "health -help": "-timeout", "load -settings": "| `-users` | `FUNNEL_LOAD_USERS` |",
	} {
		var out, errs bytes.Buffer
		assert.Equal(t, exitOK, command(t.Context(), strings.Fields(args), none, &out, &errs), args)
		assert.Contains(t, out.String(), text, args)
		assert.Empty(t, errs.String())
	}
}

func TestATakenPortEndsWith1(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var out, errs bytes.Buffer
	assert.Equal(t, exitFailed, command(t.Context(), []string{"-listen", taken.Addr().String(), "-data", t.TempDir()}, none, &out, &errs))
	assert.Contains(t, errs.String(), "another program listens there already")
}

// output is what a command writes while another goroutine reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// The two commands together, as somebody tries them first.
func TestADemoAndALoad(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out, errs output
	code := make(chan int, 1)
	go func() {
		code <- command(ctx, []string{"-demo", "-listen", "127.0.0.1:0", "-flush-interval", "100ms"}, none, &out, &errs)
	}()
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	for end := time.Now().Add(20 * time.Second); !address.MatchString(out.String()); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), errs.String())
	}
	var health bytes.Buffer
	listen := func(name string) (string, bool) {
		return strings.TrimPrefix(address.FindString(out.String()), "http://"), name == "FUNNEL_LISTEN"
	}
	assert.Equal(t, exitOK, command(t.Context(), []string{"health"}, listen, &health, &health))
	assert.Contains(t, health.String(), `"ready":true`)
	var loaded, loadErrs bytes.Buffer
	env := func(name string) (string, bool) {
		return address.FindString(out.String()), name == "FUNNEL_LOAD_URL"
	}
	assert.Equal(t, exitOK, command(t.Context(), strings.Fields("load -users 3 -sensors 9 -duration 300ms"), env, &loaded, &loadErrs), loaded.String()+loadErrs.String())
	assert.Contains(t, loaded.String(), "are exactly those of the")
	stop()
	assert.Equal(t, exitOK, <-code, errs.String())
	assert.Contains(t, errs.String(), "all that was accepted is stored")

	assert.Equal(t, exitFailed, command(t.Context(), []string{"health"}, listen, &health, &health))
	assert.Equal(t, exitFailed, command(t.Context(), strings.Fields("load -users 1 -duration 50ms -settle 1s -ready 200ms"), env, &loaded, &loadErrs), "nobody is there any more")
}
