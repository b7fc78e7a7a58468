package kafka

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOtherProgramsWriteAndReadTheTopic does so with kcat, where it is installed.
func TestOtherProgramsWriteAndReadTheTopic(t *testing.T) {
	t.Parallel()
	kcat, err := exec.LookPath("kcat")
	if err != nil {
		t.Skip("kcat is not installed")
	}
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 1})
	var m memory
	f := start(t, &m, cfg)

	write := exec.Command(kcat, "-b", addresses[0], "-t", cfg.Topic, "-P")
	write.Stdin = strings.NewReader("{\"sensor\":\"a\",\"value\":1}\n{\"sensor\":\"a\",\"value\":2}\nnonsense\n")
	output, err := write.CombinedOutput()
	require.NoError(t, err, "%s", output)
	eventually(t, func() bool { return m.len() == 2 && f.Stats().DeadLettered == 1 }, "what kcat wrote is stored")
	assert.Equal(t, map[float64]int{1: 1, 2: 1}, m.values())

	require.NoError(t, f.Accept(t.Context(), numbered(3, 1), false))
	read := func(topic, format string) string {
		output, err := exec.Command(kcat, "-b", addresses[0], "-t", topic, "-C", "-e", "-q", "-f", format).CombinedOutput()
		require.NoError(t, err, "%s", output)
		return string(output)
	}
	assert.Contains(t, read(cfg.Topic, "%o %s\n"), "3 {\"sensor\":\"s-3\",\"value\":3,\"time\":\"2026-01-02T03:04:05.003000Z\"}\n")
	assert.Contains(t, read(cfg.DeadLetterTopic, "%s: %h\n"), "nonsense: funnel.reason=undecodable,funnel.error=line 1, column 1")
}
